import { describe, expect, it } from 'vitest';
import { type Deferred, deferred } from '../../lib/async.js';
import { silentLogger } from '../../lib/log.js';
import { ContainerConfig, ContainerSpec, StoredContainer } from '../../proto/gen/index.js';
import type { SandboxView } from '../agent/next-step.js';
import { EarlyCreation } from './early-creation.js';
import type { ContainerExecutor } from './runner-context.js';

/** Its executor notes what it is asked for; its network is as the test says. */
function setUp(sysctls: Record<string, string> = {}) {
  const calls: string[] = [];
  const passes: Deferred<void>[] = [];
  let view: SandboxView = { state: 'pending' };
  const note = (what: string) => async (id: string) => void calls.push(`${what} ${id}`);
  const early = new EarlyCreation({
    executor: { create: note('create'), uncreate: note('uncreate') } as unknown as ContainerExecutor,
    log: silentLogger,
    networkChanged() {
      const pass = deferred<void>();
      passes.push(pass);
      return pass.promise;
    },
    sandbox: () => view,
  });
  const container = ContainerSpec.create({ sysctls });
  const record = StoredContainer.create({ id: 'one', config: ContainerConfig.create({ container }) });
  /** The network's next pass is over. */
  const pass = async (found: SandboxView) => {
    view = found;
    passes.shift()?.resolve();
    await new Promise(setImmediate);
  };
  return { early, record, calls, passes, pass };
}

describe('early creation', () => {
  it('comes when its namespace is there', async () => {
    const { early, record, calls, pass } = setUp();
    early.begin(record);
    await new Promise(setImmediate);
    expect(calls).toEqual([]);
    await pass({ state: 'ready' });
    expect(calls).toEqual(['create one']);
  });

  it('does not come while the network has a problem', async () => {
    const { early, record, calls, pass } = setUp();
    early.begin(record);
    await pass({ state: 'problem', message: 'no', expired: false });
    expect(calls).toEqual([]);
  });

  it('does not come once the start has, nor after it was taken back, nor for an earlier start', async () => {
    const { early, record, calls, pass } = setUp();
    early.begin(record);
    early.end();
    await pass({ state: 'ready' });
    early.begin(record);
    await early.takeBack(record.id);
    await pass({ state: 'ready' });
    expect(calls).toEqual(['uncreate one']);
    early.begin(record);
    early.begin({ ...record });
    await pass({ state: 'ready' });
    expect(calls).toEqual(['uncreate one']);
    await pass({ state: 'ready' });
    expect(calls).toEqual(['uncreate one', 'create one']);
  });

  it('does not come where the runtime sets what belongs to interfaces', async () => {
    const { early, record, calls, passes } = setUp({ 'net.ipv4.conf.eth0.forwarding': '1' });
    early.begin(record);
    await new Promise(setImmediate);
    expect(passes).toEqual([]);
    const other = setUp({ 'kernel.msgmax': '8192' });
    other.early.begin(other.record);
    await other.pass({ state: 'ready' });
    expect([calls, other.calls]).toEqual([[], ['create one']]);
  });
});
