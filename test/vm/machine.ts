import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** Where commands find all that the network code uses: IPVS, ESP, nftables. */
export type Ground =
  | { readonly kind: 'here' }
  /** A virtual machine, with the kernel in this folder. */
  | { readonly kind: 'machine'; readonly folder: string }
  | { readonly kind: 'none'; readonly reason: string };

/** Finds out, and installs and fetches what is missing for it: the first time that takes about a minute. */
export async function prepareGround(root: string): Promise<Ground> {
  const child = spawn(join(root, 'test/vm/prepare.sh'), { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  const [, kind, rest = ''] = /^(\w+) ?(.*)\n$/.exec(output) ?? [];
  if (status === 0 && kind === 'here') return { kind };
  if (status === 0 && kind === 'machine') return { kind, folder: rest };
  if (status === 0 && kind === 'none') return { kind, reason: rest };
  throw new Error(`test/vm/prepare.sh ended with ${status} and said: ${JSON.stringify(output)}`);
}

/** A program whose descriptor 3 leads here. */
export interface Program {
  readonly input: Writable;
  readonly output: Readable;
  /** Fulfilled with what it said at last on standard output and error, when it has ended. */
  readonly ended: Promise<string>;
  kill(): Promise<void>;
}

export interface Command {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Emulation works everywhere; there are machines that have a /dev/kvm with which nothing starts. */
const ACCELERATOR = process.env.TSSWARM_VM_ACCELERATOR ?? 'tcg,thread=multi';
const LAST_LINES = 40;
const tail = (text: string): string => text.trimEnd().split('\n').slice(-LAST_LINES).join('\n');

/** Runs a command as root in a virtual machine of its own, which ends with it. */
export function runInMachine(folder: string, what: Command, { memory = '2G' } = {}): Program {
  const directory = mkdtempSync(join(tmpdir(), 'tsswarm-vm-'));
  const log = join(directory, 'console');
  writeFileSync(join(directory, 'start'), startScript(what));
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...options(folder, directory, memory)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const ended = closed(child).then((status) => {
    const text = readFileSync(log, { encoding: 'utf8', flag: 'a+' });
    rmSync(directory, { recursive: true });
    return tail(`${text}\n${complaints}\nthe virtual machine ended with ${status}`);
  });
  return { input: child.stdin, output: child.stdout, ended, kill: () => kill(child, ended) };
}

/** Runs a command on this machine's own kernel. */
export function runHere({ command: [program, ...args], cwd, env }: Command): Program {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  const wire = child.stdio[3] as unknown as Readable & Writable;
  const ended = closed(child).then((status) => tail(`${said}\nit ended with ${status}`));
  return { input: wire, output: wire, ended, kill: () => kill(child, ended) };
}

async function closed(child: ChildProcess): Promise<string> {
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  return `${signal ?? status}`;
}

async function kill(child: ChildProcess, ended: Promise<string>): Promise<void> {
  child.kill('SIGKILL');
  await ended;
}

/**
 * The emulator takes one byte, or one word, of a `rep movs` at a time: where the processor says that it is no good at
 * these, kernel and libraries copy and clear memory in loops, which come out three times faster. Nor does it
 * gain anything by what keeps a kernel from its programs' memory.
 */
const [CPU, NO_FEATURES] = ['max,-erms', 'clearcpuid=rep_good,smap'] as const;

/** The kernel's and the command's output go to a file; the command's descriptor 3 is QEMU's standard input and output. */
function options(folder: string, directory: string, memory: string): string[] {
  const kernel = [
    // The kernel's test of the timer counts what a busy machine's emulator gives too late, and ends in a panic.
    'console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off tsc=reliable no_timer_check',
    NO_FEATURES,
    `modules=${join(folder, 'lib/modules')} start=${join(directory, 'start')}`,
  ];
  return [
    ...['-machine', 'q35', '-accel', ACCELERATOR, '-cpu', CPU, '-smp', '2', '-m', memory],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-monitor', 'none'],
    ...['-kernel', join(folder, 'vmlinuz'), '-initrd', join(folder, 'initrd'), '-append', kernel.join(' ')],
    ...['-serial', `file:${join(directory, 'console')}`],
    ...['-fsdev', 'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-9p-pci,fsdev=host,mount_tag=host'],
    ...['-chardev', 'stdio,id=wire,signal=off', '-device', 'virtio-serial-pci'],
    ...['-device', 'virtserialport,chardev=wire,name=wire'],
  ];
}

/**
 * On a busy machine the kernel may take the processor's counter to be several times faster or slower than it is, and all
 * time-outs with it. Where a second of the clock chip, which is the host's, is another by the kernel, the kernel counts
 * by a timer, which is right and slow to read.
 */
const RIGHT_CLOCK = `
second_begins() {
  local chip=/sys/class/rtc/rtc0/since_epoch was now
  was=$(<$chip)
  until now=$(<$chip); [[ $now != "$was" ]]; do :; done
  seconds=$now microseconds=\${EPOCHREALTIME/./}
}
second_begins; chip=$seconds kernel=$microseconds
second_begins; chip=$((seconds - chip)) kernel=$((microseconds - kernel))
if ((kernel < 700000 * chip || kernel > 1400000 * chip)); then
  echo "the kernel's clock makes $kernel us of $chip s: it takes another one" >/dev/console
  echo hpet >/sys/devices/system/clocksource/clocksource0/current_clocksource
fi`;

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

function startScript({ command, cwd, env }: Command): string {
  const set = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && /^[A-Za-z_]\w*$/.test(entry[0]),
  );
  return [
    ...set.map(([name, value]) => `export ${name}=${quoted(value)}`),
    'export PATH=$PATH:/usr/sbin:/sbin',
    // Not in the layer over the host's root: an overlay cannot be the upper layer of another. Nor over the host's own
    // folder for such files: the checkout may be there.
    'mkdir /run/tmp',
    'export TMPDIR=/run/tmp',
    RIGHT_CLOCK,
    'ip link set lo up',
    `cd ${quoted(cwd)}`,
    `${command.map(quoted).join(' ')} 3<>/dev/vport*p1 </dev/null`,
    'echo "the command ended with $?"',
    '/bin/busybox poweroff -f',
    '',
  ].join('\n');
}
