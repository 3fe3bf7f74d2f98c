import { LogStream } from '../../proto/gen/logs.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { logOptions, PartialLines, timestamp, untilBroken } from './logs.js';

/** What a container has written, each stream to ours of the same name. */
export async function showContainerLogs(context: Context, ref: string, flags: Flags): Promise<void> {
  const options = logOptions(flags, context.io.clock.now());
  const containers = await context.containers();
  const showTime = flags.on('timestamps');
  const rest = new PartialLines();
  for await (const { lines } of untilBroken(containers.containerLogs({ ref, options })))
    for (const line of lines) {
      const head = !rest.continues(ref, line) && showTime ? `${timestamp(line)} ` : '';
      const print = line.stream === LogStream.STDERR ? context.io.err : context.io.out;
      print(head === '' ? line.data : Buffer.concat([Buffer.from(head), line.data]));
    }
}
