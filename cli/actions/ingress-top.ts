import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { naturalOrder } from '../format/human.js';
import { topRow, topView } from '../format/ingress-rows.js';
import { renderList } from '../format/list.js';
import { inPlace } from '../format/screen.js';
import { byTask, type Flow, type Total, totalOf } from '../ingress/flows.js';
import { choose, type Publication, publicationsOf } from '../ingress/publications.js';
import { type Reading, readIngress } from '../ingress/reading.js';
import { INTERVAL, type Published, publishedFlows, readPublished, serviceFinder, silentLines } from './ingress.js';
import { warn } from './refs.js';

const SORTS = ['rate', 'active', 'total', 'in', 'out', 'name'] as const;
type Sort = (typeof SORTS)[number];

const numbers: Readonly<Record<Exclude<Sort, 'name'>, (total: Total) => number>> = {
  rate: ({ connections }) => connections,
  active: ({ active }) => active,
  total: ({ total }) => total,
  in: ({ bytesIn }) => bytesIn,
  out: ({ bytesOut }) => bytesOut,
};

interface Entry {
  readonly publication: Publication;
  readonly flows: readonly Flow[];
  readonly total: Total;
}

/**
 * `tsswarm ingress top`: each task of each published port over all nodes, the busiest first, until Ctrl-C each second,
 * or as soon as nodes have answered that take longer; in place on a terminal, with `--no-stream` once.
 */
export async function showIngressTop(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const { io } = context;
  const sort = flags.choice('sort', SORTS) ?? 'rate';
  const once = flags.on('no-stream');
  const stop = once ? undefined : io.interrupted();
  let published = await readPublished(context);
  // What is misspelt is told before anything is shown.
  await chosenOf(context, published, refs);
  let before = await readIngress(context, published.nodes);
  for (;;) {
    await io.clock.sleep(INTERVAL, stop).catch(() => undefined);
    if (stop?.aborted) return;
    published = await readPublished(context);
    const now = await readIngress(context, published.nodes);
    const entries = sorted(entriesOf(await chosenOf(context, published, refs), published, before, now), sort);
    const rows = entries.map(({ publication, flows }) => topRow(publication, flows));
    const table = renderList(topView, rows, { format: flags.text('format'), quiet: false });
    if (io.columns === undefined || once) {
      io.out(table);
      warn(context, silentLines(now.silent));
    } else
      io.out(
        inPlace(
          table +
            silentLines(now.silent)
              .map((line) => `${line}\n`)
              .join(''),
        ),
      );
    if (once) return;
    before = now;
  }
}

/** Of all services when none is named; of those named, what is there now. @throws NOT_FOUND */
async function chosenOf(
  context: Context,
  { services }: Published,
  refs: readonly string[],
): Promise<readonly Publication[]> {
  const all = publicationsOf(services);
  if (refs.length === 0) return all;
  const find = serviceFinder(context);
  return [...new Set((await Promise.all(refs.map((ref) => choose(all, ref, find)))).flat())];
}

function entriesOf(publications: readonly Publication[], published: Published, before: Reading, now: Reading): Entry[] {
  return publications.flatMap((publication) =>
    [...byTask(publishedFlows(publication, published, before, now)).values()].map((flows) => ({
      publication,
      flows,
      total: totalOf(flows),
    })),
  );
}

/** The busiest first; equals by name. */
function sorted(entries: readonly Entry[], sort: Sort): Entry[] {
  const name = ({ flows }: Entry) => flows[0]?.taskName ?? '';
  const number = sort === 'name' ? () => 0 : numbers[sort];
  return [...entries].sort(
    (a, b) =>
      number(b.total) - number(a.total) ||
      naturalOrder(name(a), name(b)) ||
      a.publication.port.publishedPort - b.publication.port.publishedPort,
  );
}
