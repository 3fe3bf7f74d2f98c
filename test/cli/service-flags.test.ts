import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Context } from '../../cli/context.js';
import { buildProgram } from '../../cli/program.js';
import { testIo } from '../../cli/testing.js';
import type { ServiceSpec } from '../../proto/gen/specs.js';
import { BOOLEANS, LISTS, type Place, SCALARS, type ServiceKind } from './service-flags.rows.js';
import { TestSwarm } from './swarm.js';

/**
 * Every flag of `service create` and `service update` changes its field of the spec that managers keep, and
 * nothing else; `-rm`, or the former value, puts it back. A flag that has no row fails the last tests.
 */

const FLAGS = SCALARS.filter(({ service }) => service !== 'replicated-job');
const JOB_FLAGS = SCALARS.filter(({ service }) => service === 'replicated-job');

const swarm = new TestSwarm();
/** Of a service that was created with two items of each list. */
let listedTwice: ServiceSpec;
const networkNames = new Map<string, string>();

beforeAll(async () => {
  await swarm.start();
  for (const name of ['back', 'front'])
    networkNames.set((await cli('network', 'create', '-d', 'overlay', name)).trim(), name);
  for (const name of ['db', 'cache']) await cli('service', 'create', '--detach', '--name', name, 'web');
  await create('plain', 'replicated', '--replicas', '0');
  await create('full', 'replicated', ...FLAGS.flatMap(({ flag, first }) => [`--${flag}`, first]));
  await create(
    'job',
    'replicated-job',
    '--replicas',
    '5',
    ...JOB_FLAGS.flatMap(({ flag, first }) => [`--${flag}`, first]),
  );
  const both = LISTS.flatMap(({ flag, kept, added }) => [`--${flag}`, kept, `--${flag}`, added]);
  await create('both', 'replicated', '--replicas', '0', ...both);
  listedTwice = specOf('both');
  await cli('service', 'rm', 'both');
  await create('listed', 'replicated', '--replicas', '0', ...LISTS.flatMap(({ flag, kept }) => [`--${flag}`, kept]));
}, 60_000);
afterAll(() => swarm.stop());

async function cli(...argv: string[]): Promise<string> {
  const { code, out, err } = await swarm.cli(...argv);
  expect(code, `${argv.join(' ')}: ${err}`).toBe(0);
  return out;
}

function create(name: string, mode: ServiceKind, ...flags: string[]): Promise<string> {
  return cli('service', 'create', '--detach', '--name', name, '--mode', mode, ...flags, 'web');
}
const update = (name: string, ...flags: string[]): Promise<string> =>
  cli('service', 'update', '--detach', ...flags, name);

/** As managers keep it, with networks by name. */
function specOf(name: string): ServiceSpec {
  const service = [...swarm.store.view().list('service')].find(({ spec }) => spec.name === name);
  if (!service) throw new Error(`no service ${name}`);
  const { spec } = service;
  const networks = spec.task.networks.map((network) => ({
    ...network,
    target: networkNames.get(network.target) ?? network.target,
  }));
  return { ...spec, task: { ...spec.task, networks } };
}

/** Rows for `it.each`, whose titles take their first words. */
const titled = <Row extends { readonly flag: string; readonly place: Place }>(rows: readonly Row[]) =>
  rows.map((row) => [row.flag, row.place, row] as const);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function at(spec: ServiceSpec, place: Place): unknown {
  return place.split('.').reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), spec);
}

/** The spec without one of its fields: what is to stay as it is. */
function without(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (!isRecord(value) || key === undefined) return value;
  const { [key]: field, ...others } = value;
  return rest.length === 0 ? others : { ...others, [key]: without(field, rest) };
}

/** Runs a command line, after which nothing but the field is another. */
async function changesOnly(name: string, place: Place, change: () => Promise<unknown>): Promise<unknown> {
  const before = specOf(name);
  await change();
  const after = specOf(name);
  expect(without(after, place.split('.'))).toEqual(without(before, place.split('.')));
  return at(after, place);
}

describe('a flag with a value', () => {
  const rows = [
    ...FLAGS.map((row) => ({ ...row, name: 'full' })),
    ...JOB_FLAGS.map((row) => ({ ...row, name: 'job' })),
  ];

  it.each(titled(rows))('--%s of create is %s', (_, place, { name, is }) => {
    expect(at(specOf(name), place)).toEqual(is);
  });

  it.each(titled(rows))(
    '--%s of update changes %s, and back',
    async (flag, place, { name, first, other, is, becomes }) => {
      const before = specOf(name);
      expect(await changesOnly(name, place, () => update(name, `--${flag}`, other))).toEqual(becomes);
      expect(await changesOnly(name, place, () => update(name, `--${flag}=${first}`))).toEqual(is);
      expect(specOf(name)).toEqual(before);
    },
  );
});

describe('a flag that is on or off', () => {
  it.each(BOOLEANS)('--%s changes %s, and back', async (flag, place) => {
    expect(await changesOnly('plain', place, () => update('plain', `--${flag}`))).toBe(true);
    expect(await changesOnly('plain', place, () => update('plain', `--${flag}=false`))).toBe(false);
    await create(`with-${flag}`, 'replicated', `--${flag}`);
    expect(at(specOf(`with-${flag}`), place)).toBe(true);
  });
});

describe('a list', () => {
  it.each(titled(LISTS))('--%s of create is %s', (_, place, { is, becomes }) => {
    expect(at(specOf('listed'), place)).toEqual(is);
    expect(at(listedTwice, place)).toEqual(becomes);
  });

  it.each(titled(LISTS))(
    'the -add and -rm of --%s change %s, and back',
    async (flag, place, { added, removes, is, becomes }) => {
      const before = specOf('listed');
      expect(await changesOnly('listed', place, () => update('listed', `--${flag}-add`, added))).toEqual(becomes);
      // What is there already, and what is not there any more, change nothing.
      await update('listed', `--${flag}-add`, added);
      expect(at(specOf('listed'), place)).toEqual(becomes);
      expect(await changesOnly('listed', place, () => update('listed', `--${flag}-rm`, removes))).toEqual(is);
      await update('listed', `--${flag}-rm`, removes);
      expect(specOf('listed')).toEqual(before);
    },
  );

  it.each(titled(LISTS))(
    'the -add and -rm of --%s in one call: what is removed from %s goes first',
    async (flag, place, { added, removes, is, becomes }) => {
      expect(
        await changesOnly('listed', place, () => update('listed', `--${flag}-rm`, removes, `--${flag}-add`, added)),
      ).toEqual(becomes);
      expect(await changesOnly('listed', place, () => update('listed', `--${flag}-rm`, removes))).toEqual(is);
    },
  );
});

describe('other flags', () => {
  const places = {
    image: 'task.container.image',
    args: 'task.container.args',
    force: 'task.forceUpdate',
    log: 'task.logDriver',
    health: 'task.container.healthcheck',
    autoscale: 'autoscale',
  };

  it('--image and --args change these, and back', async () => {
    expect(await changesOnly('plain', places.image, () => update('plain', '--image', 'other'))).toBe('other:latest');
    expect(await changesOnly('plain', places.image, () => update('plain', '--image', 'web'))).toBe('web:latest');
    expect(await changesOnly('plain', places.args, () => update('plain', '--args', 'a "b c"'))).toEqual(['a', 'b c']);
    expect(await changesOnly('plain', places.args, () => update('plain', '--args', ''))).toEqual([]);
  });

  it('--force counts up', async () => {
    const before = at(specOf('plain'), places.force) as number;
    expect(await changesOnly('plain', places.force, () => update('plain', '--force'))).toBe(before + 1);
  });

  it('--rollback puts the former spec back', async () => {
    const before = specOf('plain');
    await update('plain', '--hostname', 'other', '--env-add', 'A=1', '--label-add', 'a=1');
    await update('plain', '--rollback');
    expect(specOf('plain')).toEqual(before);
  });

  it('--log-driver and --log-opt change the driver; an empty name is back to the default', async () => {
    const set = () => update('plain', '--log-driver', 'local', '--log-opt', 'max-size=1m');
    expect(await changesOnly('plain', places.log, set)).toEqual({ name: 'local', options: { 'max-size': '1m' } });
    const add = () => update('plain', '--log-opt', 'max-file=2');
    const options = { 'max-size': '1m', 'max-file': '2' };
    expect(await changesOnly('plain', places.log, add)).toEqual({ name: 'local', options });
    expect(await changesOnly('plain', places.log, () => update('plain', '--log-driver', ''))).toBeUndefined();
  });

  it("--no-healthcheck switches the check off; an empty --health-cmd is back to the image's", async () => {
    const off = { test: ['NONE'] };
    expect(await changesOnly('plain', places.health, () => update('plain', '--no-healthcheck'))).toMatchObject(off);
    expect(await changesOnly('plain', places.health, () => update('plain', '--health-cmd', ''))).toMatchObject({
      test: [],
    });
  });

  it('--autoscale gives a rule and takes it away', async () => {
    await create('scaled', 'replicated', '--replicas', '1');
    const rule = () => update('scaled', '--autoscale', 'min=1,max=3,cpu=60%');
    expect(await changesOnly('scaled', places.autoscale, rule)).toMatchObject({ min: 1, max: 3, cpuPercent: 60 });
    expect(
      await changesOnly('scaled', places.autoscale, () => update('scaled', '--autoscale', 'none')),
    ).toBeUndefined();
  });

  it('--cap-add and --cap-drop undo each other', async () => {
    const caps = () => {
      const { capabilityAdd: add, capabilityDrop: drop } = specOf('plain').task.container;
      return { add, drop };
    };
    await update('plain', '--cap-add', 'net_admin', '--cap-drop', 'CAP_CHOWN');
    expect(caps()).toEqual({ add: ['CAP_NET_ADMIN'], drop: ['CAP_CHOWN'] });
    await update('plain', '--cap-drop', 'NET_ADMIN', '--cap-add', 'chown');
    expect(caps()).toEqual({ add: [], drop: [] });
    await update('plain', '--cap-drop', 'ALL', '--cap-drop', 'kill', '--cap-add', 'net_raw');
    expect(caps()).toEqual({ add: ['CAP_NET_RAW'], drop: ['ALL'] });
    await update('plain', '--cap-drop', 'RESET', '--cap-add', 'RESET');
    expect(caps()).toEqual({ add: [], drop: [] });
  });

  it('--env-file of create gives variables, which --env replaces', async () => {
    const file = path.join(swarm.folder, 'variables');
    await writeFile(file, '# these\nA=1\nB=2\n');
    await create('from-file', 'replicated', '--env-file', file, '--env', 'B=3');
    expect(specOf('from-file').task.container.env).toEqual(['A=1', 'B=3']);
  });

  it.each(['secret', 'config'])('--%s is refused: there are none', async (kind) => {
    const { code, err } = await swarm.cli('service', 'update', `--${kind}-add`, 'key', 'plain');
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining(`${kind} not found: key`) });
  });
});

describe('the flags there are', () => {
  const program = buildProgram(new Context(testIo(), swarm.folder));
  const optionsOf = (name: string) => {
    const service = program.commands.find((command) => command.name() === 'service');
    const command = service?.commands.find((found) => found.name() === name);
    if (!command) throw new Error(`no command service ${name}`);
    return command.options.map(({ long }) => String(long).slice(2)).sort();
  };
  const scalars = [...SCALARS.map(({ flag }) => flag), ...BOOLEANS.map(([flag]) => flag)];
  const alone = ['autoscale', 'cap-add', 'cap-drop', 'log-driver', 'log-opt', 'no-healthcheck'];
  // How the command goes about it, and what is sent to registries: not of the spec that is shown.
  const manner = ['detach', 'no-resolve-image', 'quiet', 'with-registry-auth'];
  const lists = [...LISTS.map(({ flag }) => flag), 'secret', 'config'];

  it('are all above - create', () => {
    const own = ['env-file', 'mode', 'name'];
    expect(optionsOf('create')).toEqual([...scalars, ...alone, ...manner, ...lists, ...own].sort());
  });

  it('are all above - update', () => {
    const own = ['args', 'force', 'image', 'rollback'];
    const both = lists.flatMap((name) => [`${name}-add`, `${name}-rm`]);
    expect(optionsOf('update')).toEqual([...scalars, ...alone, ...manner, ...both, ...own].sort());
  });
});
