import type { Block, Node, Operand, Pipeline } from './template-parser.js';

/** The fields that a template takes of the value it is given, as `.Name` or `$.Name`, whether or not it comes to that. */
export function fieldsTaken(body: Block): ReadonlySet<string> {
  const fields = new Set<string>();
  const operand = ({ root, fields: path }: Operand, dotIsValue: boolean): void => {
    if (root.kind === 'pipeline') pipeline(root.pipeline, dotIsValue);
    const isValue = root.kind === 'dot' ? dotIsValue : root.kind === 'variable' && root.name === '';
    if (isValue && path[0] !== undefined) fields.add(path[0]);
  };
  const pipeline = ({ commands }: Pipeline, dotIsValue: boolean): void => {
    for (const word of commands.flat()) operand(word, dotIsValue);
  };
  const node = (part: Node, dotIsValue: boolean): void => {
    if (!('pipeline' in part)) return;
    pipeline(part.pipeline, dotIsValue);
    if (part.kind === 'print') return;
    // Within `with` and `range` the dot is something else.
    for (const inner of part.body) node(inner, dotIsValue && part.kind === 'if');
    for (const inner of part.otherwise) node(inner, dotIsValue);
  };
  for (const part of body) node(part, true);
  return fields;
}
