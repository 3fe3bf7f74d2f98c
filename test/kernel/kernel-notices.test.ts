import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NetNamespace } from '../../netlb/kernel/namespace.js';
import { NoticeSocket } from '../../netlb/kernel/notices.js';
import { newVeth } from '../../netlb/kernel/rtnetlink.js';
import { inside, Scratch } from './kernel-scratch.js';

const [RTM_NEWLINK, RTM_NEWADDR] = [16, 20];

let scratch: Scratch;
let home: NetNamespace;
beforeEach(() => {
  scratch = new Scratch();
  home = scratch.namespace('home');
});
afterEach(() => {
  scratch.close();
});

function listen(): NoticeSocket {
  const socket = new NoticeSocket(home, ['link', 'ipv4Address']);
  scratch.defer(() => socket.close());
  return socket;
}

/** The kernel has queued them before the command that causes them ends. */
function heard(socket: NoticeSocket) {
  const notices: { namespace: number | undefined; type: number }[] = [];
  const complete = socket.drain(({ namespace, message: { type } }) => notices.push({ namespace, type }));
  return { complete, notices };
}

test('what changes in namespaces with a number is heard, and where', () => {
  const [one, two] = [scratch.namespace('one'), scratch.namespace('two')];
  const route = scratch.routeSocket(home);
  const [first, second] = [route.numberOf(one), route.numberOf(two)];
  expect(first).not.toBe(second);
  expect(route.numberOf(one)).toBe(first);
  const socket = listen();
  inside(two, 'ip', 'address', 'add', '192.0.2.2/24', 'dev', 'lo');
  inside(home, 'ip', 'address', 'add', '192.0.2.1/24', 'dev', 'lo');
  expect(heard(socket)).toEqual({
    complete: true,
    notices: [
      { namespace: second, type: RTM_NEWADDR },
      { namespace: undefined, type: RTM_NEWADDR },
    ],
  });
});

test('a namespace without a number is not heard', () => {
  const other = scratch.namespace('other');
  const socket = listen();
  inside(other, 'ip', 'address', 'add', '192.0.2.2/24', 'dev', 'lo');
  expect(heard(socket)).toEqual({ complete: true, notices: [] });
});

test('more than there is room for is told to be incomplete, once', () => {
  const other = scratch.namespace('other');
  const number = scratch.routeSocket(home).numberOf(other);
  const route = scratch.routeSocket(other);
  route.apply(newVeth({ name: 'a', peer: { name: 'b' } }));
  const socket = listen();
  for (let round = 0; round < 2; round++) {
    inside(
      other,
      'sh',
      '-c',
      'for i in $(seq 6000); do echo "link set dev a mtu $((1000 + i % 400))"; done | ip -batch -',
    );
    const { complete, notices } = heard(socket);
    expect(complete).toBe(false);
    expect(notices.every(({ namespace, type }) => namespace === number && type === RTM_NEWLINK)).toBe(true);
    expect(heard(socket)).toEqual({ complete: true, notices: [] });
  }
});
