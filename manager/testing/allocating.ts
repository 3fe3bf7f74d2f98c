import { systemClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import type { Cluster } from '../../proto/gen/index.js';
import { Allocator } from '../allocator/allocator.js';
import type { Store } from '../store/store.js';
import { runLoops } from './loops.js';
import { ingressNetwork, testCluster } from './objects.js';

/** What a new leader would know. */
export function rebuilt(store: Store): readonly string[] {
  const allocator = new Allocator({ store, clock: systemClock, log: silentLogger });
  allocator.start(store.view());
  return allocator.books();
}

/** Loops with one allocator, whose books can be looked at. @param cluster what of it is not as usual */
export async function allocating(cluster: Partial<Cluster> = {}) {
  let allocator: Allocator | undefined;
  class Watched extends Allocator {
    constructor(options: ConstructorParameters<typeof Allocator>[0]) {
      super(options);
      allocator = this;
    }
  }
  const loops = await runLoops(Watched);
  await loops.store.update((draft) => {
    draft.create('cluster', { ...testCluster(), ...cluster });
    draft.create('network', ingressNetwork());
  });
  await loops.settle();
  return { ...loops, books: () => allocator?.books() ?? [] };
}
