import { describe, expect, it } from 'vitest';
import type { ExecSettings } from '../../interactive.js';
import { execProcess } from './exec-process.js';
import type { SpecProcess } from './spec-types.js';

const first: SpecProcess = {
  terminal: true,
  consoleSize: { height: 1, width: 1 },
  user: { uid: 0, gid: 0, additionalGids: [7] },
  args: ['server'],
  env: ['PATH=/bin', 'HOME=/root', 'A=1'],
  cwd: '/srv',
  capabilities: { bounding: ['CAP_KILL'], effective: [], permitted: [], inheritable: [], ambient: [] },
  rlimits: [],
  noNewPrivileges: true,
};
const files = {
  passwd: 'root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n',
  group: 'web:x:1001:\nextra:x:2000:web\n',
};
const host = { capabilities: new Set(['CAP_KILL', 'CAP_SYS_ADMIN']) };

function made(fields: Partial<ExecSettings>, base = first): SpecProcess {
  const settings = {
    ...{ command: ['ls'], tty: false, stdin: false, env: [], user: '', dir: '', privileged: false },
    ...{ rows: 24, columns: 80, ...fields },
  };
  return execProcess(base, settings, files, host);
}

describe('exec process - like the first', () => {
  it('in user, folder and environment, but for the terminal', () => {
    const process = made({});
    expect(process).toMatchObject({ user: first.user, cwd: '/srv', env: first.env, args: ['ls'], terminal: false });
    expect(process).not.toHaveProperty('consoleSize');
    expect(process.noNewPrivileges).toBe(true);
  });

  it('with the rights of root where it is root', () => {
    expect(made({}).capabilities).toMatchObject({ bounding: ['CAP_KILL'], effective: ['CAP_KILL'] });
    expect(made({ user: 'web' }).capabilities).toMatchObject({ bounding: ['CAP_KILL'], effective: [] });
  });
});

describe('exec process - other than the first', () => {
  it('runs as another user, at home there', () => {
    expect(made({ user: 'web' })).toMatchObject({
      user: { uid: 1000, gid: 1001, additionalGids: [2000] },
      env: ['PATH=/bin', 'HOME=/home/web', 'A=1'],
    });
    const chosen = { ...first, env: ['HOME=/data'] };
    expect(made({ user: 'web' }, chosen).env).toEqual(['HOME=/data']);
    expect(() => made({ user: 'nobody' })).toThrow('unable to find user nobody');
  });

  it('has a terminal of its size', () => {
    expect(made({ tty: true })).toMatchObject({ terminal: true, consoleSize: { height: 24, width: 80 } });
    expect(made({ tty: true }).env).toContain('TERM=xterm');
    expect(made({ tty: true, rows: 0 })).not.toHaveProperty('consoleSize');
  });

  it('has variables and folder of its own, and all rights when it is privileged', () => {
    const process = made({ env: ['A=2', 'PATH'], dir: '/tmp', user: 'web', privileged: true });
    expect(process.env).toEqual(['HOME=/home/web', 'A=2']);
    expect(process.cwd).toBe('/tmp');
    expect(process.capabilities.effective).toEqual(['CAP_KILL', 'CAP_SYS_ADMIN']);
  });
});
