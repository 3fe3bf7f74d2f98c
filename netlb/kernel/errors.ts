import { constants } from 'node:os';

const names = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) {
  if (name !== 'ENOTSUP' && name !== 'EWOULDBLOCK' && !names.has(value)) names.set(value, name);
}

/** `EEXIST` for 17; `E524` for a number without a public name. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

export interface KernelErrorDetails {
  /** Positive errno. */
  readonly errno: number;
  /** The C library's words for the errno: "File exists". */
  readonly words: string;
  /** What the kernel or libnftables adds: "A VXLAN device with the specified VNI already exists". */
  readonly detail?: string | undefined;
}

/** The kernel refused an operation. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  /** What was asked for, in words with the names concerned: "create vxlan vxlan0 (VNI 4096, port 4789)". */
  readonly operation: string;
  /** The errno's name: "EEXIST". */
  readonly code: string;
  /** Positive errno. */
  readonly errno: number;
  /** The kernel's (extack) or libnftables' own words; empty when there are none. */
  readonly detail: string;

  constructor(operation: string, { errno, words, detail = '' }: KernelErrorDetails) {
    const code = errnoName(errno);
    super(`${operation}: ${words} (${code})${detail ? `: ${detail}` : ''}`);
    this.operation = operation;
    this.code = code;
    this.errno = errno;
    this.detail = detail;
  }
}

/** True when `error` is the kernel's with one of these errno names. */
export function isKernelError(error: unknown, ...codes: readonly string[]): error is KernelError {
  return error instanceof KernelError && (codes.length === 0 || codes.includes(error.code));
}

/** libnftables refused a rule set. */
export class NftablesError extends Error {
  override readonly name = 'NftablesError';
  /** The command it is about; empty when that is not known. */
  readonly line: string;
  /** From 1; 0 when it is not known. */
  readonly lineNumber: number;

  constructor(words: string, line: string, lineNumber: number) {
    super(`nftables: ${words}${line === '' ? '' : ` in line ${lineNumber}: ${line}`}`);
    this.line = line;
    this.lineNumber = lineNumber;
  }

  /** @param text what libnftables writes: "/proc/self/fd/9:3:15-18: Error: No such file…\n…" */
  static from(text: string, commands: string): NftablesError {
    const match = /^\S+?:(\d+):[\d-]+: Error: (.*)$/m.exec(text);
    if (!match) return new NftablesError(text.trim() || 'refused without words', '', 0);
    const lineNumber = Number(match[1]);
    return new NftablesError(match[2] ?? '', commands.split('\n')[lineNumber - 1]?.trim() ?? '', lineNumber);
  }
}
