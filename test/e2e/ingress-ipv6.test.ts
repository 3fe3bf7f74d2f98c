import { beforeAll, expect, test } from 'vitest';
import { execAt, LAB, tsswarm, tsswarmInspect } from '../../demo/cli.js';
import { parseAnswer } from '../../demo/image.js';
import { until } from '../../demo/steps.js';
import { requests, tally } from '../../demo/traffic.js';
import { CLIENT_ADDRESS6, nodeLayout } from '../../lab/layout.js';
import { addressOf, CLIENT, IMAGE, onNode, useLab } from './lab.js';
import { useServices } from './services.js';
import { ECHO_COMMAND, ECHO_FLAGS, echoes } from './udp-echo.js';

useLab(2);
const { create, remove } = useServices();

const NODES = [1, 2];
const address6 = (node: number) => nodeLayout(LAB, node).address6;

/** As `network inspect` prints it. */
interface Network {
  readonly EnableIPv6: boolean;
  readonly IPAM: { readonly Config: readonly { readonly Subnet: string }[] };
}
const ingress = () => tsswarmInspect<Network>('network', 'inspect', 'ingress');
const forwarding = async () => (await execAt('node2', ['cat', '/proc/sys/net/ipv6/conf/all/forwarding'])).stdout.trim();

let before = '';
beforeAll(async () => {
  before = await forwarding();
});

test('a new swarm - the ingress network has an IPv6 subnet of the swarm’s own; nodes do not forward before a port is published', async () => {
  const { EnableIPv6, IPAM } = await ingress();
  expect(EnableIPv6).toBe(true);
  expect(IPAM.Config.map(({ Subnet }) => Subnet)).toEqual(['10.0.0.0/24', expect.stringMatching(/^fd[0-9a-f:]+\/64$/)]);
  expect(before).toBe('0');
});

test('every node answers over both families, evenly, and shows the client’s own address', async () => {
  await create('web', '--replicas', '3', '--publish', '8080:80', IMAGE);
  for (const node of NODES) {
    for (const [url, client] of [
      [`http://[${address6(node)}]:8080/`, CLIENT_ADDRESS6],
      [`http://${addressOf(node)}:8080/`, CLIENT],
    ] as const) {
      const answers = await requests(url, 9);
      expect([...tally(answers.map(({ hostname }) => hostname)).values()]).toEqual([3, 3, 3]);
      expect(new Set(answers.map((answer) => answer.client))).toEqual(new Set([client]));
    }
  }
  const trace = await tsswarm('network', 'trace', CLIENT_ADDRESS6, `[${address6(2)}]:8080`);
  expect(trace).toContain('node2');
  expect(trace).toMatch(/web\.\d/);
  const own = await execAt('node1', ['curl', '--silent', '--max-time', '3', `http://[${address6(1)}]:8080/`]);
  expect(parseAnswer(own.stdout).client).toBe(address6(1));
});

test('UDP - answered by all replicas through every node', async () => {
  await create('echo', '--replicas', '2', ...ECHO_FLAGS, IMAGE, ...ECHO_COMMAND);
  for (const node of NODES) {
    const answers = await echoes(address6(node), 4);
    expect([...tally(answers.map(({ hostname }) => hostname)).values()]).toEqual([2, 2]);
    expect(new Set(answers.map(({ client }) => client))).toEqual(new Set([CLIENT_ADDRESS6]));
  }
});

test('an ingress network of IPv4 alone - nobody answers over IPv6, all else goes on', async () => {
  await tsswarm('network', 'rm', '--force', 'ingress');
  await tsswarm('network', 'create', '--driver', 'overlay', '--ingress', 'ingress');
  expect((await ingress()).EnableIPv6).toBe(false);
  await create('web', '--publish', '8080:80', IMAGE);
  for (const node of NODES) await requests(`http://${addressOf(node)}:8080/`, 1);
  const { code } = await execAt('client', ['curl', '--silent', '--max-time', '3', `http://[${address6(1)}]:8080/`]);
  expect(code).toBe(7);
  await remove();
  // The way back: what was made before there was IPv6 gets it like this.
  await until('the network is free', 10, async () => {
    const { code: failed } = await onNode(1, 'network', 'rm', '--force', 'ingress');
    return failed === 0 || undefined;
  });
  await tsswarm('network', 'create', '--driver', 'overlay', '--ingress', '--ipv6', 'ingress');
  await create('web', '--publish', '8080:80', IMAGE);
  for (const node of NODES) await requests(`http://[${address6(node)}]:8080/`, 1);
});
