import {
  CreateVolumeResponse,
  InspectVolumeResponse,
  ListVolumesResponse,
  PruneVolumesResponse,
  type VolumesService,
} from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import { volumeTest } from './filters.js';
import type { Volumes } from './volumes.js';

/** @param ready resolves when it is known which containers have which volumes */
export function volumesHandlers(ready: () => Promise<Volumes>): Handlers<typeof VolumesService> {
  return {
    async createVolume({ spec }) {
      return CreateVolumeResponse.create({ volume: await (await ready()).create(spec) });
    },

    async listVolumes({ filters }) {
      const volumes = await ready();
      return ListVolumesResponse.create({ volumes: volumes.all().filter(volumeTest(filters)) });
    },

    async inspectVolume({ name }) {
      return InspectVolumeResponse.create({ volume: (await ready()).find(name) });
    },

    async removeVolume({ name }) {
      await (await ready()).remove(name);
      return {};
    },

    async pruneVolumes({ filters, all }) {
      return PruneVolumesResponse.create({ names: await (await ready()).prune(filters, all) });
    },
  };
}
