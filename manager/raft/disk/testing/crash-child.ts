import { systemClock } from '../../../../lib/clock.js';
import { createLogger } from '../../../../lib/log.js';
import { Entry, EntryType, type Index, SnapshotMetadata } from '../../core/types.js';
import { RaftDisk } from '../raft-disk.js';

/**
 * For crash.test.ts: votes in the next term, then appends groups of entries until it is killed, with
 * snapshots beside them. Prints each thing once it is acknowledged.
 */
const [folder = '', key = ''] = process.argv.slice(2);
const { disk, state } = await RaftDisk.open({
  folder,
  keys: [{ id: '0123456789abcdef', key: Buffer.from(key, 'hex') }],
  clock: systemClock,
  log: createLogger('warn', 'crash'),
  segmentBytes: 16 * 1024,
});

const term = state.hardState.term + 1;
let last: Index = (state.snapshot?.index ?? 0) + state.entries.length;
let covered: Index = state.snapshot?.index ?? 0;
const commit = Math.max(state.hardState.commit, last);
await disk.append({ entries: [], hardState: { term, vote: term % 3, commit } }, true);
process.stdout.write(`term ${term}\n`);

let snapshot: Promise<SnapshotMetadata> | undefined;
let ready: SnapshotMetadata | undefined;
for (let group = 1; ; group = (group % 7) + 1) {
  const entries = Array.from({ length: group }, () => {
    const index = ++last;
    return Entry.create({ index, term, type: EntryType.EntryNormal, data: Buffer.from(`entry ${index} of ${term}`) });
  });
  await disk.append({ entries, hardState: { term, vote: term % 3, commit: last } }, true);
  process.stdout.write(`entry ${last} ${term}\n`);
  if (ready) {
    await disk.adopt(ready, { replace: false });
    covered = ready.index;
    process.stdout.write(`snapshot ${covered} ${ready.term}\n`);
    ready = snapshot = undefined;
  }
  if (!snapshot && last - covered > 40) {
    const metadata = SnapshotMetadata.create({ index: last, term });
    const chunks = Array.from({ length: 10 }, (_, i) => Buffer.from(`chunk ${i} of ${metadata.index}`));
    snapshot = disk.writeSnapshot(metadata, chunks).then(() => (ready = metadata));
  }
}
