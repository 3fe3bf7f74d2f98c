import { failedPrecondition } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import { type ControlService, Network, PublishMode, TaskState } from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import { checkVniIsFree } from '../common/overlay-options.js';
import { taskName } from '../common/tasks.js';
import type { ReadView, Store } from '../store/store.js';
import { hasLabel, oneOf, predicate, startsWith, type Test } from './filters.js';
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

export function networkHandlers(store: Store): NetworkHandlers {
  return {
    async createNetwork({ spec }) {
      checkNetworkSpec(spec);
      checkNetworkIsSupported(spec);
      const id = newId();
      await store.update((draft) => {
        checkSubnetsAreFree(draft, spec);
        checkVniIsFree(spec, draft.list('network'));
        if (spec.ingress) checkIsOnlyIngress(draft);
        const complete = { ...spec, driver: 'overlay', scope: 'swarm' };
        draft.create('network', Network.create({ id, spec: complete }));
      });
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

    async removeNetwork({ ref }) {
      await store.update((draft) => {
        const network = resolve(draft, 'network', ref);
        checkIsUnused(draft, network);
        draft.remove('network', network.id);
      });
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

/** A task that is on its way out does not keep a network: its node takes its endpoint away with it. */
function checkIsUnused(view: ReadView, network: Network): void {
  const users = network.spec.ingress ? publishers(view) : [...view.servicesOfNetwork(network.id)];
  const names = users.map((service) => service.spec.name);
  const tasks = [...view.tasksOfNetwork(network.id)].filter(
    (task) =>
      task.desiredState <= TaskState.RUNNING &&
      task.status.state <= TaskState.RUNNING &&
      view.get('service', task.serviceId) !== undefined &&
      !names.includes(task.serviceName),
  );
  const what = [
    ...(names.length > 0 ? [`service${names.length > 1 ? 's' : ''} ${listed(names)}`] : []),
    ...(tasks.length > 0 ? [`task${tasks.length > 1 ? 's' : ''} ${listed(tasks.map(taskName))}`] : []),
  ];
  if (what.length === 0) return;
  throw failedPrecondition(`network ${network.spec.name} is in use by ${what.join(' and ')}`, {
    value: network.spec.name,
    hint: network.spec.ingress ? 'Its services publish ports on all nodes.' : 'Remove or update these first.',
  });
}

function publishers(view: ReadView) {
  return [...view.list('service')].filter((service) =>
    [...service.spec.endpoint.ports, ...service.endpoint.ports].some((p) => p.publishMode === PublishMode.INGRESS),
  );
}

function listed(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}
