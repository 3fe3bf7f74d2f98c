import { printable } from './printable.js';

/** `--pretty`: labelled lines, indented by one blank for each level. A line whose label is empty is its value alone. */
export type PrettyLine = readonly [label: string, value: string | number | undefined, level?: number];

/** Lines without a value are left out; a label with an empty value is a heading. */
export function prettyLines(lines: readonly PrettyLine[]): string {
  return lines
    .filter(([, value]) => value !== undefined)
    .map(([label, value, level = 0]) => {
      const indent = ' '.repeat(level);
      const text = printable(String(value));
      if (label === '') return `${indent}${text}\n`;
      const head = `${indent}${label}:`;
      return text === '' ? `${head}\n` : `${head.padEnd(16)} ${text}\n`;
    })
    .join('');
}

export function labelLines(labels: Readonly<Record<string, string>>): PrettyLine[] {
  const keys = Object.keys(labels).sort();
  return [['Labels', keys.length > 0 ? '' : undefined], ...keys.map((key): PrettyLine => [key, labels[key], 1])];
}
