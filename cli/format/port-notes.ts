import { shareAnAddress } from '../../lib/ip.js';
import type { Node, NodeProblem, Service } from '../../proto/gen/objects.js';
import { PublishMode } from '../../proto/gen/specs.js';
import { includesPort } from '../../proto/ports.js';

/**
 * Why nodes do not answer on a service's published ports as it asks, one line for each:
 * `web on node2: port 8080/tcp is in use by nginx (pid 812) of this node: it is not published here`.
 */
export function portNotes({ spec, endpoint }: Service, nodes: readonly Node[]): string[] {
  const publishesEverywhere = endpoint.ports.some(({ publishMode }) => publishMode === PublishMode.INGRESS);
  const concerns = (problem: NodeProblem): boolean =>
    endpoint.ports.some(
      (port) =>
        problem.protocol === port.protocol &&
        includesPort(port, problem.publishedPort) &&
        shareAnAddress(port.hostIp, problem.hostAddress),
    );
  return nodes.flatMap((node) => {
    const own = node.problems.filter(
      (problem) =>
        (publishesEverywhere && isOfAllPorts(problem, MESH)) ||
        (endpoint.ports.length > 0 && isOfAllPorts(problem, GATEWAY)) ||
        concerns(problem),
    );
    return [...own, ...(publishesEverywhere ? node.unallocated : [])].map(
      ({ message }) => `${spec.name} on ${node.description.hostname || node.id}: ${message}`,
    );
  });
}

const MESH = 'ingress';
/** What is published in either mode goes over it. */
const GATEWAY = 'network swarm_gwbridge';

const isOfAllPorts = (problem: NodeProblem, subject: string): boolean =>
  problem.subject === subject && problem.publishedPort === 0;
