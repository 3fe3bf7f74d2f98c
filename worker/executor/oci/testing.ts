import { logSettings } from '../../../lib/log-drivers.js';
import type { ContainerSettings } from '../executor.js';

/** Settings for unit tests: everything empty but what is given. */
export function testSettings(fields: Partial<ContainerSettings> = {}): ContainerSettings {
  return {
    id: 'abcdefghijklmnop',
    name: 'test',
    image: 'busybox',
    registryAuth: '',
    entrypoint: [],
    args: [],
    env: [],
    dir: '',
    user: '',
    groups: [],
    hostname: '',
    tty: false,
    openStdin: false,
    stdinOnce: false,
    stopSignal: '',
    healthcheck: undefined,
    init: false,
    readOnly: false,
    labels: {},
    mounts: [],
    files: [],
    hosts: [],
    dns: { nameservers: [], search: [], options: [] },
    capabilityAdd: [],
    capabilityDrop: [],
    sysctls: {},
    ulimits: [],
    noNewPrivileges: false,
    oomScoreAdj: 0,
    devices: [],
    resources: { nanoCpus: 0, memoryBytes: 0, memorySwapBytes: undefined, memorySwappiness: undefined, pids: 0 },
    log: logSettings('', {}),
    networkNamespace: '',
    addresses: [],
    ...fields,
  };
}
