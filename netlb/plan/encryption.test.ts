import { describe, expect, test } from 'vitest';
import { directionKey, spisOf } from '../../lib/overlay-keys.js';
import { Secret } from '../../lib/secret.js';
import { nftBalancer } from '../balancer/nft.js';
import { blueprint } from '../blueprint/blueprint.js';
import { ENCRYPTION_MARK, encryptedMtu, wornAssociations } from '../blueprint/encryption.js';
import type { Facts } from '../blueprint/facts.js';
import type { ActualAssociation } from '../kernel/xfrm.js';
import { NODE_NAMESPACE } from '../names.js';
import type { DesiredState, Encryption } from '../state.js';
import { NOTHING_ACTUAL } from './actual.js';
import type { ActualEncryption } from './encryption.js';
import { plan } from './plan.js';
import { desired, facts, made, OVERLAY } from './testing.js';

const secrets = new Map([1, 2, 3].map((time) => [time, Buffer.alloc(32, time)]));
const keyOf = (time: number): Buffer => secrets.get(time) ?? Buffer.alloc(0);
const ring = (times: readonly number[], sending: number): Encryption => ({
  version: 1,
  keys: times.map((time) => ({ time, secret: new Secret(keyOf(time)) })),
  sending,
});
const [self, peer] = ['192.0.2.1', '192.0.2.2'];
const secret = (encryption: Encryption | undefined, more: Partial<DesiredState> = {}): DesiredState => ({
  ...desired,
  overlays: desired.overlays.map((overlay) => ({ ...overlay, encrypted: true })),
  encryption,
  ...more,
});
const ready: Facts = { ...facts, encryption: { missing: undefined, guarded: new Set([4096]), worn: [] } };
const wanted = (state: DesiredState, now: Facts = ready) => blueprint(state, now, nftBalancer);
const none: ActualEncryption = { associations: [], policies: [] };

/** What is done to a kernel that shows this, in the node's namespace, and how. */
function operations(state: DesiredState, actual: ActualEncryption): string[] {
  const of = wanted(state);
  const shown = made(of);
  const node = shown.namespaces.get(NODE_NAMESPACE) ?? NOTHING_ACTUAL;
  const namespaces = new Map([...shown.namespaces, [NODE_NAMESPACE, { ...node, encryption: actual }]]);
  return plan(of, { ...shown, namespaces }).operations.flatMap((operation) => {
    if ('associations' in operation)
      return operation.associations.map(({ source, destination, spi }) =>
        [operation.kind, source, destination, nameOf(source, spi)].join(' '),
      );
    if ('policies' in operation)
      return operation.policies.map(({ source, destination, spi }) =>
        [operation.kind, source, destination, nameOf(source, spi)].join(' '),
      );
    return [operation.kind];
  });
}

/** Of which key an SPI is. */
const nameOf = (source: string, spi: number): string =>
  `key ${[...secrets].find(([, key]) => spisOf(key)(source) === spi)?.[0] ?? 'unknown'}`;
/** What the kernel shows when a state has been made. */
const shown = (state: DesiredState): ActualEncryption =>
  made(wanted(state)).namespaces.get(NODE_NAMESPACE)?.encryption ?? none;

describe('associations and policies', () => {
  test('packets come with any key, and go with one', () => {
    expect(operations(secret(ring([1, 2], 1)), none)).toEqual([
      `add-associations ${peer} ${self} key 1`,
      `add-associations ${peer} ${self} key 2`,
      `add-associations ${self} ${peer} key 1`,
      `set-policies ${self} ${peer} key 1`,
    ]);
  });

  test('nothing to do when the kernel shows them', () => {
    const state = secret(ring([1, 2], 1));
    expect(operations(state, shown(state))).toEqual([]);
  });

  test("a policy changes over between the new key's association coming and the old one's going", () => {
    expect(operations(secret(ring([1, 2], 2)), shown(secret(ring([1, 2], 1))))).toEqual([
      `add-associations ${self} ${peer} key 2`,
      `set-policies ${self} ${peer} key 2`,
      `remove-associations ${self} ${peer} key 1`,
    ]);
  });

  test('a key that has gone, a node that has gone, and the last encrypted network leave nothing', () => {
    const before = shown(secret(ring([1, 2], 2)));
    expect(operations(secret(ring([2], 2)), before)).toEqual([`remove-associations ${peer} ${self} key 1`]);
    const gone = [
      `remove-policies ${self} ${peer} key 2`,
      `remove-associations ${peer} ${self} key 1`,
      `remove-associations ${peer} ${self} key 2`,
      `remove-associations ${self} ${peer} key 2`,
    ];
    const alone = secret(ring([1, 2], 2), {
      overlays: desired.overlays.map((o) => ({ ...o, encrypted: true, remotes: [] })),
    });
    expect(operations(alone, before)).toEqual(gone);
    expect(operations(desired, before)).toEqual(gone);
  });

  test('without keys the kernel keeps what it has, and the problem says why', () => {
    const state = secret(undefined);
    expect(operations(state, shown(secret(ring([1], 1))))).toEqual([]);
    expect(wanted(state).problems).toEqual([
      { subject: { kind: 'encryption', id: '' }, message: expect.stringContaining('no keys for encrypted networks') },
    ]);
  });

  test('what was made by hand in place of ours is made anew; what others have stays', () => {
    const state = secret(ring([1], 1));
    const before = shown(state);
    const change = (more: Partial<ActualAssociation>): ActualEncryption => ({
      ...before,
      associations: before.associations.map((item) => (item.source === peer ? { ...item, ...more } : item)),
    });
    const again = [`remove-associations ${peer} ${self} key 1`, `add-associations ${peer} ${self} key 1`];
    for (const more of [{ icvBits: 64 }, { ordinary: false }]) expect(operations(state, change(more))).toEqual(again);
    const foreign = { ...before, associations: before.associations.map((item) => ({ ...item, reqid: 1 })) };
    expect(operations(desired, { ...foreign, policies: before.policies.map((p) => ({ ...p, mark: 7 })) })).toEqual([]);
  });

  test('an association that has few packets left is told before it has none', () => {
    const { associations } = shown(secret(ring([1], 1)));
    const sent = (count: number, reqid = ENCRYPTION_MARK) =>
      wornAssociations(associations.map((item) => (item.source === self ? { ...item, sent: count, reqid } : item)));
    expect(sent(3 * 2 ** 30)).toEqual([]);
    expect(sent(2 ** 32 - 1, 1)).toEqual([]);
    const worn = sent(3 * 2 ** 30 + 1);
    expect(worn).toHaveLength(1);
    const problems = (encryption: Encryption) =>
      wanted(secret(encryption), { ...ready, encryption: { ...ready.encryption, worn } }).problems;
    expect(problems(ring([1, 2], 2))).toEqual([]);
    expect(problems(ring([1], 1))).toEqual([
      {
        subject: { kind: 'key', id: '1' },
        message: expect.stringMatching(
          /^esp 192\.0\.2\.1 → 192\.0\.2\.2 \(SPI 0x[0-9a-f]{8}\) has sent more than three quarters of the 4294967296/,
        ),
      },
    ]);
  });

  test('a log of the operations shows no key', () => {
    const { operations } = plan(wanted(secret(ring([1], 1))), {
      namespaces: new Map([[NODE_NAMESPACE, NOTHING_ACTUAL]]),
      nameless: new Set(),
      staleFiles: [],
    });
    const text = JSON.stringify(operations);
    expect(text).toContain('(secret)');
    for (const key of [keyOf(1), directionKey(keyOf(1), self, peer), directionKey(keyOf(1), peer, self)])
      for (const shown of [key.toString('hex'), key.toString('base64'), [...key].join(',')])
        expect(text).not.toContain(shown);
  });
});

describe('an encrypted overlay', () => {
  const messages = (now: Facts) => wanted(secret(ring([1], 1)), now).problems.map(({ message }) => message);
  const chainsOf = (now: Facts) =>
    wanted(secret(ring([1], 1)), now).namespaces?.[0]?.tables.flatMap(({ chains }) => chains.map(({ name }) => name));
  const namespaces = (now: Facts) => wanted(secret(ring([1], 1)), now).namespaces?.map(({ name }) => name);

  test('is not made where the kernel has no ESP, and the reason is told', () => {
    const without = {
      ...facts,
      encryption: { missing: 'Protocol not supported', guarded: new Set<number>(), worn: [] },
    };
    expect(namespaces(without)).not.toContain(OVERLAY);
    expect(messages(without)).toContain('the network is encrypted, and this kernel has no ESP: Protocol not supported');
    expect(chainsOf(without)).not.toContain('esp_out');
  });

  test('goes on under its rules where the kernel cannot be asked for ESP for a moment', () => {
    const unsure = { ...facts, encryption: { missing: 'Too many open files', guarded: new Set([4096]), worn: [] } };
    const made = wanted(secret(ring([1], 1)), unsure);
    expect(made.spared).toContain(OVERLAY);
    expect(made.encryption).toBeUndefined();
    expect(chainsOf(unsure)).toEqual(expect.arrayContaining(['esp_mark', 'esp_out', 'esp_in']));
    expect(messages(unsure)).not.toContainEqual(expect.stringContaining('no keys'));
  });

  test.each([
    [
      'a node with a data-path address of IPv6',
      { vtep: 'fd00::2' },
      {},
      'tunnel endpoint "fd00::2" is not an IPv4 address',
    ],
    ['a VNI that is none', {}, { vni: 2 ** 24 }, 'VNI 16777216 is not a number from 1 to 16777215'],
  ])('%s is a problem of the overlay alone', (_, remote, more, message) => {
    const overlays = desired.overlays.map((overlay) => ({
      ...overlay,
      ...more,
      encrypted: true,
      remotes: overlay.remotes.map((one) => ({ ...one, ...remote })),
    }));
    const state = secret(ring([1], 1), { overlays, ingress: undefined, sandboxes: [] });
    const made = wanted(state);
    expect(made.problems).toEqual([{ subject: { kind: 'overlay', id: overlays[0]?.id }, message }]);
    expect(made.namespaces?.[0]?.name).toBe(NODE_NAMESPACE);
    expect(JSON.stringify(made.namespaces)).not.toContain('16777216');
  });

  test('is not made before the kernel shows the rules that keep it from leaving in clear', () => {
    const early = { ...facts, encryption: { missing: undefined, guarded: new Set<number>(), worn: [] } };
    expect(namespaces(early)).not.toContain(OVERLAY);
    expect(wanted(secret(ring([1], 1)), early).spared).toContain(OVERLAY);
    expect(namespaces(ready)).toContain(OVERLAY);
  });

  test('has room for all headers in one packet of the underlay', () => {
    // Measured on Linux 6.1: a packet of 1416 bytes makes one of 1500, and one of 1417 two fragments.
    expect(encryptedMtu(1500)).toBe(1416);
    const whole = (mtu: number) => 20 + 16 + Math.ceil((mtu + 32) / 4) * 4 + 16;
    for (let underlay = 1400; underlay < 1410; underlay++) {
      expect(whole(encryptedMtu(underlay))).toBeLessThanOrEqual(underlay);
      expect(whole(encryptedMtu(underlay) + 1)).toBeGreaterThan(underlay);
    }
  });
});
