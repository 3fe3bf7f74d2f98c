import { randomBytes } from 'node:crypto';
import { Serial } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';
import { alreadyExists, failedPrecondition, notFound } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { ANONYMOUS_LABEL, checkVolumeDriver, checkVolumeName } from '../../lib/volumes.js';
import { type ContainerFilter, LocalVolume, StoredVolume, VolumeSpec, VolumeUser } from '../../proto/gen/index.js';
import { type Filling, fillVolume } from './fill.js';
import { pruneTest } from './filters.js';
import { type FoundVolume, VolumeFolders } from './folders.js';
import { isMounted, mountVolume, unmountVolume } from './mounting.js';

export interface VolumesOptions {
  /** Folder of the volumes. */
  readonly root: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A container that has volumes, running or not. */
export interface VolumeHolder {
  readonly id: string;
  readonly name: string;
}

interface Entry extends FoundVolume {
  /** Orders what is done with its data. */
  readonly serial: Serial;
  readonly holders: Map<string, VolumeHolder>;
  /** Ids of the holders that run, or are about to. */
  readonly active: Set<string>;
}

/** A new anonymous volume's name: 64 hexadecimal digits. */
export const newVolumeName = (): string => randomBytes(32).toString('hex');

/**
 * The volumes of this machine. Who has which is known from the containers alone: whoever opens these says so by
 * `takeBack`. A volume with options is mounted while a container that has it runs.
 */
export class Volumes {
  readonly #folders: VolumeFolders;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  /** Volumes are made, given and removed one at a time. */
  readonly #changes = new Serial();

  private constructor({ clock, log }: VolumesOptions, folders: VolumeFolders, found: readonly FoundVolume[]) {
    this.#folders = folders;
    this.#clock = clock;
    this.#log = log;
    for (const volume of found) {
      this.#add(volume);
      if (volume.problem !== '') log.error({ volume: volume.name }, `volume cannot be used: ${volume.problem}`);
    }
  }

  static async open(options: VolumesOptions): Promise<Volumes> {
    const folders = await VolumeFolders.open(options.root);
    return new Volumes(options, folders, await folders.all());
  }

  all(): readonly LocalVolume[] {
    return [...this.#entries.values()].map((entry) => this.#view(entry));
  }

  /** @throws NOT_FOUND */
  find(name: string): LocalVolume {
    return this.#view(this.#need(name));
  }

  /** For a person: one that is there is answered as it is. @throws INVALID_ARGUMENT, ALREADY_EXISTS */
  async create(spec: VolumeSpec): Promise<LocalVolume> {
    const asked = spec.name === '' ? anonymous(spec) : spec;
    return this.#changes.run(async () => this.#view(await this.#provide(asked)));
  }

  /** With its data. @throws NOT_FOUND, FAILED_PRECONDITION with the containers that have it */
  async remove(name: string): Promise<void> {
    const { deleted } = await this.#changes.run(() => this.#remove(name));
    await deleted;
  }

  /** @returns the names of those that it has removed @throws INVALID_ARGUMENT for a filter that is not known */
  async prune(filters: readonly ContainerFilter[], all: boolean): Promise<readonly string[]> {
    const test = pruneTest(filters, all);
    const removed: string[] = [];
    for (const { spec } of this.all().filter(test)) {
      const gone = await this.#changes.run(() => {
        const entry = this.#entries.get(spec.name);
        // It may have been given to a container, or removed, meanwhile.
        return entry && test(this.#view(entry)) ? this.#remove(spec.name) : undefined;
      });
      if (!gone) continue;
      await gone.deleted;
      removed.push(spec.name);
    }
    return removed;
  }

  /**
   * Gives a container a volume, made unless it is there; it is the container's until `release`.
   * @returns its folder
   * @throws INVALID_ARGUMENT, FAILED_PRECONDITION for one that is there with other options, or cannot be used
   */
  async hold(holder: VolumeHolder, spec: VolumeSpec): Promise<string> {
    await this.#changes.run(async () => (await this.#provide(spec)).holders.set(holder.id, holder));
    return this.#folders.data(spec.name);
  }

  /** What a container has had since an earlier daemon. @param active it runs, or is about to */
  takeBack(holder: VolumeHolder, name: string, active: boolean): void {
    const entry = this.#entries.get(name);
    if (!entry) {
      this.#log.error({ container: holder.id, volume: name }, `container ${holder.name} has lost its volume ${name}`);
      return;
    }
    entry.holders.set(holder.id, holder);
    if (active) entry.active.add(holder.id);
  }

  /** When all containers are taken back: what none that runs has is not mounted. */
  settle(): void {
    for (const entry of this.#entries.values()) this.#rest(entry);
  }

  /**
   * Makes a volume ready for a container that has it and is about to run.
   * @param filling what an empty volume begins with
   * @throws FAILED_PRECONDITION when it cannot be mounted, or is gone
   */
  async activate(id: string, name: string, filling?: Filling): Promise<void> {
    const entry = this.#entries.get(name);
    if (!entry?.holders.has(id)) throw failedPrecondition(`volume "${name}" is not there any more`, { value: name });
    const data = this.#folders.data(name);
    await entry.serial.run(async () => {
      const options = entry.record?.spec.driverOptions ?? {};
      if (isMounted(options)) await mountVolume(name, options, data);
      entry.active.add(id);
      if (filling) await fillVolume(data, this.#folders.fillingMark(name), filling);
    });
  }

  /** The container has ended: its volumes wait for its next start. */
  async deactivate(id: string): Promise<void> {
    for (const entry of this.#entries.values()) {
      if (!entry.active.has(id)) continue;
      await entry.serial.run(() => {
        entry.active.delete(id);
        this.#rest(entry);
      });
    }
  }

  /**
   * The container is gone.
   * @param doomed volumes that go with it, where no other container has them
   */
  async release(id: string, doomed: readonly string[]): Promise<void> {
    await this.deactivate(id);
    for (const entry of this.#entries.values()) entry.holders.delete(id);
    for (const name of doomed) {
      const gone = await this.#changes.run(() => {
        const entry = this.#entries.get(name);
        return entry && entry.holders.size === 0 ? this.#remove(name) : undefined;
      });
      await gone?.deleted;
    }
  }

  async #provide(spec: VolumeSpec): Promise<Entry> {
    checkVolumeName(spec.name);
    checkVolumeDriver(spec.driver, spec.driverOptions);
    const entry = this.#entries.get(spec.name);
    if (entry) {
      refuseOther(entry, spec);
      return entry;
    }
    const record = StoredVolume.create({ spec: { ...spec, driver: 'local' }, createdAt: this.#clock.now() });
    await this.#folders.make(record);
    return this.#add({ name: spec.name, record, problem: '' });
  }

  async #remove(name: string): Promise<{ readonly deleted: Promise<void> }> {
    const { holders } = this.#need(name);
    if (holders.size > 0) {
      const users = [...holders.values()].map((holder) => `${holder.name} (${holder.id.slice(0, 12)})`);
      throw failedPrecondition(`remove ${name}: volume is in use - [${users.join(', ')}]`, {
        value: name,
        hint: 'Remove these containers first.',
      });
    }
    const gone = await this.#folders.remove(name);
    this.#entries.delete(name);
    return gone;
  }

  #add(volume: FoundVolume): Entry {
    const entry = { ...volume, serial: new Serial(), holders: new Map(), active: new Set<string>() };
    this.#entries.set(volume.name, entry);
    return entry;
  }

  #rest({ name, record, active }: Entry): void {
    if (active.size === 0 && isMounted(record?.spec.driverOptions ?? {})) unmountVolume(this.#folders.data(name));
  }

  #need(name: string): Entry {
    const entry = this.#entries.get(name);
    if (!entry) throw notFound(`No such volume: ${name}`, { value: name });
    return entry;
  }

  #view({ name, record, problem, holders }: Entry): LocalVolume {
    return LocalVolume.create({
      spec: record?.spec ?? VolumeSpec.create({ name, driver: 'local' }),
      createdAt: record?.createdAt ?? 0,
      mountpoint: this.#folders.data(name),
      problem,
      users: [...holders.values()].map((holder) =>
        VolumeUser.create({ containerId: holder.id, containerName: holder.name }),
      ),
    });
  }
}

/** @throws FAILED_PRECONDITION, ALREADY_EXISTS */
function refuseOther({ name, record, problem }: Entry, { driverOptions }: VolumeSpec): void {
  if (!record) {
    throw failedPrecondition(`volume "${name}" cannot be used: ${problem}`, {
      value: name,
      hint: 'Save what is in its folder, then remove it: tsswarm volume rm.',
    });
  }
  const asked = Object.entries(driverOptions);
  const has = record.spec.driverOptions;
  const other =
    asked.find(([key, value]) => has[key] !== value) ?? Object.entries(has).find(([key]) => !(key in driverOptions));
  if (asked.length === 0 || !other) return;
  throw alreadyExists(`volume "${name}" is there already, with other options`, {
    value: other.join('='),
    hint: 'Remove it first, or leave the options out.',
  });
}

function anonymous(spec: VolumeSpec): VolumeSpec {
  return { ...spec, name: newVolumeName(), labels: { ...spec.labels, [ANONYMOUS_LABEL]: '' } };
}
