import { describe, expect, it } from 'vitest';
import { EndpointMode, Meta, NodeSpec, ServiceSpec, Task, TaskState, TaskStateName } from './gen/index.js';

describe('generated codecs', () => {
  it('fill every field that is not optional, also of nested messages', () => {
    const task = Task.decode(new Uint8Array(0));
    expect(task).toEqual(Task.create());
    expect(task.spec.container.args).toEqual([]);
    expect(task.endpoint.mode).toBe(EndpointMode.VIP);
    expect(task.status.container).toBeUndefined();
  });

  it('share what is empty, which nobody can fill', () => {
    const [one, other] = [Task.decode(new Uint8Array(0)), Task.create()];
    expect(one.networks).toBe(other.networks);
    expect(() => (one.networks as unknown[]).push(1)).toThrow(TypeError);
    expect(() => Object.assign(one.serviceLabels, { a: 'b' })).toThrow(TypeError);
    expect(Task.create({ unconfirmedNodes: ['a'], serviceLabels: { a: 'b' } })).toMatchObject({ networks: [] });
  });

  it('give back what was encoded', () => {
    const task = Task.create({
      id: 'a',
      meta: Meta.create({ version: 2 ** 53 - 1 }),
      slot: 3,
      desiredState: TaskState.RUNNING,
      serviceLabels: { 'com.example.tier': 'front', '': 'empty key' },
      status: { ...Task.create().status, container: { containerId: 'c', pid: 7, exitCode: 0, oomKilled: false } },
      jobIteration: { iteration: 0 },
    });
    expect(Task.decode(Task.encode(task))).toEqual(task);
  });

  it('tell an optional zero from one that was not given', () => {
    const health = ServiceSpec.create({ replicated: { replicas: 0 } });
    const decoded = ServiceSpec.decode(ServiceSpec.encode(health));
    expect(decoded.replicated).toEqual({ replicas: 0 });
    expect(decoded.global).toBeUndefined();
  });

  it('skip fields that they do not know', () => {
    const unknownThenVersion = Uint8Array.from([0xa0, 0x06, 0x07, 0xaa, 0x06, 0x02, 0x41, 0x42, 0x08, 0x05]);
    expect(Meta.decode(unknownThenVersion)).toEqual(Meta.create({ version: 5 }));
  });

  it('refuse numbers that are not safe integers', () => {
    expect(() => Meta.encode(Meta.create({ version: 2 ** 53 }))).toThrow('version');
    const tooWide = Uint8Array.from([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    expect(() => Meta.decode(tooWide)).toThrow('safe integer');
  });

  it('keep a map key that names the prototype as data', () => {
    const labels = Object.fromEntries([['__proto__', 'x']]);
    const decoded = NodeSpec.decode(NodeSpec.encode(NodeSpec.create({ labels })));
    expect(Object.keys(decoded.labels)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(decoded.labels)).toBe(Object.prototype);
  });

  it('name enum values', () => {
    expect(TaskStateName[TaskState.PREPARING]).toBe('PREPARING');
  });
});
