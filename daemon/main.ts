import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { CommanderError } from 'commander';
import { systemClock } from '../lib/clock.js';
import { diskError } from '../lib/disk-errors.js';
import { SwarmError, textOf } from '../lib/errors.js';
import { createLogger, type Logger } from '../lib/log.js';
import { packageVersion } from '../lib/package.js';
import { chooseBalancer } from '../netlb/balancer/choose.js';
import { prewarmThreadPool } from '../netlb/kernel/namespace.js';
import { probeFeatures } from '../netlb/probe.js';
import {
  ContainersService,
  ControlService,
  InspectionsService,
  NetworkTracingService,
  NodeAgentService,
  TaskAccessService,
  VolumesService,
} from '../proto/gen/index.js';
import { RpcServer } from '../proto/rpc/server.js';
import { listContainers } from '../worker/containers/descriptions.js';
import { containersHandlers } from '../worker/containers/handlers.js';
import { describeNode } from '../worker/description.js';
import { Engine } from '../worker/engine.js';
import { LocalEvents } from '../worker/events/local-events.js';
import { TellingImages } from '../worker/events/telling-images.js';
import { OciImageStore } from '../worker/executor/oci/index.js';
import { Inspector } from '../worker/inspections/inspector.js';
import { resolvConfOf } from '../worker/inspections/resolv-conf.js';
import { volumesHandlers } from '../worker/volumes/handlers.js';
import type { HostPort } from './addresses.js';
import { controlGate, inspectionsGate, taskAccessGate } from './control-gate.js';
import { writeFileAtomic } from './files.js';
import { FILE_MODE_MASK, listenLocally } from './local-socket.js';
import { lockFolder } from './lock.js';
import { lockNetwork } from './network-lock.js';
import { SwarmNode } from './node.js';
import { nodeAgentHandlers } from './node-agent.js';
import { type DaemonOptions, parseOptions } from './options.js';
import { probeTools, requireFeatures, requirePrivileges, searchPath } from './preflight.js';
import { Running } from './running.js';

const STOP_DEADLINE = 10_000;
const EXIT_ERROR = 1;
const EXIT_USAGE = 2;

/** Runs until SIGTERM or SIGINT. Containers and the network stay as they are: the next daemon takes them back. */
async function serve(options: DaemonOptions, version: string, log: Logger): Promise<void> {
  requirePrivileges(process.platform, process.getuid?.());
  process.umask(FILE_MODE_MASK);
  // Before anything enters a namespace: threads of the pool stay where they were started.
  await prewarmThreadPool();
  process.env.PATH = searchPath(process.env.PATH ?? '').join(':');
  await mkdir(options.dataRoot, { recursive: true, mode: 0o711 });
  await mkdir(options.runRoot, { recursive: true, mode: 0o711 });
  const locks = [...new Set([options.dataRoot, options.runRoot])].map(lockFolder);
  locks.push(await lockNetwork());

  const probe = async () => [...probeTools(searchPath(process.env.PATH ?? '')), ...(await probeFeatures())];
  const features = await probe();
  requireFeatures(features);
  const images = await OciImageStore.open({ root: options.imageRoot, log: log.child({ part: 'images' }) });
  const events = new LocalEvents(systemClock);
  const fatal = (error: unknown) => {
    const words = textOf(diskError(error, options.dataRoot) ?? error);
    log.error({ err: error }, `fatal: ${words}`);
    process.exit(EXIT_ERROR);
  };
  process.on('uncaughtException', fatal);
  const balancer = chooseBalancer(options.balancer).kind;
  const description = describeNode({ ...options, version, runtime: '', balancer, features });
  const engine = new Running(
    new Engine({ ...options, balancer, images, events, log: log.child({ part: 'engine' }), clock: systemClock }),
    fatal,
  );
  const inspector = new Inspector(async () => {
    const { KernelReader } = await import('../netlb/trace/reader.js');
    return new KernelReader({ ...options, resolvConf: (namespace) => resolvConfOf(options.dataRoot, namespace) });
  });
  const node = await SwarmNode.open({
    daemon: options,
    version,
    description,
    images,
    engine: engine.part,
    inspector,
    log,
    clock: systemClock,
    onBroken: fatal,
  });
  const server = new RpcServer(log);
  server.add(NodeAgentService, nodeAgentHandlers({ node, images: new TellingImages(images, events), probe }));
  server.add(ControlService, controlGate(node));
  server.add(
    ContainersService,
    containersHandlers(async () => (await engine.part.ready()).containers),
  );
  server.add(
    VolumesService,
    volumesHandlers(async () => (await engine.part.ready()).volumes),
  );
  server.add(InspectionsService, inspectionsGate(node));
  server.add(TaskAccessService, taskAccessGate(node));
  const running = async () => listContainers((await engine.part.ready()).containers, false, []);
  server.add(NetworkTracingService, {
    async traceNetwork(request, context) {
      const { tracingHandlers } = await import('../worker/inspections/tracing.js');
      return tracingHandlers({ source: node, inspector, containers: running }).traceNetwork(request, context);
    },
  });
  const metrics = options.metricsAddr && (await showMetrics(options.metricsAddr, version, engine.part, node, log));
  const socket = path.join(options.runRoot, 'tsswarm.sock');
  const pidFile = path.join(options.runRoot, 'tsswarmd.pid');
  await listenLocally(server, socket);
  await writeFileAtomic(pidFile, `${process.pid}\n`, 0o644);
  log.info({ version, socket, dataRoot: options.dataRoot }, 'tsswarmd is ready');

  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => resolve(name));
  });
  log.info({ signal }, 'stopping; containers and network go on');
  const late = new Error(`it did not stop in ${STOP_DEADLINE / 1000} s`);
  setTimeout(() => fatal(late), STOP_DEADLINE).unref();
  server.close();
  metrics?.close();
  await node.stop();
  await engine.stop();
  await inspector.close();
  await images.close();
  await rm(socket, { force: true });
  await rm(pidFile, { force: true });
  for (const unlock of locks) unlock();
}

/** Its code is loaded where it is asked for. */
async function showMetrics(address: HostPort, version: string, engine: Engine, node: SwarmNode, log: Logger) {
  const { MetricsServer } = await import('./metrics/server.js');
  const source = {
    version,
    engine: () => engine.figures(),
    worker: async () => node.roles.worker?.figures(),
    manager: () => node.roles.manager?.figures(),
  };
  return MetricsServer.listen(address, source, log.child({ part: 'metrics' }));
}

async function main(): Promise<number> {
  const version = packageVersion();
  let options: DaemonOptions;
  try {
    options = parseOptions(process.argv.slice(2), version);
  } catch (error) {
    // Commander has said what is wrong, or has shown what was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    throw error;
  }
  const log = createLogger(options.logLevel, options.hostname);
  try {
    await serve(options, version, log);
    return 0;
  } catch (thrown) {
    const error = diskError(thrown, options.dataRoot) ?? thrown;
    const expected = error instanceof SwarmError && error.code !== 'INTERNAL';
    log.error(expected ? {} : { err: error }, textOf(error));
    return EXIT_ERROR;
  }
}

process.exit(await main());
