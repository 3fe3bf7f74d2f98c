import { get } from 'node:http';
import { messageOf } from '../lib/errors.js';

/**
 * Sends requests to the addresses given as arguments, one after another and each on a connection of
 * its own, until it is ended. Each answer is one line of JSON: { at, ms, url, hostname | error }.
 */
const TIMEOUT = 1_000;
const PAUSE = 5;

function ask(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(TIMEOUT) }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve(Buffer.concat(chunks).toString()));
    });
    request.on('error', reject);
  });
}

async function main(urls: readonly string[]): Promise<void> {
  process.stdout.on('error', () => process.exit(0));
  for (let i = 0; ; i++) {
    const url = urls[i % urls.length] ?? '';
    const at = Date.now();
    const outcome = await ask(url).then(
      (text) => ({ hostname: /^Hostname: (\S+)$/m.exec(text)?.[1] ?? '' }),
      (error: unknown) => ({ error: messageOf(error) }),
    );
    process.stdout.write(`${JSON.stringify({ at, ms: Date.now() - at, url, ...outcome })}\n`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

await main(process.argv.slice(2));
