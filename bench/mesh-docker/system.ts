/** A swarm of two nodes that publishes port 80 of one nginx task, on its second node, as port 8080 of both. */
export interface MeshSystem {
  /** "docker", "tsswarm ipvs" … */
  readonly name: string;
  /** Namespace of the client, in `ip netns`. */
  readonly client: string;
  /** URL by the node that has the task, and by the one that has not. */
  readonly paths: Readonly<Record<'local' | 'remote', string>>;
  /** @param say what is done, for who waits: an emulated processor takes minutes */
  up(say: (words: string) => void): Promise<void>;
  /** What the system says of its nodes and its task, for when it does not answer. */
  explain(): Promise<string>;
  /** Also when it is half up: its daemons and its task are killed. */
  down(): Promise<void>;
}

export const NODES = 2;
export const PUBLISHED = 8080;
/** Milliseconds for a daemon to start: with an emulated processor all takes some 25 times longer, and more beside other work. */
export const PATIENCE = 600_000;
/** Milliseconds for a new service to answer. */
export const ANSWER = 600_000;
