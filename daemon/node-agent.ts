import {
  type DoctorRequest,
  DoctorResponse,
  type ImportImageRequest,
  InfoResponse,
  type InitRequest,
  type JoinSwarmRequest,
  type KernelFeature,
  type LeaveSwarmRequest,
  type NodeAgentService,
  type PullImageRequest,
  type RemoveImageRequest,
  type ResolveImageRequest,
} from '../proto/gen/index.js';
import type { CallContext, Handlers } from '../proto/rpc/server.js';
import type { ImageStore } from '../worker/executor/executor.js';
import { imageMessage, importRequest, pullMessages } from './image-messages.js';
import type { SwarmNode } from './node.js';

export interface NodeAgentOptions {
  readonly node: SwarmNode;
  readonly images: ImageStore;
  /** Looks at kernel and tools anew. */
  probe(): Promise<readonly KernelFeature[]>;
}

/** What the daemon answers about its own machine. */
export function nodeAgentHandlers({ node, images, probe }: NodeAgentOptions): Handlers<typeof NodeAgentService> {
  const { options } = node;
  const { engine } = options;
  return {
    init: (request: InitRequest) => node.init(request),
    joinSwarm: (request: JoinSwarmRequest) => node.join(request),
    async leaveSwarm({ force }: LeaveSwarmRequest) {
      await node.leave(force);
      return {};
    },
    async info() {
      return InfoResponse.create({
        ...node.info(),
        version: options.version,
        description: node.description,
        images: (await images.list()).length,
        dataRoot: options.daemon.dataRoot,
        runRoot: options.daemon.runRoot,
        memoryRssBytes: process.memoryUsage.rss(),
        pid: process.pid,
      });
    },
    async doctor({ repair }: DoctorRequest) {
      const repairs = repair ? await engine.repair() : engine.repairs();
      return DoctorResponse.create({ features: await probe(), problems: node.info().problems ?? [], repairs });
    },
    async listImages() {
      return { images: (await images.list()).map(imageMessage) };
    },
    async importImage(messages: AsyncIterable<ImportImageRequest>) {
      const { archive, options: how } = await importRequest(messages);
      return { image: imageMessage(await images.import(archive, how)) };
    },
    pullImage: (request: PullImageRequest, context: CallContext) => pullMessages(images, request, context.signal),
    async resolveImage({ name, registryAuth }: ResolveImageRequest, { signal }: CallContext) {
      return { name: await images.resolve(name, { registryAuth, plainHttp: false, signal }) };
    },
    async removeImage({ ref, force }: RemoveImageRequest) {
      return { removed: await images.remove(ref, force) };
    },
  };
}
