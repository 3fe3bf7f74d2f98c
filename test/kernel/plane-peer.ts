/**
 * Both ends of the tests' traffic. `serve NAME [PORT [ADDRESS]]` answers on TCP and UDP, 80 and on all addresses
 * unless given, with its name and the address it sees. `udp HOST PORT COUNT` asks from COUNT sockets and prints a line per answer;
 * `tcp HOST PORT COUNT` the same over TCP, `hold HOST PORT` over one connection, `hold-udp HOST PORT` from one socket,
 * ten times a second;
 * `survey 'udp|tcp HOST PORT'...` asks all at the same time and prints the answers in this order;
 * `clash udp|tcp PORT HOSTS` asks several hosts at once, separated by commas, from one source port;
 * `lasting` does each of the asking modes that a line of standard input has as a JSON list, and prints one of answers.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as after } from 'node:timers/promises';
import { PACE } from './pace.js';

const [mode = '', first = '', second = '', third = ''] = process.argv.slice(2);
const PATIENCE = 2000 * PACE;
const say = (text: string) => process.stdout.write(`${text}\n`);

async function serve(name: string, port: number, hosts: readonly string[]): Promise<void> {
  for (const host of hosts) {
    const tcp = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', () => socket.write(`${name} ${socket.remoteAddress}\n`));
    });
    const udp = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', ipv6Only: isIPv6(host) });
    udp.on('message', (_, from) => udp.send(`${name} ${from.address}`, from.port, from.address));
    await once(tcp.listen({ port, host, ipv6Only: isIPv6(host) }), 'listening');
    await once(udp.bind(port, host), 'listening');
  }
  say('ready');
}

async function askUdp(host: string, port: number, localPort?: number): Promise<string> {
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', reuseAddr: true });
  try {
    if (localPort !== undefined) socket.bind(localPort);
    socket.connect(port, host);
    await once(socket, 'connect');
    for (let attempt = 0; attempt < 2; attempt++) {
      socket.send('?');
      const [message] = (await Promise.race([once(socket, 'message'), after(PATIENCE / 2, [], { ref: false })])) as [
        Buffer?,
      ];
      if (message) return message.toString();
    }
    return 'no answer';
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.close();
  }
}

async function askTcp(host: string, port: number, localPort?: number): Promise<string> {
  const socket = connect({ host, port, timeout: PATIENCE, ...(localPort === undefined ? {} : { localPort }) });
  try {
    socket.on('timeout', () => socket.destroy(Object.assign(new Error('no answer'), { code: 'no answer' })));
    await once(socket, 'connect');
    socket.write('?');
    const [data] = (await once(socket, 'data')) as [Buffer];
    if (localPort !== undefined) await after(PATIENCE / 4);
    return data.toString().trim();
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}

/** Prints every answer of one connection, then what ended it. */
function hold(host: string, port: number): void {
  const socket = connect({ host, port });
  const timer = setInterval(() => socket.write('?'), 100);
  socket.on('data', (data) => say(data.toString().trim()));
  socket.on('error', (error: NodeJS.ErrnoException) => say(`ended ${error.code}`));
  socket.on('close', () => clearInterval(timer));
}

/** Prints every answer to one socket, whoever gives it. */
function holdUdp(host: string, port: number): void {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('message', (message) => say(message.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => say(`error ${error.code}`));
  socket.connect(port, host, () => {
    setInterval(() => socket.send('?'), 100);
  });
}

/** What there is to say of an asking mode. */
async function ask([mode, ...args]: readonly string[]): Promise<string[]> {
  const [first = '', second = '', third = '1'] = args;
  if (mode === 'clash') {
    const one = first === 'udp' ? askUdp : askTcp;
    return Promise.all(third.split(',').map((host) => one(host, Number(second), 45_678)));
  }
  if (mode === 'survey') {
    const targets = args.map((target) => target.split(' '));
    return Promise.all(
      targets.map(([protocol, host = '', port]) => (protocol === 'udp' ? askUdp : askTcp)(host, Number(port))),
    );
  }
  const answers: string[] = [];
  for (let i = 0; i < Number(third); i++) answers.push(await (mode === 'udp' ? askUdp : askTcp)(first, Number(second)));
  return answers;
}

if (mode === 'serve') await serve(first, Number(second || 80), third ? [third] : ['0.0.0.0', '::']);
else if (mode === 'hold') hold(first, Number(second));
else if (mode === 'hold-udp') holdUdp(first, Number(second));
else if (mode === 'lasting') {
  for await (const line of createInterface({ input: process.stdin }))
    say(JSON.stringify(await ask(JSON.parse(line) as string[])));
} else for (const text of await ask(process.argv.slice(2))) say(text);
