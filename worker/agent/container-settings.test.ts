import { describe, expect, it } from 'vitest';
import {
  ContainerSpec,
  FileReference,
  Mount,
  MountType,
  NetworkAttachment,
  ResourceLimits,
  ResourceRequirements,
  Secret,
  SecretSpec,
  Task,
  TaskSpec,
  VolumeOptions,
} from '../../proto/gen/index.js';
import { noAssignments } from './assignments.js';
import { containerSettings, missingFiles, type SettingsContext } from './container-settings.js';

const ID = 'b1k9w0q3u5z7x2c4v6n8m1l0p';
const context: SettingsContext = {
  node: { id: 'node1id', hostname: 'node1', platform: { architecture: 'amd64', os: 'linux' } },
  resolvers: { nameservers: ['192.0.2.53'], search: ['example.net'], options: ['edns0'] },
  networkNamespace: '/run/tsswarm/netns/x',
  files: noAssignments,
};

function task(container: Partial<ContainerSpec>, fields: Partial<Task> = {}): Task {
  const spec = TaskSpec.create({ container: ContainerSpec.create({ image: 'web:latest', ...container }) });
  const labels = { tier: 'front', 'com.example.zone': 'eu' };
  return Task.create({
    id: ID,
    serviceId: 'sid',
    serviceName: 'web',
    slot: 3,
    nodeId: 'node1id',
    serviceLabels: labels,
    spec,
    ...fields,
  });
}

describe('containerSettings', () => {
  it('names the container as docker does and gives it a host name', () => {
    const settings = containerSettings(task({}), context);
    expect(settings.id).toBe(ID);
    expect(settings.name).toBe(`web.3.${ID}`);
    expect(settings.hostname).toBe(ID.slice(0, 12));
    expect(containerSettings(task({}, { slot: 0 }), context).name).toBe(`web.node1id.${ID}`);
  });

  it("says whose it is in labels that a service's own cannot change", () => {
    const { labels } = containerSettings(task({ labels: { a: 'b', 'com.docker.swarm.task.id': 'forged' } }), context);
    expect(labels).toMatchObject({
      a: 'b',
      'com.docker.swarm.task.id': ID,
      'com.docker.swarm.service.name': 'web',
      'com.docker.swarm.node.id': 'node1id',
    });
  });

  it('fills in placeholders', () => {
    const mount = Mount.create({ type: MountType.BIND, source: '/srv/{{.Service.Name}}', target: '/data' });
    const { env, hostname, mounts } = containerSettings(
      task({
        env: [
          'A={{.Service.Name}}-{{.Task.Slot}}-{{ .Node.Hostname }}',
          'B={{.Task.Name}} {{.Service.ID}} {{.Node.ID}}',
          'C={{.Service.Labels.tier}}{{index .Service.Labels "com.example.zone"}}{{.Service.Labels.none}}',
        ],
        hostname: '{{.Service.Name}}-{{.Task.Slot}}',
        mounts: [mount],
      }),
      context,
    );
    expect(env).toEqual(['A=web-3-node1', `B=web.3.${ID} sid node1id`, 'C=fronteu']);
    expect(hostname).toBe('web-3');
    expect(mounts[0]?.source).toBe('/srv/web');
  });

  it('names an unknown placeholder and those that are known', () => {
    const settings = () => containerSettings(task({ env: ['A={{.Task.Colour}}'] }), context);
    expect(settings).toThrow('"{{.Task.Colour}}" is not a known placeholder');
  });

  it('fills in what a volume is made with', () => {
    const volume = VolumeOptions.create({
      labels: { of: '{{.Service.Name}}' },
      driverOptions: { device: '/srv/{{.Task.Slot}}' },
      subpath: 'a',
    });
    const mount = Mount.create({ type: MountType.VOLUME, source: 'db-{{.Task.Slot}}', target: '/data', volume });
    const { mounts } = containerSettings(task({ mounts: [mount] }), context);
    expect(mounts[0]).toMatchObject({
      type: 'volume',
      source: 'db-3',
      volume: { labels: { of: 'web' }, driverOptions: { device: '/srv/3' }, subpath: 'a' },
    });
  });

  it('refuses a volume of the cluster', () => {
    const mount = Mount.create({ type: MountType.CLUSTER, source: 'db', target: '/data' });
    expect(() => containerSettings(task({ mounts: [mount] }), context)).toThrow('cluster volume "db" at /data');
  });

  it('gives limits, addresses and the namespace', () => {
    const limits = ResourceLimits.create({ nanoCpus: 5e8, memoryBytes: 1 << 20, pids: 10 });
    const spec = TaskSpec.create({ resources: ResourceRequirements.create({ limits }) });
    const networks = [NetworkAttachment.create({ addresses: ['10.0.1.5/24'] })];
    const settings = containerSettings(task({}, { spec, networks }), context);
    expect(settings.resources).toEqual({ nanoCpus: 5e8, memoryBytes: 1 << 20, pids: 10 });
    expect(settings.addresses).toEqual(['10.0.1.5']);
    expect(settings.networkNamespace).toBe('/run/tsswarm/netns/x');
  });

  it('asks its own resolver, which asks the servers of the service or the node', () => {
    const dns = { nameservers: ['10.9.9.9'], search: ['b.example'], options: ['timeout:1'] };
    expect(containerSettings(task({}), context).dns).toEqual({
      nameservers: ['127.0.0.11'],
      search: ['example.net'],
      options: ['ndots:0'],
    });
    expect(containerSettings(task({ dns }), context).dns).toEqual({
      nameservers: ['127.0.0.11'],
      search: ['b.example'],
      options: ['ndots:0', 'timeout:1'],
    });
  });
});

describe('secrets', () => {
  const ref = FileReference.create({ id: 's1', name: 'key', uid: '33', gid: '', mode: 0o400 });
  const withSecret = task({ secrets: [ref, { ...ref, target: '/etc/key.pem', mode: 0 }] });
  const data = new Uint8Array([1, 2]);
  const secret = Secret.create({ id: 's1', spec: SecretSpec.create({ name: 'key', data }) });
  const files = { ...noAssignments, secrets: new Map([['s1', secret]]) };

  it('are missing until they have arrived', () => {
    expect(missingFiles(withSecret, noAssignments)).toEqual(['secret "key"', 'secret "key"']);
    expect(missingFiles(withSecret, files)).toEqual([]);
  });

  it('are files below /run/secrets, or where the target says', () => {
    expect(containerSettings(withSecret, { ...context, files }).files).toEqual([
      { target: '/run/secrets/key', data, uid: 33, gid: 0, mode: 0o400 },
      { target: '/etc/key.pem', data, uid: 33, gid: 0, mode: 0o444 },
    ]);
  });
});
