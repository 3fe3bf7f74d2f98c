import { describe, expect, test } from 'vitest';
import { EndpointMode, PortConfig, PublishMode, type Service } from '../../proto/gen/index.js';
import { testService } from '../testing/objects.js';
import { isDirty, newTask } from './tasks.js';

const mesh = (publishedPort: number) => PortConfig.create({ publishedPort, targetPort: 80 });
const host = (publishedPort: number) => ({ ...mesh(publishedPort), publishMode: PublishMode.HOST });

/** A service as it is after a change of its ports, and a task of before it. */
function changed(before: readonly PortConfig[], after: readonly PortConfig[], mode: EndpointMode = EndpointMode.VIP) {
  const service = { ...testService('web', 1, { endpoint: { mode: EndpointMode.VIP, ports: before } }), specVersion: 1 };
  const made = newTask(service, { id: 't', slot: 1, nodeId: '', desiredState: 512, now: 0 });
  const endpoint = { ...made.endpoint, allocated: true, ports: [...before] };
  const next: Service = { ...service, specVersion: 2, spec: { ...service.spec, endpoint: { mode, ports: after } } };
  return isDirty(next, { ...made, endpoint });
}

describe('a change of a service’s ports replaces its tasks', () => {
  test.each<[string, readonly PortConfig[], readonly PortConfig[], boolean]>([
    ['not when all nodes publish one more', [mesh(80)], [mesh(80), mesh(81)], false],
    ['not when they publish one less, or another', [mesh(80), mesh(81)], [mesh(82)], false],
    ['when it is the first: they have no endpoint in the ingress network', [], [mesh(80)], true],
    ['when it was the last: they are to leave the ingress network', [mesh(80), host(81)], [host(81)], true],
    ['when it is one of their own nodes', [mesh(80)], [mesh(80), host(81)], true],
    ['when one of their own nodes changes', [host(81)], [host(82)], true],
  ])('%s', (_, before, after, dirty) => {
    expect(changed(before, after)).toBe(dirty);
  });

  test('not with another endpoint mode', () => {
    expect(changed([], [], EndpointMode.DNSRR)).toBe(false);
  });
});
