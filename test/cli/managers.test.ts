import { afterEach, beforeEach, expect, it } from 'vitest';
import { ManagerStatus, NodeRole } from '../../proto/gen/index.js';
import { TestSwarm } from './swarm.js';

let swarm: TestSwarm;
beforeEach(async () => {
  swarm = new TestSwarm();
  await swarm.start();
});
afterEach(() => swarm.stop());

it('promote and demote - in the words of Docker, also for what is so already', async () => {
  expect(await swarm.cli('node', 'promote', 'node2', 'node1', 'nope')).toEqual({
    code: 1,
    out: 'Node node2 promoted to a manager in the swarm.\nNode node1 is already a manager.\n',
    err: 'Error: no such node: nope\n',
  });
  expect(swarm.store.view().get('node', 'node2id')?.spec.desiredRole).toBe(NodeRole.MANAGER);
  expect((await swarm.cli('node', 'demote', 'node2')).out).toBe('Manager node2 demoted in the swarm.\n');
  expect((await swarm.cli('node', 'demote', 'node2')).out).toBe('Node node2 is already a worker.\n');
  expect((await swarm.cli('node', 'update', '--role', 'manager', 'node2')).out).toBe('node2\n');
  expect(swarm.store.view().get('node', 'node2id')?.spec.desiredRole).toBe(NodeRole.MANAGER);
});

it('demote and rm - the last manager stays, and the reason is said', async () => {
  for (const command of [
    ['node', 'demote', 'node1'],
    ['node', 'rm', '--force', 'node1'],
  ]) {
    const { code, out, err } = await swarm.cli(...command);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('it is the last manager of the swarm');
  }
});

it('node ls and inspect - who leads, who answers, who does not', async () => {
  await swarm.store.update((draft) => {
    const node = draft.get('node', 'node2id');
    const managerStatus = ManagerStatus.create({ raftId: 2, address: '203.0.113.2:2377' });
    if (node) draft.update('node', { ...node, role: NodeRole.MANAGER, managerStatus });
  });
  const format = ['--format', '{{.Hostname}} {{.ManagerStatus}}'];
  expect((await swarm.cli('node', 'ls', ...format)).out).toBe('node1 Leader\nnode2 Unreachable\n');
  expect((await swarm.cli('node', 'ls', '--filter', 'role=manager', '-q')).out).toBe('node1id\nnode2id\n');
  expect((await swarm.cli('node', 'ls', '--filter', 'role=worker', '-q')).out).toBe('');
  expect((await swarm.cli('node', 'inspect', '--pretty', 'node2')).out).toContain(
    'Manager Status:\n Address:        203.0.113.2:2377\n Raft Status:    Unreachable\n Leader:         No\n',
  );
  expect((await swarm.cli('node', 'inspect', '-f', '{{.ManagerStatus.Reachability}}', 'node2')).out).toBe(
    'unreachable\n',
  );
});

it('info - what managers keep to, and where they are', async () => {
  await swarm.cli('swarm', 'update', '--snapshot-interval', '500', '--max-snapshots', '2');
  const { out } = await swarm.cli('info');
  expect(out).toContain(
    ' Raft:\n  Snapshot Interval: 500\n  Number of Old Snapshots to Retain: 2\n  Heartbeat Tick: 1\n  Election Tick: 10\n',
  );
  expect(out).toContain(' Manager Addresses:\n  203.0.113.1:2377\n  203.0.113.10:2377\n');
  expect((await swarm.cli('info', '-f', '{{.Swarm.Cluster.Spec.Raft.SnapshotInterval}}')).out).toBe('500\n');
});

it('without a quorum - reads and writes say so, and info answers', async () => {
  swarm.log.hasQuorum = false;
  for (const command of [
    ['node', 'ls'],
    ['join-token', 'manager'],
    ['node', 'promote', 'node2'],
  ]) {
    expect(await swarm.cli(...command)).toEqual({ code: 1, out: '', err: 'Error: The swarm does not have a leader\n' });
  }
  expect(await swarm.cli('info', '-f', '{{.Swarm.ControlAvailable}}')).toMatchObject({ code: 0, out: 'true\n' });
});

it('completion - nodes to promote, roles', async () => {
  expect((await swarm.cli('__complete', '--', 'node', 'promote', 'n')).out).toBe('node1\nnode2\n');
  expect((await swarm.cli('__complete', '--', 'join-token', 'm')).out).toBe('manager\n');
  expect((await swarm.cli('__complete', '--', 'node', 'update', '--role', '')).out).toBe('manager\nworker\n');
});
