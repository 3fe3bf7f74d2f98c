import { describe, expect, it } from 'vitest';
import { ContainerEndpoint, LocalNetwork, LocalNetworkUser } from '../../proto/gen/containers.js';
import { GetNetworkResponse, NetworkLease, NetworkPeer, NetworkService, NetworkUser } from '../../proto/gen/control.js';
import { Network, NetworkAttachment } from '../../proto/gen/objects.js';
import { IPAMConfig, NetworkSpec, PortConfig } from '../../proto/gen/specs.js';
import { dockerLocalNetwork, dockerNetwork } from './docker-network.js';

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const ipam = [IPAMConfig.create({ subnet: '10.0.1.0/24', gateway: '10.0.1.1' })];
const endpoint = ContainerEndpoint.create({
  endpointId: 'e1',
  mac: '02:42:0a:00:01:05',
  addresses: ['10.0.1.5/24', 'fd00::5/64'],
});
const local = [LocalNetworkUser.create({ containerId: 'c1', containerName: 'web', endpoint })];
const containers = {
  c1: {
    Name: 'web',
    EndpointID: 'e1',
    MacAddress: '02:42:0a:00:01:05',
    IPv4Address: '10.0.1.5/24',
    IPv6Address: 'fd00::5/64',
  },
};

describe('network inspect', () => {
  it("a machine's network", () => {
    const spec = NetworkSpec.create({ name: 'back', driver: 'bridge', scope: 'local', ipv6: true, labels: { a: 'b' } });
    const network = LocalNetwork.create({ id: 'n1', spec, ipam, createdAt: Date.UTC(2026, 10, 21) });
    expect(json(dockerLocalNetwork(network, local))).toEqual({
      Name: 'back',
      Id: 'n1',
      Created: '2026-11-21T00:00:00.000Z',
      Scope: 'local',
      Driver: 'bridge',
      EnableIPv4: true,
      EnableIPv6: true,
      IPAM: { Driver: 'default', Options: null, Config: [{ Subnet: '10.0.1.0/24', Gateway: '10.0.1.1' }] },
      Internal: false,
      Attachable: false,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      Containers: containers,
      Options: {},
      Labels: { a: 'b' },
    });
  });

  const user = (taskName: string, address: string, fields: Partial<NetworkUser>) =>
    NetworkUser.create({ taskName, attachment: NetworkAttachment.create({ addresses: [address] }), ...fields });
  const answer = GetNetworkResponse.create({
    network: Network.create({
      id: 'n2',
      vni: 4097,
      spec: NetworkSpec.create({ name: 'ov', driver: 'overlay', driverOptions: { a: 'b' } }),
      ipam,
    }),
    users: [
      user('db', '10.0.1.9/24', { containerId: 'c9', nodeAddress: '203.0.113.2' }),
      user('web.1.t1', '10.0.1.3/24', { taskId: 't1', serviceId: 's1', nodeAddress: '203.0.113.1' }),
    ],
    peers: [NetworkPeer.create({ hostname: 'node1', address: '203.0.113.1' })],
    services: [
      NetworkService.create({
        id: 's1',
        name: 'web',
        virtualIps: ['10.0.1.2/24'],
        ports: [PortConfig.create({ targetPort: 80, publishedPort: 8080 })],
      }),
    ],
  });

  it("a swarm's network as a worker knows it - without the time of its making", () => {
    const network = LocalNetwork.create({ id: 'n1', spec: NetworkSpec.create({ name: 'back', scope: 'swarm' }) });
    expect(dockerLocalNetwork(network, [])).toMatchObject({ Created: '0001-01-01T00:00:00Z', Scope: 'swarm' });
  });

  it("a swarm's network - this node's containers, and its peers", () => {
    const shown = json(dockerNetwork(answer, local));
    expect(shown).toMatchObject({
      Scope: 'swarm',
      Driver: 'overlay',
      Containers: containers,
      Options: { a: 'b', 'com.docker.network.driver.overlay.vxlanid_list': '4097' },
      Peers: [{ Name: 'node1', IP: '203.0.113.1' }],
    });
    expect(shown).not.toHaveProperty('Services');
  });

  it('a routed network - verbose, with the subnet of each node', () => {
    const network = Network.create({
      id: 'n3',
      spec: NetworkSpec.create({ name: 'back', driver: 'routed', driverOptions: { backend: 'host-gw' } }),
      ipam: [IPAMConfig.create({ subnet: '10.1.0.0/16' })],
    });
    const lease = { nodeId: 'id1', subnet: '10.1.1.0/24', gateway: '10.1.1.1', mac: '02:42:0a:01:01:00' };
    const leases = [NetworkLease.create({ ...lease, address: '203.0.113.1', endpoints: 2 })];
    const found = GetNetworkResponse.create({ network, leases });
    expect(json(dockerNetwork(found, [], true))).toMatchObject({
      Driver: 'routed',
      Scope: 'swarm',
      Leases: [
        {
          Subnet: '10.1.1.0/24',
          Gateway: '10.1.1.1',
          Node: 'id1',
          PublicIP: '203.0.113.1',
          BackendType: 'host-gw',
          Endpoints: 2,
        },
      ],
    });
    expect(json(dockerNetwork(found, []))).not.toHaveProperty('Leases');
    const tunnelled = { ...found, network: { ...network, spec: { ...network.spec, driverOptions: {} } } };
    expect(json(dockerNetwork(tunnelled, [], true))).toMatchObject({
      Leases: [{ BackendType: 'vxlan', VtepMAC: '02:42:0a:01:01:00' }],
    });
  });

  it("a swarm's network - verbose, with services and what is none", () => {
    const task = (Name: string, EndpointID: string, EndpointIP: string, host: string) => ({
      Name,
      EndpointID,
      EndpointIP,
      Info: { 'Host IP': host },
    });
    expect(json(dockerNetwork(answer, [{ ...local[0], containerId: 't1' } as LocalNetworkUser], true))).toMatchObject({
      Services: {
        web: {
          VIP: '10.0.1.2',
          Ports: ['Target: 80, Publish: 8080'],
          LocalLBIndex: 0,
          Tasks: [task('web.1.t1', 'e1', '10.0.1.3', '203.0.113.1')],
        },
        '': { VIP: '<nil>', Ports: [], Tasks: [task('db', 'c9', '10.0.1.9', '203.0.113.2')] },
      },
    });
  });
});
