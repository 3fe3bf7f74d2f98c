import { logAttributes } from '../../lib/log-drivers.js';
import { LogStream } from '../../proto/gen/logs.js';
import type { Containers, Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { logOptions, PartialLines, timestamp, untilBroken } from './logs.js';

/** What a container has written, each stream to ours of the same name. */
export async function showContainerLogs(context: Context, ref: string, flags: Flags): Promise<void> {
  const options = logOptions(flags, context.io.clock.now());
  const containers = await context.containers();
  const showTime = flags.on('timestamps');
  const rest = new PartialLines();
  const details = flags.on('details') ? `${await detailsOf(containers, ref)} ` : '';
  for await (const { lines } of untilBroken(containers.containerLogs({ ref, options })))
    for (const line of lines) {
      const head = rest.continues(ref, line) ? '' : `${showTime ? `${timestamp(line)} ` : ''}${details}`;
      const print = line.stream === LogStream.STDERR ? context.io.err : context.io.out;
      print(head === '' ? line.data : Buffer.concat([Buffer.from(head), line.data]));
    }
}

async function detailsOf(containers: Containers, ref: string): Promise<string> {
  const { config } = (await containers.inspectContainer({ ref })).container;
  return logAttributes(config.logDriver?.options ?? {}, config.container.labels, config.container.env);
}
