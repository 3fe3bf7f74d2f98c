import { isIPv4 } from 'node:net';
import { invalidArgument } from '../../lib/errors.js';

/**
 * Every other node gets it as the far end of its tunnels, so nothing else may get in.
 * @throws INVALID_ARGUMENT unless it is an IPv4 address
 */
export function checkDataPathAddress(text: string): string {
  if (isIPv4(text)) return text;
  throw invalidArgument(`"${text}" is not an IPv4 address for the data path`, {
    value: text,
    hint: 'Give the address of an interface that the other nodes reach, as in --data-path-addr 192.0.2.7.',
  });
}
