import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { execute } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { vxlanPacket } from './vxlan-packet.js';

/** Seconds for a program to start and to see what it waits for, where the processor is emulated. */
const PATIENCE = 120;

export interface Wire {
  /** Of the node that listens: its network namespace's file and its address on eth0. */
  readonly node: string;
  readonly address: string;
  /** Namespace of a machine beside it. */
  readonly client: string;
}

/** @returns standard output @throws when it fails */
export async function inside(netns: string, ...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await execute('nsenter', [`--net=${netns}`, ...command]);
  if (code !== 0) throw new Error(`${command.join(' ')}: exit code ${code}: ${stderr || stdout}`);
  return stdout;
}

/** What tcpdump prints of ESP, UDP and ICMP at a node while something is done. */
export async function onTheWire({ node, address, client }: Wire, act: () => Promise<unknown>): Promise<string[]> {
  const tcpdump = "exec tcpdump -nl -i eth0 'esp or udp or icmp' 2>&1";
  const child = spawn('nsenter', [`--net=${node}`, 'sh', '-c', tcpdump], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  try {
    await seen(lines, 'listening on');
    await act();
    // When this is seen, so is all that was before it.
    await inside(client, 'ping', '-q', '-c', '1', '-s', '777', address);
    await seen(lines, MARK);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  return lines.filter((line) => line.includes(' IP ') && !line.includes(MARK));
}

const MARK = 'length 785';

const seen = (lines: readonly string[], text: string) =>
  until(`"${text}" is on the wire`, PATIENCE, async () => lines.some((line) => line.includes(text)) || undefined);

export interface Inner {
  readonly vni: number;
  readonly source: string;
  readonly destination: string;
  readonly mac: string;
}

/**
 * Sends datagrams in clear, in a node's name (others are not listened to) but not from it (its rules would encrypt
 * them): from a machine beside it. Tells which VNIs a task receives them of.
 */
export async function forge(
  { node, address, client }: Wire,
  { as, task, packets }: { readonly as: string; readonly task: string; readonly packets: readonly Inner[] },
): Promise<string[]> {
  const receiver = spawn('nsenter', [`--net=${task}`, process.execPath, '-e', RECEIVE], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const received: string[] = [];
  createInterface({ input: receiver.stdout }).on('line', (line) => received.push(line));
  const [link] = JSON.parse(await inside(node, 'ip', '-j', 'link', 'show', 'eth0')) as { address: string }[];
  const ip = (...args: string[]) => inside(client, 'ip', ...args);
  try {
    await seen(received, 'ready');
    await ip('address', 'add', `${as}/32`, 'dev', 'lo');
    // Without asking for the way, which would tell the node that the other one is here.
    await ip('neighbour', 'replace', address, 'lladdr', link?.address ?? '', 'nud', 'permanent', 'dev', 'eth0');
    const forged = packets.map((inner) => vxlanPacket({ ...inner, port: 7000, text: `${inner.vni}` }).toString('hex'));
    await inside(client, process.execPath, '-e', SEND, as, address, ...forged);
    // In this order: what was sent before the last is there before it.
    await seen(received, `${packets.at(-1)?.vni}`);
  } finally {
    receiver.kill('SIGKILL');
    await ip('address', 'del', `${as}/32`, 'dev', 'lo').catch(() => undefined); // not added yet
  }
  return received.filter((line) => line !== 'ready');
}

const RECEIVE = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (message) => console.log(message.toString()));
  socket.bind(7000, () => console.log('ready'));`;
const SEND = `
  const [source, address, ...packets] = process.argv.slice(1);
  const socket = require('node:dgram').createSocket('udp4');
  const send = ([packet, ...rest]) =>
    packet ? socket.send(Buffer.from(packet, 'hex'), 4789, address, () => send(rest)) : socket.close();
  socket.bind(0, source, () => send(packets));`;
