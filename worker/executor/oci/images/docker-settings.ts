import { isObject, parseDescriptor, parseJsonObject } from './config.js';
import type { Layout } from './layout.js';
import { changeOnlyImage } from './only-image.js';

/** What docker's configuration of an image says and OCI's has no place for. */
const SETTINGS = ['Healthcheck', 'Shell'] as const;

/**
 * Gives a layout's only image what skopeo leaves out when it makes OCI's format of docker's.
 * @param source the configuration that it was made from, in whichever of the two formats
 */
export async function keepDockerSettings(layout: Layout, source: string): Promise<void> {
  const { config: from } = parseJsonObject(source, "the image's configuration");
  if (!isObject(from)) return;
  const kept = Object.fromEntries(SETTINGS.flatMap((name) => (from[name] ? [[name, from[name]]] : [])));
  await changeOnlyImage(layout, async (manifest) => {
    const descriptor = parseDescriptor(manifest.config, 'the configuration in the image manifest');
    const configuration = parseJsonObject(await layout.read(descriptor.digest), 'the image configuration');
    const to = isObject(configuration.config) ? configuration.config : {};
    if (Object.keys(kept).every((name) => name in to)) return undefined;
    const blob = await layout.writeBlob({ ...configuration, config: { ...to, ...kept } });
    return { ...manifest, config: { ...descriptor, ...blob } };
  });
}
