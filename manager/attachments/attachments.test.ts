import { expect, test, vi } from 'vitest';
import {
  AttachNetworkRequest,
  type EndpointRecord,
  EndpointState,
  IPAMConfig,
  NetworkAttachmentConfig,
  type NetworkSpec,
  NodeState,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { testNetwork, testTaskSpec } from '../testing/objects.js';
import { TestSwarm } from '../testing/swarm.js';
import { newAttachment } from './task.js';

// Other tests share the machine.
vi.setConfig({ testTimeout: 60_000 });

const id = (digit: string) => digit.repeat(64);
const box: Partial<AttachNetworkRequest> = { network: 'net', containerId: id('a'), containerName: 'box' };

/** A swarm with an attachable network of five addresses. */
async function open(nodes = 1, fields: Partial<NetworkSpec> = {}) {
  const swarm = await TestSwarm.start(nodes);
  const ipam = [IPAMConfig.create({ subnet: '10.9.0.0/29' })];
  const network = testNetwork('net', { attachable: true, ipam, ...fields });
  await swarm.store.update((draft) => draft.create('network', network));
  await swarm.until(() => swarm.store.view().get('network', network.id)?.allocated === true);
  const [agent, other] = swarm.agents;
  if (!agent) throw new RangeError('no agent');
  const task = (taskId: string): Task | undefined => swarm.store.view().get('task', taskId);
  const endpoint = (of = agent): EndpointRecord | undefined =>
    ([...of.assigned.values()] as EndpointRecord[]).find((item) => item.networkId === network.id && item.taskId !== '');
  const gone = (taskId: string) => swarm.until(() => task(taskId) === undefined);
  return { swarm, network, agent, other, task, endpoint, gone };
}

test('attach - a task of the node with its addresses, and others learn the names of the container', async () => {
  const { swarm, network, agent, task, endpoint } = await open();
  const { task: made, network: known } = await agent.attach({ ...box, aliases: ['db'] });
  expect(known.id).toBe(network.id);
  expect(made).toMatchObject({
    nodeId: agent.nodeId,
    desiredState: TaskState.RUNNING,
    spec: { attachment: { containerId: id('a'), containerName: 'box' } },
    networks: [{ networkId: network.id, addresses: ['10.9.0.2/29'], mac: '02:42:0a:09:00:02' }],
  });
  await swarm.until(() => task(made.id)?.status.state === TaskState.RUNNING);
  await swarm.until(() => endpoint()?.state === EndpointState.SERVING);
  expect(endpoint()).toMatchObject({
    addresses: ['10.9.0.2/29'],
    serviceId: '',
    aliases: ['box', 'aaaaaaaaaaaa', 'db'],
    hostname: 'aaaaaaaaaaaa',
  });
});

test('attach - again is the same; another container has another; an address can be asked for', async () => {
  const { agent } = await open();
  const { task: first } = await agent.attach(box);
  expect((await agent.attach(box)).task.id).toBe(first.id);
  const asked = { ...box, containerId: id('b'), containerName: 'other', addresses: ['10.9.0.6'] };
  const { task: second } = await agent.attach(asked);
  expect(second.networks[0]?.addresses).toEqual(['10.9.0.6/29']);
});

test.each<[string, Partial<AttachNetworkRequest>, string, string]>([
  ['no network', { network: 'nowhere' }, 'NOT_FOUND', 'no such network: nowhere'],
  ['not attachable', { network: 'ingress' }, 'FAILED_PRECONDITION', 'network ingress is not attachable'],
  ['outside', { addresses: ['10.8.0.2'] }, 'INVALID_ARGUMENT', 'address 10.8.0.2 is not in network net'],
  ['gateway', { addresses: ['10.9.0.1'] }, 'INVALID_ARGUMENT', 'address 10.9.0.1 is the gateway of network net'],
  ['broadcast', { addresses: ['10.9.0.7'] }, 'INVALID_ARGUMENT', 'which no host can have'],
  ['one family twice', { addresses: ['10.9.0.2', '10.9.0.3'] }, 'INVALID_ARGUMENT', 'are of one family'],
  ['no address', { addresses: ['10.9.0'] }, 'INVALID_ARGUMENT', '"10.9.0" is not an IP address'],
  ['no id', { containerId: 'a' }, 'INVALID_ARGUMENT', '"a" is not a container\'s id'],
  ['no name', { containerName: '' }, 'INVALID_ARGUMENT', '"" is not a container\'s name'],
  ['no name either', { aliases: ['a b'] }, 'INVALID_ARGUMENT', '"a b" is not a name that can be resolved'],
])('attach - refused: %s', async (_what, fields, code, message) => {
  const { swarm, agent } = await open();
  await expect(agent.attach({ ...box, ...fields })).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
  expect([...swarm.store.view().list('task')]).toEqual([]);
});

test('attach - an address of somebody else, or none left: refused with who has it, and nothing is left over', async () => {
  const { swarm, agent } = await open();
  const attach = (digit: string, addresses: string[] = []) =>
    agent.attach({ ...box, containerId: id(digit), containerName: `box${digit}`, addresses });
  await attach('1', ['10.9.0.4']);
  await expect(attach('2', ['10.9.0.4'])).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: 'address 10.9.0.4 of network "net" is taken: it is that of container box1',
  });
  await Promise.all(['2', '3', '4', '5'].map((digit) => attach(digit)));
  await expect(attach('6')).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    message: 'no free address in network "net" (10.9.0.0/29: 5 of 5 used)',
  });
  expect([...swarm.store.view().list('task')]).toHaveLength(5);
});

test('detach - the endpoint drains at once, the task goes when its node says so, the address is free again', async () => {
  const { swarm, agent, other, task, endpoint, gone } = await open(2);
  const { task: made } = await agent.attach(box);
  if (!other) throw new RangeError('no second agent');
  await other.attach({ ...box, containerId: id('b'), containerName: 'other' });
  await swarm.until(() => task(made.id)?.status.state === TaskState.RUNNING);
  agent.runs = false; // it stays until its node has said that it is over
  await agent.detach(made.id);
  await swarm.until(() => endpoint(other)?.state === EndpointState.DRAINING);
  await swarm.until(() => agent.tasks().some((t) => t.id === made.id && t.desiredState === TaskState.REMOVE));
  // The container is started again, and asks for what it has not given back.
  const again = agent.attach({ ...box, addresses: ['10.9.0.2'] });
  await swarm.until(() => [...swarm.store.view().list('task')].some((t) => t.status.error.includes('is taken')));
  await agent.report(made.id, TaskState.SHUTDOWN);
  await gone(made.id);
  await agent.detach(made.id);
  expect((await again).task.networks[0]?.addresses).toEqual(['10.9.0.2/29']);
});

test('detach - only what is an attachment of the node', async () => {
  const { swarm, network, agent, other } = await open(2);
  const { task: made } = await agent.attach(box);
  await expect(other?.detach(made.id)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  const on = testTaskSpec('web', { networks: [NetworkAttachmentConfig.create({ target: network.id })] });
  const web = await swarm.create('web', 1, { task: on });
  await swarm.until(() => swarm.running(web.id).length === 1);
  const [task] = swarm.running(web.id);
  await expect(agent.detach(task?.id ?? '')).rejects.toThrow('is no attachment');
});

test('a node that leaves takes its attachments with it; one that is removed likewise', async () => {
  const { swarm, agent, other, gone } = await open(2);
  const [first, second] = [await agent.attach(box), await other?.attach({ ...box, containerId: id('b') })];
  await swarm.store.update((draft) => {
    const node = draft.get('node', agent.nodeId);
    if (!node) return;
    const status = { ...node.status, state: NodeState.DOWN };
    draft.update('node', { ...node, status, credentialDigest: new Uint8Array() });
  });
  await gone(first.task.id);
  await swarm.store.update((draft) => draft.remove('node', other?.nodeId ?? ''));
  await gone(second?.task.id ?? '');
});

test('an attachment outlives a change of the leader, and is the same one after it', async () => {
  const { swarm, agent } = await open();
  const { task: before } = await agent.attach(box);
  await agent.vanish();
  await swarm.restart();
  await agent.connect();
  const { task: after } = await agent.attach(box);
  expect([after.id, after.networks]).toEqual([before.id, before.networks]);
});

test('what an earlier leader could not finish is gone when the node asks again', async () => {
  const { swarm, network, agent, task } = await open();
  const spec = { networkId: network.id, nodeId: agent.nodeId, now: 0 };
  const request = AttachNetworkRequest.create({ ...box, containerId: id('9'), addresses: ['10.9.0.2'] });
  await agent.attach({ ...box, addresses: ['10.9.0.2'] });
  await swarm.store.update((draft) => draft.create('task', newAttachment(request, { ...spec, id: 'abandoned' })));
  await swarm.until(() => (task('abandoned')?.status.error ?? '') !== '');
  await agent.attach({ ...box, containerId: id('b') });
  expect(task('abandoned')).toBeUndefined();
});

test('two callers for one container get one answer, and leave nothing when it is a refusal', async () => {
  const { swarm, agent } = await open();
  const twice = (fields: Partial<AttachNetworkRequest>) =>
    Promise.allSettled([agent.attach({ ...box, ...fields }), agent.attach({ ...box, ...fields })]);
  const [first, second] = await twice({ addresses: ['10.9.0.4'] });
  expect(first).toMatchObject({ status: 'fulfilled' });
  expect(second).toEqual(first);
  const refused = await twice({ containerId: id('b'), addresses: ['10.9.0.4'] });
  expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect([...swarm.store.view().list('task')]).toHaveLength(1);
});

test('a drained node keeps its attachments, and they do not count where tasks are spread', async () => {
  const { swarm, agent, task } = await open(2);
  const made = await Promise.all(
    ['1', '2', '3'].map((digit) => agent.attach({ ...box, containerId: id(digit), containerName: `box${digit}` })),
  );
  const web = await swarm.create('web', 2);
  await swarm.until(() => swarm.running(web.id).length === 2);
  expect(new Set(swarm.running(web.id).map((t) => t.nodeId)).size).toBe(2);
  await swarm.store.update((draft) => {
    const node = draft.get('node', agent.nodeId);
    if (node) draft.update('node', { ...node, spec: { ...node.spec, availability: 2 } });
  });
  await swarm.until(() => swarm.running(web.id).every((t) => t.nodeId !== agent.nodeId));
  for (const { task: attached } of made) expect(task(attached.id)?.desiredState).toBe(TaskState.RUNNING);
});
