import type { PullOptions } from '../../executor.js';
import { type ImageName, isLoopbackRegistry } from './name.js';
import { RegistrySource } from './registry.js';
import type { WorkFolders } from './work-folders.js';

/** The way to all registries: which of them may do without a checked certificate, and a folder for each visit. */
export class Registries {
  readonly #work: WorkFolders;
  readonly #insecure: ReadonlySet<string>;

  /** @param insecure host:port of those that may speak plain HTTP, beside the ones on this machine */
  constructor(work: WorkFolders, insecure: readonly string[]) {
    this.#work = work;
    this.#insecure = new Set(insecure);
  }

  /** Lets `visit` ask the registry of this name; its folder is gone afterwards. */
  visit<T>(
    name: ImageName,
    { registryAuth: auth, plainHttp, signal }: PullOptions,
    visit: (source: RegistrySource, folder: string) => Promise<T>,
  ): Promise<T> {
    const insecure = plainHttp || isLoopbackRegistry(name.domain) || this.#insecure.has(name.domain);
    return this.#work.use((folder) => visit(new RegistrySource(name, { auth, insecure, signal }, folder), folder));
  }
}
