import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from 'vitest';
import { BINARY, runningTasks, tsswarm } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { hostOf, IMAGE, useLab } from './lab.js';
import { succeed, untilAnotherLeads, untilSettled } from './managers.js';

useLab(3, '--managers', '3');

const MANAGERS = [1, 2, 3];

interface JsonEvent {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

const parsed = (line: string) => JSON.parse(line) as JsonEvent;
const isEnd = (line: string) => parsed(line).Type === 'network' && parsed(line).Actor.Attributes.name === 'end';
/** What is up to the event that ends the test's story. */
const story = (lines: readonly string[]) => lines.slice(0, lines.findIndex(isEnd) + 1);

const followers: Follower[] = [];

/** `tsswarm events` on a node, until Ctrl-C. */
class Follower {
  readonly lines: string[] = [];
  stderr = '';
  readonly #child: ChildProcess;

  constructor(node: number, since: number) {
    const args = ['--host', hostOf(node), 'events', '--since', String(since), '-f', 'scope=swarm', '--format', 'json'];
    const child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    createInterface({ input: child.stdout }).on('line', (line) => this.lines.push(line));
    child.stderr.on('data', (data: Buffer) => {
      this.stderr += data.toString();
    });
    this.#child = child;
    followers.push(this);
  }

  async untilSeen(what: string, test: (line: string) => boolean): Promise<void> {
    await until(what, 30, async () => {
      if (this.#child.exitCode !== null) throw new Error(`events ended with ${this.#child.exitCode}: ${this.stderr}`);
      return this.lines.some(test) || undefined;
    });
  }

  async interrupt(): Promise<NodeJS.Signals | number | null> {
    const { signalCode, exitCode } = this.#child;
    if (signalCode !== null || exitCode !== null) return signalCode ?? exitCode;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGINT');
    const [code, signal] = (await exit) as [number | null, NodeJS.Signals | null];
    return signal ?? code;
  }
}

afterEach(async () => {
  for (const follower of followers.splice(0)) await follower.interrupt();
});

test('the leader is killed while events are followed - they are whole, in order and once, the same everywhere', async () => {
  const leader = await untilSettled(MANAGERS);
  const [a = 0, b = 0] = MANAGERS.filter((node) => node !== leader);
  const since = Math.floor(Date.now() / 1000) - 1;
  const onLeader = new Follower(leader, since);
  const onOther = new Follower(a, since);
  await succeed(a, 'service', 'create', '--name', 'web', '--replicas', '3', '--detach', IMAGE);
  const isWeb = (line: string) => parsed(line).Actor.Attributes.service === 'web';
  await Promise.all([onLeader, onOther].map((follower) => follower.untilSeen('a task of web', isWeb)));
  await tsswarm('lab', 'kill', `node${leader}`);
  await succeed(b, 'service', 'scale', '--detach', 'web=6');
  await untilAnotherLeads(leader, [a, b]);
  await tsswarm('lab', 'start', `node${leader}`);
  await until('all tasks run', 30, async () => (await runningTasks('web')).length === 6 || undefined);
  await succeed(b, 'network', 'create', '--driver', 'overlay', 'end');
  await Promise.all([onLeader, onOther].map((follower) => follower.untilSeen('the end', isEnd)));
  expect(await onOther.interrupt()).toBe('SIGINT');

  const told = story(onOther.lines);
  expect(story(onLeader.lines)).toEqual(told);
  for (const node of MANAGERS) {
    const list = await succeed(
      node,
      'events',
      '--since',
      String(since),
      '--until',
      '0s',
      '-f',
      'scope=swarm',
      '--format',
      'json',
    );
    expect(story(list.split('\n'))).toEqual(told);
  }

  const events = told.map(parsed);
  for (const task of await runningTasks('web'))
    expect(statesOf(events.filter(({ Actor }) => Actor.ID === task.ID))).toContain('running');
  const replicas = events.map(({ Actor }) => Actor.Attributes['replicas.new']).filter((value) => value !== undefined);
  expect(replicas).toEqual(['6']);
  const leads = events.filter(({ Actor }) => Actor.Attributes['leader.new'] === 'true');
  expect(leads.length).toBeGreaterThanOrEqual(1);
}, 90_000);

/** The states that a task went through. @throws when an event is missing, or there twice */
function statesOf([first, ...updates]: readonly JsonEvent[]): readonly string[] {
  expect(first?.Action).toBe('create');
  const states = ['new'];
  for (const { Actor } of updates) {
    const { 'state.old': before, 'state.new': after } = Actor.Attributes;
    if (after === undefined) continue;
    expect(before).toBe(states.at(-1));
    states.push(after);
  }
  return states;
}
