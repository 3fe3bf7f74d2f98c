import { convergence } from './convergence.js';
import { idle } from './idle.js';
import { mesh } from './mesh.js';
import { meshDocker } from './mesh-docker/mesh-docker.js';
import { meshScale } from './mesh-scale/mesh-scale.js';
import { network } from './network/network.js';
import { overlay } from './overlay/overlay.js';
import { raft } from './raft/raft.js';
import { scale } from './scale/scale.js';

/** Comparisons by name; `npm run bench` runs all, `npm run bench -- mesh` one. */
const comparisons: Readonly<Record<string, () => Promise<void>>> = {
  convergence,
  idle,
  mesh,
  'mesh-docker': meshDocker,
  'mesh-scale': meshScale,
  network,
  overlay,
  raft,
  scale,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in comparisons));
if (unknown.length > 0) {
  console.error(`no comparison named ${unknown.join(', ')}; there are: ${Object.keys(comparisons).join(', ')}`);
  process.exit(2);
}
for (const name of asked.length > 0 ? asked : Object.keys(comparisons)) {
  console.log(`\n== ${name}`);
  await comparisons[name]?.();
}
