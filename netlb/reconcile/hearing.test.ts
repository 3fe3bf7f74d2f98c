import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { addressBytes, attribute } from '../kernel/attributes.js';
import type { NetlinkMessage } from '../kernel/messages.js';
import type { Notice } from '../kernel/notices.js';
import { Hearing } from './hearing.js';

const NAMES = ['', '1-overlay', 'task'];
const ALL = ['links', 'addressing', 'neighbours', 'tunnels'];
const SET = '169.254.1.1';
const [RTM_NEWLINK, RTM_DELROUTE, RTM_NEWNEIGH, RTM_DELNEIGH] = [16, 25, 28, 29];
const [AF_INET, AF_BRIDGE] = [2, 7];
const [NUD_REACHABLE, NUD_FAILED, NUD_NOARP, NUD_PERMANENT] = [0x02, 0x20, 0x40, 0x80];

let clock: ManualClock;
let hearing: Hearing;
beforeEach(() => {
  clock = new ManualClock();
  hearing = new Hearing({
    clock,
    nameOf: (number) => NAMES[number],
    names: () => NAMES,
    isSet: (name, address) => name === 'task' && address === SET,
  });
});

const message = (type: number, payload: Buffer = Buffer.alloc(16)): NetlinkMessage => ({
  ...{ type, flags: 0, sequence: 0, payload },
});

function neighbour(type: number, family: number, state: number, address = '192.0.2.1'): NetlinkMessage {
  const header = Buffer.alloc(12);
  header[0] = family;
  header.writeUInt16LE(state, 8);
  return message(type, Buffer.concat([header, attribute(1, addressBytes(address))]));
}

function hear(...notices: readonly [number | undefined, NetlinkMessage][]): void {
  hearing.hear((tell) => {
    for (const [namespace, what] of notices) tell({ namespace, message: what } satisfies Notice);
    return true;
  });
}

const heard = () => Object.fromEntries(hearing.waiting.map((name) => [name, hearing.take(name)]));

test('what changes in a namespace is to be looked at once', () => {
  hear([2, message(RTM_DELROUTE)], [2, message(RTM_NEWLINK)], [1, message(RTM_NEWLINK)], [7, message(RTM_NEWLINK)]);
  expect(hearing.waiting).toEqual(['task', '1-overlay']);
  expect(heard()).toEqual({ task: ALL, '1-overlay': ALL });
  expect(heard()).toEqual({});
});

test('what a bridge tells of a port is of the port alone', () => {
  hear([1, message(RTM_NEWLINK, Buffer.from([AF_BRIDGE, 0, 1, 0]))]);
  expect(heard()).toEqual({ '1-overlay': ['links'] });
});

describe('neighbours', () => {
  test.each([
    ['one that was set', 2, neighbour(RTM_NEWNEIGH, AF_INET, NUD_PERMANENT), { task: ['neighbours'] }],
    ['one that the kernel has found', 2, neighbour(RTM_NEWNEIGH, AF_INET, NUD_REACHABLE), {}],
    ['one that it has given up', 2, neighbour(RTM_DELNEIGH, AF_INET, NUD_FAILED), {}],
    ['the end of one that was set', 2, neighbour(RTM_DELNEIGH, AF_INET, NUD_FAILED, SET), { task: ['neighbours'] }],
    ['a forwarding entry', 1, neighbour(RTM_DELNEIGH, AF_BRIDGE, NUD_NOARP), { '1-overlay': ['tunnels'] }],
    ['one that a bridge has learned', 1, neighbour(RTM_NEWNEIGH, AF_BRIDGE, NUD_REACHABLE), {}],
    ['one of the node itself', undefined, neighbour(RTM_NEWNEIGH, AF_INET, NUD_PERMANENT), { '': ['tunnels'] }],
  ] as const)('%s', (_, number, what, expected) => {
    hear([number, what]);
    expect(heard()).toEqual(expected);
  });
});

describe('echoes of our own changes', () => {
  test('during the pass, from where it changes something', async () => {
    await hearing.during(async () => {
      hearing.own('1-overlay', ['tunnels']);
      hearing.own('task', ['tables']);
      hear([1, neighbour(RTM_NEWNEIGH, AF_BRIDGE, NUD_NOARP)], [2, message(RTM_NEWLINK)]);
    });
    expect(heard()).toEqual({ task: ALL });
    hear([1, neighbour(RTM_NEWNEIGH, AF_BRIDGE, NUD_NOARP)]);
    expect(heard()).toEqual({ '1-overlay': ['tunnels'] });
  });

  test('of links a little longer', async () => {
    for (let i = 0; i < 2; i++) {
      await hearing.during(async () => hearing.own('1-overlay', ['links']));
      await clock.advance(1000);
      hear([1, message(RTM_NEWLINK)]);
    }
    expect(heard()).toEqual({});
    await clock.advance(500);
    hear([1, message(RTM_NEWLINK)]);
    expect(heard()).toEqual({ '1-overlay': ALL });
  });

  test('no longer when the clock of the machine is set back', async () => {
    await hearing.during(async () => hearing.own('1-overlay', ['links']));
    clock.set(clock.now() - 3_600_000);
    await clock.advance(1500);
    hear([1, message(RTM_NEWLINK)]);
    expect(heard()).toEqual({ '1-overlay': ALL });
  });

  test('a pass that fails is over, too', async () => {
    const failing = hearing.during(async () => {
      hearing.own('task', ['addressing']);
      throw new Error('no such device');
    });
    await expect(failing).rejects.toThrow('no such device');
    hear([2, message(RTM_DELROUTE)]);
    expect(heard()).toEqual({ task: ALL });
  });
});

test('when notifications were lost any may have changed', () => {
  hearing.own('task', ['links']);
  hearing.hear(() => false);
  expect(heard()).toEqual({ '': ALL, '1-overlay': ALL, task: ALL });
});

test('until when changes of others may have been missed is known, where a pass has changed something', async () => {
  await clock.advance(1000);
  await hearing.during(async () => {
    hearing.own('task', ['neighbours']);
    hearing.own('1-overlay', ['links']);
    await clock.advance(200);
  });
  const [pass, echo] = [hearing.deafUntil('task'), hearing.deafUntil('1-overlay')];
  expect([pass, hearing.deafUntil('')]).toEqual([1200, Number.NEGATIVE_INFINITY]);
  await clock.advance(echo - 1 - clock.monotonic());
  hear([1, message(RTM_NEWLINK)]);
  expect(heard()).toEqual({});
  await clock.advance(1);
  hear([1, message(RTM_NEWLINK)]);
  expect(heard()).toEqual({ '1-overlay': ALL });
});
