/**
 * The exit code of a process that could not be run, by the runtime's words: as a shell has it, 127 for a program that
 * is not there and 126 for one that cannot be run.
 */
export function startFailureCode(words: string): 126 | 127 {
  return /not found|no such file/i.test(words) ? 127 : 126;
}
