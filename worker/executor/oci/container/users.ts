import { invalidArgument } from '../../../../lib/errors.js';

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

/** Non-negative 32-bit ids, except the last, which means "no change" to the kernel. */
function parseId(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1 ? Number(text) : undefined;
}

const records = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));

/**
 * Who a container runs as: `user`, `uid`, `user:group`, `uid:gid` … looked up in the image's own
 * files (passwd(5), group(5)). A number needs no entry. Without a group it is the user's own, with
 * the groups that list the user.
 * @throws INVALID_ARGUMENT for a name without an entry
 */
export function resolveUser(
  user: string,
  groups: readonly string[],
  passwdFile: string,
  groupFile: string,
): ContainerUser {
  const passwd = records(passwdFile);
  const group = records(groupFile);
  const [who = '', which] = user === '' ? ['0'] : user.split(':', 2);

  const number = parseId(who);
  const entry = passwd.find(([name, , uid]) => name === who || (number !== undefined && parseId(uid ?? '') === number));
  const uid = entry ? parseId(entry[2] ?? '') : number;
  if (uid === undefined) {
    throw invalidArgument(`unable to find user ${who}: no matching entries in passwd file`, {
      value: user,
      hint: "Name a user of the image's /etc/passwd, or give a numeric id.",
    });
  }
  const gidOf = (name: string): number => {
    const known = group.find(([own]) => own === name);
    const gid = known ? parseId(known[2] ?? '') : parseId(name);
    if (gid !== undefined) return gid;
    throw invalidArgument(`unable to find group ${name}: no matching entries in group file`, {
      value: name,
      hint: "Name a group of the image's /etc/group, or give a numeric id.",
    });
  };
  const implied = which === undefined || which === '';
  const gid = implied ? (entry ? (parseId(entry[3] ?? '') ?? 0) : 0) : gidOf(which);
  const memberOf =
    implied && entry ? group.filter(([, , , members]) => members?.split(',').includes(entry[0] ?? '')) : [];
  const more = [...memberOf.flatMap(([, , id]) => parseId(id ?? '') ?? []), ...groups.map(gidOf)];
  return {
    uid,
    gid,
    additionalGids: [...new Set(more)].filter((id) => id !== gid),
    home: entry?.[5] || '/',
  };
}
