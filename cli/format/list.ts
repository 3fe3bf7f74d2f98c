import { alignRows } from './table.js';
import { Template } from './template.js';

/** How a list of rows is shown when `--format` says nothing. */
export interface ListView<Row extends object> {
  /** A template with tabs between the columns. */
  readonly table: string;
  /** Column heads by field; they are what the template gives when it is run on them. Functions need none. */
  readonly headers: { readonly [K in keyof Row as Row[K] extends (key: unknown) => string ? never : K]: string };
  /** What `--quiet` prints. */
  readonly quiet: (row: Row) => string;
}

export interface ListOptions {
  readonly format: string | undefined;
  readonly quiet: boolean;
}

/**
 * Rows as Docker prints them: a table, `table TEMPLATE`, `json` (an object for each line) or a
 * template for each line.
 */
export function renderList<Row extends object>(
  view: ListView<Row>,
  rows: readonly Row[],
  { format = 'table', quiet }: ListOptions,
): string {
  if (quiet && format === 'table') return rows.map((row) => `${view.quiet(row)}\n`).join('');
  if (format === 'json') return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const isTable = format === 'table' || format.startsWith('table ');
  const source = format === 'table' ? view.table : isTable ? format.slice('table '.length) : format;
  const template = new Template(withEscapes(source));
  // A mistake is told whatever there is to list.
  template.check(headerRow(view));
  if (!isTable) return rows.map((row) => `${template.execute(row)}\n`).join('');
  return alignRows([headerRow(view), ...rows].map((row) => template.execute(row).split('\t')));
}

/** Shells pass `\t` and `\n` as two characters; strings within actions are left to the template. */
export function withEscapes(source: string): string {
  return source.replace(/\{\{.*?\}\}|\\([tn])/g, (all, c: string | undefined) =>
    c === undefined ? all : c === 't' ? '\t' : '\n',
  );
}

function headerRow<Row extends object>(view: ListView<Row>): object {
  return { ...view.headers, Label: (key: unknown) => String(key).split('.').at(-1) };
}

/** Objects as `inspect` prints them: an indented JSON array, `json` in one line, or a template for each. */
export function renderInspected(objects: readonly object[], format: string | undefined): string {
  if (format === undefined || format === '') return `${JSON.stringify(objects, null, 4)}\n`;
  if (format === 'json') return `${JSON.stringify(objects)}\n`;
  const template = new Template(withEscapes(format));
  return objects.map((object) => `${template.execute(object)}\n`).join('');
}

/** Whether an object has the fields that a template takes; each has those of none. @throws INVALID_ARGUMENT when it does not parse */
export function hasFieldsOf(format: string | undefined, object: object): boolean {
  return format === undefined || format === '' || format === 'json' || new Template(withEscapes(format)).fits(object);
}

/** One object, as `info` and `version` print it. */
export function renderInspectedOne(object: object, format: string): string {
  return format === 'json' ? `${JSON.stringify(object)}\n` : renderInspected([object], format);
}
