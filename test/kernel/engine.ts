import { systemClock } from '../../lib/clock.js';
import { createLogger } from '../../lib/log.js';
import { Engine } from '../../worker/engine.js';
import { LocalEvents } from '../../worker/events/local-events.js';
import { OciImageStore } from '../../worker/executor/oci/index.js';

export interface EngineProcessOptions {
  readonly dataRoot: string;
  readonly runRoot: string;
  readonly images: string;
  readonly cgroupParent: string;
}

/** What the processes have that tests kill: the engine of a machine with folders of its own. */
export async function openEngine(options: EngineProcessOptions, name: string) {
  const log = createLogger('debug', name);
  const images = await OciImageStore.open({ root: options.images, log });
  const events = new LocalEvents(systemClock);
  const engine = new Engine({ ...options, balancer: 'nft', events, images, log, clock: systemClock });
  return { log, images, engine };
}
