import { expect, it } from 'vitest';
import { MonitoredStreams } from '../executor/oci/runtime/streams.js';
import { parseSignal } from '../executor/signals.js';
import { converse, type Input } from './streams.js';

async function* sent(...input: Input[]): AsyncGenerator<Input> {
  yield* input;
}

/** Of a process that writes nothing, and does not end. */
function silent(): MonitoredStreams {
  return new MonitoredStreams({
    tty: false,
    input: true,
    inputEndsWithUs: false,
    signal: (name) => void parseSignal(name),
  });
}

async function kinds(input: AsyncGenerator<Input>): Promise<string[]> {
  const told: string[] = [];
  for await (const message of converse(silent(), input, new AbortController().signal))
    told.push(...Object.keys(message).filter((key) => message[key as keyof typeof message] !== undefined));
  return told;
}

it('converse - lets go of the process when the caller has said all', async () => {
  expect(await kinds(sent({ signal: 'SIGHUP' }))).toEqual(['opened']);
});

it('converse - tells the caller what is wrong with its input', async () => {
  await expect(kinds(sent({ signal: 'SIGNO' }))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', value: 'SIGNO' });
});
