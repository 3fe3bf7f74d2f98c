import { invalidArgument, SwarmError } from '../../lib/errors.js';
import type { ClusterSpec, ControlService } from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import { newToken } from '../join/tokens.js';
import { retireAll } from '../keys/ring.js';
import type { Store } from '../store/store.js';
import { redact } from './redact.js';
import { checkLabels } from './validate/names.js';

type ClusterHandlers = Pick<Handlers<typeof ControlService>, 'getCluster' | 'updateCluster'>;

const SECOND = 1e9;
/** Swarm's default of 90 days, in nanoseconds. Shown, and without effect while there are no certificates. */
export const CERTIFICATE_EXPIRY = 90 * 86_400 * SECOND;

export function clusterHandlers(store: Store): ClusterHandlers {
  return {
    async getCluster() {
      return { cluster: redact('cluster', store.view().cluster()) };
    },

    async updateCluster({ version, spec, rotateWorkerToken, rotateManagerToken, rotateNetworkKeys }, { requestId }) {
      checkClusterSpec(spec);
      await store.update((draft) => {
        const cluster = draft.cluster();
        const { digest } = cluster.rootCa;
        draft.update('cluster', {
          ...cluster,
          spec,
          meta: { ...cluster.meta, version },
          joinTokens: {
            worker: rotateWorkerToken ? newToken(digest) : cluster.joinTokens.worker,
            manager: rotateManagerToken ? newToken(digest) : cluster.joinTokens.manager,
          },
          networkKeys: rotateNetworkKeys ? retireAll(cluster.networkKeys) : cluster.networkKeys,
        });
      }, requestId);
      return { cluster: redact('cluster', store.view().cluster()) };
    },
  };
}

/** @throws INVALID_ARGUMENT, or UNIMPLEMENTED for what this version does not do */
export function checkClusterSpec(spec: ClusterSpec): void {
  checkLabels(spec.labels);
  if (spec.name !== 'default') {
    throw invalidArgument(`the swarm cannot be named "${spec.name}"`, {
      value: spec.name,
      hint: 'Its name is default.',
    });
  }
  if (spec.dispatcherHeartbeat < SECOND) {
    throw invalidArgument(`a heartbeat period of ${spec.dispatcherHeartbeat} ns is too short`, {
      value: String(spec.dispatcherHeartbeat),
      hint: 'It is at least 1s.',
    });
  }
  if (spec.raft.snapshotInterval === 0) {
    throw invalidArgument('the snapshot interval must be at least 1 entry', { value: '0' });
  }
  if (spec.ca.nodeCertificateExpiry !== CERTIFICATE_EXPIRY) {
    throw unsupported(
      'nodes have no certificates in this version, so none can expire',
      String(spec.ca.nodeCertificateExpiry),
    );
  }
  if (spec.autolockManagers)
    throw unsupported('this version cannot lock managers: the key of their logs is kept on their disks', 'autolock');
  const [external] = spec.ca.externalCas;
  if (external) throw unsupported('external certificate authorities are not supported by this version', external.url);
  if (spec.defaultLogDriver)
    throw unsupported('a log driver for all services is not supported by this version', spec.defaultLogDriver.name);
}

const unsupported = (message: string, value: string) => new SwarmError('UNIMPLEMENTED', message, { value });
