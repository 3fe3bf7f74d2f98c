import { isIPv6 } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { failedPrecondition, invalidArgument } from '../../lib/errors.js';
import type { FactBook } from '../../netlb/trace/facts.js';
import type { Answers } from '../../netlb/trace/queries.js';
import type { Question } from '../../netlb/trace/question.js';
import { type Ask, traceThrough } from '../../netlb/trace/tracer.js';
import {
  type ContainerInfo,
  type ControlService,
  GetRequest,
  type InspectionsService,
  InspectNodeRequest,
  ListNetworksRequest,
  ListNodesRequest,
  ListServicesRequest,
  ListTasksRequest,
  type NetworkTracingService,
  type NodeDescription,
  ProbeReport,
} from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import { type Inspector, kernelFacts, kernelQuestion } from './inspector.js';
import { traceMessage } from './messages.js';
import { allPlaces, attachedPlaces, localPlaces } from './places.js';
import { type ProbeResult, probe } from './probe.js';
import { questionOf } from './subjects.js';
import { directoryOf, type SwarmView } from './swarm-view.js';

/** Who answers what, asked anew for each trace, since roles change. */
export interface TracingSource {
  /** Empty outside of a swarm. */
  readonly nodeId: string;
  readonly description: Pick<NodeDescription, 'hostname'>;
  /** The manager's handlers while this node is one. */
  readonly control: Handlers<typeof ControlService> | undefined;
  readonly inspections: Handlers<typeof InspectionsService> | undefined;
}

export interface TracingOptions {
  readonly source: TracingSource;
  readonly inspector: Inspector;
  /** Of this machine, those that run: tasks' too. */
  readonly containers: () => Promise<readonly ContainerInfo[]>;
}

/** Names under which a node that is in no swarm is asked about itself. */
const ALONE = 'self';
const TIMEOUT = 5_000;

/** `tsswarm network trace`, as every daemon answers it. */
export function tracingHandlers(options: TracingOptions): Handlers<typeof NetworkTracingService> {
  return {
    async traceNetwork(request, context) {
      const view = await viewOf(options, context);
      const question = questionOf(request, view);
      if (request.probe && question.from.kind === 'outside')
        throw invalidArgument('a probe begins inside of the swarm: there is nobody to send from outside', {
          value: request.from,
        });
      const directory = directoryOf(view);
      const ask = asker(options, view.self.id, context);
      const { trace, book } = await traceThrough(question, directory, ask);
      let result: ProbeResult | undefined;
      if (request.probe) {
        const ends = endsOf(question, book);
        if (!ends) result = notSent('there is no address to send it to, or no route');
        else if (isIPv6(ends.destination)) result = notSent('a probe is of IPv4 alone');
        else result = await probe(question, trace, ends, ask);
      }
      return traceMessage(trace, result);
    },
  };
}

const notSent = (why: string): ProbeResult => ({
  sightings: [],
  report: ProbeReport.create({ verdict: `No packet was sent: ${why}.` }),
});

/** Source and destination of the packet as it is sent; undefined when a program could not send it either. */
function endsOf(
  question: Question,
  book: FactBook,
): { readonly source: string; readonly destination: string } | undefined {
  const { from, to } = question;
  if (from.kind === 'outside') throw new TypeError('a probe begins inside of the swarm');
  const namespace = from.kind === 'node' ? '' : from.namespace;
  const named = to.name === undefined ? undefined : book.get(from.node, { kind: 'resolve', namespace, name: to.name });
  const destination = to.address ?? named?.addresses[0];
  if (destination === undefined) return undefined;
  const route: Answers['route'] = book.get(from.node, {
    kind: 'route',
    namespace,
    destination,
    source: '',
    mark: 0,
    input: '',
  });
  if (!route.found || route.source === undefined) return undefined;
  return { source: route.source, destination };
}

async function viewOf({ source, containers: list }: TracingOptions, context: CallContext): Promise<SwarmView> {
  const { control } = source;
  const self = {
    id: source.nodeId || ALONE,
    name: source.description.hostname || hostname(),
    addresses: ownAddresses(),
  };
  const local = localPlaces(await list(), self.id);
  if (!control)
    return { nodes: [], services: [], tasks: [], networks: [], containers: local, self, whole: source.nodeId === '' };
  const [{ nodes }, { services }, { tasks }, { networks }] = await Promise.all([
    control.listNodes(ListNodesRequest.create(), context),
    control.listServices(ListServicesRequest.create(), context),
    control.listTasks(ListTasksRequest.create(), context),
    control.listNetworks(ListNetworksRequest.create(), context),
  ]);
  const attachable = networks.filter(({ spec }) => spec.attachable);
  const uses = await Promise.all(
    attachable.map(({ id }) => control.getNetwork(GetRequest.create({ ref: id }), context)),
  );
  const containers = allPlaces(local, attachedPlaces(uses.flatMap(({ users }) => users)));
  return { nodes, services, tasks, networks, containers, self, whole: true };
}

/** Not those of bridges for containers: each machine has the same. */
function ownAddresses(): string[] {
  return Object.entries(networkInterfaces())
    .filter(([name]) => !/^(?:swarm_gwbridge|tsswarm0|docker|br-)/.test(name))
    .flatMap(([, list]) => list ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
}

function asker({ source, inspector }: TracingOptions, self: string, context: CallContext): Ask {
  return async (node, queries) => {
    if (node === self) return inspector.facts(queries);
    if (!source.inspections)
      throw failedPrecondition(`node ${node} can only be asked by a manager`, {
        value: node,
        hint: 'Run this command on a manager.',
      });
    const question = { ...kernelQuestion(queries), timeoutMs: TIMEOUT };
    const { answer } = await source.inspections.inspectNode(
      InspectNodeRequest.create({ nodeId: node, question }),
      context,
    );
    return kernelFacts(answer);
  };
}
