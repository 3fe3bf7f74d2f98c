import { printable } from './printable.js';

/** Cells of rows as Docker aligns them: columns at least 10 wide, 3 blanks apart, the last not padded. */
export function alignRows(rows: readonly (readonly string[])[]): string {
  return alignColumns(rows, MIN_WIDTH);
}

/** The same with columns of another width at least. */
export function alignColumns(cells: readonly (readonly string[])[], minWidth: number): string {
  const rows = cells.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of rows)
    row.slice(0, -1).forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? minWidth, widthOf(cell) + GAP);
    });
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - widthOf(cell)))).join('');
  return rows.map((row) => `${line(row)}\n`).join('');
}

const MIN_WIDTH = 10;
const GAP = 3;

function widthOf(text: string): number {
  return [...text].length;
}
