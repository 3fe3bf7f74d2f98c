import { packageVersion } from '../lib/package.js';

/** Of this client: what its package says. */
export const VERSION = packageVersion();
