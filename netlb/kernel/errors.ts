import { constants } from 'node:os';

const names = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) {
  if (name !== 'ENOTSUP' && name !== 'EWOULDBLOCK' && !names.has(value)) names.set(value, name);
}

/** `EEXIST` for 17; `E524` for a number without a public name. */
function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

export interface KernelErrorDetails {
  /** Positive errno. */
  readonly errno: number;
  /** The C library's words for the errno: "File exists". */
  readonly words: string;
  /** What the kernel adds: "A VXLAN device with the specified VNI already exists". */
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
  /** The kernel's own words (extack); empty when there are none. */
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

export interface NftablesErrorDetails extends KernelErrorDetails {
  /** The command that was refused; undefined when that is not known. */
  readonly line?: string | undefined;
  /** From 1; 0 when it is not known. */
  readonly lineNumber: number;
}

/** The kernel refused a rule set: none of its commands took effect. */
export class NftablesError extends Error {
  override readonly name = 'NftablesError';
  /** The errno's name: "ENOENT". */
  readonly code: string;
  /** The command it is about; empty when that is not known. */
  readonly line: string;
  /** From 1; 0 when it is not known. */
  readonly lineNumber: number;

  constructor({ errno, words, detail = '', line = '', lineNumber }: NftablesErrorDetails) {
    const code = errnoName(errno);
    const where = line === '' ? '' : ` in line ${lineNumber}: ${line}`;
    super(`nftables: ${words} (${code})${detail ? `: ${detail}` : ''}${where}`);
    this.code = code;
    this.line = line;
    this.lineNumber = lineNumber;
  }
}
