import { join } from 'node:path';
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the compiled programs. */
    readonly programs: string;
  }
}

/** A program of these tests as plain JavaScript: the file to run. */
export const program = (name: string): string => join(inject('programs'), `${name}.js`);
