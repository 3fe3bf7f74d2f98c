import { isDeepStrictEqual } from 'node:util';
import { deferred } from '../../lib/async.js';
import { type ManagerAddress, type Node, NodeDescription, SessionMessage } from '../../proto/gen/index.js';
import type { Received } from '../../proto/rpc/connections.js';
import { heartbeatPeriod } from '../common/heartbeat.js';
import type { ReadView } from '../store/store.js';
import type { Sequence } from './assignment-stream.js';

/** The connection of one node's agent with this manager. */
export class Session {
  readonly id: string;
  readonly nodeId: string;
  /** Of its assignments, through all the streams of the session. */
  readonly sequence: Sequence = { value: 0 };
  /** Which of the session's info streams is the current one: a resumed session has a new one. */
  epoch = 0;
  /** What comes over the connection of the current info stream, and milliseconds after which something has come again; 0: it may not. */
  pulse: Received | undefined;
  pingPeriod = 0;
  #signal = deferred<void>();
  #ended = false;

  constructor(id: string, nodeId: string) {
    this.id = id;
    this.nodeId = nodeId;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** What comes over its connection, if that counts as heartbeats. @param period the cluster's now, in milliseconds */
  pulseAt(period: number): Received | undefined {
    return this.pingPeriod > 0 && this.pingPeriod <= period ? this.pulse : undefined;
  }

  /** Ends the current info stream. The session can be resumed. */
  endEpoch(): void {
    this.epoch++;
    this.wake();
  }

  /** Something that the agent is told of may have changed. */
  wake(): void {
    this.#signal.resolve();
  }

  end(): void {
    this.#ended = true;
    this.wake();
  }

  async changed(): Promise<void> {
    await this.#signal.promise;
    this.#signal = deferred();
  }
}

/** Of a session whose connection shows that its node is there, one heartbeat comes in so many periods. */
const QUIET_PERIODS = 24;

/** Milliseconds from one heartbeat of the session to the next. What is measured is told at the cluster's period. */
export function beatPeriod(session: Session, view: ReadView, measured: readonly string[]): number {
  const period = heartbeatPeriod(view);
  return session.pulseAt(period) && measured.length === 0 ? QUIET_PERIODS * period : period;
}

/**
 * What the agent is told of the swarm and of its own node.
 * @param measuredServices of which the node has tasks
 */
export function sessionMessage(
  session: Session,
  view: ReadView,
  managers: readonly ManagerAddress[],
  measuredServices: readonly string[],
): SessionMessage | undefined {
  const node = view.get('node', session.nodeId);
  if (!node) return undefined;
  const cluster = view.cluster();
  return SessionMessage.create({
    sessionId: session.id,
    node: forAgent(node),
    managers,
    rootCa: cluster.rootCa.certificate,
    heartbeatPeriod: beatPeriod(session, view, measuredServices),
    dataPathPort: cluster.dataPathPort,
    measuredServices,
  });
}

/** Whether the second message tells more than the first; what changes with every report does not count. */
export function isNews(last: SessionMessage, next: SessionMessage): boolean {
  return !isDeepStrictEqual(stable(last), stable(next));
}

/** What the agent acknowledges. */
const SAID = { problems: undefined, networkKeyClock: undefined, wornNetworkKey: undefined };

function stable({ node, ...rest }: SessionMessage) {
  return {
    ...rest,
    node: { ...node, meta: undefined, status: undefined, ...SAID },
  };
}

/** Without what the agent has said itself, and without what it must not see. */
function forAgent(node: Node): Node {
  return {
    ...node,
    description: NodeDescription.create({ hostname: node.description.hostname }),
    credentialDigest: new Uint8Array(0),
  };
}
