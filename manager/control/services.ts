import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../lib/clock.js';
import { aborted, failedPrecondition, invalidArgument, SwarmError } from '../../lib/errors.js';
import { hasLabel, predicate, type Test } from '../../lib/filters.js';
import { newId } from '../../lib/ids.js';
import { canonicalAddress } from '../../lib/ip.js';
import {
  type ControlService,
  EndpointMode,
  type NetworkAttachmentConfig,
  PublishMode,
  Service,
  type ServiceSpec,
  UpdateOrder,
  UpdateState,
  UpdateStatus,
} from '../../proto/gen/index.js';
import { publishedText } from '../../proto/ports.js';
import type { Handlers } from '../../proto/rpc/server.js';
import { onceOnANode } from '../common/published-ports.js';
import { checkRoutedAddresses, isRouted } from '../common/routed-options.js';
import { atPresentScale } from '../common/scale.js';
import { firstStatus, statusOfChanged } from '../jobs/runs.js';
import type { ReadView, Store, WriteView } from '../store/store.js';
import { countTasks } from './counts.js';
import { oneOf, startsWith } from './filters.js';
import { redact } from './redact.js';
import { resolve } from './refs.js';
import { checkAddressesAreIn } from './validate/addresses.js';
import { autoscaleWarnings } from './validate/autoscale.js';
import {
  areDependenciesMet,
  dependentsOf,
  goneDependencies,
  goneWarning,
  resolveDependencies,
} from './validate/dependencies.js';
import { duplicate } from './validate/names.js';
import { checkPortsAreFree } from './validate/ports.js';
import { checkServiceSpec, modeOf } from './validate/service.js';
import { checkServiceIsSupported, ignoredParts } from './validate/unsupported.js';

type ServiceHandlers = Pick<
  Handlers<typeof ControlService>,
  'createService' | 'listServices' | 'getService' | 'updateService' | 'removeService'
>;

const TESTS: Readonly<Record<string, Test<Service>>> = {
  id: startsWith((service) => service.id),
  name: startsWith((service) => service.spec.name),
  label: (service, value) => hasLabel(service.spec.labels, value),
  mode: oneOf(
    'mode',
    { replicated: 'replicated', global: 'global', 'replicated-job': 'replicated-job', 'global-job': 'global-job' },
    (service: Service) => modeOf(service.spec),
  ),
};

export function serviceHandlers(store: Store, clock: Clock): ServiceHandlers {
  const shown = (id: string): Service => redact('service', resolve(store.view(), 'service', id));
  return {
    async createService({ spec }, { requestId }) {
      checkServiceSpec(spec);
      checkServiceIsSupported(spec);
      const id = newId();
      await store.update((draft) => {
        const resolved = resolveReferences(draft, spec, undefined);
        draft.create('service', {
          ...Service.create({ id, spec: resolved, specVersion: draft.version + 1 }),
          jobStatus: isJob(spec) ? firstStatus(spec, clock.now()) : undefined,
        });
      }, requestId);
      return { service: shown(id), warnings: warningsFor(spec) };
    },

    async listServices({ filters }) {
      const view = store.view();
      const services = [...view.list('service')].filter(predicate(filters, TESTS));
      return {
        services: services.map((service) => redact('service', service)),
        counts: services.map((service) => countTasks(service, view.tasksOfService(service.id))),
      };
    },

    async getService({ ref }) {
      return { service: shown(ref) };
    },

    async updateService({ id, version, spec, rollback }, { requestId }) {
      const current = resolve(store.view(), 'service', id);
      if (!rollback) {
        checkServiceSpec(spec);
        checkServiceIsSupported(spec);
      }
      await store.update((draft) => {
        const service = resolve(draft, 'service', current.id);
        checkVersion(service, version);
        const next = rollback ? rolledBack(draft, service, clock.now()) : updated(draft, service, spec, clock.now());
        if (next !== service) draft.update('service', next);
      }, requestId);
      const service = shown(current.id);
      const gone = goneDependencies(store.view(), service.spec).map((name) => goneWarning(service.spec.name, name));
      return { service, warnings: [...warningsFor(service.spec), ...gone] };
    },

    async removeService({ ref }, { requestId }) {
      return store.update((draft) => {
        const { id, spec } = resolve(draft, 'service', ref);
        draft.remove('service', id);
        return { warnings: dependentsOf(draft, spec.name).map((name) => goneWarning(name, spec.name)) };
      }, requestId);
    },
  };
}

function checkVersion(service: Service, version: number): void {
  if (version === service.meta.version) return;
  throw aborted(`service ${service.spec.name} has been changed by somebody else in the meantime`, {
    value: `version ${version}`,
    hint: `Its version is ${service.meta.version} now: read it again and repeat the change.`,
  });
}

function updated(draft: WriteView, service: Service, asked: ServiceSpec, now: number): Service {
  if (asked.name !== service.spec.name) {
    throw invalidArgument(`service ${service.spec.name} cannot be renamed to "${asked.name}"`, { value: asked.name });
  }
  const [before, after] = [modeOf(service.spec), modeOf(asked)];
  if (before !== after) {
    throw invalidArgument(`the mode of service ${service.spec.name} cannot be changed from ${before} to ${after}`, {
      value: after,
      hint: 'Remove the service and create it in the other mode.',
    });
  }
  const spec = resolveReferences(draft, withStoredAuth(asked, service.spec), service);
  const state = service.updateStatus?.state;
  const paused = state === UpdateState.PAUSED || state === UpdateState.ROLLBACK_PAUSED;
  // The same spec again is how a paused update is resumed; otherwise it changes nothing.
  if (isDeepStrictEqual(spec, service.spec)) return paused ? { ...service, updateStatus: undefined } : service;
  return {
    ...service,
    spec,
    specVersion: draft.version + 1,
    previousSpec: service.spec,
    previousSpecVersion: service.specVersion,
    dependenciesMet: areDependenciesMet(service, spec),
    previousDependenciesMet: service.dependenciesMet,
    updateStatus: undefined,
    autoscaleStatus: spec.autoscale && service.autoscaleStatus,
    jobStatus: changedJob(draft, service, spec, now),
  };
}

function rolledBack(draft: WriteView, service: Service, now: number): Service {
  const { previousSpec } = service;
  if (!previousSpec) {
    throw failedPrecondition(`service ${service.spec.name} has no previous version to go back to`, {
      value: service.spec.name,
    });
  }
  // Names and ports may have been taken since then.
  const spec = resolveReferences(draft, atPresentScale(previousSpec, service.spec), service);
  return {
    ...service,
    spec,
    specVersion: draft.version + 1,
    previousSpec: service.spec,
    previousSpecVersion: service.specVersion,
    autoscaleStatus: previousSpec.autoscale && service.autoscaleStatus,
    dependenciesMet: service.previousDependenciesMet,
    previousDependenciesMet: service.dependenciesMet,
    jobStatus: changedJob(draft, service, spec, now),
    // A job has no tasks to replace: it is run anew.
    updateStatus: isJob(spec)
      ? undefined
      : UpdateStatus.create({
          state: UpdateState.ROLLBACK_STARTED,
          startedAt: now,
          message: 'rollback asked for by the operator',
        }),
  };
}

function changedJob(draft: WriteView, service: Service, spec: ServiceSpec, now: number): Service['jobStatus'] {
  const { jobStatus } = service;
  return jobStatus && statusOfChanged(service, jobStatus, spec, draft.tasksOfService(service.id), now);
}

/** Registry credentials are never shown, so a spec that comes back without them means the same ones. */
function withStoredAuth(asked: ServiceSpec, stored: ServiceSpec): ServiceSpec {
  const { container } = asked.task;
  if (container.registryAuth !== '') return asked;
  const { registryAuth } = stored.task.container;
  return { ...asked, task: { ...asked.task, container: { ...container, registryAuth } } };
}

/**
 * The spec with networks, secrets and configs by id.
 * @throws NOT_FOUND for what does not exist, FAILED_PRECONDITION for a port that is taken
 */
function resolveReferences(draft: WriteView, spec: ServiceSpec, service: Service | undefined): ServiceSpec {
  // One address has many spellings; ports on it are compared by text.
  const ports = spec.endpoint.ports.map((port) => ({ ...port, hostIp: port.hostIp && canonicalAddress(port.hostIp) }));
  checkPortsAreFree(draft, ports, service?.id);
  checkIngress(draft, spec);
  const networks = spec.task.networks.map((attachment) => resolveNetwork(draft, attachment));
  checkVirtualAddresses(spec);
  const twice = duplicate(networks.map((attachment) => attachment.target));
  if (twice !== undefined) {
    const name = resolve(draft, 'network', twice).spec.name;
    throw invalidArgument(`network ${name} is given twice`, { value: name });
  }
  const { container } = spec.task;
  const file = (kind: 'secret' | 'config') => (reference: (typeof container.secrets)[number]) => {
    const { id, spec: found } = resolve(draft, kind, reference.id || reference.name);
    return { ...reference, id, name: found.name };
  };
  const files = { secrets: container.secrets.map(file('secret')), configs: container.configs.map(file('config')) };
  const dependsOn = resolveDependencies(draft, spec, service?.spec.dependsOn ?? []);
  const task = { ...spec.task, networks, container: { ...container, ...files } };
  return { ...spec, dependsOn, endpoint: { ...spec.endpoint, ports }, task };
}

/** Networks that each node has by itself, in Docker. */
const NODE_NETWORKS: ReadonlySet<string> = new Set(['host', 'none', 'bridge']);

function resolveNetwork(view: ReadView, attachment: NetworkAttachmentConfig): NetworkAttachmentConfig {
  if (NODE_NETWORKS.has(attachment.target)) {
    throw new SwarmError('UNIMPLEMENTED', `services cannot use the network "${attachment.target}" in this version`, {
      value: attachment.target,
      hint: 'Use an overlay network ("tsswarm network create -d overlay NAME"), or leave --network out.',
    });
  }
  const network = resolve(view, 'network', attachment.target);
  if (network.spec.ingress) {
    throw invalidArgument(`a service cannot be attached to the ingress network ${network.spec.name}`, {
      value: attachment.target,
      hint: 'It is used for published ports by itself: use --publish.',
    });
  }
  if (isRouted(network)) checkRoutedAddresses(network, [], attachment.virtualIp);
  if (attachment.virtualIp === '') return { ...attachment, target: network.id };
  checkAddressesAreIn(network, [attachment.virtualIp]);
  return { ...attachment, target: network.id, virtualIp: canonicalAddress(attachment.virtualIp) };
}

function checkVirtualAddresses({ name, endpoint, task }: ServiceSpec): void {
  for (const { virtualIp, addresses } of task.networks) {
    const [address] = addresses;
    if (address !== undefined) {
      throw invalidArgument(`address ${address} cannot be that of all tasks of service ${name}`, {
        value: address,
        hint: 'A service has its virtual address: --network name=NETWORK,ip=ADDRESS.',
      });
    }
    if (virtualIp !== '' && endpoint.mode !== EndpointMode.VIP) {
      throw invalidArgument(`service ${name} has no virtual address that could be ${virtualIp}`, {
        value: virtualIp,
        hint: 'Leave --endpoint-mode dnsrr out, or the address.',
      });
    }
  }
}

function checkIngress(view: ReadView, spec: ServiceSpec): void {
  if (!spec.endpoint.ports.some((port) => port.publishMode === PublishMode.INGRESS)) return;
  for (const network of view.list('network')) if (network.spec.ingress) return;
  throw failedPrecondition('ports cannot be published on all nodes: the swarm has no ingress network', {
    hint: 'Create one with "tsswarm network create --ingress -d overlay ingress", or publish with mode=host.',
  });
}

function isJob(spec: ServiceSpec): boolean {
  return spec.replicatedJob !== undefined || spec.globalJob !== undefined;
}

function warningsFor(spec: ServiceSpec): string[] {
  const { limits } = spec.task.resources;
  const single = onceOnANode(spec.endpoint.ports);
  const late = spec.update?.monitor !== undefined && spec.update.delay >= spec.update.monitor && spec.update.delay > 0;
  return [
    ...(late
      ? ['the update delay is not shorter than the monitor period: failures are seen only after the next step']
      : []),
    ...(single && spec.update?.order === UpdateOrder.START_FIRST
      ? [
          `a node has the host-mode port ${publishedText(single)} once: with the update order start-first a new task needs a node on which the service has none`,
        ]
      : []),
    ...(limits.pids > 0 && limits.pids < 10 ? [`a limit of ${limits.pids} processes is too low for most images`] : []),
    ...autoscaleWarnings(spec),
    ...ignoredParts(spec),
  ];
}
