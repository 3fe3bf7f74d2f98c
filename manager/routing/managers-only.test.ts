import { expect, test } from 'vitest';
import { type Node, NodeRole } from '../../proto/gen/index.js';
import { context, openControl } from '../control/testing.js';
import { authenticate } from '../join/authenticate.js';
import type { Standing } from '../store/proposer.js';
import { managersControl } from './control.js';
import { managersOnly } from './managers-only.js';

const shared = Buffer.alloc(32, 7);

/** A leader's Control as node1, a manager, calls it from another machine. */
async function open() {
  const { store, control } = await openControl();
  const [node] = [...store.view().list('node')];
  if (!node) throw new Error('the swarm has no node');
  let standing: Standing = { leading: true, leader: undefined };
  let barriers = 0;
  const admit = managersOnly({
    source: { standing: () => standing, onStanding: () => () => {} },
    barrier: async () => void barriers++,
    isPeer: ({ credential }) => shared.equals(credential?.managerSecret ?? Buffer.alloc(0)),
    authenticate: (call) => authenticate(store, call),
  });
  const offered = managersControl(control, admit);
  const credential = { nodeId: node.id, secret: Buffer.alloc(32), managerSecret: shared };
  const call = (fields: Partial<typeof credential> = {}) =>
    offered.listNodes({ filters: [] }, { ...context, credential: { ...credential, ...fields } });
  const change = (fields: Partial<Node>) =>
    store.update((draft) => {
      const now = draft.get('node', node.id);
      if (now) draft.update('node', { ...now, ...fields });
    });
  return {
    call,
    change,
    barriers: () => barriers,
    depose: () => {
      standing = { leading: false, leader: 'other' };
    },
  };
}

test('managers only - a manager is answered, from a state that is no older than its call', async () => {
  const { call, barriers } = await open();
  expect((await call()).nodes).toHaveLength(1);
  expect(barriers()).toBe(1);
});

test('managers only - who does not know what managers share is refused, and costs no round', async () => {
  const { call, barriers } = await open();
  await expect(call({ managerSecret: Buffer.alloc(32, 8) })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  expect(barriers()).toBe(0);
});

test('managers only - one that was demoted knows the secret still, and is refused', async () => {
  const { call, change } = await open();
  await change({ role: NodeRole.WORKER });
  await expect(call()).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringMatching(/^node \S+ is not a manager any more$/),
  });
});

test('managers only - one that was removed or has left is refused', async () => {
  const { call, change } = await open();
  await change({ credentialDigest: new Uint8Array(0) });
  await expect(call()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
});

test('managers only - a worker that has got hold of the secret is no manager that it names', async () => {
  const { call } = await open();
  await expect(call({ secret: Buffer.alloc(32, 1) })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('managers only - a manager that does not lead judges nobody: it may not know the caller yet', async () => {
  const { call, change, depose } = await open();
  await change({ role: NodeRole.WORKER });
  depose();
  await expect(call()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
