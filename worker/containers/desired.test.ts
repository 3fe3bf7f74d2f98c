import { describe, expect, it } from 'vitest';
import {
  ContainerConfig,
  ContainerEndpoint,
  ContainerNetwork,
  ContainerSpec,
  DNSConfig,
  PortConfig,
  RunPhase,
  StoredContainer,
  StoredEndpoint,
} from '../../proto/gen/index.js';
import { localState } from './desired.js';

const id = (letter: string) => letter.repeat(64);
const endpoint = (network: string, address: string, fields: Partial<ContainerEndpoint> = {}, internal = false) =>
  StoredEndpoint.create({
    internal,
    endpoint: ContainerEndpoint.create({
      networkId: `id-${network}`,
      networkName: network,
      driver: 'bridge',
      interface: 'eth0',
      addresses: [address],
      mac: '02:42:0a:00:00:02',
      ...fields,
    }),
  });
const container = (letter: string, endpoints: StoredEndpoint[], fields: Partial<StoredContainer> = {}) =>
  StoredContainer.create({
    id: id(letter),
    phase: RunPhase.RUNNING,
    endpoints,
    ...fields,
    config: { ...(fields.config ?? ContainerConfig.create()), name: `Name-${letter}` },
  });
const sandboxOf = (record: StoredContainer) => localState([record], []).sandboxes[0];

describe('localState - sandboxes', () => {
  it('are of containers that run or are about to, in the order of their ids', () => {
    const records = [
      container('b', []),
      container('a', [], { phase: RunPhase.STARTING }),
      container('c', [], { phase: RunPhase.IDLE }),
    ];
    expect(localState(records, []).sandboxes.map((sandbox) => sandbox.id)).toEqual(['a'.repeat(12), 'b'.repeat(12)]);
  });

  it("are none in the machine's network or in another's", () => {
    for (const network of ['host', `container:${id('b')}`]) {
      const config = ContainerConfig.create({ networks: [ContainerNetwork.create({ network })] });
      expect(sandboxOf(container('a', [], { config }))).toBeUndefined();
    }
  });

  it("have the machine's servers on the default bridge, and the resolver elsewhere", () => {
    expect(sandboxOf(container('a', [endpoint('bridge', '172.17.0.2/16')]))?.resolver).toBeUndefined();
    const dns = DNSConfig.create({ nameservers: ['192.0.2.53'] });
    const config = ContainerConfig.create({ container: ContainerSpec.create({ dns }) });
    expect(sandboxOf(container('a', [endpoint('front', '10.9.0.2/24')], { config }))?.resolver).toEqual({
      zones: ['id-front'],
      nameservers: ['192.0.2.53'],
      forward: true,
    });
    expect(sandboxOf(container('a', [endpoint('front', '10.9.0.2/24', {}, true)]))?.resolver?.forward).toBe(false);
  });

  it('go out over a bridge, or else over the gateway bridge, and lead ports in only when there is a way', () => {
    const ports = [PortConfig.create({ targetPort: 80, publishedPort: 8080, hostIp: '0.0.0.0' })];
    const bridged = sandboxOf(container('a', [endpoint('front', '10.9.0.2/24')], { ports }));
    expect(bridged).toMatchObject({ gateway: false, hostPorts: [{ published: 8080, target: 80, hostAddress: '' }] });
    const overlaid = endpoint('ov', '10.0.1.2/24', { driver: 'overlay' });
    expect(sandboxOf(container('a', [overlaid]))?.gateway).toBe(true);
    expect(sandboxOf(container('a', [overlaid, endpoint('bridge', '172.17.0.2/16')]))?.gateway).toBe(false);
    expect(sandboxOf(container('a', [endpoint('in', '10.9.0.2/24', {}, true)], { ports }))?.hostPorts).toEqual([]);
  });
});

describe('localState - zones', () => {
  it('have names, short ids and aliases, of which one is canonical; of several that share an alias all', () => {
    const records = [
      container('a', [endpoint('front', '10.9.0.2/24', { aliases: ['Data', 'a'.repeat(12)] })]),
      container('b', [endpoint('front', '10.9.0.3/24', { aliases: ['data'] })]),
    ];
    expect(localState(records, []).zones).toEqual([
      {
        id: 'id-front',
        networkName: 'front',
        ports: [],
        names: [
          { name: 'name-a', addresses: ['10.9.0.2'], canonical: true },
          { name: 'data', addresses: ['10.9.0.2', '10.9.0.3'], canonical: false },
          { name: 'a'.repeat(12), addresses: ['10.9.0.2'], canonical: false },
          { name: 'name-b', addresses: ['10.9.0.3'], canonical: true },
        ],
      },
    ]);
  });

  it("are not of the default bridge, nor of the swarm's networks", () => {
    const others = [endpoint('bridge', '172.17.0.2/16'), endpoint('ov', '10.0.1.2/24', { driver: 'overlay' })];
    expect(localState([container('a', others)], []).zones).toEqual([]);
  });
});
