import { expect, it } from 'vitest';
import {
  PortConfig,
  PortStatus,
  PublishMode,
  ServiceRecord,
  Task,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import type { LocalTask } from '../agent/local-task.js';
import { publishedBySwarm, type SwarmPart } from './swarm.js';

const port = (publishedPort: number, publishMode: PublishMode) =>
  PortConfig.create({ publishedPort, targetPort: 80, publishMode });

const localTask = (id: string, state: TaskState): LocalTask => ({
  task: Task.create({ id }),
  networks: [],
  status: TaskStatus.create({
    state,
    portStatus: PortStatus.create({ ports: [port(9000, PublishMode.HOST)] }),
  }),
  assigned: true,
});

it("publishedBySwarm - the routing mesh's ports, and those of tasks that are there", () => {
  const ports = [port(8080, PublishMode.INGRESS), port(0, PublishMode.INGRESS), port(9000, PublishMode.HOST)];
  const swarm: SwarmPart = {
    desired: () => expect.fail('the whole state takes long'),
    networkChanged: () => undefined,
    tasks: () => [localTask('runs', TaskState.RUNNING), localTask('ended', TaskState.COMPLETE)],
    networks: () => [],
    services: () => [ServiceRecord.create({ ports })],
    attachments: () => [],
  };
  expect(publishedBySwarm(swarm)).toEqual([
    { protocol: 'tcp', hostAddress: '', published: 8080, owner: 'the routing mesh' },
    { protocol: 'tcp', hostAddress: '', published: 9000, owner: 'task runs' },
  ]);
  expect(publishedBySwarm(undefined)).toEqual([]);
});
