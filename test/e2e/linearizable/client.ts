import { systemClock } from '../../../lib/clock.js';
import type { Random } from '../../../manager/raft/core/testing/random.js';
import type { RegisterInput, RegisterOperation, RegisterOutput } from '../../linearizability/register.js';
import { contentOf, fateOf, RegisterClient, type Seen } from './registers.js';

export interface ClientOptions {
  readonly process: number;
  readonly sockets: readonly string[];
  /** Ids of the registers. */
  readonly keys: readonly string[];
  readonly random: Random;
  /** Where each operation goes that may have happened. */
  readonly history: RegisterOperation[];
}

/** Milliseconds until a client tries again whom a manager has not served: others need the processor too. */
const PAUSE = 20;
/** Milliseconds that a client waits for an answer: less than what a fault lasts, or an election, or more. */
const PATIENCE = [300, 1_000, 4_000];
const CAS = 0.6;

/** One of several clients at once: asks random managers for random registers, and writes down what it sees. */
export class Client {
  readonly #options: ClientOptions;
  readonly #registers: RegisterClient;
  #count = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#registers = new RegisterClient(options.sockets);
  }

  /** Reads and writes until aborted. @throws what no fault explains */
  async run(signal: AbortSignal): Promise<void> {
    const { random, sockets, keys } = this.#options;
    const manager = () => random.below(sockets.length);
    try {
      while (!signal.aborted) {
        const key = random.pick(keys) ?? '';
        let seen = await this.read(manager(), key);
        while (seen && random.chance(CAS)) seen = await this.#cas(manager(), key, seen);
        if (!seen) await systemClock.sleep(PAUSE);
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#registers.close();
  }

  /** Undefined when there was no answer. */
  read(manager: number, key: string): Promise<Seen | undefined> {
    return this.#call(key, { kind: 'read' }, (timeout) => this.#registers.read(manager, key, timeout), contentOf);
  }

  /** What the register is then, as far as this client knows. */
  #cas(manager: number, key: string, seen: Seen): Promise<Seen | undefined> {
    const to = `${this.#options.process}.${++this.#count}`;
    const input = { kind: 'cas', from: contentOf(seen), to } as const;
    return this.#call(
      key,
      input,
      (timeout) => this.#registers.cas(manager, seen, to, timeout),
      () => 'ok',
    );
  }

  async #call(
    key: string,
    input: RegisterInput,
    call: (timeout: number) => Promise<Seen>,
    output: (seen: Seen) => RegisterOutput,
  ): Promise<Seen | undefined> {
    const { process, history, random } = this.#options;
    const timeout = random.pick(PATIENCE) ?? 0;
    const invoked = performance.now();
    try {
      const seen = await call(timeout);
      history.push({ process, key, input, output: output(seen), invoked, returned: performance.now() });
      return seen;
    } catch (error) {
      const fate = fateOf(error);
      if (fate === 'refused') {
        history.push({ process, key, input, output: 'refused', invoked, returned: performance.now() });
      } else if (fate === 'unknown') {
        history.push({ process, key, input, output: undefined, invoked, returned: Number.POSITIVE_INFINITY });
      }
      return undefined;
    }
  }
}
