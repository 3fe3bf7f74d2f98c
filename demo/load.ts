import { Agent, get, type IncomingMessage } from 'node:http';
import { messageOf } from '../lib/errors.js';

/**
 * Sends requests until it is ended: `load.js KEEP TIMEOUT URL...`. One stream asks the addresses in turn, each request
 * on a connection of its own; KEEP more ask each of the addresses over a connection that is kept, for as long as the
 * server keeps it. One that is not answered within TIMEOUT milliseconds has failed. What comes of each is one line of JSON: { at, ms, url, kept, hostname | error }. An answer that is
 * not a replica's is an error too.
 */
const PAUSE = 5;

interface Stream {
  readonly urls: readonly string[];
  readonly kept: boolean;
  readonly timeout: number;
}

function ask(url: string, agent: Agent | false, timeout: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, signal: AbortSignal.timeout(timeout) }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve(hostnameIn(response, Buffer.concat(chunks).toString()));
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on('error', reject);
  });
}

/** @throws when it is no whole answer of a replica */
function hostnameIn({ statusCode, complete }: IncomingMessage, text: string): string {
  const hostname = /^Hostname: (\S+)$/m.exec(text)?.[1];
  if (statusCode === 200 && complete && hostname !== undefined) return hostname;
  throw new Error(`wrong answer: status ${statusCode}${complete ? '' : ', cut off'}, ${JSON.stringify(text)}`);
}

async function send({ urls, kept, timeout }: Stream): Promise<never> {
  const agent = kept && new Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; ; i++) {
    const url = urls[i % urls.length] ?? '';
    const at = Date.now();
    const outcome = await ask(url, agent, timeout).then(
      (hostname) => ({ hostname }),
      (error: unknown) => ({ error: messageOf(error) }),
    );
    process.stdout.write(`${JSON.stringify({ at, ms: Date.now() - at, url, kept, ...outcome })}\n`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

async function main([keep, timeout, ...urls]: readonly string[]): Promise<void> {
  process.stdout.on('error', () => process.exit(0));
  const common = { timeout: Number(timeout) };
  const streams = [
    { ...common, urls, kept: false },
    ...Array.from({ length: Number(keep) }, () => urls.map((url) => ({ ...common, urls: [url], kept: true }))).flat(),
  ];
  await Promise.all(streams.map(send));
}

await main(process.argv.slice(2));
