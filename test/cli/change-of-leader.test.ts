import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deferred } from '../../lib/async.js';
import { unavailable } from '../../lib/errors.js';
import { LogBatch, LogLine, NodeAvailability, Service, ServiceSpec } from '../../proto/gen/index.js';
import { Held, lostUnknown, lostWhile, madeUnknown } from './fickle-log.js';
import { TestSwarm } from './swarm.js';

const QUICK = { interval: 5, timeout: 15_000 };

let swarm: TestSwarm;
beforeEach(async () => {
  swarm = new TestSwarm();
  await swarm.start();
});
afterEach(async () => {
  await swarm.stop();
  expect(swarm.log.isSpent).toBe(true);
});

const serviceOf = (name: string): Service | undefined => swarm.store.view().byName('service', name)[0];
const specOf = (node: string) => swarm.store.view().get('node', node)?.spec;
const created = async (...argv: string[]) => {
  expect(await swarm.cli('service', 'create', '--detach', ...argv)).toMatchObject({ code: 0, err: '' });
};
/** Waits until nothing of the service is left for the control loops to change. */
const settled = (name: string) => expect.poll(() => serviceOf(name)?.endpoint.allocated, QUICK).toBe(true);

describe.each([
  ['made', madeUnknown],
  ['lost', lostUnknown],
])('a change that was %s, which nobody could tell', (_, fate) => {
  it('node update and promote - are in force', async () => {
    swarm.log.next('node', fate);
    const updated = await swarm.cli('node', 'update', '--label-add', 'zone=a', 'node2');
    expect(updated).toEqual({ code: 0, out: 'node2\n', err: '' });
    expect(specOf('node2id')?.labels).toEqual({ zone: 'a' });
    swarm.log.next('node', fate);
    const promoted = await swarm.cli('node', 'promote', 'node2');
    expect(promoted).toEqual({ code: 0, out: 'Node node2 promoted to a manager in the swarm.\n', err: '' });
  });

  it('service update --force - updates once', async () => {
    await created('--name', 'web', 'web');
    await settled('web');
    swarm.log.next('service', fate);
    expect(await swarm.cli('service', 'update', '-d', '--force', 'web')).toMatchObject({ code: 0, out: 'web\n' });
    expect(serviceOf('web')?.spec.task.forceUpdate).toBe(1);
  });

  it('service scale and rollback - go back to what was before, not further', async () => {
    await created('--name', 'web', 'web');
    await settled('web');
    swarm.log.next('service', fate);
    expect(await swarm.cli('service', 'scale', '-d', 'web=3')).toMatchObject({ code: 0, out: 'web scaled to 3\n' });
    expect(serviceOf('web')?.spec.replicated?.replicas).toBe(3);
    swarm.log.next('service', fate);
    expect(await swarm.cli('service', 'rollback', '-d', 'web')).toMatchObject({ code: 0, out: 'web\n' });
    expect(serviceOf('web')?.spec.replicated?.replicas).toBe(1);
  });

  it('swarm update and join-token --rotate - one new token', async () => {
    swarm.log.next('cluster', fate);
    expect(await swarm.cli('swarm', 'update', '--task-history-limit', '3')).toMatchObject({ code: 0, err: '' });
    expect(swarm.store.view().cluster().spec.taskHistoryLimit).toBe(3);
    const before = swarm.store.view().cluster().joinTokens;
    const seen = new Set<string>();
    const ending = new AbortController();
    const watch = swarm.store.watch(ending.signal, ['cluster']);
    swarm.log.next('cluster', fate);
    const { code, out } = await swarm.cli('join-token', '--rotate', '-q', 'worker');
    for await (const { events } of watch.commits) {
      for (const { object } of events) seen.add((object as { joinTokens: { worker: string } }).joinTokens.worker);
      ending.abort();
    }
    expect(code).toBe(0);
    const now = swarm.store.view().cluster().joinTokens;
    expect(out).toBe(`${now.worker}\n`);
    expect([...seen]).toEqual([now.worker]);
    expect(now.worker).not.toBe(before.worker);
    expect(now.manager).toBe(before.manager);
  });

  it('service and network create - there is one, and its id is told', async () => {
    swarm.log.next('service', fate);
    const service = await swarm.cli('service', 'create', '-d', '--name', 'web', '-p', '8080:80', 'web');
    expect(service).toEqual({ code: 0, out: `${serviceOf('web')?.id}\n`, err: '' });
    swarm.log.next('network', fate);
    const network = await swarm.cli('network', 'create', '-d', 'overlay', '--subnet', '10.9.0.0/24', 'back');
    const [found] = swarm.store.view().byName('network', 'back');
    expect(network).toEqual({ code: 0, out: `${found?.id}\n`, err: '' });
  });

  it('service, network and node rm - are gone', async () => {
    await created('--name', 'web', 'web');
    await swarm.cli('network', 'create', '-d', 'overlay', 'back');
    await settled('web');
    swarm.log.next('service', fate);
    expect(await swarm.cli('service', 'rm', 'web')).toEqual({ code: 0, out: 'web\n', err: '' });
    swarm.log.next('network', fate);
    expect(await swarm.cli('network', 'rm', 'back')).toEqual({ code: 0, out: 'back\n', err: '' });
    swarm.log.next('node', fate);
    expect(await swarm.cli('node', 'rm', '--force', 'node2')).toEqual({ code: 0, out: 'node2\n', err: '' });
    expect(specOf('node2id')).toBeUndefined();
  });
});

describe('what cannot be told', () => {
  it('service create - is said, with where to look', async () => {
    swarm.log.next('service', lostUnknown, lostUnknown);
    const { code, out, err } = await swarm.cli('service', 'create', '-d', '--name', 'web', 'web');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('Error: it is not known whether service web was created: this manager lost its leadership');
    expect(err).toContain('Look with "tsswarm service ls --filter name=web" before you repeat the command.');
  });

  it('service create - one of that name that is another is not ours', async () => {
    const other = ServiceSpec.create({ name: 'web', replicated: { replicas: 7 } });
    const create = () =>
      swarm.store.update((draft) => draft.create('service', Service.create({ id: 'other', spec: other })));
    swarm.log.next('service', lostWhile(create));
    const { code, err } = await swarm.cli('service', 'create', '-d', '--name', 'web', 'web');
    expect(code).toBe(1);
    expect(err).toContain('a service named "web" already exists (other)');
  });

  it('node update - the quorum is lost before it can be looked at', async () => {
    swarm.log.next(
      'node',
      lostWhile(() => {
        swarm.log.hasQuorum = false;
      }),
    );
    const { code, err } = await swarm.cli('node', 'update', '--availability', 'drain', 'node2');
    expect(code).toBe(1);
    expect(err).toContain('it is not known whether node node2 was updated: The swarm does not have a leader');
  });

  it('service rollback - an update by somebody else is not undone', async () => {
    await created('--name', 'web', 'web');
    await swarm.cli('service', 'scale', '-d', 'web=2');
    await settled('web');
    const update = () =>
      swarm.store.update((draft) => {
        const [service] = draft.byName('service', 'web');
        if (service) draft.update('service', { ...service, specVersion: draft.version + 1 });
      });
    swarm.log.next('service', lostWhile(update));
    const { code, err } = await swarm.cli('service', 'rollback', '-d', 'web');
    expect(code).toBe(1);
    expect(err).toContain('service web has been changed by somebody else in the meantime');
    expect(serviceOf('web')?.spec.replicated?.replicas).toBe(2);
  });
});

describe('a daemon that goes away', () => {
  it('reads - are asked again', async () => {
    swarm.socket.dropNext(2);
    expect(await swarm.cli('node', 'ls', '-q')).toEqual({ code: 0, out: 'node1id\nnode2id\n', err: '' });
  });

  it('service logs - that break off say so, and how to go on', async () => {
    await created('--name', 'web', 'web');
    const data = Buffer.from('hello\n');
    swarm.logs = async function* () {
      yield LogBatch.create({ lines: [LogLine.create({ data })] });
      await heard.promise;
      throw unavailable('Connection dropped');
    };
    const heard = deferred<void>();
    const out = (text: string | Uint8Array) => void (text.toString().endsWith('hello\n') && heard.resolve());
    const { code, err } = await swarm.cliWith({ out }, 'service', 'logs', '--raw', '-f', 'web');
    expect(code).toBe(1);
    expect(err).toBe(
      'Error: the logs have broken off: Connection dropped\nRun the command again; --since shows only what is newer.\n',
    );
  });

  it('node update - was made before the answer was lost', async () => {
    swarm.log.next('node', async (apply) => {
      const index = await apply();
      swarm.socket.sever();
      return index;
    });
    const updated = await swarm.cli('node', 'update', '--availability', 'drain', 'node2');
    expect(updated).toEqual({ code: 0, out: 'node2\n', err: '' });
    expect(specOf('node2id')?.availability).toBe(NodeAvailability.DRAIN);
  });

  it('node update - a first attempt that comes late makes the second one stale, and is found', async () => {
    const held = new Held();
    swarm.log.next('node', held.fate);
    const updating = swarm.cli('node', 'update', '--label-add', 'zone=a', 'node2');
    await held.reached.promise;
    swarm.socket.sever();
    const asked = swarm.requests;
    await expect.poll(() => swarm.requests, QUICK).toBeGreaterThan(asked + 1);
    held.release();
    expect(await updating).toEqual({ code: 0, out: 'node2\n', err: '' });
    expect(specOf('node2id')?.labels).toEqual({ zone: 'a' });
  });

  it('service create - with ports, whose first attempt comes late', async () => {
    const held = new Held();
    swarm.log.next('service', held.fate);
    const creating = swarm.cli('service', 'create', '-d', '--name', 'web', '-p', '8080:80', 'web');
    await held.reached.promise;
    swarm.socket.sever();
    const asked = swarm.requests;
    await expect.poll(() => swarm.requests, QUICK).toBeGreaterThan(asked + 1);
    held.release();
    expect(await creating).toEqual({ code: 0, out: `${serviceOf('web')?.id}\n`, err: '' });
  });
});
