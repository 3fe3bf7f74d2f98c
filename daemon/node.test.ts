import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../lib/clock.js';
import { silentLogger } from '../lib/log.js';
import { InitRequest, JoinSwarmRequest, NodeDescription, SwarmState } from '../proto/gen/index.js';
import { OciImageStore } from '../worker/executor/oci/index.js';
import { SwarmNode } from './node.js';
import { parseOptions } from './options.js';

/** A machine that is in no swarm: nothing of it runs. */
async function open() {
  const folder = mkdtempSync(path.join(tmpdir(), 'node-'));
  const daemon = parseOptions(['--data-root', folder, '--run-root', path.join(folder, 'run')], '1');
  const images = await OciImageStore.open({ root: daemon.imageRoot, log: silentLogger });
  onTestFinished(async () => {
    await images.close();
    rmSync(folder, { recursive: true });
  });
  return SwarmNode.open({
    daemon,
    version: '1',
    description: NodeDescription.create(),
    images,
    log: silentLogger,
    clock: systemClock,
    onBroken: (error) => expect.fail(String(error)),
  });
}

test('init - a new cluster from the state of a lost one is refused: it is not what would be made', async () => {
  const node = await open();
  // Were the flag passed over, the address would be what is refused: this test must never make a swarm here.
  const init = node.init(InitRequest.create({ forceNewCluster: true, advertiseAddress: 'no-such-link' }));
  await expect(init).rejects.toMatchObject({ code: 'UNIMPLEMENTED', value: '--force-new-cluster' });
});

test('join and leave - what is missing is named, and the node stays in no swarm', async () => {
  const node = await open();
  const advertiseAddress = 'no-such-link';
  await expect(node.join(JoinSwarmRequest.create({ advertiseAddress }))).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    value: advertiseAddress,
  });
  await expect(node.leave(false)).rejects.toThrow('This node is not part of a swarm');
  expect(node.info().state).toBe(SwarmState.INACTIVE);
});
