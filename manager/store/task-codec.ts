import protobuf from 'protobufjs/minimal.js';
import { Task, TaskSpec } from '../../proto/gen/index.js';

/** Specs that are remembered: of more services than that, those read next are. */
const MAX_SPECS = 2_048;
/** Field 3 of a task, length-delimited. */
const SPEC = (3 << 3) | 2;

/**
 * Reads tasks. Those of one service hold equal specs, most of what there is in a task: equal ones are the
 * same object here, so that 50,000 tasks are little to decode, to keep and for the collector to go through.
 */
export class TaskDecoder {
  readonly #specs = new Map<string, TaskSpec>();

  /** @throws RangeError as Task.decode does */
  decode(bytes: Uint8Array): Task {
    const found = findSpec(bytes);
    if (!found) return Task.decode(bytes);
    const [tag, start, end] = found;
    const rest = Buffer.allocUnsafe(bytes.length - (end - tag));
    rest.set(bytes.subarray(0, tag), 0);
    rest.set(bytes.subarray(end), tag);
    return Object.assign(Task.decode(rest), { spec: this.#spec(bytes.subarray(start, end)) });
  }

  #spec(bytes: Uint8Array): TaskSpec {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const known = this.#specs.get(key);
    if (known) return known;
    if (this.#specs.size >= MAX_SPECS) this.#specs.clear();
    const spec = TaskSpec.decode(bytes);
    this.#specs.set(key, spec);
    return spec;
  }
}

/** Offsets of the spec's tag, of its bytes and of their end; undefined when there is not just one. */
function findSpec(bytes: Uint8Array): readonly [tag: number, start: number, end: number] | undefined {
  const reader = protobuf.Reader.create(bytes);
  let found: readonly [number, number, number] | undefined;
  while (reader.pos < reader.len) {
    const at = reader.pos;
    const tag = reader.uint32();
    if (tag !== SPEC) {
      reader.skipType(tag & 7);
      continue;
    }
    if (found) return undefined;
    const length = reader.uint32();
    found = [at, reader.pos, reader.pos + length];
    reader.skip(length);
  }
  return found;
}
