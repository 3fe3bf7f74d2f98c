import { expect, test } from 'vitest';
import { ContainerSpec, Task, TaskSpec } from '../../proto/gen/index.js';
import { TaskDecoder } from './task-codec.js';

const task = (id: string, image: string) =>
  Task.create({ id, slot: 7, spec: TaskSpec.create({ container: ContainerSpec.create({ image, env: ['A=ö'] }) }) });
const SPEC = 3;

/** A length-delimited field. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([(number << 3) | 2, bytes.length, ...bytes]);
}

test('tasks - are decoded as ever, wherever their spec stands', () => {
  const decoder = new TaskDecoder();
  const whole = task('a', 'web:1');
  const spec = field(SPEC, TaskSpec.encode(whole.spec));
  const id = field(1, Buffer.from('a'));
  const slot = Uint8Array.from([7 << 3, 7]);
  for (const parts of [[], [id], [spec], [spec, id, slot], [id, spec, slot], [id, slot, spec], [spec, id, spec]]) {
    const bytes = Buffer.concat(parts);
    expect(decoder.decode(bytes)).toEqual(Task.decode(bytes));
  }
  expect(decoder.decode(Task.encode(whole))).toEqual(whole);
});

test('tasks - of two specs the last one counts', () => {
  const specs = ['web:1', 'web:2'].map((image) => field(SPEC, TaskSpec.encode(task('', image).spec)));
  const decoded = new TaskDecoder().decode(Buffer.concat(specs));
  expect(decoded.spec.container.image).toBe('web:2');
});

test('tasks - share equal specs, and no others', () => {
  const decoder = new TaskDecoder();
  const [one, two, other] = [task('a', 'web:1'), task('b', 'web:1'), task('c', 'web:2')].map((t) =>
    decoder.decode(Task.encode(t)),
  );
  expect(two?.spec).toBe(one?.spec);
  expect(other?.spec).not.toBe(one?.spec);
  expect(other?.spec.container.image).toBe('web:2');
});

test('tasks - what is cut off is refused', () => {
  const bytes = Task.encode(task('a', 'web:1'));
  for (let length = 1; length < bytes.length; length++) {
    const cut = bytes.slice(0, length);
    const outcome = (decode: () => Task) => {
      try {
        return decode();
      } catch (error) {
        return error instanceof RangeError ? 'RangeError' : error;
      }
    };
    expect(outcome(() => new TaskDecoder().decode(cut))).toEqual(outcome(() => Task.decode(cut)));
  }
});

test('tasks - many different specs are read as few are', () => {
  const decoder = new TaskDecoder();
  for (let n = 0; n < 5_000; n++) {
    const decoded = decoder.decode(Task.encode(task('a', `web:${n}`)));
    expect(decoded.spec.container.image).toBe(`web:${n}`);
  }
});
