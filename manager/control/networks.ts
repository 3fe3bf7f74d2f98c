import type { Clock } from '../../lib/clock.js';
import { failedPrecondition } from '../../lib/errors.js';
import { hasLabel, predicate, type Test } from '../../lib/filters.js';
import { newId } from '../../lib/ids.js';
import { type ControlService, Network } from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import { checkVniIsFree } from '../common/overlay-options.js';
import type { ReadView, Store } from '../store/store.js';
import { oneOf, startsWith } from './filters.js';
import { removeNetwork } from './network-removal.js';
import { networkUse } from './network-users.js';
import { resolve } from './refs.js';
import { checkNetworkSpec, checkSubnetsAreFree } from './validate/network.js';
import { checkNetworkIsSupported } from './validate/unsupported.js';

type NetworkHandlers = Pick<
  Handlers<typeof ControlService>,
  'createNetwork' | 'listNetworks' | 'getNetwork' | 'removeNetwork'
>;

const TESTS: Readonly<Record<string, Test<Network>>> = {
  id: startsWith((network) => network.id),
  name: (network, value) => network.spec.name.includes(value),
  label: (network, value) => hasLabel(network.spec.labels, value),
  driver: (network, value) => network.spec.driver === value,
  scope: (network, value) => network.spec.scope === value,
  type: oneOf('type', { custom: false, builtin: true }, (network: Network) => network.spec.ingress),
};

export function networkHandlers(store: Store, clock: Clock): NetworkHandlers {
  return {
    async createNetwork({ spec }, { requestId }) {
      checkNetworkSpec(spec);
      checkNetworkIsSupported(spec);
      const id = newId();
      await store.update((draft) => {
        checkSubnetsAreFree(draft, spec);
        checkVniIsFree(spec, draft.list('network'));
        if (spec.ingress) checkIsOnlyIngress(draft);
        const complete = { ...spec, driver: spec.driver || 'overlay', scope: 'swarm' };
        draft.create('network', Network.create({ id, spec: complete }));
      }, requestId);
      return { network: resolve(store.view(), 'network', id) };
    },

    async listNetworks({ filters }) {
      return { networks: [...store.view().list('network')].filter(predicate(filters, TESTS)) };
    },

    async getNetwork({ ref }) {
      const view = store.view();
      const network = resolve(view, 'network', ref);
      return { network, ...networkUse(view, network) };
    },

    async removeNetwork({ ref }, context) {
      await removeNetwork(store, clock, ref, context);
      return {};
    },
  };
}

function checkIsOnlyIngress(view: ReadView): void {
  for (const network of view.list('network')) {
    if (!network.spec.ingress) continue;
    throw failedPrecondition(`the swarm has an ingress network already: "${network.spec.name}" (${network.id})`, {
      value: network.spec.name,
      hint: 'Remove that one first.',
    });
  }
}
