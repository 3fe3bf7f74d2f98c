import { type AnyConfChange, parseChanges } from '../confchange/change.js';
import type { Config } from '../config.js';
import { RaftError } from '../errors.js';
import { isVoter } from '../quorum/joint.js';
import {
  ConfChange,
  ConfChangeTransition,
  ConfChangeV2,
  ConfState,
  MsgType,
  type NodeId,
  Snapshot,
  SnapshotMetadata,
} from '../types.js';
import { type Argument, type Directive, DirectiveError, isTrue, parseDirective, type TestCase } from './datadriven.js';
import { InteractionEnv, type Recipient } from './interaction-env.js';
import type { SimulatedNode } from './simulated-node.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type NodeConfig = Mutable<Omit<Config, 'id' | 'storage'>>;

/** Replays the directives of one interaction transcript; returns what each prints. */
export function interactionReplay(): (test: TestCase) => string {
  const env = new InteractionEnv();
  return ({ directive, input }) => {
    env.output.reset();
    const failure = runAll(env, directive, input);
    // At the quietest level errors alone are printed.
    if (failure !== undefined && env.output.quiet) return failure;
    return `${env.output.text}${failure ?? ''}` || 'ok';
  };
}

/** Returns the failure that ended it. The input is what is proposed, or further directives, of which one may fail. */
function runAll(env: InteractionEnv, directive: Directive, input: string): string | undefined {
  const failure = failureOf(() => run(env, directive, input));
  if (failure !== undefined || directive.command === 'propose-conf-change') return failure;
  for (const line of input.split('\n').filter((text) => text.trim() !== '')) {
    const further = failureOf(() => run(env, parseDirective(line), ''));
    if (further === undefined) continue;
    if (env.output.quiet) return further;
    env.output.write(further);
  }
  return undefined;
}

/** What a node refuses is part of the transcript; a broken invariant is not. */
function failureOf(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof RaftError || error instanceof DirectiveError) return error.message;
    throw error;
  }
}

function run(env: InteractionEnv, { command, args }: Directive, input: string): void {
  const handler = commands[command];
  if (!handler) throw new DirectiveError('unknown command');
  handler(env, args, input);
}

type Handler = (env: InteractionEnv, args: readonly Argument[], input: string) => void;

/** Most directives begin with the node they are for. */
const onNode =
  (handle: (node: SimulatedNode, args: readonly Argument[], input: string) => void): Handler =>
  (env, args, input) =>
    handle(env.node(firstNumber(args)), args, input);

const onEachNode =
  (title: string, work: (env: InteractionEnv, node: SimulatedNode) => void): Handler =>
  (env, args) =>
    forEachNode(env, args, title, (node) => work(env, node));

const commands: Readonly<Record<string, Handler>> = {
  _breakpoint: () => {},
  'add-nodes': addNodes,
  campaign: onNode((node) => node.raw.campaign()),
  compact: (env, args) => {
    const node = env.node(firstNumber(args));
    node.storage.compact(Number(args[1]?.key));
    env.printLog(node);
  },
  'deliver-msgs': deliverMessages,
  'forget-leader': onNode((node) => node.raw.forgetLeader()),
  'log-level': (env, args) => env.output.setLevel(args[0]?.key ?? ''),
  'process-append-thread': onEachNode('processing append thread', (env, node) => env.processAppendThread(node)),
  'process-apply-thread': onEachNode('processing apply thread', (env, node) => env.processApplyThread(node)),
  'process-ready': onEachNode('handling Ready', (env, node) => env.processReady(node)),
  propose: onNode((node, args) => node.raw.propose(Buffer.from(args[1]?.key ?? ''))),
  'propose-conf-change': onNode((node, args, input) => node.raw.proposeConfChange(confChangeFrom(args, input))),
  'raft-log': (env, args) => env.printLog(env.node(firstNumber(args))),
  'raft-state': printStates,
  'report-unreachable': onNode((node, args) => node.raw.reportUnreachable(numbers(args)[1] ?? 0)),
  'send-snapshot': (env, args) => env.sendSnapshot(firstNumber(args), numbers(args)[1] ?? 0),
  'set-randomized-election-timeout': onNode((node, args) => {
    node.raw.raft.randomizedElectionTimeout = Number(value(args, 'timeout'));
  }),
  stabilize,
  status: (env, args) => {
    for (const [id, { text }] of env.node(firstNumber(args)).raw.status().progress)
      env.output.write(`${id}: ${text}\n`);
  },
  tick: onNode((node, args) => tick(node, numbers(args)[1] ?? 1)),
  'tick-election': onNode((node) => tick(node, node.electionTick)),
  'tick-heartbeat': onNode((node) => tick(node, node.heartbeatTick)),
  'transfer-leadership': (env, args) =>
    env.node(Number(value(args, 'from'))).raw.transferLeader(Number(value(args, 'to'))),
};

function addNodes(env: InteractionEnv, args: readonly Argument[]): void {
  const config: NodeConfig = {
    electionTick: 3,
    heartbeatTick: 1,
    maxInflightMsgs: 2 ** 31 - 1,
    logger: env.output,
    // Transcripts do not depend on it.
    random: () => 0.5,
  };
  const state: Mutable<ConfState> = ConfState.create();
  let index = 0;
  let data = '';
  for (const { key, values } of args.slice(1)) {
    const first = values[0] ?? '';
    switch (key) {
      case 'voters':
        state.voters = [...state.voters, ...values.map(Number)];
        break;
      case 'learners':
        state.learners = [...state.learners, ...values.map(Number)];
        break;
      case 'index':
        index = Number(first);
        config.applied = index;
        break;
      case 'content':
        data = first;
        break;
      default:
        configure(config, key, first);
    }
  }
  const bootstraps = index > 0 || data !== '' || state.voters.length > 0 || state.learners.length > 0;
  if (bootstraps && index <= 1) throw new DirectiveError('index must be specified as > 1 due to bootstrap');
  const metadata = SnapshotMetadata.create({ index, term: bootstraps ? 1 : 0, confState: state });
  env.addNodes(firstNumber(args), config, Snapshot.create({ data: Buffer.from(data), metadata }));
}

function configure(config: NodeConfig, key: string, text: string): void {
  const on = isTrue(text);
  switch (key) {
    case 'election-tick':
      config.electionTick = Number(text);
      break;
    case 'heartbeat-tick':
      config.heartbeatTick = Number(text);
      break;
    case 'inflight':
      config.maxInflightMsgs = Number(text);
      break;
    case 'max-inflight-bytes':
      config.maxInflightBytes = Number(text);
      break;
    case 'max-size-per-msg':
      config.maxSizePerMsg = Number(text);
      break;
    case 'max-committed-size-per-ready':
      config.maxCommittedSizePerReady = Number(text);
      break;
    case 'max-uncommitted-size':
      config.maxUncommittedEntriesSize = Number(text);
      break;
    case 'async-storage-writes':
      config.asyncStorageWrites = on;
      break;
    case 'prevote':
      config.preVote = on;
      break;
    case 'checkquorum':
      config.checkQuorum = on;
      break;
    case 'disable-conf-change-validation':
      config.disableConfChangeValidation = on;
      break;
    case 'disable-proposal-forwarding':
      config.disableProposalForwarding = on;
      break;
    case 'step-down-on-removal':
      config.stepDownOnRemoval = on;
      break;
    case 'read-only':
      if (text !== 'safe' && text !== 'lease-based') throw new DirectiveError(`invalid read-only option "${text}"`);
      config.readOnly = text;
      break;
    default:
      throw new Error(`unknown option ${key} of add-nodes`);
  }
}

function deliverMessages(env: InteractionEnv, args: readonly Argument[]): void {
  const recipients: Recipient[] = [];
  let type: MsgType | undefined;
  for (const { key, values } of args) {
    if (values.length === 0) recipients.push({ id: Number(key), drop: false });
    else if (key === 'drop') recipients.push(...values.map((id) => ({ id: Number(id), drop: true })));
    else if (key === 'type' && values[0]) type = typeNamed(values[0]);
    else throw new Error(`unknown option ${key} of deliver-msgs`);
  }
  if (env.deliver(recipients, type) === 0) env.output.write('no messages\n');
}

function typeNamed(name: string): MsgType {
  const found = Object.entries(MsgType).find(([key]) => key === name);
  if (!found) throw new Error(`unknown message type ${name}`);
  return found[1];
}

function confChangeFrom(args: readonly Argument[], input: string): AnyConfChange {
  const changes = parseChanges(input);
  const transition = value(args, 'transition') ?? 'auto';
  if (isTrue(value(args, 'v1'))) {
    const [first] = changes;
    if (!first || changes.length > 1 || transition !== 'auto')
      throw new DirectiveError('v1 conf change can only have one operation and no transition');
    return { version: 1, change: ConfChange.create({ type: first.type, nodeId: first.nodeId }) };
  }
  const transitions: Readonly<Record<string, ConfChangeTransition>> = {
    auto: ConfChangeTransition.ConfChangeTransitionAuto,
    implicit: ConfChangeTransition.ConfChangeTransitionJointImplicit,
    explicit: ConfChangeTransition.ConfChangeTransitionJointExplicit,
  };
  const named = transitions[transition];
  if (named === undefined) throw new DirectiveError(`unknown transition ${transition}`);
  return { version: 2, change: ConfChangeV2.create({ transition: named, changes }) };
}

/** With several nodes, what each does stands indented under its own title. */
function forEachNode(
  env: InteractionEnv,
  args: readonly Argument[],
  title: string,
  work: (node: SimulatedNode) => void,
): void {
  const ids = numbers(args);
  for (const id of ids) {
    if (ids.length === 1) {
      work(env.node(id));
    } else {
      env.output.write(`> ${id} ${title}\n`);
      env.output.indented(() => work(env.node(id)));
    }
  }
}

function stabilize(env: InteractionEnv, args: readonly Argument[]): void {
  const before = env.output.level;
  const level = value(args, 'log-level');
  const ids = numbers(args);
  if (level !== undefined) env.output.setLevel(level);
  try {
    env.stabilize(ids.length > 0 ? ids.map((id) => env.node(id)) : env.nodes);
  } finally {
    env.output.restoreLevel(before);
  }
}

function printStates(env: InteractionEnv): void {
  for (const { raw } of env.nodes) {
    const { id, raftState, lead, hardState, config } = raw.status();
    const member = isVoter(config.voters, id) ? '(Voter)' : '(Non-Voter)';
    env.output.write(`${id}: ${raftState} ${member} Term:${hardState.term} Lead:${lead}\n`);
  }
}

function tick(node: SimulatedNode, times: number): void {
  for (let i = 0; i < times; i++) node.raw.tick();
}

/** Bare arguments. */
function numbers(args: readonly Argument[]): readonly NodeId[] {
  return args.filter(({ values }) => values.length === 0).map(({ key }) => Number(key));
}

function firstNumber(args: readonly Argument[]): number {
  return Number(args[0]?.key);
}

function value(args: readonly Argument[], key: string): string | undefined {
  return args.find((arg) => arg.key === key)?.values[0];
}
