import { yieldToLoop } from '../../lib/async.js';
import { failedPrecondition, invalidArgument } from '../../lib/errors.js';
import {
  AttachMessage,
  type AttachRequest,
  ContainerStats,
  type ContainersService,
  CopyFromMessage,
  type CopyToRequest,
  type ExecRequest,
  Exited,
  Opened,
  PathStat,
  StatsMessage,
  TopProcess,
  TopResponse,
} from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import type { ProcessStreams } from '../executor/interactive.js';
import { type AnyContainer, type Containers, isRunning } from './containers.js';
import { converse, type Input, opening, pastOutput } from './streams.js';

type InteractiveHandlers = Pick<
  Handlers<typeof ContainersService>,
  'top' | 'stats' | 'attach' | 'exec' | 'copyFrom' | 'copyTo'
>;

const STATS_PERIOD_MS = 1_000;

export function interactiveHandlers(ready: () => Promise<Containers>): InteractiveHandlers {
  return {
    async top({ ref, arguments: ps }) {
      const containers = await ready();
      const { titles, processes } = await containers.options.executor.top(containers.find(ref).id, ps);
      return TopResponse.create({ titles, processes: processes.map((fields) => TopProcess.create({ fields })) });
    },

    async *stats({ refs, follow }, { signal }: CallContext) {
      const containers = await ready();
      const { clock } = containers.options;
      // Who is asked for by name is to be there.
      const named = refs.map((ref) => containers.find(ref).id);
      do {
        const asked = (found: AnyContainer) => (named.length > 0 ? named.includes(found.id) : isRunning(found));
        const read = await readStats(containers, containers.all().filter(asked), { idle: named.length > 0 });
        yield StatsMessage.create({ containers: read });
        if (follow) await clock.sleep(STATS_PERIOD_MS, signal).catch(() => undefined);
      } while (follow && !signal.aborted);
    },

    async *attach(messages: AsyncIterable<AttachRequest>, { signal }: CallContext): AsyncGenerator<AttachMessage> {
      const containers = await ready();
      const input = messages[Symbol.asyncIterator]();
      const open = await opening(input);
      const found = containers.find(open.ref);
      const { executor } = containers.options;
      const streams = await executor.attach(found.id, open.stdin);
      try {
        if (open.size) await streams.resize(open.size.rows, open.size.columns);
      } catch (error) {
        // Nobody would read it, which holds the process up.
        streams.close();
        throw error;
      }
      const before = open.logs ? pastOutput(executor, found.id, signal) : undefined;
      yield* converse(streams, input, signal, before);
    },

    async *exec(messages: AsyncIterable<ExecRequest>, { signal }: CallContext): AsyncGenerator<AttachMessage> {
      const containers = await ready();
      const input = messages[Symbol.asyncIterator]();
      const open = await opening(input);
      const { ref, command, tty, stdin, env, user, dir, privileged, size, detach } = open;
      if (command.length === 0) throw invalidArgument('exec needs a command', { value: ref });
      const found = containers.find(ref);
      if (!isRunning(found)) {
        throw failedPrecondition(`container ${found.name} is not running`, { value: ref });
      }
      const rows = size?.rows ?? 0;
      const columns = size?.columns ?? 0;
      const settings = { command, tty, stdin: stdin && !detach, env, user, dir, privileged, rows, columns };
      const streams = await containers.options.executor.exec(found.id, settings);
      if (!detach) return yield* (tty ? inTerminal : converse)(streams, input, signal);
      streams.close();
      const refused = await Promise.race([streams.exit, yieldToLoop()]);
      if (refused?.error) yield AttachMessage.create({ exited: Exited.create(refused) });
      else yield AttachMessage.create({ opened: Opened.create({ tty }) });
    },

    async *copyFrom({ ref, path, followLink }) {
      const containers = await ready();
      const { executor } = containers.options;
      const { stat, archive } = await executor.copyFrom(containers.find(ref).id, path, followLink);
      yield CopyFromMessage.create({ stat: PathStat.create(stat) });
      for await (const data of archive) yield CopyFromMessage.create({ data });
    },

    async copyTo(messages: AsyncIterable<CopyToRequest>) {
      const containers = await ready();
      const input = messages[Symbol.asyncIterator]();
      const first = await input.next();
      if (first.done) throw invalidArgument('nothing was sent to be copied');
      const { ref, path, archive } = first.value;
      const found = containers.find(ref);
      const { executor } = containers.options;
      await executor.copyTo(found.id, path, dataOf(first.value, input), archive);
      return {};
    },
  };
}

/**
 * Nobody can come back to the terminal of an exec. When its caller is gone without having detached from it, its process
 * is told what the kernel tells of a terminal that is closed; one that has ended hears nothing.
 */
async function* inTerminal(
  streams: ProcessStreams,
  input: AsyncIterator<Input>,
  signal: AbortSignal,
): AsyncGenerator<AttachMessage> {
  let detached = false;
  const told: AsyncIterator<Input> = {
    async next() {
      const message = await input.next();
      detached ||= message.value?.detached === true;
      return message;
    },
  };
  try {
    yield* converse(streams, told, signal);
  } finally {
    if (!detached) await streams.signal('HUP');
  }
}

/** @param idle tells of those that do not run, too: they use nothing. What cannot be read of others is left out. */
async function readStats(
  containers: Containers,
  asked: readonly AnyContainer[],
  { idle }: { readonly idle: boolean },
): Promise<ContainerStats[]> {
  const { executor, log } = containers.options;
  const read = async (found: AnyContainer) => {
    const { id, name } = found;
    try {
      const usage = await executor.usage(id);
      return ContainerStats.create({ ...usage, id, name, readAtNs: Number(usage.readAtNs) });
    } catch (error) {
      log.debug({ container: id, err: error }, 'no counters');
      return idle && !isRunning(found) ? ContainerStats.create({ id, name }) : undefined;
    }
  };
  return (await Promise.all(asked.map(read))).filter((stats) => stats !== undefined);
}

async function* dataOf(first: CopyToRequest, input: AsyncIterator<CopyToRequest>): AsyncGenerator<Uint8Array> {
  if (first.data.length > 0) yield first.data;
  for (let next = await input.next(); !next.done; next = await input.next()) yield next.value.data;
}
