import { isIP } from 'node:net';
import { constants } from 'node:os';
import { checkDnsConfig } from '../../../lib/dns-config.js';
import { type ErrorDetails, invalidArgument } from '../../../lib/errors.js';
import { checkHealthConfig } from '../../../lib/health-config.js';
import type { ContainerSpec } from '../../../proto/gen/index.js';
import { checkImage } from './image.js';
import { checkMounts } from './mounts.js';
import { checkLabels, duplicate } from './names.js';

const HOSTNAME = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/;

/** @throws INVALID_ARGUMENT */
export function checkContainer(container: ContainerSpec): void {
  checkImage(container.image);
  checkMounts(container.mounts);
  checkLabels(container.labels);
  for (const entry of container.env) checkEnv(entry);
  if (container.dir !== '' && !container.dir.startsWith('/')) {
    throw wrong(`"${container.dir}" is not a working directory`, container.dir, 'It is an absolute path.');
  }
  if (container.hostname !== '' && (container.hostname.length > 253 || !validHostname(container.hostname))) {
    throw wrong(`"${container.hostname}" is not a host name`, container.hostname);
  }
  checkStopSignal(container.stopSignal);
  checkDnsConfig(container.dns);
  for (const host of container.hosts) {
    const [address = '', ...names] = host.split(/\s+/);
    if (isIP(address) === 0 || names.length === 0) {
      throw wrong(`"${host}" is not a line for the hosts file`, host, 'It looks like "192.0.2.7 name".');
    }
  }
  for (const { name, soft, hard } of container.ulimits) {
    if (hard !== -1 && (soft > hard || soft === -1)) {
      throw wrong(`ulimit ${name}: the soft limit ${soft} is above the hard limit ${hard}`, `${name}=${soft}:${hard}`);
    }
  }
  for (const { hostPath, containerPath, permissions } of container.devices) {
    const device = `${hostPath}:${containerPath}:${permissions}`;
    if (hostPath.startsWith('/') && /^(?:\/|$)/.test(containerPath) && /^[rwm]{0,3}$/.test(permissions)) continue;
    throw wrong(`"${device}" is not a device`, device, 'It looks like /dev/fuse:/dev/fuse:rwm.');
  }
  for (const key of Object.keys(container.sysctls)) {
    if (!/^[a-z0-9_*-]+([./][a-zA-Z0-9_*-]+)+$/.test(key)) throw wrong(`"${key}" is not the name of a sysctl`, key);
  }
  if (container.oomScoreAdj < -1000 || container.oomScoreAdj > 1000) {
    throw wrong(
      `OOM score ${container.oomScoreAdj} is out of range`,
      String(container.oomScoreAdj),
      'From -1000 to 1000.',
    );
  }
  if (container.healthcheck) checkHealthConfig(container.healthcheck);
  const twice = duplicate([...container.secrets, ...container.configs].map((file) => file.target || file.name));
  if (twice !== undefined) throw wrong(`two secrets or configs have the target ${twice}`, twice);
}

const wrong = (message: string, value: string, hint?: string) => {
  const details: ErrorDetails = { value, hint };
  return invalidArgument(message, details);
};

/** `KEY=value`, or `KEY` to take it out of the image's environment. */
function checkEnv(entry: string): void {
  const [key = ''] = entry.split('=', 1);
  if (key !== '' && !/\s/.test(key) && !entry.includes('\0')) return;
  throw wrong(`"${entry}" is not an environment variable`, entry, 'It looks like KEY=value.');
}

const validHostname = (name: string): boolean =>
  HOSTNAME.test(name.replaceAll(/\{\{[^{}]*\}\}/g, 'x')) &&
  name.split('.').every((label) => label.length <= 63 || label.includes('{{'));

function checkStopSignal(signal: string): void {
  if (signal === '') return;
  const number = Number(signal);
  const known = /^\d+$/.test(signal)
    ? number >= 1 && number <= 64
    : /^(SIG)?RT(MIN|MAX)([+-]\d+)?$/i.test(signal) ||
      Object.hasOwn(constants.signals, signal.toUpperCase().replace(/^(SIG)?/, 'SIG'));
  if (!known) throw wrong(`"${signal}" is not a signal`, signal, 'It looks like SIGTERM, TERM or 15.');
}
