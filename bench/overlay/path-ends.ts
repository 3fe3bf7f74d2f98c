import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { runAsync } from '../run.js';

/** Two ends of a path: files of network namespaces, and the address of the server's end. */
export interface PathEnds {
  readonly server: string;
  readonly client: string;
  readonly address: string;
}

/** What one TCP stream (iperf3) carries within some seconds. */
export async function bitsPerSecond({ server, client, address }: PathEnds, seconds: number): Promise<number> {
  const listening = spawn('nsenter', [`--net=${server}`, 'iperf3', '--server', '--one-off', '--forceflush'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => listening.stdout.once('data', resolve));
  const asking = [`--net=${client}`, 'iperf3', '--client', address, '--time', String(seconds), '--json'];
  for (let attempt = 0; ; attempt++) {
    try {
      const { end } = JSON.parse(await runAsync('nsenter', asking)) as { end: { sum_received: Received } };
      return end.sum_received.bits_per_second;
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(50); // iperf3 prints its banner a moment before it accepts
    }
  }
}

interface Received {
  readonly bits_per_second: number;
}
