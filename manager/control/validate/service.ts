import { invalidArgument } from '../../../lib/errors.js';
import { logSettings } from '../../../lib/log-drivers.js';
import { type Placement, ServiceSpec, UpdateOrder } from '../../../proto/gen/index.js';
import { publishedText } from '../../../proto/ports.js';
import { onceOnANode } from '../../common/published-ports.js';
import { checkSchedule } from '../../jobs/schedule.js';
import { parseConstraint } from '../../scheduler/constraint.js';
import { checkAutoscale } from './autoscale.js';
import { checkContainer } from './container.js';
import { checkAlias, checkLabels, checkName } from './names.js';
import { checkEndpointSpec } from './ports.js';
import { checkResources } from './resources.js';
import { checkRestartPolicy, checkUpdateConfig } from './update.js';

export type ServiceMode = 'replicated' | 'global' | 'replicated-job' | 'global-job';

/** @throws INVALID_ARGUMENT unless exactly one mode is given */
export function modeOf(spec: ServiceSpec): ServiceMode {
  const modes = (
    [
      ['replicated', spec.replicated],
      ['global', spec.global],
      ['replicated-job', spec.replicatedJob],
      ['global-job', spec.globalJob],
    ] as const
  ).filter(([, mode]) => mode !== undefined);
  const [only] = modes;
  if (only && modes.length === 1) return only[0];
  throw invalidArgument(
    only
      ? `a service has one mode, but ${modes.map(([name]) => name).join(' and ')} are given`
      : 'a service needs a mode',
    { hint: 'One of replicated, global, replicated-job, global-job.' },
  );
}

/**
 * Everything that is wrong with a spec whatever the state of the swarm.
 * @throws INVALID_ARGUMENT for the first thing found
 */
export function checkServiceSpec(spec: ServiceSpec): void {
  checkName('service', spec.name);
  checkLabels(spec.labels);
  const mode = modeOf(spec);
  checkContainer(spec.task.container);
  checkResources(spec.task.resources);
  checkRestartPolicy(spec.task.restart);
  if (spec.task.logDriver) logSettings(spec.task.logDriver.name, spec.task.logDriver.options);
  checkPlacement(spec.task.placement);
  checkEndpointSpec(spec.endpoint);
  for (const { aliases } of spec.task.networks) aliases.forEach(checkAlias);
  if (spec.update) checkUpdateConfig('update', spec.update);
  if (spec.rollback) checkUpdateConfig('rollback', spec.rollback);
  if (mode === 'global') checkOrder(spec);
  if (mode === 'replicated-job' || mode === 'global-job') checkJob(spec, mode);
  else if (spec.schedule) throw invalidArgument(`a schedule is for jobs, not for a ${mode} service`, { value: mode });
  if (mode === 'replicated') checkReplicas('replicas', spec.replicated?.replicas ?? 0);
  if (spec.autoscale && mode !== 'replicated') {
    throw invalidArgument(`only replicated services can be scaled by load, not a ${mode} one`, { value: mode });
  }
  if (spec.autoscale) checkAutoscale(spec.autoscale, spec);
  if (spec.task.placement.maxReplicas > 0 && mode !== 'replicated' && mode !== 'replicated-job') {
    throw invalidArgument(`replicas per node cannot be limited for a ${mode} service`, {
      value: String(spec.task.placement.maxReplicas),
      hint: 'It has one task on each node.',
    });
  }
  checkSize(spec);
}

/** Each node has the port once, and its task is nowhere else. */
function checkOrder({ endpoint, update, rollback }: ServiceSpec): void {
  const port = onceOnANode(endpoint.ports);
  if (port === undefined) return;
  for (const [what, config] of [
    ['update', update],
    ['rollback', rollback],
  ] as const) {
    if (config?.order !== UpdateOrder.START_FIRST) continue;
    throw invalidArgument(
      `a global service with the host-mode port ${publishedText(port)} cannot start a node's new task before the old one has stopped`,
      {
        value: `--${what}-order start-first`,
        hint: `Use --${what}-order stop-first, or give a range of ports to choose from.`,
      },
    );
  }
}

/** A service object holds two specs and must fit into one transaction of the log, as each of its tasks must. */
const MOST_BYTES = 500 * 1024;

function checkSize(spec: ServiceSpec): void {
  const size = ServiceSpec.encode(spec).length;
  if (size <= MOST_BYTES) return;
  throw invalidArgument(`the service is too large: its specification has ${size} bytes`, {
    value: spec.name,
    hint: `At most ${MOST_BYTES} bytes; long values can be files that a mount of type bind brings in.`,
  });
}

function checkPlacement(placement: Placement): void {
  for (const constraint of placement.constraints) parseConstraint(constraint);
  for (const { spread } of placement.preferences) {
    if (/^(node|engine)\.labels\../.test(spread) || ['node.hostname', 'node.id'].includes(spread)) continue;
    throw invalidArgument(`tasks cannot be spread over "${spread}"`, {
      value: spread,
      hint: 'A preference looks like spread=node.labels.zone.',
    });
  }
}

/** What a job has no use for is refused, so that nobody waits for it to happen. */
function checkJob(spec: ServiceSpec, mode: ServiceMode): void {
  if (spec.update)
    throw invalidArgument(`a ${mode} cannot have an update configuration: it is not updated but run anew`);
  if (spec.rollback) throw invalidArgument(`a ${mode} cannot have a rollback configuration`);
  if (spec.schedule) checkSchedule(spec.schedule);
  const { replicatedJob } = spec;
  if (!replicatedJob) return;
  checkReplicas('total completions', replicatedJob.totalCompletions);
  if (replicatedJob.totalCompletions > 0 && replicatedJob.maxConcurrent > replicatedJob.totalCompletions) {
    throw invalidArgument(
      `${replicatedJob.maxConcurrent} tasks at once are more than the ${replicatedJob.totalCompletions} that are to complete`,
      { value: String(replicatedJob.maxConcurrent) },
    );
  }
}

/** A guard against slips of the finger: more than this no swarm runs. */
const MOST_REPLICAS = 100_000;

function checkReplicas(what: string, value: number): void {
  if (value <= MOST_REPLICAS) return;
  throw invalidArgument(`${value} ${what} are too many`, { value: String(value), hint: `At most ${MOST_REPLICAS}.` });
}
