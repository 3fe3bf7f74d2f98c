import { newId } from '../../lib/ids.js';
import type { Random } from '../../lib/seeded-random.js';
import {
  AttachmentSpec,
  EndpointMode,
  IPAMConfig,
  type Network,
  NetworkAttachmentConfig,
  type Service,
  Task,
  TaskSpec,
  TaskState,
} from '../../proto/gen/index.js';
import { isStopped, newTask } from '../common/tasks.js';
import type { ReadView, WriteView } from '../store/store.js';
import { testNetwork, testNode, testService, testTaskSpec } from './objects.js';

/** One change that operators, orchestrators or nodes make, whatever the swarm is like. */
export function randomChange(random: Random, draft: WriteView): void {
  const changes = [addNetwork, removeNetwork, addService, changeService, removeService, addNode, removeNode];
  const frequent = [addTask, addTask, addAttachment, stopTask, stopTask, removeTask, removeTask];
  const change = pick(random, [...changes, ...frequent]);
  change?.(random, draft);
}

/** Takes away whatever is left, as the last users do. */
export function removeAll(draft: WriteView): void {
  for (const task of [...draft.list('task')]) draft.remove('task', task.id);
  for (const service of [...draft.list('service')]) draft.remove('service', service.id);
  for (const node of [...draft.list('node')]) draft.remove('node', node.id);
  for (const network of custom(draft)) draft.remove('network', network.id);
}

const pick = <T>(random: Random, items: readonly T[]): T | undefined => items[random(items.length || 1)];
const custom = (view: ReadView): Network[] => [...view.list('network')].filter(({ spec }) => !spec.ingress);

function addNetwork(random: Random, draft: WriteView): void {
  const at = random(4);
  const small = (third: number) => IPAMConfig.create({ subnet: `10.200.${third}.0/29` });
  // Some of them ask for what another one has, and wait.
  const ipam = [[], [small(at)], [small(at), small(at + 10)], [IPAMConfig.create({ subnet: `fd00:${at}::/125` })]];
  const chosen = pick(random, ipam) ?? [];
  const ipv6 = random(3) === 0 || chosen.some(({ subnet }) => subnet.includes(':'));
  draft.create('network', testNetwork(`n${newId()}`, { ipam: chosen, ipv6, attachable: true }));
}

function removeNetwork(random: Random, draft: WriteView): void {
  const network = pick(random, custom(draft));
  if (!network) return;
  for (const _ of draft.servicesOfNetwork(network.id)) return;
  for (const task of draft.tasksOfNetwork(network.id)) if (!isStopped(task)) return;
  draft.remove('network', network.id);
}

function networksFor(random: Random, draft: ReadView): NetworkAttachmentConfig[] {
  const targets = new Set([pick(random, custom(draft))?.id, random(3) === 0 ? pick(random, custom(draft))?.id : '']);
  return [...targets]
    .filter((target) => target !== undefined && target !== '')
    .map((target = '') => NetworkAttachmentConfig.create({ target, virtualIp: asked(random, draft, target) }));
}

/** Now and then one of the first few addresses, whoever has it. */
function asked(random: Random, view: ReadView, networkId: string): string {
  const subnet = pick(random, view.get('network', networkId)?.ipam ?? [])?.subnet ?? '';
  if (subnet === '' || random(3) > 0) return '';
  return subnet.replace(/0\/\d+$/, String(2 + random(4))).replace(/::\/\d+$/, `::${2 + random(4)}`);
}

function addService(random: Random, draft: WriteView): void {
  const task = testTaskSpec('web', { networks: networksFor(random, draft) });
  const mode = random(5) === 0 ? EndpointMode.DNSRR : EndpointMode.VIP;
  draft.create('service', testService(`s${newId()}`, 1, { task, endpoint: { mode, ports: [] } }));
}

function changeService(random: Random, draft: WriteView): void {
  const service = pick(random, [...draft.list('service')]);
  if (!service) return;
  const task = { ...service.spec.task, networks: networksFor(random, draft) };
  const mode = random(5) === 0 ? EndpointMode.DNSRR : EndpointMode.VIP;
  const spec = { ...service.spec, task, endpoint: { mode, ports: [] } };
  draft.update('service', { ...service, spec, specVersion: draft.version + 1 });
}

function removeService(random: Random, draft: WriteView): void {
  const service = pick(random, [...draft.list('service')]);
  if (service) draft.remove('service', service.id);
}

function addTask(random: Random, draft: WriteView): void {
  const service: Service | undefined = pick(random, [...draft.list('service')]);
  if (!service) return;
  const task = newTask(service, { id: newId(), slot: 1, nodeId: '', desiredState: TaskState.RUNNING, now: 0 });
  draft.create('task', task);
}

function addAttachment(random: Random, draft: WriteView): void {
  const target = pick(random, custom(draft))?.id;
  const node = pick(random, [...draft.list('node')]);
  if (target === undefined || !node) return;
  const addresses = [asked(random, draft, target)].filter((address) => address !== '');
  const spec = TaskSpec.create({
    networks: [NetworkAttachmentConfig.create({ target, addresses })],
    attachment: AttachmentSpec.create({ containerId: newId(), containerName: 'box' }),
  });
  draft.create('task', Task.create({ id: newId(), nodeId: node.id, spec, desiredState: TaskState.RUNNING }));
}

function stopTask(random: Random, draft: WriteView): void {
  const task = pick(random, [...draft.list('task')]);
  if (!task) return;
  // What is to stop goes on for a while; what has stopped is over.
  const state = random(2) === 0 && task.status.state < TaskState.SHUTDOWN ? TaskState.SHUTDOWN : task.status.state;
  draft.update('task', {
    ...task,
    desiredState: TaskState.SHUTDOWN,
    status: { ...task.status, state },
  });
}

function removeTask(random: Random, draft: WriteView): void {
  const task = pick(random, [...draft.list('task')].filter(isStopped));
  if (task) draft.remove('task', task.id);
}

function addNode(random: Random, draft: WriteView): void {
  if (draft.count('node') < 4) draft.create('node', testNode(`node${random(1000)}`));
}

function removeNode(random: Random, draft: WriteView): void {
  const node = pick(random, [...draft.list('node')]);
  if (node && random(3) === 0) draft.remove('node', node.id);
}
