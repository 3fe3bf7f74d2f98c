import { messageOf, SwarmError, unavailable } from '../../lib/errors.js';
import { type LogBatch, type LogLine, LogOptions, LogStream } from '../../proto/gen/logs.js';
import type { Task } from '../../proto/gen/objects.js';
import { slotName } from '../../proto/task-names.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { instantOf } from '../flags/instant.js';
import { shortId } from '../format/human.js';
import { isPassing } from '../retry.js';
import { findTask } from './task-refs.js';

/** Of a service, or of one task. */
export async function showLogs(context: Context, ref: string, flags: Flags): Promise<void> {
  await show(context, () => targetOf(context, ref), flags);
}

export async function showTaskLogs(context: Context, ref: string, flags: Flags): Promise<void> {
  const target = async () => ({ service: '', task: (await findTask(context, ref, 'none')).task.id, slotWidth: 0 });
  await show(context, target, flags);
}

interface Target {
  readonly service: string;
  readonly task: string;
  /** Digits of the service's highest slot. */
  readonly slotWidth: number;
}

async function show(context: Context, find: () => Promise<Target>, flags: Flags): Promise<void> {
  const control = await context.control();
  const options = logOptions(flags, context.io.clock.now());
  const target = await find();
  const prefixes = new Prefixes(context, flags, target.slotWidth);
  const showTime = flags.on('timestamps');
  const rest = new PartialLines();
  for await (const batch of untilBroken(control.logs({ service: target.service, task: target.task, options }))) {
    const prefix = flags.on('raw') ? '' : await prefixes.of(batch);
    for (const line of batch.lines) {
      const head = rest.continues(batch.taskId, line) ? '' : (showTime ? `${timestamp(line)} ` : '') + prefix;
      const print = line.stream === LogStream.STDERR ? context.io.err : context.io.out;
      print(Buffer.concat([Buffer.from(head), line.data]));
    }
  }
}

/** Managers that change places end the streams of logs: words for who was reading one. */
export async function* untilBroken<T>(batches: AsyncIterable<T>): AsyncIterable<T> {
  let begun = false;
  try {
    for await (const batch of batches) {
      begun = true;
      yield batch;
    }
  } catch (error) {
    if (!begun || !isPassing(error)) throw error;
    throw unavailable(`the logs have broken off: ${messageOf(error)}`, {
      hint: 'Run the command again; --since shows only what is newer.',
      cause: error,
    });
  }
}

/** Lines longer than the log's own limit come in parts: only the first one gets a head. */
export class PartialLines {
  readonly #open = new Set<string>();

  continues(taskId: string, line: LogLine): boolean {
    const key = `${taskId}/${line.stream}`;
    const continues = this.#open.has(key);
    if (line.data.at(-1) === NEWLINE) this.#open.delete(key);
    else this.#open.add(key);
    return continues;
  }
}

const NEWLINE = 0x0a;

/** The service of a name or id, or else the task of an id. */
async function targetOf(context: Context, ref: string): Promise<Target> {
  const control = await context.control();
  try {
    const { service } = await control.getService({ ref });
    const replicas = service.spec.replicated?.replicas ?? service.spec.replicatedJob?.maxConcurrent ?? 0;
    return { service: service.id, task: '', slotWidth: String(replicas).length };
  } catch (error) {
    if (!(error instanceof SwarmError) || error.code !== 'NOT_FOUND') throw error;
    const { task } = await findTask(context, ref, 'none');
    return { service: '', task: task.id, slotWidth: 0 };
  }
}

/** @param now milliseconds since the epoch @throws INVALID_ARGUMENT that names the flag and value */
export function logOptions(flags: Flags, now: number): LogOptions {
  const tail = flags.text('tail') ?? 'all';
  return LogOptions.create({
    follow: flags.on('follow'),
    tail: tail === 'all' ? undefined : flags.integer('tail'),
    since: instantOf(flags, 'since', now) ?? 0,
    until: instantOf(flags, 'until', now) ?? 0,
    stdout: true,
    stderr: true,
  });
}

export function timestamp({ timestampMs, timestampNs }: LogLine): string {
  const digits = String(timestampNs + (timestampMs % 1000) * 1e6).padStart(9, '0');
  return `${new Date(timestampMs).toISOString().slice(0, 19)}.${digits}Z`;
}

/** `web.1.tm3wtwtie4m9@node2    | `, asked for once for each task. */
class Prefixes {
  readonly #context: Context;
  readonly #flags: Flags;
  readonly #slotWidth: number;
  readonly #known = new Map<string, string>();

  constructor(context: Context, flags: Flags, slotWidth: number) {
    this.#context = context;
    this.#flags = flags;
    this.#slotWidth = slotWidth;
  }

  async of(batch: LogBatch): Promise<string> {
    const known = this.#known.get(batch.taskId);
    if (known !== undefined) return known;
    const control = await this.#context.control();
    const [{ task }, node] = await Promise.all([control.getTask({ ref: batch.taskId }), this.#nodeName(batch.nodeId)]);
    const prefix = this.#format(task, node, batch);
    this.#known.set(batch.taskId, prefix);
    return prefix;
  }

  #format(task: Task, node: string, batch: LogBatch): string {
    const flags = this.#flags;
    const details = flags.on('details')
      ? `com.docker.swarm.node.id=${batch.nodeId},com.docker.swarm.service.id=${task.serviceId},com.docker.swarm.task.id=${task.id} `
      : '';
    const name = slotName(flags.on('no-resolve') ? { ...task, serviceName: task.serviceId } : task);
    const id = flags.on('no-task-ids') ? '' : `.${flags.on('no-trunc') ? task.id : shortId(task.id)}`;
    const padding = ' '.repeat(Math.max(0, this.#slotWidth - String(task.slot).length));
    return `${name}${id}@${node}${padding}    | ${details}`;
  }

  async #nodeName(id: string): Promise<string> {
    if (this.#flags.on('no-resolve')) return id;
    try {
      return (await (await this.#context.control()).getNode({ ref: id })).node.description.hostname;
    } catch (error) {
      // A node that has been removed since has left its logs nowhere else than in what we print.
      if (error instanceof SwarmError && error.code === 'NOT_FOUND') return id;
      throw error;
    }
  }
}
