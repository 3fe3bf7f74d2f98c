import { describe, expect, it } from 'vitest';
import {
  Endpoint,
  EndpointState,
  IPAMConfig,
  NetworkAttachment,
  NetworkKeyRing,
  NetworkRecord,
  PortConfig,
  PortStatus,
  Protocol,
  PublishMode,
  type ServiceRecord,
  Task,
  TaskState,
  TaskStatus,
  VirtualIP,
} from '../../proto/gen/index.js';
import type { Assignments } from '../agent/assignments.js';
import type { LocalTask } from '../agent/local-task.js';
import { attachment, byId, endpoint, front, ingressNetwork, local, network, node, state, web } from './testing.js';

describe('desiredState - overlays', () => {
  const networks = byId(ingressNetwork, front);

  it('a node without tasks has the ingress overlay and no other', () => {
    expect(state({ networks }).overlays.map((overlay) => overlay.id)).toEqual(['ingress']);
  });

  it('a node without an ingress address has neither ingress nor its overlay', () => {
    const desired = state({ networks }, [], { ...node, attachments: [] });
    expect(desired.ingress).toBeUndefined();
    expect(desired.overlays).toEqual([]);
  });

  it('an overlay has the endpoints of other nodes, whatever their state, and not its own', () => {
    const endpoints = byId(
      endpoint('front', 'b', '10.0.1.4', { state: EndpointState.DRAINING }),
      endpoint('front', 'c', '10.0.1.5', { state: EndpointState.PRESENT }),
      endpoint('front', 'a', '10.0.1.3', { nodeId: 'here' }),
    );
    const desired = state({ networks, endpoints }, [local('a', [attachment('front', '10.0.1.3')])]);
    expect(desired.overlays).toContainEqual({
      id: 'front',
      vni: 4096,
      gateways: ['10.0.1.1/24'],
      mtu: 0,
      remotes: [
        { address: '10.0.1.4', mac: 'mac-10.0.1.4', vtep: '203.0.113.2' },
        { address: '10.0.1.5', mac: 'mac-10.0.1.5', vtep: '203.0.113.2' },
      ],
    });
  });

  describe('of both families', () => {
    const dual = network('dual', '7', {
      vni: 5000,
      ipam: [
        IPAMConfig.create({ subnet: '10.7.0.0/24', gateway: '10.7.0.1' }),
        IPAMConfig.create({ subnet: '10.8.0.0/24', gateway: '10.8.0.1' }),
        IPAMConfig.create({ subnet: 'fd00:7::/64', gateway: 'fd00:7::1' }),
      ],
    });
    const both = (last: number) => ({ addresses: [`10.7.0.${last}/24`, `fd00:7::${last}/64`] });
    const here = local('a', [NetworkAttachment.create({ networkId: 'dual', mac: 'mac-a', ...both(3) })]);
    const endpoints = byId(
      endpoint('dual', 'b', '10.7.0.4', { serviceId: 'web', ...both(4) }),
      endpoint('dual', 'c', '10.8.0.5', { serviceId: 'web', state: EndpointState.DRAINING }),
      endpoint('dual', 'd', '', { serviceId: 'web', addresses: ['fd00:7::6/64'], mac: 'mac-d' }),
    );
    const virtualIps = ['10.7.0.2/24', 'fd00:7::2/64'].map((address) =>
      VirtualIP.create({ networkId: 'dual', address }),
    );
    const services = byId({ ...web, virtualIps });
    const desired = state({ networks: byId(dual), endpoints, services }, [here]);

    it('has a gateway in every subnet, and every address of endpoints elsewhere under its one MAC', () => {
      expect(desired.overlays[0]?.gateways).toEqual(['10.7.0.1/24', '10.8.0.1/24', 'fd00:7::1/64']);
      expect(desired.overlays[0]?.remotes.map(({ address, mac }) => `${address} ${mac}`)).toEqual([
        '10.7.0.4 mac-10.7.0.4',
        'fd00:7::4 mac-10.7.0.4',
        '10.8.0.5 mac-10.8.0.5',
        'fd00:7::6 mac-d',
      ]);
      expect(desired.sandboxes[0]?.endpoints).toEqual([
        { networkId: 'dual', addresses: ['10.7.0.3', 'fd00:7::3'], mac: 'mac-a' },
      ]);
    });

    it('balances a virtual address over the backends that have its family', () => {
      expect(desired.sandboxes[0]?.virtualServices).toEqual([
        {
          address: '10.7.0.2',
          backends: [
            { address: '10.7.0.4', weight: 1 },
            { address: '10.8.0.5', weight: 0 },
          ],
        },
        {
          address: 'fd00:7::2',
          backends: [
            { address: 'fd00:7::4', weight: 1 },
            { address: 'fd00:7::6', weight: 1 },
          ],
        },
      ]);
    });

    it('gives the gateway bridge IPv6 as long as a task here has it', () => {
      expect(desired.gatewayBridge).toEqual({ address: '172.18.0.1/16', address6: 'fd00:7473::1/64' });
      expect(state({ networks: byId(dual), endpoints, services }).gatewayBridge?.address6).toBe('');
    });
  });

  it('takes the MTU that the network asks for', () => {
    const small = network('front', '1', { driverOptions: { 'com.docker.network.driver.mtu': '1400' } });
    const desired = state({ networks: byId(small) }, [local('a', [attachment('front', '10.0.1.3')])]);
    expect(desired.overlays[0]?.mtu).toBe(1400);
  });

  it('a task that still runs keeps its network when managers have forgotten it', () => {
    const desired = state({}, [local('a', [attachment('front', '10.0.1.3')], { networks: [front] })]);
    expect(desired.overlays.map((overlay) => overlay.id)).toEqual(['front']);
    expect(desired.sandboxes[0]?.endpoints).toEqual([
      { networkId: 'front', addresses: ['10.0.1.3'], mac: 'mac-10.0.1.3' },
    ]);
  });
});

describe('desiredState - sandboxes', () => {
  const networks = byId(ingressNetwork, front, network('back', '2', { internal: true }));
  const sandboxOf = (task: LocalTask, assignments: Partial<Assignments> = {}) =>
    state({ networks, ...assignments }, [task]).sandboxes[0];

  it.each([
    ['ASSIGNED', TaskState.ASSIGNED, 0],
    ['ACCEPTED', TaskState.ACCEPTED, 1],
    ['RUNNING', TaskState.RUNNING, 1],
    ['FAILED', TaskState.FAILED, 0],
  ])('a task that is %s', (_name, taskState, count) => {
    const status = TaskStatus.create({ state: taskState });
    expect(state({ networks }, [local('a', [], { status })]).sandboxes).toHaveLength(count);
  });

  it('has its interfaces in the order of its attachments', () => {
    const sandbox = sandboxOf(local('a', [attachment('ingress', '10.0.0.5'), attachment('front', '10.0.1.3')]));
    expect(sandbox?.endpoints.map((e) => e.networkId)).toEqual(['ingress', 'front']);
    expect(sandbox?.ingress).toEqual({ subnets: ['10.0.0.0/24'], overlayId: 'ingress', ports: [] });
  });

  it('turns published ports into targets as the service has them now, or as its task had them', () => {
    const ports = [PortConfig.create({ publishedPort: 8080, targetPort: 8000, publishMode: PublishMode.INGRESS })];
    const member = local('a', [attachment('ingress', '10.0.0.5')]);
    const task = Task.create({ ...member.task, serviceId: 'web', endpoint: Endpoint.create({ ports }) });
    const portsWith = (services: ServiceRecord[]) =>
      state({ networks: byId(ingressNetwork), services: byId(...services) }, [{ ...member, task }]).sandboxes[0]
        ?.ingress?.ports;
    expect(portsWith([web])).toEqual([{ protocol: 'tcp', published: 8080, target: 80 }]);
    expect(portsWith([])).toEqual([{ protocol: 'tcp', published: 8080, target: 8000 }]);
  });

  it('waits for a network that is not known yet', () => {
    expect(sandboxOf(local('a', [attachment('unknown', '10.0.7.3')]))).toBeUndefined();
  });

  it.each([
    ['no network', true, []],
    ['an overlay', true, [attachment('front', '10.0.1.3')]],
    ['an internal network', false, [attachment('back', '10.0.2.3')]],
    ['an internal one and a published port', true, [attachment('back', '10.0.2.3'), attachment('ingress', '10.0.0.5')]],
  ])('with %s: gateway %s', (_name, gateway, attachments) => {
    expect(sandboxOf(local('a', attachments))?.gateway).toBe(gateway);
  });

  it('publishes host-mode ports as they were chosen, with a gateway even on an internal network', () => {
    const port = PortConfig.create({
      publishMode: PublishMode.HOST,
      publishedPort: 32768,
      targetPort: 53,
      protocol: Protocol.UDP,
    });
    const status = TaskStatus.create({ state: TaskState.RUNNING, portStatus: PortStatus.create({ ports: [port] }) });
    const sandbox = sandboxOf(local('a', [attachment('back', '10.0.2.3')], { status }));
    expect(sandbox?.gateway).toBe(true);
    expect(sandbox?.hostPorts).toEqual([{ protocol: 'udp', hostAddress: '', published: 32768, target: 53 }]);
  });

  it('reaches the virtual addresses of its networks: serving tasks, draining ones by weight 0', () => {
    const endpoints = byId(
      endpoint('front', 'b', '10.0.1.4', { serviceId: 'web' }),
      endpoint('front', 'c', '10.0.1.5', { serviceId: 'web', state: EndpointState.DRAINING }),
      endpoint('front', 'd', '10.0.1.6', { serviceId: 'web', state: EndpointState.PRESENT }),
      endpoint('back', 'e', '10.0.2.6', { serviceId: 'web' }),
    );
    const task = local('a', [attachment('front', '10.0.1.3'), attachment('ingress', '10.0.0.5')]);
    expect(sandboxOf(task, { endpoints, services: byId(web) })?.virtualServices).toEqual([
      {
        address: '10.0.1.2',
        backends: [
          { address: '10.0.1.4', weight: 1 },
          { address: '10.0.1.5', weight: 0 },
        ],
      },
    ]);
  });

  it('knows the virtual address of a service without tasks', () => {
    const sandbox = sandboxOf(local('a', [attachment('front', '10.0.1.3')]), { services: byId(web) });
    expect(sandbox?.virtualServices).toEqual([{ address: '10.0.1.2', backends: [] }]);
  });
});

describe('desiredState - ingress', () => {
  const networks = byId(ingressNetwork);
  const endpoints = byId(
    endpoint('ingress', 'a', '10.0.0.5', { serviceId: 'web', nodeId: 'here' }),
    endpoint('ingress', 'b', '10.0.0.6', { serviceId: 'web' }),
  );
  const backends = (tasks: LocalTask[]) =>
    state({ networks, endpoints, services: byId(web) }, tasks).ingress?.services[0]?.backends.map((b) => b.address);

  it('sends a published port to the serving tasks of its service', () => {
    expect(state({ networks, endpoints, services: byId(web) }).ingress).toEqual({
      overlayId: 'ingress',
      addresses: ['10.0.0.2/24'],
      mac: 'mac-10.0.0.2',
      services: [
        {
          protocol: 'tcp',
          published: 8080,
          target: 80,
          hostAddress: '',
          backends: [
            { address: '10.0.0.5', weight: 1 },
            { address: '10.0.0.6', weight: 1 },
          ],
        },
      ],
    });
  });

  describe('with IPv6', () => {
    const dual = NetworkRecord.create({
      ...ingressNetwork,
      ipam: [...ingressNetwork.ipam, IPAMConfig.create({ subnet: 'fd00:6::/64', gateway: 'fd00:6::1' })],
    });
    const both = (last: number) => [`10.0.0.${last}/24`, `fd00:6::${last}/64`];
    const member = (taskId: string, last: number) =>
      endpoint('ingress', taskId, `10.0.0.${last}`, { serviceId: 'web', addresses: both(last) });
    const task = local('a', [
      NetworkAttachment.create({ networkId: 'ingress', addresses: both(5), mac: 'mac-10.0.0.5' }),
    ]);
    const on = (ipv6: boolean, services: ServiceRecord[] = [web]) =>
      state(
        { networks: byId(dual), endpoints: byId(member('a', 5), member('b', 6)), services: byId(...services) },
        services.length > 0 ? [task] : [],
        { ...node, ipv6, attachments: [NetworkAttachment.create({ networkId: 'ingress', addresses: both(2) })] },
      );

    it('has addresses, subnets and backends of both families', () => {
      const { ingress, sandboxes, overlays, gatewayBridge } = on(true);
      expect(ingress?.addresses).toEqual(both(2));
      expect(ingress?.services[0]?.backends.map(({ address }) => address)).toEqual([
        '10.0.0.5',
        '10.0.0.6',
        'fd00:6::5',
        'fd00:6::6',
      ]);
      expect(sandboxes[0]?.endpoints[0]?.addresses).toEqual(['10.0.0.5', 'fd00:6::5']);
      expect(sandboxes[0]?.ingress?.subnets).toEqual(['10.0.0.0/24', 'fd00:6::/64']);
      expect(overlays[0]?.gateways).toEqual(['10.0.0.1/24', 'fd00:6::1/64']);
      expect(gatewayBridge?.address6).toBe('fd00:7473::1/64');
    });

    it('does not have the node forward IPv6 before a port is published', () => {
      expect(on(true, []).gatewayBridge?.address6).toBe('');
    });

    it('is of IPv4 alone on a kernel that has no IPv6', () => {
      const { ingress, sandboxes, overlays, gatewayBridge } = on(false);
      expect(ingress?.addresses).toEqual(['10.0.0.2/24']);
      expect(ingress?.services[0]?.backends.map(({ address }) => address)).toEqual(['10.0.0.5', '10.0.0.6']);
      expect(sandboxes[0]?.endpoints[0]?.addresses).toEqual(['10.0.0.5']);
      expect(sandboxes[0]?.ingress?.subnets).toEqual(['10.0.0.0/24']);
      expect(overlays[0]?.gateways).toEqual(['10.0.0.1/24']);
      expect(overlays[0]?.remotes.map(({ address }) => address)).toEqual(['10.0.0.5', '10.0.0.6']);
      expect(gatewayBridge?.address6).toBe('');
    });
  });

  it('sends nothing to a task of this node that has ended, before managers know', () => {
    const task = local('a', [attachment('ingress', '10.0.0.5')]);
    expect(backends([task])).toEqual(['10.0.0.5', '10.0.0.6']);
    expect(backends([{ ...task, status: TaskStatus.create({ state: TaskState.FAILED }) }])).toEqual(['10.0.0.6']);
  });
});

describe('encrypted networks', () => {
  const secret = network('secret', '5', { driverOptions: { encrypted: '' } });
  const clear = network('clear', '6', { driverOptions: { encrypted: 'false' } });
  const tasks = [local('t', [attachment('secret', '10.0.5.3'), attachment('clear', '10.0.6.3')])];
  const key = { key: new Uint8Array(32).fill(7), time: 4, createdAt: 0 };

  it('are marked as such; keys are those that managers have given', () => {
    const ring = NetworkKeyRing.create({ clock: 9, keys: [key], sending: 4 });
    const { overlays, encryption } = state({ networks: byId(secret, clear), networkKeys: ring }, tasks);
    expect(overlays.map(({ id, encrypted }) => [id, encrypted])).toEqual([
      ['clear', undefined],
      ['secret', true],
    ]);
    expect(encryption).toMatchObject({ version: 9, keys: [{ time: 4 }], sending: 4 });
    expect(encryption?.keys[0]?.secret.reveal()).toEqual(key.key);
  });

  it('stay encrypted while no keys are known', () => {
    const { overlays, encryption } = state({ networks: byId(secret, clear) }, tasks);
    expect(overlays.filter(({ encrypted }) => encrypted).map(({ id }) => id)).toEqual(['secret']);
    expect(encryption).toBeUndefined();
  });
});
