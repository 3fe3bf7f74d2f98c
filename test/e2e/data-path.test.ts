import { expect, test } from 'vitest';
import { execAt, spawnAt } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { addressOf, IMAGE, onNode, useLab } from './lab.js';

useLab(2);

const PORT = 5789;
/** A second address of each node, for the traffic between tasks alone. */
const dataAddressOf = (node: number) => `203.0.113.${100 + node}`;

async function on(node: number, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await onNode(node, ...args);
  if (code !== 0) throw new Error(`tsswarm ${args.join(' ')} on node${node}: ${stderr}`);
  return stdout.trim();
}

test('data path - VXLAN goes between the addresses and to the port that init and join were given', async () => {
  for (const node of [2, 1]) await on(node, 'leave', '--force');
  for (const node of [1, 2]) {
    const { code } = await execAt(`node${node}`, ['ip', 'address', 'add', `${dataAddressOf(node)}/24`, 'dev', 'eth0']);
    expect(code).toBe(0);
  }
  const given = (node: number) => ['--advertise-addr', addressOf(node), '--data-path-addr', dataAddressOf(node)];
  await on(1, 'init', ...given(1), '--data-path-port', String(PORT));
  await on(2, 'join', ...given(2), '--token', await on(1, 'join-token', '--quiet', 'worker'), `${addressOf(1)}:2377`);

  await on(1, 'network', 'create', '--driver', 'overlay', '--attachable', 'net');
  for (const node of [1, 2]) await on(node, 'run', '--detach', '--name', `box${node}`, '--network', 'net', IMAGE);
  const capture = spawnAt('node1', ['tcpdump', '-lnni', 'eth0', 'udp', 'and', 'not', 'port', '53']);
  let seen = '';
  capture.stdout?.on('data', (data: Buffer) => {
    seen += data.toString();
  });
  try {
    await until('packets both ways', 20, async () => {
      await onNode(1, 'exec', 'box1', 'ping', '-c', '1', '-W', '1', 'box2');
      const there = seen.includes(`IP ${dataAddressOf(1)}.`) && seen.includes(`> ${dataAddressOf(2)}.${PORT}:`);
      const back = seen.includes(`IP ${dataAddressOf(2)}.`) && seen.includes(`> ${dataAddressOf(1)}.${PORT}:`);
      return (there && back) || undefined;
    });
  } finally {
    capture.kill();
  }
  expect(seen).not.toContain(`> ${addressOf(2)}.`);
  expect(seen).not.toContain('.4789:');
});
