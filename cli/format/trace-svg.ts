import { type NetworkTrace, type TraceHop, TraceStatus } from '../../proto/gen/inspections.js';
import { brief, placeName } from './trace-groups.js';

/** Sizes in SVG units, which are pixels. */
const ROW = 18;
const NAMESPACE_WIDTH = 460;
const GAP = 24;
const PAD = 14;
const NODE_GAP = 90;
const HEAD = 26;
const TOP = 70;
const MAX_TEXT = 68;

const COLORS: Readonly<Record<TraceStatus, string>> = {
  [TraceStatus.OK]: '#1a7f37',
  [TraceStatus.DOUBTFUL]: '#9a6700',
  [TraceStatus.BROKEN]: '#cf222e',
};
const FORTH = '#0969da';
const BACK = '#6e7781';

interface Row {
  readonly number: number;
  readonly hop: TraceHop;
}

interface Box {
  readonly title: string;
  readonly rows: Row[];
  y: number;
  height: number;
}

interface Column {
  readonly node: string;
  readonly boxes: Map<string, Box>;
  x: number;
  height: number;
}

/** Nodes as boxes side by side, namespaces as boxes in them, and the way of the packet from hop to hop. */
export function traceSvg(trace: NetworkTrace): string {
  const columns = layOut(trace.hops);
  const width = Math.max(500, ...columns.map(({ x }) => x + NAMESPACE_WIDTH + 2 * PAD + GAP));
  const bottom = Math.max(TOP, ...columns.map(({ height }) => TOP + height));
  const { from, to, port, protocol, verdict, complete } = trace;
  const title = `${from} → ${to}${port === 0 ? '' : `:${port}`} (${protocol})`;
  const color = COLORS[complete ? TraceStatus.OK : TraceStatus.BROKEN];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${bottom + GAP}" viewBox="0 0 ${width} ${bottom + GAP}" font-family="ui-monospace, monospace" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<defs>${marker('there', FORTH)}${marker('back', BACK)}</defs>`,
    `<rect width="${width}" height="${bottom + GAP}" fill="#ffffff"/>`,
    text(GAP, 26, title, '#1f2328', 'font-size="16" font-weight="bold"'),
    text(GAP, 48, verdict, color),
    ...columns.map(drawColumn),
    ...drawWays(trace.hops, columns),
    '</svg>',
    '',
  ].join('\n');
}

function layOut(hops: readonly TraceHop[]): Column[] {
  const columns = new Map<string, Column>();
  for (const [i, hop] of hops.entries()) {
    const column = columns.get(hop.node) ?? { node: hop.node, boxes: new Map<string, Box>(), x: 0, height: 0 };
    columns.set(hop.node, column);
    const box = column.boxes.get(hop.namespace) ?? { title: placeName(hop), rows: [], y: 0, height: 0 };
    column.boxes.set(hop.namespace, box);
    box.rows.push({ number: i + 1, hop });
  }
  let x = GAP;
  for (const column of columns.values()) {
    column.x = x;
    x += NAMESPACE_WIDTH + 2 * PAD + NODE_GAP;
    let y = TOP + HEAD;
    for (const box of column.boxes.values()) {
      box.y = y;
      box.height = HEAD + box.rows.length * ROW + 6;
      y += box.height + GAP;
    }
    column.height = y - TOP;
  }
  return [...columns.values()];
}

function drawColumn({ node, boxes, x, height }: Column): string {
  const isInside = node !== '';
  return [
    isInside
      ? `<rect x="${x}" y="${TOP}" width="${NAMESPACE_WIDTH + 2 * PAD}" height="${height}" rx="8" fill="#f6f8fa" stroke="#57606a"/>${text(x + PAD, TOP + 18, node, '#1f2328', 'font-weight="bold"')}`
      : '',
    ...[...boxes.values()].map((box) => drawBox(box, x + PAD)),
  ].join('\n');
}

function drawBox({ title, rows, y, height }: Box, x: number): string {
  return [
    `<rect x="${x}" y="${y}" width="${NAMESPACE_WIDTH}" height="${height}" rx="5" fill="#ffffff" stroke="#8c959f"/>`,
    text(x + 8, y + 17, title, '#57606a', 'font-style="italic"'),
    ...rows.map(({ number, hop }, i) => drawRow(number, hop, x + 8, y + HEAD + i * ROW + 12)),
  ].join('\n');
}

function drawRow(number: number, hop: TraceHop, x: number, y: number): string {
  const sign = { [TraceStatus.OK]: '✓', [TraceStatus.DOUBTFUL]: '!', [TraceStatus.BROKEN]: '✗' }[hop.status];
  const line = `${hop.kind}: ${hop.title}`;
  const shown = line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT - 1)}…` : line;
  const all = [line, brief(hop), hop.reason, hop.hint].filter(Boolean).join('\n');
  const color = hop.status === TraceStatus.OK ? (hop.back ? BACK : '#1f2328') : COLORS[hop.status];
  const number_ = text(x, y, String(number).padStart(2, '\u00a0'), BACK);
  const mark = text(x + 20, y, sign, COLORS[hop.status]);
  return `<g><title>${escaped(all)}</title>${number_}${mark}${text(x + 34, y, shown, color, 'font-size="11"')}</g>`;
}

/** Lines from box to box, as the packet goes. */
function drawWays(hops: readonly TraceHop[], columns: readonly Column[]): string[] {
  return hops.flatMap((hop, i) => {
    const next = hops[i + 1];
    if (!next || (next.node === hop.node && next.namespace === hop.namespace)) return [];
    const from = placeOf(columns, hop, i + 1);
    const to = placeOf(columns, next, i + 2);
    if (!from || !to) return [];
    const isSameNode = hop.node === next.node;
    const goesRight = to.x > from.x;
    const startX = from.x + (goesRight || isSameNode ? NAMESPACE_WIDTH : 0);
    const endX = to.x + (goesRight ? 0 : NAMESPACE_WIDTH);
    const bend = isSameNode ? 26 : (goesRight ? 1 : -1) * (NODE_GAP / 2);
    const path = `M${startX} ${from.y}C${startX + bend} ${from.y} ${endX + (isSameNode ? bend : -bend)} ${to.y} ${endX} ${to.y}`;
    const style = next.back ? `stroke="${BACK}" stroke-dasharray="4 3"` : `stroke="${FORTH}"`;
    return [
      `<path d="${path}" fill="none" stroke-width="1.5" ${style} marker-end="url(#${next.back ? 'back' : 'there'})"/>`,
    ];
  });
}

function placeOf(columns: readonly Column[], { node, namespace }: TraceHop, number: number) {
  const column = columns.find((one) => one.node === node);
  const box = column?.boxes.get(namespace);
  const row = box?.rows.findIndex((one) => one.number === number) ?? -1;
  return column && box && row >= 0 ? { x: column.x + PAD, y: box.y + HEAD + row * ROW + 8 } : undefined;
}

const text = (x: number, y: number, content: string, color: string, more = ''): string =>
  `<text x="${x}" y="${y}" fill="${color}" xml:space="preserve"${more === '' ? '' : ` ${more}`}>${escaped(content)}</text>`;

const marker = (id: string, color: string): string =>
  `<marker id="${id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="${color}"/></marker>`;

const escaped = (content: string): string =>
  content.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign] ?? sign);
