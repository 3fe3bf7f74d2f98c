import { afterEach } from 'vitest';
import { tsswarm } from '../../demo/cli.js';

/** Services of one test: they go with it, whatever becomes of it. */
export interface Services {
  /** @param args of `service create`: flags, the image, its command */
  readonly create: (name: string, ...args: readonly string[]) => Promise<void>;
  /** Before the test ends. */
  readonly remove: () => Promise<void>;
}

export function useServices(): Services {
  const created: string[] = [];
  const remove = async () => {
    if (created.length > 0) await tsswarm('service', 'rm', ...created.splice(0));
  };
  afterEach(remove);
  return {
    async create(name, ...args) {
      created.push(name);
      await tsswarm('service', 'create', '--quiet', '--name', name, ...args);
    },
    remove,
  };
}
