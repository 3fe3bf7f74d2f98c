import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { BINARY, execAt, execute, nodeOf, spawnAt, tsswarm, tsswarmInspect, tsswarmOutcome } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { requests, tally } from '../../demo/traffic.js';
import { addressOf, CLIENT, IMAGE, onNode, useLab } from './lab.js';
import { useServices } from './services.js';

useLab(2);
const { create, remove } = useServices();

const NODES = [1, 2];

const removeIngress = (name: string) =>
  execute('sh', ['-c', `echo y | "$0" network rm ${name}`, BINARY], { TSSWARM_HOST: nodeOf(1).host });
const refused = async (...args: readonly string[]) => (await tsswarmOutcome(args)).stderr;
const MINE = ['network', 'create', '-d', 'overlay', '--ingress'] as const;

/** Address of a node's ingress_sbox in the ingress network. */
async function ingressAddress(node: number): Promise<string | undefined> {
  const sandbox = `--net=${nodeOf(node).runRoot}/netns/ingress_sbox`;
  const { code, stdout } = await execute('nsenter', [sandbox, 'ip', '-j', '-4', 'address', 'show', 'dev', 'eth0']);
  if (code !== 0) return undefined;
  const [link] = JSON.parse(stdout) as { mtu: number; addr_info: { local: string; prefixlen: number }[] }[];
  const [address] = link?.addr_info ?? [];
  return address && `${address.local}/${address.prefixlen} mtu ${link?.mtu}`;
}

test('the ingress network can be another, which nodes get new addresses in', async () => {
  await create('before', '--publish', '8080:80', IMAGE);
  expect((await removeIngress('ingress')).stderr).toContain('network ingress is in use by service before');
  await remove();
  expect((await removeIngress('ingress')).code).toBe(0);
  expect(await refused('service', 'create', '--name', 'no', '--publish', '8080:80', IMAGE)).toContain(
    'ports cannot be published on all nodes: the swarm has no ingress network',
  );

  expect(await refused(...MINE, '--subnet', '10.11.0.0/16,10.12.0.0/16', 'two')).toContain(
    'an ingress network has one subnet of IPv4',
  );
  const mtu = ['--opt', 'com.docker.network.driver.mtu=1200'];
  await tsswarm(...MINE, '--subnet', '10.11.0.0/16', '--gateway', '10.11.0.2', ...mtu, 'my-ingress');
  expect(await refused(...MINE, 'another')).toContain('the swarm has an ingress network already: "my-ingress"');
  expect(await tsswarmInspect('network', 'inspect', 'my-ingress')).toMatchObject({
    Ingress: true,
    IPAM: { Config: [{ Subnet: '10.11.0.0/16', Gateway: '10.11.0.2' }] },
  });
  const addresses = await until('both nodes have addresses', 15, async () => {
    const found = await Promise.all(NODES.map(ingressAddress));
    return found.every((address) => address?.startsWith('10.11.')) ? found : undefined;
  });
  expect(new Set(addresses).size).toBe(2);
  for (const address of addresses) expect(address).toMatch(/^10\.11\.0\.\d+\/16 mtu 1200$/);

  await create('web', '--replicas', '2', '--publish', '8080:80', IMAGE);
  for (const node of NODES) {
    const answers = await requests(`http://${addressOf(node)}:8080/`, 4);
    expect(new Set(answers.map(({ client }) => client))).toEqual(new Set([CLIENT]));
    expect(new Set(answers.map(({ hostname }) => hostname)).size).toBe(2);
  }
});

/** Answers a POST with the number of bytes that it has got, and anything else with half a megabyte. */
const COUNTING = `cat > /www/cgi-bin/count <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
if [ "$REQUEST_METHOD" = POST ]; then wc -c; else head -c 500000 /dev/zero; fi
END
chmod +x /www/cgi-bin/count; trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait`;

test('segments fit into an ingress network of a small MTU, where no router may say so', async () => {
  // The task is on the other node: both ways go over the overlay.
  const far = ['--constraint', 'node.hostname==node2'];
  await create('store', ...far, '--publish', '8081:80', IMAGE, 'sh', '-c', COUNTING);
  const url = `http://${addressOf(1)}:8081/cgi-bin/count`;
  for (const station of ['client', 'node1', 'node2']) {
    const table = 'add table ip silent; add chain ip silent unheard { type filter hook prerouting priority -400; };';
    const rule = 'add rule ip silent unheard icmp type destination-unreachable drop';
    expect((await execAt(station, ['nft', `${table} ${rule}`])).code).toBe(0);
    onTestFinished(async () => void (await execAt(station, ['nft', 'delete table ip silent'])));
  }
  const filter = 'tcp port 8081 and tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)';
  const capture = spawnAt('client', ['tcpdump', '-lnni', 'eth0', '-c', '1', filter]);
  onTestFinished(() => void capture.kill());
  let captured = '';
  capture.stdout.on('data', (data: Buffer) => {
    captured += data.toString();
  });
  const asked = () => execAt('client', ['curl', '--silent', '--max-time', '5', '--output', '/dev/null', url]);
  await until('a SYN-ACK is seen', 15, async () => ((await asked()).code === 0 && captured !== '' ? true : undefined));
  if (capture.exitCode === null) await once(capture, 'exit');
  expect(captured).toContain('mss 1160,');

  const body = ['--data-binary', '@/bin/busybox', '--header', 'Content-Type: application/octet-stream'];
  const up = await execAt('client', ['curl', '--silent', '--max-time', '10', ...body, url]);
  const { stdout: size } = await execute('stat', ['--format', '%s', '/bin/busybox']);
  expect([up.code, up.stdout.trim()]).toEqual([0, size.trim()]);
  const down = await execAt('client', [
    'curl',
    '--silent',
    '--max-time',
    '10',
    '--write-out',
    '%{size_download}',
    '--output',
    '/dev/null',
    url,
  ]);
  expect([down.code, down.stdout]).toEqual([0, '500000']);
});

test('a full ingress network gets another subnet, and every node answers for tasks in either', async () => {
  const on = async (node: number, ...args: readonly string[]) => {
    const { code, stdout, stderr } = await onNode(node, ...args);
    if (code !== 0) throw new Error(`tsswarm ${args.join(' ')} on node${node}: ${stderr}`);
    return stdout.trim();
  };
  await remove();
  for (const node of [2, 1]) await on(node, 'leave', '--force');
  // Five addresses in each subnet: two nodes and eight tasks need two of them.
  const pool = ['--default-addr-pool', '10.20.0.0/16', '--default-addr-pool-mask-length', '29'];
  await on(1, 'init', '--advertise-addr', addressOf(1), ...pool);
  const token = await on(1, 'join-token', '--quiet', 'worker');
  await on(2, 'join', '--advertise-addr', addressOf(2), '--token', token, `${addressOf(1)}:2377`);
  await create('web', '--replicas', '8', '--publish', '8080:80', IMAGE);
  const { IPAM } = await tsswarmInspect<{ IPAM: { Config: { Subnet: string }[] } }>('network', 'inspect', 'ingress');
  const subnets = IPAM.Config.map(({ Subnet }) => Subnet).filter((subnet) => !subnet.includes(':'));
  expect(subnets).toEqual(['10.20.0.0/29', '10.20.0.8/29']);
  for (const node of NODES) {
    expect(await ingressAddress(node)).toMatch(/^10\.20\.0\.[2-6]\/29 /);
    const answers = await requests(`http://${addressOf(node)}:8080/`, 16);
    expect(new Set(answers.map(({ client }) => client))).toEqual(new Set([CLIENT]));
    expect([...tally(answers.map(({ hostname }) => hostname)).values()]).toEqual(Array(8).fill(2));
  }
});
