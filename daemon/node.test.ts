import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../lib/clock.js';
import { newId } from '../lib/ids.js';
import { silentLogger } from '../lib/log.js';
import { newGroup } from '../manager/identity.js';
import { Manager } from '../manager/manager.js';
import { KernelReader } from '../netlb/trace/reader.js';
import { InitRequest, JoinSwarmRequest, NodeDescription, SwarmState } from '../proto/gen/index.js';
import { Engine } from '../worker/engine.js';
import { LocalEvents } from '../worker/events/local-events.js';
import { OciImageStore } from '../worker/executor/oci/index.js';
import { Inspector } from '../worker/inspections/inspector.js';
import { readMachine } from './machine.js';
import { SwarmNode } from './node.js';
import { parseOptions } from './options.js';

/** A machine that is in no swarm: nothing of it runs. */
async function open(before: (dataRoot: string) => Promise<unknown> = async () => {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'node-'));
  const daemon = parseOptions(['--data-root', folder, '--run-root', path.join(folder, 'run')], '1');
  const images = await OciImageStore.open({ root: daemon.imageRoot, log: silentLogger });
  onTestFinished(async () => {
    await images.close();
    rmSync(folder, { recursive: true });
  });
  await before(folder);
  return SwarmNode.open({
    daemon,
    version: '1',
    description: NodeDescription.create(),
    images,
    engine: new Engine({
      events: new LocalEvents(systemClock),
      ...daemon,
      balancer: 'nft',
      images,
      log: silentLogger,
      clock: systemClock,
    }),
    inspector: new Inspector(async () => new KernelReader(daemon)),
    log: silentLogger,
    clock: systemClock,
    onBroken: (error) => expect.fail(String(error)),
  });
}

test('init - a new cluster cannot be made from the state of a lost one where there is none', async () => {
  const node = await open();
  // Were the flag passed over, the address would be what is refused: this test must never make a swarm here.
  const init = node.init(InitRequest.create({ forceNewCluster: true, advertiseAddress: 'no-such-link' }));
  await expect(init).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', value: '--force-new-cluster' });
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

const [own] = readMachine().addresses;

test.skipIf(!own)('init - what an init left that broke off before the node knew of it is no obstacle', async () => {
  let left = '';
  const node = await open(async (dataRoot) => {
    left = path.join(dataRoot, 'manager');
    const manager = new Manager({
      dataRoot,
      log: silentLogger,
      clock: systemClock,
      nodeId: newId(),
      nodeSecret: Buffer.alloc(32),
      identity: newGroup(),
      address: '192.0.2.1:2377',
      onEmptyLog: 'begin',
      onFatal: (error) => expect.fail(String(error)),
    });
    await manager.bootstrap({ dataPathAddress: '192.0.2.1' });
    await manager.stop();
  });
  expect(existsSync(left)).toBe(true);
  // With its port taken it gets as far as to the swarm that is there, and no further.
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const listenAddress = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const init = node.init(InitRequest.create({ advertiseAddress: own?.address ?? '', listenAddress }));
  await expect(init).rejects.toThrow('another program uses that port');
  expect(existsSync(left)).toBe(false);
});

test.skipIf(!own)('stop - ends a join that waits for an answer', async () => {
  const node = await open();
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const manager = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const join = node.join(
    JoinSwarmRequest.create({
      advertiseAddress: own?.address ?? '',
      token: 'SWMTKN-1-a-b',
      remoteAddresses: [manager],
    }),
  );
  const refused = expect(join).rejects.toThrow('tsswarmd is stopping');
  await once(server, 'connection');
  await node.stop();
  await refused;
});
