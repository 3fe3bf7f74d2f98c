import type { ProcessStreams } from '../../worker/executor/interactive.js';

/** Reads a process's output as it comes. */
export function listen(streams: ProcessStreams) {
  let out = '';
  let err = '';
  const ended = (async () => {
    for await (const { stream, data } of streams.output) {
      if (stream === 'stdout') out += Buffer.from(data).toString();
      else err += Buffer.from(data).toString();
    }
  })();
  return {
    get out() {
      return out;
    },
    get err() {
      return err;
    },
    ended,
  };
}

/** All that a process says, with its exit. */
export async function whole(streams: ProcessStreams): Promise<{ out: string; err: string; code: number }> {
  const heard = listen(streams);
  const [{ code }] = await Promise.all([streams.exit, heard.ended]);
  return { out: heard.out, err: heard.err, code };
}
