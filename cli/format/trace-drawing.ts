import { type NetworkTrace, ProbeSighting, type TraceHop, TraceStatus } from '../../proto/gen/inspections.js';
import { brief, candidateText, type Group, groupHops, placeName } from './trace-groups.js';

export interface DrawingOptions {
  /** ASCII without colors. */
  readonly plain: boolean;
  /** Of the terminal; lines are at most 100 wide. */
  readonly columns: number;
  /** All details of each hop. */
  readonly verbose: boolean;
}

interface Signs {
  readonly corner: readonly [topLeft: string, topRight: string, bottomLeft: string, bottomRight: string];
  readonly line: string;
  readonly side: string;
  readonly arrow: string;
  readonly status: Readonly<Record<TraceStatus, string>>;
  readonly seen: string;
  readonly unseen: string;
  readonly taken: string;
  readonly ellipsis: string;
}

const UNICODE: Signs = {
  corner: ['┌', '┐', '└', '┘'],
  line: '─',
  side: '│',
  arrow: '▼',
  status: { [TraceStatus.OK]: '✓', [TraceStatus.DOUBTFUL]: '!', [TraceStatus.BROKEN]: '✗' },
  seen: '●',
  unseen: '○',
  taken: '▸',
  ellipsis: '…',
};
const ASCII: Signs = {
  corner: ['+', '+', '+', '+'],
  line: '-',
  side: '|',
  arrow: 'v',
  status: { [TraceStatus.OK]: '+', [TraceStatus.DOUBTFUL]: '!', [TraceStatus.BROKEN]: 'X' },
  seen: '*',
  unseen: 'o',
  taken: '>',
  ellipsis: '~',
};

const COLORS: Readonly<Record<TraceStatus, number>> = {
  [TraceStatus.OK]: 32,
  [TraceStatus.DOUBTFUL]: 33,
  [TraceStatus.BROKEN]: 31,
};
const MAX_WIDTH = 100;
const MIN_WIDTH = 60;
/** Of the column with the kinds of hops. */
const KIND = 12;

/** Boxes of nodes with boxes of namespaces, one line for each hop. */
export function drawTrace(trace: NetworkTrace, options: DrawingOptions): string {
  return new Drawing(trace, options).text();
}

class Drawing {
  readonly #trace: NetworkTrace;
  readonly #options: DrawingOptions;
  readonly #signs: Signs;
  readonly #width: number;
  readonly #lines: string[] = [];

  constructor(trace: NetworkTrace, options: DrawingOptions) {
    this.#trace = trace;
    this.#options = options;
    this.#signs = options.plain ? ASCII : UNICODE;
    this.#width = Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, options.columns));
  }

  text(): string {
    const { from, to, protocol, port, hops, verdict, complete, probe } = this.#trace;
    const arrow = this.#options.plain ? '->' : '→';
    this.#lines.push(`${from} ${arrow} ${to}${port === 0 ? '' : `:${port}`} (${protocol})`, '');
    const groups = groupHops(hops);
    for (const [i, group] of groups.entries()) this.#group(group, groups[i - 1], groups[i + 1]);
    this.#lines.push('', this.#paint(complete ? TraceStatus.OK : TraceStatus.BROKEN, this.#ascii(verdict)));
    if (probe) {
      this.#lines.push(`Probe: ${this.#ascii(probe.verdict)}`);
      for (const problem of probe.problems) this.#lines.push(`  ${this.#ascii(problem)}`);
    }
    return `${this.#lines.join('\n')}\n`;
  }

  #group(group: Group, before: Group | undefined, after: Group | undefined): void {
    const isTurn = before !== undefined && group.back && !before.back;
    if (isTurn) this.#lines.push('', 'The answer:', '');
    const opens = before?.node !== group.node || isTurn;
    const closes = after?.node !== group.node || after.back !== group.back;
    const isInside = group.node !== '';
    if (!opens) this.#row(`   ${this.#signs.arrow}`);
    else if (before && !isTurn) this.#lines.push(`     ${this.#signs.arrow}`);
    if (opens && isInside) this.#edge(0, this.#signs.corner[0], this.#signs.corner[1], group.node);
    const inner = isInside ? 1 : 0;
    this.#edge(inner, this.#signs.corner[0], this.#signs.corner[1], placeName(group));
    for (const { hop, number } of group.hops) this.#hop(inner, hop, number);
    this.#edge(inner, this.#signs.corner[2], this.#signs.corner[3], '');
    if (closes && isInside) this.#edge(0, this.#signs.corner[2], this.#signs.corner[3], '');
  }

  /** The top or bottom of a box. */
  #edge(depth: number, left: string, right: string, title: string): void {
    const { line } = this.#signs;
    const label = title === '' ? '' : `${line} ${this.#ascii(title)} `;
    const room = this.#width - 2 - depth * 4;
    const text = left + this.#fit(label, room).padEnd(room, line) + right;
    if (depth === 0) this.#lines.push(text);
    else this.#lines.push(`${this.#signs.side} ${text} ${this.#signs.side}`);
  }

  /** A line inside of a node's box. */
  #row(text: string): void {
    const room = this.#width - 4;
    this.#lines.push(`${this.#signs.side} ${this.#fit(text, room).padEnd(room)} ${this.#signs.side}`);
  }

  /** A line inside of a namespace's box. */
  #inner(depth: number, text: string, status: TraceStatus = TraceStatus.OK): void {
    const { side } = this.#signs;
    const room = this.#width - 4 - depth * 4;
    const fitted = this.#fit(this.#ascii(text), room).padEnd(room);
    const painted = status === TraceStatus.OK ? this.#paintMark(fitted) : this.#paint(status, fitted);
    const line = `${side} ${painted} ${side}`;
    this.#lines.push(depth === 0 ? line : `${side} ${line} ${side}`);
  }

  #hop(depth: number, hop: TraceHop, number: number): void {
    const { seen, unseen, taken, status } = this.#signs;
    const probed = { [ProbeSighting.NONE]: ' ', [ProbeSighting.SEEN]: seen, [ProbeSighting.UNSEEN]: unseen };
    const sighting = this.#trace.probe ? `${probed[hop.sighting]} ` : '';
    const head = `${String(number).padStart(3)} ${status[hop.status]} ${sighting}${hop.kind.padEnd(KIND)}`;
    const indent = ' '.repeat(head.length);
    const details = this.#options.verbose ? '' : brief(hop);
    this.#inner(depth, `${head}${hop.title}${details === '' ? '' : `  [${details}]`}`, hop.status);
    const more = this.#options.verbose ? Object.entries(hop.details).map(([key, value]) => `${key} ${value}`) : [];
    for (const text of this.#wrap(more.join(', '), indent.length, depth)) this.#inner(depth, indent + text);
    if (hop.candidates.length > 1)
      for (const one of hop.candidates) this.#inner(depth, `${indent}${one.taken ? taken : ' '} ${candidateText(one)}`);
    for (const text of this.#wrap(hop.reason, indent.length, depth)) this.#inner(depth, indent + text, hop.status);
    for (const text of this.#wrap(hop.hint, indent.length, depth)) this.#inner(depth, indent + text);
  }

  #wrap(text: string, indent: number, depth: number): string[] {
    const room = this.#width - 4 - depth * 4 - indent;
    const lines: string[] = [];
    let line = '';
    for (const word of text.split(' ').filter(Boolean)) {
      if (line !== '' && line.length + 1 + word.length > room) {
        lines.push(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    return line === '' ? lines : [...lines, line];
  }

  #fit(text: string, room: number): string {
    return text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}${this.#signs.ellipsis}`;
  }

  /** Arrows of titles, where only ASCII is wanted. */
  #ascii(text: string): string {
    return this.#options.plain ? text.replaceAll('→', '->').replaceAll('’', "'").replaceAll('…', '~') : text;
  }

  #paint(status: TraceStatus, text: string): string {
    return this.#options.plain ? text : `\u001b[${COLORS[status]}m${text}\u001b[0m`;
  }

  #paintMark(text: string): string {
    const mark = UNICODE.status[TraceStatus.OK];
    return this.#options.plain ? text : text.replace(mark, this.#paint(TraceStatus.OK, mark));
  }
}
