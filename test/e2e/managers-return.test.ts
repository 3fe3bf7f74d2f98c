import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { execAt, nodeOf, runningTasks, tsswarm, tsswarmOutcome } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import {
  ContainerSpec,
  CreateServiceRequest,
  ServiceSpec,
  TaskSpec,
  UpdateServiceRequest,
} from '../../proto/gen/index.js';
import { addressOf, IMAGE, useLab } from './lab.js';
import { mend, nodesSeenBy, removeOthers, succeed, untilSettled, withControl } from './managers.js';
import { servers } from './servers.js';

useLab(4, '--managers', '3');

const MANAGERS = [1, 2, 3];
const REPLICAS = 4;
const INTERVAL = 20;
/** More entries than the leader keeps for followers that are a little behind, which are 500. */
const CHANGES = 600;

beforeAll(async () => {
  await tsswarm('service', 'create', '--quiet', '--name', 'web', '--replicas', String(REPLICAS), IMAGE);
});

afterEach(async () => {
  await mend(MANAGERS);
  await removeOthers(await untilSettled(MANAGERS), ['web']);
});

/** A manager that does not lead, and one that is left to ask. */
async function someFollower(): Promise<readonly [follower: number, other: number]> {
  const leader = await untilSettled(MANAGERS);
  return [MANAGERS.find((node) => node !== leader) ?? 0, leader];
}

/** Everything that operators can see, as a manager has it. */
function stateOf(manager: number): Promise<unknown> {
  return withControl(nodeOf(manager), async (control) => {
    const all = { filters: [] };
    const lists = [
      control.listServices(all),
      control.listTasks(all),
      control.listNetworks(all),
      control.listNodes(all),
    ];
    const [services, tasks, networks, nodes] = await Promise.all(lists);
    return { services, tasks, networks, nodes, cluster: await control.getCluster({}) };
  });
}

/** Changes the label of a service without replicas again and again: each change is an entry of the log. */
async function change(manager: number, times: number): Promise<void> {
  await withControl(nodeOf(manager), async (control) => {
    const task = TaskSpec.create({ container: ContainerSpec.create({ image: IMAGE }) });
    const spec = ServiceSpec.create({ name: 'counter', task, replicated: { replicas: 0 } });
    const { id } = (await control.createService(CreateServiceRequest.create({ spec }))).service;
    let service = await until('only this test changes the service', 10, async () => {
      const { service: found } = await control.getService({ ref: id });
      return found.endpoint.allocated ? found : undefined;
    });
    for (let count = 1; count <= times; count++) {
      const labels = { count: String(count) };
      const { version } = service.meta;
      const request = UpdateServiceRequest.create({ id, version, spec: { ...service.spec, labels } });
      ({ service } = await control.updateService(request));
    }
  });
}

test('a manager that missed hundreds of changes - catches up by a snapshot, and has the same state as the others', async () => {
  const [late, other] = await someFollower();
  await succeed(other, 'update', '--snapshot-interval', String(INTERVAL));
  await tsswarm('lab', 'stop', `node${late}`);
  await change(other, CHANGES);
  const { logFile, dataRoot } = nodeOf(late);
  const before = readFileSync(logFile, 'utf8').length;
  await tsswarm('lab', 'start', `node${late}`);
  await untilSettled(MANAGERS);
  expect(readFileSync(logFile, 'utf8').slice(before)).toContain('received a snapshot from the leader');
  // Its log begins after what it has missed.
  const indexes = readdirSync(path.join(dataRoot, 'manager')).flatMap((file) =>
    file.startsWith('snapshot-') ? [Number(file.split('-').at(-1))] : [],
  );
  expect(Math.max(...indexes)).toBeGreaterThan(CHANGES);
  await until('the states are the same', 20, async () => {
    const states = await Promise.all(MANAGERS.map(stateOf));
    return new Set(states.map((state) => JSON.stringify(state))).size === 1 || undefined;
  });
  expect(await succeed(late, 'service', 'inspect', '--format', '{{.Spec.Labels.count}}', 'counter')).toBe(
    String(CHANGES),
  );
});

test('a manager that has lost its log - does not start and says what to do, which helps and leaves nothing', async () => {
  const [lost, other] = await someFollower();
  const { dataRoot, stateFile } = nodeOf(lost);
  const folder = path.join(dataRoot, 'manager');
  await tsswarm('lab', 'stop', `node${lost}`);
  await rm(folder, { recursive: true });
  for (const _ of ['the first time', 'what that has left is no log either']) {
    const { code, stderr } = await tsswarmOutcome(['lab', 'start', `node${lost}`]);
    expect(stderr).toContain(`the log of this manager is gone: there is none in ${folder}`);
    expect(stderr).toContain('tsswarm node rm --force');
    expect(stderr).toContain('delete node.json in the data root here, and join anew');
    expect(code).toBe(1);
  }
  await succeed(other, 'node', 'rm', '--force', `node${lost}`);
  await rm(stateFile);
  await tsswarm('lab', 'start', `node${lost}`);
  const token = await succeed(other, 'join-token', '--quiet', 'manager');
  await succeed(lost, 'join', '--token', token, addressOf(other));
  await untilSettled(MANAGERS);
  await until('only the containers run that are wanted', 20, async () => {
    const all = await servers();
    return (all.length === REPLICAS && (await runningTasks('web')).length === REPLICAS) || undefined;
  });
});

test('a manager whose address has changed meanwhile - is found by the others again', async () => {
  const [moved, other] = await someFollower();
  const address = addressOf(100 + moved);
  await tsswarm('lab', 'stop', `node${moved}`);
  await execAt(`node${moved}`, ['ip', 'address', 'flush', 'dev', 'eth0']);
  await execAt(`node${moved}`, ['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0']);
  await tsswarm('lab', 'start', `node${moved}`);
  await until('its new address is known', 30, async () => {
    const node = (await nodesSeenBy(other))?.get(`node${moved}`);
    return node?.managerStatus?.address === `${address}:2377` || undefined;
  });
  await untilSettled(MANAGERS);
  // Its vote is needed, and that the others reach it.
  await tsswarm('lab', 'kill', `node${other}`);
  await succeed(moved, 'network', 'create', '--driver', 'overlay', 'moved');
  await mend([other]);
  await untilSettled(MANAGERS);
  const inspected = await succeed(other, 'node', 'inspect', '--format', '{{.ManagerStatus.Addr}}', `node${moved}`);
  expect(inspected).toBe(`${address}:2377`);
});
