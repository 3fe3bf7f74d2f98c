import { createLogger } from '../../lib/log.js';
import { LocalLog } from './local-log.js';

/** For crash.test.ts: writes numbers to a log until it is killed, and prints each after its acknowledgement. */
const [folder = '', first = '1'] = process.argv.slice(2);
const log = new LocalLog({ folder, log: createLogger('warn', 'crash'), snapshotInterval: 40 });
const numbers: string[] = [];
await log.start({
  apply: (_index, payload) => void numbers.push(Buffer.from(payload).toString()),
  snapshot: () => ({ index: numbers.length, chunks: [Buffer.from(numbers.join('\n'))] }),
  async restore(_index, chunks) {
    for await (const chunk of chunks) numbers.push(...Buffer.from(chunk).toString().split('\n'));
  },
});

let next = Number(first);
async function write(): Promise<never> {
  for (;;) {
    const number = String(next++);
    await log.propose(Buffer.from(number));
    process.stdout.write(`${number}\n`);
  }
}
await Promise.all([write(), write(), write()]);
