import type { PortConfig } from '../../proto/gen/specs.js';
import { isHostMode, modeText, protocolText, publishedText, targetText } from '../../proto/ports.js';
import { byTask, type Flow, stateOf, totalOf } from '../ingress/flows.js';
import type { Publication } from '../ingress/publications.js';
import { humanSize } from './human.js';
import type { ListView } from './list.js';

/** What does not go through the mesh is not counted. */
const NOT_COUNTED = '-';

export const schedulerText = (port: PortConfig): string => (isHostMode(port) ? NOT_COUNTED : port.scheduler || 'rr');

const perSecond = (number: number): string => (number >= 100 ? number.toFixed(0) : String(Number(number.toFixed(1))));
const bytesPerSecond = (bytes: number): string => `${humanSize(Math.round(bytes))}/s`;

export type PortRow = ReturnType<typeof portRow>;

/**
 * A row of `ingress ls`.
 * @param direct tasks that serve a port of mode host, on their own nodes
 */
export function portRow({ service, port }: Publication, flows: readonly Flow[], direct: number) {
  const isMesh = !isHostMode(port);
  const states = [...byTask(flows).values()].map(stateOf);
  const count = (state: string) => states.filter((one) => one === state).length;
  const total = totalOf(flows);
  const counted = (text: string) => (isMesh ? text : NOT_COUNTED);
  return {
    ID: service.id,
    Service: service.spec.name,
    Protocol: protocolText(port.protocol),
    PublishedPort: String(port.publishedPort),
    PublishedPortLast: String(port.publishedLast || port.publishedPort),
    TargetPort: String(port.targetPort),
    HostIP: port.hostIp,
    Published: publishedText(port),
    Target: targetText(port),
    Mode: modeText(port),
    Scheduler: schedulerText(port),
    Serving: String(isMesh ? count('serving') : direct),
    Draining: counted(String(count('draining'))),
    Active: counted(String(total.active)),
    Connections: counted(perSecond(total.connections)),
    In: counted(bytesPerSecond(total.bytesIn)),
    Out: counted(bytesPerSecond(total.bytesOut)),
  };
}

export const portView: ListView<PortRow> = {
  table:
    '{{.Published}}\t{{.Target}}\t{{.Service}}\t{{.Mode}}\t{{.Scheduler}}\t{{.Serving}}\t{{.Draining}}\t{{.Active}}\t{{.Connections}}\t{{.In}}\t{{.Out}}',
  headers: {
    ID: 'ID',
    Service: 'SERVICE',
    Protocol: 'PROTOCOL',
    PublishedPort: 'PUBLISHED PORT',
    PublishedPortLast: 'LAST PUBLISHED PORT',
    TargetPort: 'TARGET PORT',
    HostIP: 'HOST IP',
    Published: 'PUBLISHED',
    Target: 'TARGET',
    Mode: 'MODE',
    Scheduler: 'SCHEDULER',
    Serving: 'SERVING',
    Draining: 'DRAINING',
    Active: 'ACTIVE',
    Connections: 'CONN/S',
    In: 'IN',
    Out: 'OUT',
  },
  quiet: (row) => row.Published,
};

export type FlowRow = ReturnType<typeof flowRow>;

/** A row of `ingress inspect`: one task at one node. */
export function flowRow(flow: Flow) {
  return {
    Node: flow.node.name,
    Task: flow.taskName || NOT_COUNTED,
    Address: flow.address || NOT_COUNTED,
    Weight: String(flow.weight),
    State: flow.state,
    Active: String(flow.active),
    Total: String(flow.connections),
    Connections: perSecond(flow.rates.connections),
    Packets: `${flow.packetsIn} / ${flow.packetsOut}`,
    Bytes: `${humanSize(flow.bytesIn)} / ${humanSize(flow.bytesOut)}`,
    Rate: `${bytesPerSecond(flow.rates.bytesIn)} / ${bytesPerSecond(flow.rates.bytesOut)}`,
  };
}

export const flowView: ListView<FlowRow> = {
  table:
    '{{.Node}}\t{{.Task}}\t{{.Address}}\t{{.Weight}}\t{{.State}}\t{{.Active}}\t{{.Total}}\t{{.Connections}}\t{{.Packets}}\t{{.Bytes}}\t{{.Rate}}',
  headers: {
    Node: 'NODE',
    Task: 'TASK',
    Address: 'ADDRESS',
    Weight: 'WEIGHT',
    State: 'STATE',
    Active: 'ACTIVE',
    Total: 'TOTAL',
    Connections: 'CONN/S',
    Packets: 'PACKETS IN / OUT',
    Bytes: 'BYTES IN / OUT',
    Rate: 'IN / OUT',
  },
  quiet: (row) => row.Address,
};

export type TopRow = ReturnType<typeof topRow>;

/** A row of `ingress top`: one task of a port, over all nodes. */
export function topRow({ service, port }: Publication, flows: readonly Flow[]) {
  const total = totalOf(flows);
  const serving = new Set(flows.filter(({ state }) => state === 'serving').map(({ node }) => node.id)).size;
  const nodes = new Set(flows.map(({ node }) => node.id)).size;
  return {
    Service: service.spec.name,
    Published: publishedText(port),
    Task: flows[0]?.taskName || flows[0]?.address || NOT_COUNTED,
    State: stateOf(flows),
    Nodes: `${serving}/${nodes}`,
    Active: String(total.active),
    Total: String(total.total),
    Connections: perSecond(total.connections),
    In: bytesPerSecond(total.bytesIn),
    Out: bytesPerSecond(total.bytesOut),
  };
}

export const topView: ListView<TopRow> = {
  table:
    '{{.Published}}\t{{.Task}}\t{{.State}}\t{{.Nodes}}\t{{.Active}}\t{{.Total}}\t{{.Connections}}\t{{.In}}\t{{.Out}}',
  headers: {
    Service: 'SERVICE',
    Published: 'PUBLISHED',
    Task: 'TASK',
    State: 'STATE',
    Nodes: 'NODES',
    Active: 'ACTIVE',
    Total: 'TOTAL',
    Connections: 'CONN/S',
    In: 'IN',
    Out: 'OUT',
  },
  quiet: (row) => row.Task,
};
