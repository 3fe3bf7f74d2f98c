import type { ExecSettings } from '../../interactive.js';
import type { HostFacts } from './host-facts.js';
import type { SpecProcess } from './spec-types.js';
import { resolveUser } from './users.js';

/** The container's own user files. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
}

/**
 * Another process in a container: as its first one where the settings leave it open. Pure.
 * @throws INVALID_ARGUMENT for a user that is not there
 */
export function execProcess(
  first: SpecProcess,
  settings: ExecSettings,
  { passwd, group }: UserFiles,
  host: Pick<HostFacts, 'capabilities'>,
): SpecProcess {
  const { consoleSize: _, ...base } = first;
  const { rows, columns, tty } = settings;
  const user =
    settings.user === ''
      ? first.user
      : (({ uid, gid, additionalGids }) => ({ uid, gid, additionalGids }))(
          resolveUser(settings.user, [], passwd, group),
        );
  const capabilities = settings.privileged ? [...host.capabilities] : first.capabilities.bounding;
  const held = user.uid === 0 || settings.privileged ? capabilities : [];
  return {
    ...base,
    terminal: tty,
    ...(tty && rows > 0 && columns > 0 ? { consoleSize: { height: rows, width: columns } } : {}),
    user,
    args: settings.command,
    env: execEnv(first, settings, passwd),
    cwd: settings.dir || first.cwd,
    capabilities: { bounding: capabilities, effective: held, permitted: held, inheritable: [], ambient: [] },
  };
}

/** The first process's environment; its home is replaced by that of another user unless it was chosen. */
function execEnv(first: SpecProcess, { env, tty, user }: ExecSettings, passwd: string): string[] {
  const variables = new Map<string, string>();
  const put = (entry: string) => {
    const equals = entry.indexOf('=');
    if (equals > 0) variables.set(entry.slice(0, equals), entry.slice(equals + 1));
    else variables.delete(entry);
  };
  for (const entry of first.env) put(entry);
  if (user !== '' && variables.get('HOME') === homeOf(String(first.user.uid), passwd)) {
    put(`HOME=${homeOf(user.split(':')[0] ?? '', passwd)}`);
  }
  if (tty && !variables.has('TERM')) put('TERM=xterm');
  for (const entry of env) put(entry);
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

/** The name is known: the user was looked up before. */
const homeOf = (user: string, passwd: string): string => resolveUser(user, [], passwd, '').home;
