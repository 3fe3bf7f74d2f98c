import type { ContainerSpec } from '../../proto/gen/specs.js';
import { applyCapabilityFlags } from './capabilities.js';
import type { Flags } from './flags.js';
import { applyHealthFlags } from './health.js';
import { editList, editRecord, editStrings } from './lists.js';
import { parseMount } from './mounts.js';
import { shellWords } from './shell-words.js';
import { parseEnv, parseEnvFile, parseFileReference, parseHost, parseUlimit } from './values.js';
import { parseDevice } from './volumes.js';

/** What flags may refer to outside the command line. */
export interface FlagSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The texts of the files that `--env-file` names. */
  readonly envFiles: readonly string[];
  /** Ids of the networks that flags name; a name that is not in it stands for itself. */
  readonly networkIds: ReadonlyMap<string, string>;
}

const FILE = { parse: parseFileReference, key: (file: { name: string }) => file.name };
const envKey = (variable: string): string => variable.split('=', 1)[0] ?? '';

/** A container spec with the flags of `service create` or `service update` applied. */
export function applyContainerFlags(spec: ContainerSpec, flags: Flags, sources: FlagSources): ContainerSpec {
  return {
    ...spec,
    ...applyProcessFlags(spec, flags),
    env: applyEnvFlags(spec.env, flags, sources),
    labels: editRecord(spec.labels, flags, 'container-label'),
    mounts: editList(spec.mounts, flags, 'mount', { parse: parseMount, key: (mount) => mount.target }),
    secrets: editList(spec.secrets, flags, 'secret', FILE),
    configs: editList(spec.configs, flags, 'config', FILE),
    hosts: editList(spec.hosts, flags, 'host', {
      parse: parseHost,
      key: (host) => host,
      removes: (text) => (host) => (/[:=]/.test(text) ? host === parseHost(text) : host.split(' ').includes(text)),
    }),
    dns: {
      nameservers: editStrings(spec.dns.nameservers, flags, 'dns'),
      search: editStrings(spec.dns.search, flags, 'dns-search'),
      options: editStrings(spec.dns.options, flags, 'dns-option'),
    },
    healthcheck: applyHealthFlags(spec.healthcheck, flags),
    ...applyCapabilityFlags(spec, flags),
    sysctls: editRecord(spec.sysctls, flags, 'sysctl'),
    devices: editList(spec.devices, flags, 'device', {
      parse: parseDevice,
      key: (device) => device.containerPath,
      removes: (text) => (device) => device.hostPath === text || device.containerPath === text,
    }),
    ulimits: editList(spec.ulimits, flags, 'ulimit', { parse: parseUlimit, key: (limit) => limit.name }),
  };
}

function applyProcessFlags(spec: ContainerSpec, flags: Flags): Partial<ContainerSpec> {
  const entrypoint = flags.text('entrypoint');
  const args = flags.text('args');
  return {
    image: flags.text('image') ?? spec.image,
    entrypoint: entrypoint === undefined ? spec.entrypoint : shellWords(entrypoint),
    args: args === undefined ? spec.args : shellWords(args),
    dir: flags.text('workdir') ?? spec.dir,
    user: flags.text('user') ?? spec.user,
    groups: editStrings(spec.groups, flags, 'group'),
    hostname: flags.text('hostname') ?? spec.hostname,
    tty: flags.boolean('tty') ?? spec.tty,
    init: flags.boolean('init') ?? spec.init,
    readOnly: flags.boolean('read-only') ?? spec.readOnly,
    stopSignal: flags.text('stop-signal') ?? spec.stopSignal,
    stopGracePeriod: flags.duration('stop-grace-period') ?? spec.stopGracePeriod,
    isolation: flags.text('isolation') ?? spec.isolation,
    oomScoreAdj: flags.integer('oom-score-adj', -1000, 1000) ?? spec.oomScoreAdj,
  };
}

function applyEnvFlags(current: readonly string[], flags: Flags, { env, envFiles }: FlagSources): readonly string[] {
  const fromFiles = envFiles.flatMap((text) => parseEnvFile(text, env));
  const base = [...new Map([...current, ...fromFiles].map((v) => [envKey(v), v] as const)).values()];
  return editList(base, flags, 'env', { parse: (text) => parseEnv(text, env), key: envKey });
}
