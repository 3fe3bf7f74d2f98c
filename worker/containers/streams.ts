import { invalidArgument } from '../../lib/errors.js';
import { AttachMessage, Exited, LogOptions, LogStream, Opened, type TerminalSize } from '../../proto/gen/index.js';
import type { ProcessStreams } from '../executor/interactive.js';
import type { ContainerExecutor } from './runner-context.js';

/** What a caller sends to a process, after its opening. */
export interface Input {
  readonly stdin?: Uint8Array | undefined;
  readonly stdinClosed?: boolean | undefined;
  readonly size?: TerminalSize | undefined;
  readonly signal?: string | undefined;
  readonly detached?: boolean | undefined;
}

/** The first message of a caller's stream. @throws INVALID_ARGUMENT when it opens nothing */
export async function opening<O>(messages: AsyncIterator<{ readonly open?: O | undefined }>): Promise<O> {
  const first = await messages.next();
  const open = first.done ? undefined : first.value.open;
  if (open === undefined) throw invalidArgument('the first message must say what is opened');
  return open;
}

/**
 * Connects a caller with a process: what it sends goes in as fast as the process takes it, what the process writes
 * comes out as fast as the caller takes it. When the caller goes, or ends its messages, the process is let go of, and
 * runs on; what was sent before goes in.
 * @throws what is wrong with what the caller sends
 */
export async function* converse(
  streams: ProcessStreams,
  input: AsyncIterator<Input>,
  signal: AbortSignal,
  before: AsyncIterable<AttachMessage> = none(),
): AsyncGenerator<AttachMessage> {
  const letGo = () => streams.close();
  signal.addEventListener('abort', letGo, { once: true });
  // Unless it is waited for below.
  streams.exit.catch(() => undefined);
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  feed(streams, input)
    .then(
      () => {
        ended = true;
      },
      (error: unknown) => {
        failure = { error };
      },
    )
    .finally(letGo);
  try {
    yield AttachMessage.create({ opened: Opened.create({ tty: streams.tty }) });
    yield* before;
    for await (const { stream, data } of streams.output) {
      yield AttachMessage.create(stream === 'stdout' ? { stdout: data } : { stderr: data });
    }
    if (signal.aborted || ended) return;
    if (failure) throw failure.error;
    yield AttachMessage.create({ exited: Exited.create(await streams.exit) });
  } finally {
    signal.removeEventListener('abort', letGo);
    streams.close();
  }
}

/** What a process that has ended does not take any more is let go. */
async function feed(streams: ProcessStreams, input: AsyncIterator<Input>): Promise<void> {
  for (let next = await input.next(); !next.done; next = await input.next()) {
    const { stdin, stdinClosed, size, signal } = next.value;
    if (stdin !== undefined) await streams.write(stdin);
    if (stdinClosed) await streams.closeInput();
    if (size) await streams.resize(size.rows, size.columns);
    if (signal) await streams.signal(signal);
  }
}

/** What a container has written so far. */
export async function* pastOutput(
  executor: ContainerExecutor,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<AttachMessage> {
  for await (const { stream, data } of executor.logs(id, LogOptions.create({ stdout: true, stderr: true }), signal)) {
    yield AttachMessage.create(stream === LogStream.STDERR ? { stderr: data } : { stdout: data });
  }
}

async function* none(): AsyncGenerator<never> {}
