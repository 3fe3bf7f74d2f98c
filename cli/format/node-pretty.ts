import { type Node, NodeStateName, ReachabilityName } from '../../proto/gen/objects.js';
import { NodeAvailabilityName } from '../../proto/gen/specs.js';
import { problemsOf } from './docker-common.js';
import { capitalize, humanBytes, rfc3339 } from './human.js';
import { labelLines, type PrettyLine, prettyLines } from './pretty.js';

/** `node inspect --pretty`. */
export function prettyNode(node: Node): string {
  const { description, status, managerStatus: manager } = node;
  const problems = problemsOf(node);
  const lines: PrettyLine[] = [
    ['ID', node.id],
    ['Name', node.spec.name || undefined],
    ...labelLines(node.spec.labels),
    ['Hostname', description.hostname],
    ['Joined at', rfc3339(node.meta.createdAt)],
    ['Status', ''],
    ['State', capitalize(NodeStateName[node.status.state].toLowerCase()), 1],
    ['Message', status.message || undefined, 1],
    ['Availability', capitalize(NodeAvailabilityName[node.spec.availability].toLowerCase()), 1],
    ['Address', status.address, 1],
    ['Data path', node.dataPathAddress || undefined, 1],
    ...(manager
      ? ([
          ['Manager Status', ''],
          ['Address', manager.address, 1],
          ['Raft Status', capitalize(ReachabilityName[manager.reachability].toLowerCase()), 1],
          ['Leader', manager.leader ? 'Yes' : 'No', 1],
        ] as PrettyLine[])
      : []),
    ['Platform', ''],
    ['Operating System', description.platform.os, 1],
    ['Architecture', description.platform.architecture, 1],
    ['Resources', ''],
    ['CPUs', description.resources.nanoCpus / 1e9, 1],
    ['Memory', humanBytes(description.resources.memoryBytes), 1],
    ['Engine', ''],
    ['Engine Version', description.engine.version, 1],
    ['Runtime', description.engine.runtime || undefined, 1],
    ['Balancer', description.engine.balancer || undefined, 1],
    ['Problems', problems.length > 0 ? '' : undefined],
    ...problems.map((problem): PrettyLine => [problem.subject, problem.message, 1]),
  ];
  return prettyLines(lines);
}
