import { expect, test } from 'vitest';
import { Endpoint, PortConfig, PublishMode, Task, TaskStatus } from '../../proto/gen/index.js';
import { taskInfo } from './info.js';

test('taskInfo - a task’s own ports are bound, not those that its service had in the mesh when it was made', () => {
  const own = PortConfig.create({ publishedPort: 9000, targetPort: 80, publishMode: PublishMode.HOST });
  const mesh = PortConfig.create({ publishedPort: 8080, targetPort: 80, publishMode: PublishMode.INGRESS });
  const task = Task.create({ id: 'task', endpoint: Endpoint.create({ ports: [mesh, own] }) });
  const none = { pid: 0, facts: undefined, check: undefined, health: undefined, sandboxKey: '', gatewayAddress: '' };
  const local = { task, networks: [], status: TaskStatus.create(), assigned: true };
  expect(taskInfo(local, undefined, none).config.ports).toEqual([own]);
});
