import { codeOf } from '../../lib/errors.js';
import { type ContainerFilter, type ContainerInfo, ContainerPhase } from '../../proto/gen/index.js';
import type { ContainerFacts } from '../executor/interactive.js';
import type { AnyContainer, Containers } from './containers.js';
import { networkMode } from './endpoints.js';
import { asksForStopped, containerTest } from './filters.js';
import { gatewayAddressIn, localInfo, taskInfo } from './info.js';
import { shortId } from './names.js';

/** A container whole, with what the kernel shows of it. */
export async function describeContainer(containers: Containers, found: AnyContainer): Promise<ContainerInfo> {
  const info = await brief(containers, found);
  const { address } = gatewayAddressIn(info.sandboxKey, containers.options.gatewayBridge);
  return { ...info, gatewayAddress: address };
}

/** The newest first. */
export async function listContainers(
  containers: Containers,
  all: boolean,
  filters: readonly ContainerFilter[],
): Promise<ContainerInfo[]> {
  const test = containerTest(filters);
  const infos = await Promise.all(containers.all().map((found) => brief(containers, found)));
  return infos
    .filter((info) => (all || asksForStopped(filters) || isLive(info)) && test(info))
    .sort((a, b) => b.createdAt - a.createdAt);
}

const isLive = ({ phase }: ContainerInfo): boolean =>
  phase === ContainerPhase.RUNNING || phase === ContainerPhase.RESTARTING;

async function brief(containers: Containers, found: AnyContainer): Promise<ContainerInfo> {
  const { executor } = containers.options;
  const state = await executor.inspect(found.id);
  const check = state?.check;
  const health = containers.options.health.of(found.id);
  const facts = await factsOf(containers, found.id);
  if (found.kind === 'task') {
    const sandboxKey = containers.options.plane.namespacePath(found.id);
    const context = { pid: 0, facts, check, health, sandboxKey, gatewayAddress: '' };
    return taskInfo(found.local, state, context);
  }
  const { record, pid } = found.runner;
  return localInfo(record, {
    pid,
    facts,
    check,
    health,
    sandboxKey: sandboxKey(containers, found.id),
    gatewayAddress: '',
  });
}

/** Of a container that shares another's network, the other's. */
function sandboxKey(containers: Containers, id: string): string {
  const record = containers.record(id);
  const mode = record ? networkMode(record.config) : undefined;
  if (mode?.kind === 'host') return '';
  return mode?.kind === 'container'
    ? sandboxKey(containers, mode.ref)
    : containers.options.plane.namespacePath(shortId(id));
}

/** Undefined for a container that is just being removed. */
async function factsOf(containers: Containers, id: string): Promise<ContainerFacts | undefined> {
  try {
    return await containers.options.executor.facts(id);
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}
