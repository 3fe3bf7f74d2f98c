import { messageOf, SwarmError } from '../../lib/errors.js';
import { type Network, type NetworkAttachment, NodeProblem } from '../../proto/gen/index.js';
import { attach, nodeOwner } from './attachment.js';
import type { AddressLedger } from './ledger.js';

const LARGER =
  'For a larger one, take the published ports from all services, then "network rm" it and "network create -d overlay --ingress NAME": without --subnet it grows by itself, as long as the address pools have room';

/** The address of a node's ingress_sbox, or why the node cannot have one. */
export function ingressAddress(
  ledger: AddressLedger,
  nodeId: string,
  ingress: Network,
): NetworkAttachment | NodeProblem {
  try {
    return attach(ledger, nodeOwner(nodeId), ingress);
  } catch (error) {
    if (!(error instanceof SwarmError)) throw error;
    return NodeProblem.create({
      subject: `network ${ingress.spec.name}`,
      message: `${messageOf(error)}: this node answers on no published port. ${LARGER}`,
    });
  }
}

export const isNodeProblem = (given: NetworkAttachment | NodeProblem): given is NodeProblem => 'subject' in given;
