import { afterEach, beforeEach, expect, it } from 'vitest';
import { type EventSource, merged } from '../../cli/actions/events.js';
import { Context } from '../../cli/context.js';
import { testIo } from '../../cli/testing.js';
import { systemClock } from '../../lib/clock.js';
import { type Event, EventsMessage, EventsRequest } from '../../proto/gen/events.js';
import { TestSwarm } from './swarm.js';

let swarm: TestSwarm;
beforeEach(async () => {
  swarm = new TestSwarm();
  await swarm.start();
});
afterEach(() => swarm.stop());

const lines = (text: string) => text.replace(/\n$/, '').split('\n');

it('events - a service and its tasks as lines, from one time to another', async () => {
  await swarm.cli('service', 'create', '--name', 'web', '--detach', 'web:1');
  await swarm.cli('service', 'update', '--replicas', '2', '--detach', 'web');
  const web = ['--filter', 'service=web', '--filter', 'scope=swarm'];
  const { code, out, err } = await swarm.cli('events', '--since', '1h', '--until', '0s', ...web);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(lines(out)[0]).toMatch(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) service create \w{25} \(name=web\)$/,
  );
  expect(out).toMatch(/ service update \w{25} \(name=web, replicas.new=2, replicas.old=1\)\n/);
  expect(out).toMatch(/ task create \w{25} \(name=web\.1\.\w{25}, service=web, service\.id=\w{25}, slot=1\)\n/);
  expect(out).not.toMatch(/ node /);
});

it('events - filters and formats', async () => {
  await swarm.cli('service', 'create', '--name', 'web', '--detach', 'web:1');
  await swarm.cli('node', 'update', '--availability', 'drain', 'node2');
  const past = ['events', '--since', '1h', '--until', '0s'];
  const changed = await swarm.cli(
    ...past,
    '-f',
    'type=node',
    '-f',
    'node=node2',
    '--format',
    '{{.Action}} {{.Actor.Attributes}}',
  );
  expect(lines(changed.out).at(-1)).toBe('update map[availability.new:drain availability.old:active name:node2]');
  const json = await swarm.cli(...past, '-f', 'type=service', '-f', 'event=create', '--format', 'json');
  expect(JSON.parse(json.out)).toEqual({
    Type: 'service',
    Action: 'create',
    Actor: { ID: expect.stringMatching(/^\w{25}$/), Attributes: { name: 'web' } },
    scope: 'swarm',
    time: expect.any(Number),
    timeNano: expect.any(Number),
  });
  // All digits are there, although JavaScript's numbers have no place for them.
  expect(json.out).toMatch(/,"time":(\d+),"timeNano":\1\d{9}\}\n$/);
});

it('events - what is wrong is refused with what would be right', async () => {
  const failing = async (...flags: string[]) => (await swarm.cli('events', '--until', '0s', ...flags)).err;
  expect(await failing('--filter', 'colour=red')).toContain("invalid filter 'colour'\nOne of config, container,");
  expect(await failing('--since', 'yesterday')).toContain('invalid argument "yesterday" for "--since" flag');
  expect(await failing('--format', '{{.Nope}}')).toContain('there is no field "Nope"');
});

it('events - of the machine and of the swarm, or those of one scope; on a worker the machine’s', async () => {
  await swarm.cli('network', 'create', '--driver', 'overlay', 'front');
  swarm.events.tell({ type: 'container', action: 'start', id: 'c1', attributes: { name: 'box', image: 'busybox' } });
  const shown = async (...flags: string[]) => {
    const { out, err } = await swarm.cli(
      'events',
      '--since',
      '1h',
      '--until',
      '0s',
      '-f',
      'event=start',
      '-f',
      'event=create',
      ...flags,
      '--format',
      '{{.Scope}} {{.Type}} {{.Actor.Attributes.name}} {{.From}}',
    );
    return { out: lines(out).slice(-2), err };
  };
  const box = 'local container box busybox';
  expect((await shown()).out).toEqual(['swarm network front ', box]);
  expect((await shown()).err).toMatch(/^Warning: events of this machine before \S+Z are no longer known\n$/);
  expect((await shown('-f', 'scope=local')).out).toEqual([box]);
  expect(await shown('-f', 'scope=swarm', '-f', 'network=front')).toEqual({ out: ['swarm network front '], err: '' });
  swarm.demote();
  expect((await shown()).out).toEqual([box]);
  expect((await shown('-f', 'scope=swarm')).err).toContain('This node is not a swarm manager');
});

it('events - go on where they broke off, each once', async () => {
  const context = new Context(testIo({ clock: systemClock }), swarm.folder);
  const control = await context.control();
  const source: EventSource = { of: 'the swarm', open: (request, options) => control.events(request, options) };
  const filters = [{ key: 'type', values: ['network'] }];
  const seen: string[] = [];
  const create = (name: string) => swarm.cli('network', 'create', '--driver', 'overlay', name);
  await create('n0');
  for await (const event of merged([source], EventsRequest.create({ since: 0, filters }), systemClock)) {
    if (typeof event === 'string' || event.action !== 'create') continue;
    seen.push(event.attributes.name ?? '');
    if (seen.length === 5) break;
    // The first two are of the past; each of the others happens while nobody is connected.
    if (seen.length < 2) continue;
    await swarm.socket.close();
    await swarm.store.update((draft) => {
      const [n0] = draft.byName('network', 'n0');
      if (n0) draft.create('network', { ...n0, id: `id${seen.length}`, spec: { ...n0.spec, name: `n${seen.length}` } });
    });
    await swarm.socket.open();
  }
  await context.close();
  expect(seen).toEqual(['ingress', 'n0', 'n2', 'n3', 'n4']);
});

/** Messages that are there already. */
const sourceOf = (of: string, ...messages: readonly Partial<EventsMessage>[]): EventSource => ({
  of,
  async *open() {
    for (const message of messages) yield EventsMessage.create(message);
  },
});
const eventAt = (timeMs: number, id: string): Event => ({
  sequence: 1,
  timeMs,
  timeNs: 0,
  scope: 'local',
  type: 'container',
  action: 'start',
  id,
  attributes: {},
});

it('events - of two sources: the past by time, each in its own order, with words for what is lost', async () => {
  const one = sourceOf(
    'the swarm',
    { events: [eventAt(1, 'a'), eventAt(9, 'b'), eventAt(3, 'c')], forgottenMs: 1_000 },
    { synced: true },
  );
  const other = sourceOf('this machine', { events: [eventAt(2, 'x'), eventAt(10, 'y')], synced: true, missed: 7 });
  const seen: string[] = [];
  for await (const item of merged([one, other], EventsRequest.create(), systemClock))
    seen.push(typeof item === 'string' ? item : item.id);
  expect(seen.filter((item) => item.length > 1).sort()).toEqual([
    'events of the swarm before 1970-01-01T00:00:01.000Z are no longer known',
    'events of this machine went by unseen, and are no longer known',
  ]);
  expect(seen.filter((item) => item.length === 1)).toEqual(['a', 'x', 'b', 'c', 'y']);
});
