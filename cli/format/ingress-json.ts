import { modeText, protocolText } from '../../proto/ports.js';
import type { Flow } from '../ingress/flows.js';
import type { Publication } from '../ingress/publications.js';
import { nodeName, type SilentNode } from '../ingress/reading.js';
import { schedulerText } from './ingress-rows.js';

/** A published port as `ingress inspect --format json` shows it; rates are in a second. */
export function portObject({ service, port }: Publication, flows: readonly Flow[], silent: readonly SilentNode[]) {
  return {
    Service: service.spec.name,
    ServiceID: service.id,
    Protocol: protocolText(port.protocol),
    PublishedPort: port.publishedPort,
    PublishedPortLast: port.publishedLast || port.publishedPort,
    TargetPort: port.targetPort,
    HostIP: port.hostIp,
    Mode: modeText(port),
    Scheduler: schedulerText(port),
    Backends: flows.map((flow) => ({
      Node: flow.node.name,
      NodeID: flow.node.id,
      Task: flow.taskName,
      TaskID: flow.taskId,
      Address: flow.address,
      Balancer: flow.balancer,
      Weight: flow.weight,
      State: flow.state,
      ActiveConnections: flow.active,
      Connections: flow.connections,
      PacketsIn: flow.packetsIn,
      PacketsOut: flow.packetsOut,
      BytesIn: flow.bytesIn,
      BytesOut: flow.bytesOut,
      ConnectionRate: flow.rates.connections,
      BytesInRate: flow.rates.bytesIn,
      BytesOutRate: flow.rates.bytesOut,
    })),
    NotAnswered: silent.map(({ node, reason }) => ({ Node: nodeName(node), NodeID: node.id, Reason: reason })),
  };
}
