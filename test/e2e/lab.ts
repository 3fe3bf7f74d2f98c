import { afterAll, beforeAll } from 'vitest';
import { LAB, nodeOf, type Outcome, tsswarm, tsswarmOutcome } from '../../demo/cli.js';
import { IMAGE, IMAGE_CHANGES, makeRootfsArchive } from '../../demo/image.js';
import { namespaceFile } from '../../lab/layout.js';
import { takeDown } from '../../lab/teardown.js';

export { IMAGE } from '../../demo/image.js';

export const CLIENT = '203.0.113.250';
export const addressOf = (node: number): string => `203.0.113.${node}`;
export const hostOf = (node: number): string => nodeOf(node).host;
/** The file of a node's own network namespace. */
export const netnsOf = (node: number): string => namespaceFile(LAB, `node${node}`);

/**
 * A lab for the tests of one file (setup.ts gives it a name), made by the command line, with the image in it. It is taken down
 * whatever becomes of the tests; what a killed run has left goes before the next one (leftovers.ts).
 */
export function useLab(nodes: number, ...flags: readonly string[]): void {
  beforeAll(async () => {
    await tsswarm('lab', 'up', '--nodes', String(nodes), ...flags);
    await importImage();
  });
  afterAll(() => takeDown(LAB));
}

export async function importImage(): Promise<void> {
  const { archive, remove } = await makeRootfsArchive();
  try {
    await tsswarm('image', 'import', ...IMAGE_CHANGES.flatMap((change) => ['--change', change]), archive, IMAGE);
  } finally {
    await remove();
  }
}

/** Runs `tsswarm` on a node of the lab. */
export function onNode(node: number, ...args: readonly string[]): Promise<Outcome> {
  return tsswarmOutcome(['--host', hostOf(node), ...args]);
}
