import { newRequestId } from '../lib/ids.js';
import type { ContainersService } from '../proto/gen/containers.js';
import type { ControlService } from '../proto/gen/control.js';
import type { InspectionsService, NetworkTracingService } from '../proto/gen/inspections.js';
import type { NodeAgentService } from '../proto/gen/node.js';
import type { TaskAccessService } from '../proto/gen/tunnels.js';
import type { VolumesService } from '../proto/gen/volumes.js';
import type { Channel, Stubs } from '../proto/rpc/client.js';
import { findDaemon } from './host.js';
import type { Io } from './io.js';
import { watchSilence } from './silence.js';

export type Control = Stubs<typeof ControlService>;
export type NodeAgent = Stubs<typeof NodeAgentService>;
export type Containers = Stubs<typeof ContainersService>;
export type Volumes = Stubs<typeof VolumesService>;
export type TaskAccess = Stubs<typeof TaskAccessService>;
export type Inspections = Stubs<typeof InspectionsService>;
export type Tracing = Stubs<typeof NetworkTracingService>;

/** What a command needs beside its arguments. gRPC is loaded when a daemon is first asked. */
export class Context {
  readonly io: Io;
  /** As given by `-H`. */
  host: string | undefined;
  /** What the process exits with when the command throws nothing. */
  exitCode = 0;
  /** What it exits with when the command throws. */
  failureCode = 1;
  /** What it exits with when the command line was not understood: 125 for its flags, 1 for the rest, where the command says nothing else. */
  usageCode: number | undefined;
  /** What all its calls are known by in the logs of all nodes. */
  readonly requestId = newRequestId();
  readonly #runRoot: string | undefined;
  #channel: Promise<Channel> | undefined;
  #endWatch: () => void = () => {};

  /** @param runRoot where to look for daemons; the machine's own when left out */
  constructor(io: Io, runRoot?: string) {
    this.io = io;
    this.#runRoot = runRoot;
  }

  /** The daemon that the user asked for, by flag or environment. */
  get askedHost(): string | undefined {
    return this.host ?? this.io.env.TSSWARM_HOST;
  }

  /** The managers' API; reads are repeated when the daemon goes away. @throws UNAVAILABLE when no daemon answers */
  async control(): Promise<Control> {
    const { ControlService } = await import('../proto/gen/control.js');
    return this.#stubs(ControlService);
  }

  /** The daemon's own. @throws UNAVAILABLE when no daemon answers */
  async agent(): Promise<NodeAgent> {
    const { NodeAgentService } = await import('../proto/gen/node.js');
    return this.#stubs(NodeAgentService);
  }

  /** Containers and networks of the daemon's machine. @throws UNAVAILABLE when no daemon answers */
  async containers(): Promise<Containers> {
    const { ContainersService } = await import('../proto/gen/containers.js');
    const { plainErrors } = await import('./retry.js');
    return plainErrors(await this.#stubs(ContainersService));
  }

  /** Volumes of the daemon's machine. @throws UNAVAILABLE when no daemon answers */
  async volumes(): Promise<Volumes> {
    const { VolumesService } = await import('../proto/gen/volumes.js');
    const { plainErrors } = await import('./retry.js');
    return plainErrors(await this.#stubs(VolumesService));
  }

  /** Containers of tasks on any node. @throws UNAVAILABLE when no daemon answers */
  async tasks(): Promise<TaskAccess> {
    const { TaskAccessService } = await import('../proto/gen/tunnels.js');
    const { plainErrors } = await import('./retry.js');
    return plainErrors(await this.#stubs(TaskAccessService));
  }

  /** Questions to any node, by way of the managers. @throws UNAVAILABLE when no daemon answers */
  async inspections(): Promise<Inspections> {
    const { InspectionsService } = await import('../proto/gen/inspections.js');
    return this.#stubs(InspectionsService);
  }

  /** Traces of the network. @throws UNAVAILABLE when no daemon answers */
  async tracing(): Promise<Tracing> {
    const { NetworkTracingService } = await import('../proto/gen/inspections.js');
    return this.#stubs(NetworkTracingService);
  }

  /** Whether a daemon was asked for anything. */
  get asked(): boolean {
    return this.#channel !== undefined;
  }

  async close(): Promise<void> {
    this.#endWatch();
    (await this.#channel?.catch(() => undefined))?.close();
  }

  async #stubs<S extends object>(service: S): Promise<Stubs<S>> {
    const [channel, { repeatReads }] = await Promise.all([this.#connect(), import('./retry.js')]);
    return repeatReads(channel.stubs(service, { requestId: this.requestId }), this.io.clock);
  }

  #connect(): Promise<Channel> {
    this.#channel ??= Promise.all([
      findDaemon(this.askedHost, this.io.env.TSSWARM_LAB, this.#runRoot),
      import('../proto/rpc/client.js'),
    ]).then(([socket, { Channel }]) => {
      this.#endWatch = watchSilence(socket, this.io);
      return new Channel(`unix://${socket}`);
    });
    return this.#channel;
  }
}
