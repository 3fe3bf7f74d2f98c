import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Serial } from '../../lib/async.js';
import { systemClock } from '../../lib/clock.js';
import { failedPrecondition, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { ManagerFigures } from '../../manager/figures.js';
import type { EngineFigures } from '../../worker/engine.js';
import type { WorkerFigures } from '../../worker/worker.js';
import { formatHostPort, type HostPort, whyNotThere } from '../addresses.js';
import { measureEngine, measureManager, measureWorker } from './collect.js';
import { CONTENT_TYPE, Measurement } from './exposition.js';
import { ProcessMeter } from './process.js';

/** What is measured; asked anew for each scrape, since roles change. Undefined: the node has no such part now. */
export interface MetricsSource {
  readonly version: string;
  engine(): EngineFigures | undefined;
  worker(): Promise<WorkerFigures | undefined>;
  manager(): ManagerFigures | undefined;
}

/** Answers `GET /metrics` in the text format of Prometheus, to whoever reaches the address. */
export class MetricsServer {
  readonly #source: MetricsSource;
  readonly #log: Logger;
  readonly #process = new ProcessMeter(systemClock);
  /** The delay of the event loop is told since the scrape before. */
  readonly #scrapes = new Serial();
  readonly #server: Server;

  private constructor(source: MetricsSource, log: Logger) {
    this.#source = source;
    this.#log = log;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** @throws FAILED_PRECONDITION when it cannot listen there */
  static async listen(address: HostPort, source: MetricsSource, log: Logger): Promise<MetricsServer> {
    const metrics = new MetricsServer(source, log);
    try {
      metrics.#server.listen(address.port, address.host);
      await once(metrics.#server, 'listening');
      return metrics;
    } catch (error) {
      metrics.close();
      const value = formatHostPort(address);
      throw failedPrecondition(`cannot show metrics on ${value}: ${whyNotThere(error)}`, {
        value,
        hint: 'Choose another address by --metrics-addr.',
        cause: error,
      });
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#process.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (url?.split('?')[0] !== '/metrics') return void plain(response, 404, 'Metrics are at /metrics.\n');
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return void plain(response, 405, 'Metrics can only be read.\n');
    }
    try {
      const text = await this.#scrapes.run(() => this.#measure());
      response.writeHead(200, { 'Content-Type': CONTENT_TYPE }).end(text);
    } catch (error) {
      this.#log.error({ err: error }, `metrics: ${messageOf(error)}`);
      plain(response, 500, `${messageOf(error)}\n`);
    }
  }

  async #measure(): Promise<string> {
    const measured = new Measurement();
    measured.set('tsswarm_build_info', 1, { version: this.#source.version });
    this.#process.measure(measured);
    const engine = this.#source.engine();
    if (engine) measureEngine(measured, engine);
    const worker = await this.#source.worker();
    if (worker) measureWorker(measured, worker);
    const manager = this.#source.manager();
    if (manager) measureManager(measured, manager);
    return measured.text();
  }
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(text);
}
