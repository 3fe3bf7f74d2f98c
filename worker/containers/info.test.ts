import { expect, test } from 'vitest';
import {
  ContainerFilter,
  ContainerSpec,
  Endpoint,
  PortConfig,
  PublishMode,
  Task,
  TaskSpec,
  TaskStatus,
} from '../../proto/gen/index.js';
import { containerTest } from './filters.js';
import { type InfoContext, taskInfo } from './info.js';

const none: InfoContext = {
  pid: 0,
  facts: undefined,
  check: undefined,
  health: undefined,
  sandboxKey: '',
  gatewayAddress: '',
};
const local = (task: Task) => ({ task, networks: [], status: TaskStatus.create(), assigned: true });

test('taskInfo - a task’s own ports are bound, not those that its service had in the mesh when it was made', () => {
  const own = PortConfig.create({ publishedPort: 9000, targetPort: 80, publishMode: PublishMode.HOST });
  const mesh = PortConfig.create({ publishedPort: 8080, targetPort: 80, publishMode: PublishMode.INGRESS });
  const task = Task.create({ id: 'task', endpoint: Endpoint.create({ ports: [mesh, own] }) });
  expect(taskInfo(local(task), undefined, none).config.ports).toEqual([own]);
});

test('taskInfo - a task’s container is found by the labels that docker gives it, beside those of its service', () => {
  const spec = TaskSpec.create({ container: ContainerSpec.create({ labels: { tier: 'front' } }) });
  const task = Task.create({ id: 'task', serviceId: 's1', serviceName: 'web', slot: 1, nodeId: 'n1', spec });
  const fits = (value: string) =>
    containerTest([ContainerFilter.create({ key: 'label', values: [value] })])(taskInfo(local(task), undefined, none));
  expect(fits('com.docker.swarm.service.name=web')).toBe(true);
  expect(fits('com.docker.swarm.task.name=web.1.task')).toBe(true);
  expect(fits('com.docker.swarm.node.id=n1')).toBe(true);
  expect(fits('tier=front')).toBe(true);
  expect(fits('com.docker.swarm.service.name=db')).toBe(false);
});
