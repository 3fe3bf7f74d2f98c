/**
 * Puts tsswarmd into a few files: loading hundreds of modules one by one takes twice the time, and a daemon that
 * is started again is away for so long. All files are in one folder, since the resolver's thread is found beside
 * the module that starts it. What is native, and finds its binary by its own place, stays in node_modules.
 */
import { build } from 'rolldown';

await build({
  input: { main: 'dist/daemon/main.js', thread: 'dist/netlb/dns/thread.js' },
  platform: 'node',
  external: ['koffi'],
  output: { dir: 'dist/tsswarmd', format: 'esm', chunkFileNames: '[name]-[hash].js', cleanDir: true },
});
