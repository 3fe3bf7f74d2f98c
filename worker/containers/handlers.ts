import { failedPrecondition } from '../../lib/errors.js';
import { followEvents } from '../../lib/events/follow.js';
import {
  ContainerLogsMessage,
  type ContainersService,
  CreateContainerResponse,
  CreateLocalNetworkResponse,
  InspectContainerResponse,
  InspectLocalNetworkResponse,
  ListContainersResponse,
  ListLocalNetworksResponse,
  WaitContainerResponse,
} from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import { stopGrace } from '../executor/stop-grace.js';
import { batches } from '../logs/batches.js';
import { connect, disconnect, removeNetwork } from './connections.js';
import { type AnyContainer, type Containers, isRunning } from './containers.js';
import { describeContainer, listContainers } from './descriptions.js';
import { networkTest } from './filters.js';
import { interactiveHandlers } from './interactive-handlers.js';
import { allNetworks, findNetwork, networkUsers } from './network-views.js';
import { noSuchContainer, notRunning } from './refusals.js';
import { createWarnings } from './warnings.js';

/** Bytes of lines after which a message of logs is sent. */
const MESSAGE_SIZE = 64 << 10;
const LINE_OVERHEAD = 16;

/** @param ready resolves when the machine's containers are known */
export function containersHandlers(ready: () => Promise<Containers>): Handlers<typeof ContainersService> {
  return {
    ...interactiveHandlers(ready),

    async createContainer({ config }, { signal }) {
      const containers = await ready();
      const { id } = await containers.create(config, signal);
      return CreateContainerResponse.create({ id, warnings: createWarnings(config) });
    },

    async startContainer({ ref }) {
      const found = (await ready()).find(ref);
      await localOnly(found, 'started').start();
      return {};
    },

    async listContainers({ all, filters }) {
      return ListContainersResponse.create({ containers: await listContainers(await ready(), all, filters) });
    },

    async inspectContainer({ ref }) {
      const containers = await ready();
      return InspectContainerResponse.create({ container: await describeContainer(containers, containers.find(ref)) });
    },

    async stopContainer({ ref, grace, signal }) {
      const containers = await ready();
      const found = containers.find(ref);
      const graceMs = grace === undefined ? undefined : Math.round(grace / 1e6);
      if (found.kind === 'local') await found.runner.stop(signal, graceMs);
      else {
        const own = stopGrace(found.local.task.spec.container);
        await containers.options.executor.stop(found.id, signal, graceMs ?? own);
      }
      return {};
    },

    async restartContainer({ ref, grace, signal }) {
      const found = (await ready()).find(ref);
      await localOnly(found, 'restarted').restart(signal, grace === undefined ? undefined : Math.round(grace / 1e6));
      return {};
    },

    async killContainer({ ref, signal }) {
      const containers = await ready();
      const found = containers.find(ref);
      if (found.kind === 'local') await found.runner.kill(signal || 'SIGKILL');
      else if (isRunning(found)) await containers.options.executor.kill(found.id, signal || 'SIGKILL');
      else throw notRunning(found.name);
      return {};
    },

    async removeContainer({ ref, force, volumes }) {
      const containers = await ready();
      const found = containers.find(ref);
      if (found.kind === 'local') await found.runner.remove(force, volumes);
      else await removeOfTask(containers, found, volumes);
      return {};
    },

    async waitContainer({ ref }, { signal }) {
      const containers = await ready();
      const { code, error } = await exitOf(containers, containers.find(ref), signal);
      return WaitContainerResponse.create({ exitCode: code, error });
    },

    async waitForRemoval({ ref }, { signal }) {
      const found = (await ready()).all().find(({ id, name }) => ref === id || ref === name);
      if (found?.kind === 'local') await found.runner.removal(signal);
      return {};
    },

    async *containerLogs({ ref, options }, { signal }: CallContext) {
      const containers = await ready();
      const found = containers.find(ref);
      const ended = options.follow ? settled(exitOf(containers, found, signal)) : undefined;
      const lines = containers.options.executor.logs(found.id, options, signal, ended);
      for await (const batch of batches(lines, MESSAGE_SIZE, ({ data }) => data.length + LINE_OVERHEAD)) {
        yield ContainerLogsMessage.create({ lines: batch });
      }
    },

    async createLocalNetwork({ spec }) {
      const containers = await ready();
      const network = await containers.createNetwork(spec);
      return CreateLocalNetworkResponse.create({ network });
    },

    async listLocalNetworks({ filters }) {
      const containers = await ready();
      return ListLocalNetworksResponse.create({ networks: allNetworks(containers).filter(networkTest(filters)) });
    },

    async inspectLocalNetwork({ ref }) {
      const containers = await ready();
      const network = findNetwork(containers, ref);
      return InspectLocalNetworkResponse.create({ network, users: networkUsers(containers, network) });
    },

    async removeLocalNetwork({ ref }) {
      const containers = await ready();
      await removeNetwork(containers, findNetwork(containers, ref));
      return {};
    },

    async connectContainer({ container, network }, { signal }) {
      const containers = await ready();
      await connect(containers, connectable(containers.find(container)), network, signal);
      return {};
    },

    async disconnectContainer({ container, network, force }) {
      const containers = await ready();
      await disconnect(containers, connectable(containers.find(container)), network, force);
      return {};
    },

    async *localEvents(request, { signal }) {
      const { events, clock } = (await ready()).options;
      yield* followEvents(events.log, request, clock, signal);
    },
  };
}

/** @throws FAILED_PRECONDITION for a container that the swarm decides about */
function localOnly(found: AnyContainer, what: string) {
  if (found.kind === 'local') return found.runner;
  throw failedPrecondition(`container ${found.name} is of a task of the swarm: it cannot be ${what} by hand`, {
    value: found.name,
    hint: `Change its service: tsswarm service update --force ${found.local.task.serviceName}`,
  });
}

function connectable(found: AnyContainer) {
  if (found.kind === 'local') return found.runner;
  const service = found.local.task.serviceName;
  throw failedPrecondition(`container ${found.name} is of a task of the swarm: its networks are its service's`, {
    value: found.name,
    hint: `Change them there: tsswarm service update --network-add NETWORK ${service}`,
  });
}

async function removeOfTask(containers: Containers, found: AnyContainer, volumes: boolean): Promise<void> {
  const state = await containers.options.executor.inspect(found.id);
  if (!state) throw noSuchContainer(found.name);
  if (state.status !== 'exited') localOnly(found, 'removed');
  await containers.options.executor.remove(found.id, { keepVolumes: !volumes });
}

/** Resolves when it has exited; at once when it does not run. */
async function exitOf({ options }: Containers, found: AnyContainer, signal: AbortSignal) {
  if (found.kind === 'local') return found.runner.wait(signal);
  const { code } = await options.executor.wait(found.id, signal);
  return { code, error: '' };
}

/** Aborts when a promise is settled, either way. */
function settled(promise: Promise<unknown>): AbortSignal {
  const over = new AbortController();
  promise.then(
    () => over.abort(),
    () => over.abort(),
  );
  return over.signal;
}
