import { isDeepStrictEqual } from 'node:util';
import { invalidArgument } from '../../../lib/errors.js';
import type { Dependency, Service, ServiceSpec } from '../../../proto/gen/index.js';
import { CONDITIONS, isCondition } from '../../dependencies/condition.js';
import type { ReadView } from '../../store/store.js';
import { resolve } from '../refs.js';
import { duplicate } from './names.js';

/**
 * Dependencies by name, each with a condition. One that the service had before stays although its service
 * is gone: nobody waits for it.
 * @throws NOT_FOUND for a service that does not exist, INVALID_ARGUMENT for a condition that cannot come
 * true, or a service that would wait for itself
 */
export function resolveDependencies(
  view: ReadView,
  spec: ServiceSpec,
  before: readonly Dependency[],
): readonly Dependency[] {
  const resolved = spec.dependsOn.map((dependency) => {
    const condition = dependency.condition || 'started';
    const isKnown = before.some(({ service }) => service === dependency.service);
    if (isKnown && !exists(view, dependency.service)) return { ...dependency, condition };
    const service = resolve(view, 'service', dependency.service);
    checkCondition(service, condition);
    return { service: service.spec.name, condition };
  });
  const twice = duplicate(resolved.map(({ service }) => service));
  if (twice !== undefined) throw invalidArgument(`dependency ${twice} is given twice`, { value: twice });
  for (const { service } of resolved) checkIsNoCycle(view, spec.name, [spec.name, service]);
  return resolved;
}

function checkCondition({ spec }: Service, condition: string): void {
  if (!isCondition(condition)) {
    throw invalidArgument(`service ${spec.name} cannot be waited for to be "${condition}"`, {
      value: condition,
      hint: `A condition is one of ${CONDITIONS.join(', ')}, as in ${spec.name}:healthy.`,
    });
  }
  const isJob = spec.replicatedJob !== undefined || spec.globalJob !== undefined;
  if (condition === 'completed' && !isJob) {
    throw invalidArgument(`service ${spec.name} never completes: it is no job`, {
      value: `${spec.name}:completed`,
      hint: `Wait for ${spec.name}:healthy, or create it with --mode replicated-job.`,
    });
  }
  if (condition === 'healthy' && isJob) {
    throw invalidArgument(`service ${spec.name} is a job, which does not go on`, {
      value: `${spec.name}:healthy`,
      hint: `Wait for ${spec.name}:completed.`,
    });
  }
}

/** @param path from the service to one that it would wait for */
function checkIsNoCycle(view: ReadView, name: string, path: readonly string[]): void {
  const last = path.at(-1) ?? '';
  if (last === name) {
    throw invalidArgument(`service ${name} would wait for itself: ${path.join(' → ')}`, {
      value: path[1] ?? name,
      hint: 'Take one of these dependencies away with --depends-on-rm.',
    });
  }
  // There are no cycles yet, so this ends.
  for (const { spec } of view.byName('service', last))
    for (const { service } of spec.dependsOn) checkIsNoCycle(view, name, [...path, service]);
}

/**
 * Whether an update leaves nothing to wait for again: its tasks are the same, and were allowed to start.
 * What is only added to tasks that run is waited for with their next version.
 */
export function areDependenciesMet(service: Service, next: ServiceSpec): boolean {
  const were = service.dependenciesMet || service.spec.dependsOn.length === 0;
  return were && isDeepStrictEqual(next.task, service.spec.task);
}

/** Names of services that a spec depends on and that do not exist any more. */
export function goneDependencies(view: ReadView, spec: ServiceSpec): readonly string[] {
  return spec.dependsOn.map(({ service }) => service).filter((name) => !exists(view, name));
}

/** Names of services that depend on one. */
export function dependentsOf(view: ReadView, name: string): readonly string[] {
  const all = [...view.list('service')].filter(({ spec }) => spec.dependsOn.some(({ service }) => service === name));
  return all.map(({ spec }) => spec.name).sort();
}

export function goneWarning(dependent: string, gone: string): string {
  return `service ${dependent} depends on ${gone}, which does not exist any more: it is not waited for`;
}

function exists(view: ReadView, name: string): boolean {
  return view.byName('service', name).length > 0;
}
