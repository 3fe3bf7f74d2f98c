import { codeOf, invalidArgument, messageOf, SwarmError, unavailable } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import {
  JoinRequest,
  type JoinResponse,
  JoinService,
  type JoinSwarmRequest,
  type NodeDescription,
} from '../proto/gen/index.js';
import { Channel } from '../proto/rpc/client.js';
import { wasAnswered } from '../proto/rpc/errors.js';
import { CONTROL_PORT, formatHostPort, parseHostPort } from './addresses.js';

export interface JoinOptions {
  readonly request: JoinSwarmRequest;
  /** host:port */
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  /** What this machine will be called, and prove itself by: chosen here, so that asking twice makes one node. */
  readonly nodeId: string;
  readonly credential: Uint8Array;
  readonly description: NodeDescription;
  readonly log: Logger;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

const TIMEOUT = 10_000;

/**
 * Asks one manager after another to let this machine in. A manager that refuses has the last word;
 * what does not answer as a manager does, or cannot say at the moment, has not.
 * @throws what the manager that refused said
 * @throws the signal's reason when aborted
 * @throws UNAVAILABLE with the words of the first one that cannot say at the moment; that names every address when none answered
 */
export async function joinSwarm(options: JoinOptions): Promise<JoinResponse> {
  const { request, log, signal } = options;
  if (request.token === '') {
    throw invalidArgument('a token is needed to join a swarm', {
      hint: '"tsswarm join-token worker" prints it on a manager: tsswarm join --token TOKEN HOST:PORT',
    });
  }
  const addresses = request.remoteAddresses.map((text) => formatHostPort(parseHostPort(text, CONTROL_PORT)));
  if (addresses.length === 0) throw invalidArgument('no address of a manager to join was given');
  const failures: string[] = [];
  let unable: SwarmError | undefined;
  for (const address of addresses) {
    try {
      return await joinAt(address, options);
    } catch (error) {
      signal.throwIfAborted();
      if (wasAnswered(error) && codeOf(error) !== 'UNAVAILABLE') throw error;
      log.warn({ manager: address }, `cannot join there: ${messageOf(error)}`);
      failures.push(`${address} (${reason(error)})`);
      if (wasAnswered(error) && error instanceof SwarmError) unable ??= cannotSay(address, error);
    }
  }
  // A manager was reached: what it lacks is what there is to mend.
  if (unable) throw unable;
  throw unavailable(
    `could not reach ${failures.length === 1 ? 'the manager' : 'any of the managers'} at ${failures.join(', ')}`,
    {
      value: addresses.join(' '),
      hint: `Check the address, that tsswarmd runs there as a manager, and that no firewall is in between (port ${CONTROL_PORT}/tcp).`,
    },
  );
}

async function joinAt(address: string, options: JoinOptions): Promise<JoinResponse> {
  const { request, advertiseAddress, dataPathAddress, nodeId, credential, description, signal } = options;
  const channel = new Channel(address);
  try {
    const message = JoinRequest.create({
      token: request.token,
      description,
      advertiseAddress,
      dataPathAddress,
      availability: request.availability,
      nodeId,
      credential,
    });
    return await channel.stubs(JoinService).joinSwarm(message, { timeout: TIMEOUT, signal });
  } finally {
    channel.close();
  }
}

function cannotSay(address: string, { message, hint }: SwarmError): SwarmError {
  return unavailable(`the manager at ${address} cannot let this machine in now: ${message}`, { value: address, hint });
}

/** gRPC's words for a connection that failed hold the system's, which say it best. */
function reason(error: unknown): string {
  if (error instanceof SwarmError && error.code === 'DEADLINE_EXCEEDED') return `no answer in ${TIMEOUT / 1000} s`;
  const text = messageOf(error);
  return /\b(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)\b/.exec(text)?.[0] ?? text;
}
