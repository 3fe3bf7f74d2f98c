import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { isEncrypted } from '../../lib/encrypted-option.js';
import { GROUP_KEY_BYTES, spisCollide } from '../../lib/overlay-keys.js';
import { type Cluster, type NetworkKeyRing, type Node, NodeState, type Task } from '../../proto/gen/index.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import { occupiesNode } from '../common/tasks.js';
import { wakeAt } from '../common/wake-at.js';
import { type Commit, isEvent, type Kind, type ReadView } from '../store/store.js';
import { isPrepared, isWaiting, nextLook, nextRing } from './ring.js';

/** Makes the keys of encrypted overlays and lets nodes change over from one to the next. */
export class NetworkKeys implements Reaction {
  readonly kinds: readonly Kind[] = ['cluster', 'node'];
  readonly #options: LoopOptions;
  readonly #loop: ControlLoop;
  /** Addresses at which no two keys of the ring with this clock make the same SPI. */
  readonly #apart = new Set<string>();
  #apartClock = 0;
  /** Whether something has changed that the keys depend on. */
  #due = false;
  #cancel: () => void = () => {};

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#loop = new ControlLoop(options);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal, this);
    this.#cancel();
  }

  // The state is looked at when it is acted on.
  start(): void {
    this.#due = true;
  }

  observe({ events }: Commit): void {
    for (const event of events)
      this.#due ||= !isEvent(event, 'node') || event.old === undefined || concern(event.old) !== concern(event.object);
  }

  async act(): Promise<void> {
    if (!this.#due) return;
    this.#due = false;
    const { store, log } = this.#options;
    if (this.#next(store.view())) {
      const changed = await store.update((draft) => {
        const cluster = clusterOf(draft);
        const next = this.#next(draft);
        if (!cluster || !next) return undefined;
        const forgotten = isWaiting(cluster.networkKeys) ? behind(draft) : [];
        return { ring: draft.update('cluster', { ...cluster, networkKeys: next }).networkKeys, forgotten };
      });
      if (changed) {
        const { ring, forgotten } = changed;
        const details = { clock: ring.clock, keys: ring.keys.map(({ time }) => time), sending: ring.sending };
        log.info(details, isPrepared(ring) ? 'nodes are told a new network key' : words(ring));
        if (forgotten.length > 0)
          log.warn(
            { nodes: forgotten },
            'these nodes have not applied the last change of network keys, and are no longer waited for',
          );
      }
    }
    this.#arm(store.view());
  }

  #next(view: ReadView): NetworkKeyRing | undefined {
    const ring = clusterOf(view)?.networkKeys;
    if (!ring) return undefined;
    const addresses = [...view.list('node')].map(({ dataPathAddress }) => dataPathAddress).filter(isIPv4);
    const keys = ring.keys.map(({ key }) => key);
    return nextRing(ring, {
      now: this.#options.clock.now(),
      behind: isWaiting(ring) ? behind(view) : [],
      forced: isWorn(ring, view) || this.#collide(ring, addresses),
      newKey: () => newKey(keys, addresses),
    });
  }

  /** Whether a node has come whose address makes the same SPI with two keys. Nodes change often, their addresses hardly. */
  #collide({ clock, keys }: NetworkKeyRing, addresses: readonly string[]): boolean {
    if (this.#apartClock !== clock) this.#apart.clear();
    this.#apartClock = clock;
    if (addresses.every((address) => this.#apart.has(address))) return false;
    const others = (i: number) => keys.slice(0, i).map(({ key }) => key);
    if (keys.some(({ key }, i) => spisCollide(key, others(i), addresses))) return true;
    for (const address of addresses) this.#apart.add(address);
    return false;
  }

  #arm(view: ReadView): void {
    this.#cancel();
    const { clock } = this.#options;
    const ring = clusterOf(view)?.networkKeys;
    if (!ring) return;
    this.#cancel = wakeAt(clock, nextLook(ring, clock.now()), () => {
      this.#due = true;
      this.#loop.wake();
    });
  }
}

const words = ({ sending, keys }: NetworkKeyRing): string =>
  keys[0]?.time === sending && sending > 1
    ? 'nodes take only the newest network key'
    : 'nodes send under a new network key';

/** What of a node the keys depend on: the rest of it changes often. */
const concern = ({ dataPathAddress, networkKeyClock, wornNetworkKey, status }: Node): string =>
  `${dataPathAddress} ${networkKeyClock} ${wornNetworkKey} ${status.state}`;

/** Whether a node has few packets left under the key that nodes send with. */
const isWorn = ({ sending }: NetworkKeyRing, view: ReadView): boolean =>
  sending > 0 && [...view.list('node')].some(({ wornNetworkKey }) => wornNetworkKey === sending);

function clusterOf(view: ReadView): Cluster | undefined {
  for (const cluster of view.list('cluster')) return cluster;
  return undefined;
}

function newKey(others: readonly Uint8Array[], addresses: readonly string[]): Uint8Array {
  for (;;) {
    const key = randomBytes(GROUP_KEY_BYTES);
    if (!spisCollide(key, others, addresses)) return key;
  }
}

/** Nodes that are in an encrypted network and have not applied the ring: those that are down are not waited for. */
function behind(view: ReadView): string[] {
  const clock = clusterOf(view)?.networkKeys.clock ?? 0;
  const encrypted = new Set<string>();
  for (const { id, spec } of view.list('network')) if (isEncrypted(spec.driverOptions)) encrypted.add(id);
  if (encrypted.size === 0) return [];
  const isIn = ({ networkId }: { readonly networkId: string }) => encrypted.has(networkId);
  const needs = (task: Task) => occupiesNode(task) && task.networks.some(isIn);
  const isBehind = ({ id, attachments, status, networkKeyClock }: Node) =>
    status.state !== NodeState.DOWN &&
    networkKeyClock < clock &&
    (attachments.some(isIn) || [...view.tasksOfNode(id)].some(needs));
  return [...view.list('node')].filter(isBehind).map(({ id }) => id);
}
