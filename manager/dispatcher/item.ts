import {
  Assignment,
  AssignmentChangeAction,
  Config,
  EndpointRecord,
  NetworkKeyRing,
  NetworkRecord,
  Secret,
  ServiceRecord,
  Task,
} from '../../proto/gen/index.js';
import { SharedChange } from './shared-change.js';

/** What a stream can be told of. An endpoint's id begins with its network's. */
export type ItemKind = 'task' | 'network' | 'endpoint' | 'service' | 'secret' | 'config' | 'keys';

/** Something that a node may have to know, by its kind and id. What many nodes are told of is one object for all. */
export class Item {
  readonly kind: ItemKind;
  readonly id: string;
  /** Two items with the same key are the same thing. */
  readonly key: string;
  #removal: SharedChange | undefined;

  constructor(kind: ItemKind, id: string) {
    this.kind = kind;
    this.id = id;
    this.key = `${kind}:${id}`;
  }

  /** That it is gone, or no concern of the node's any more. */
  get removal(): SharedChange {
    this.#removal ??= new SharedChange(AssignmentChangeAction.REMOVE, Assignment.create(bare(this.kind, this.id)));
    return this.#removal;
  }
}

/** An item of which only the id is set. */
function bare(kind: ItemKind, id: string): Partial<Assignment> {
  switch (kind) {
    case 'task':
      return { task: Task.create({ id }) };
    case 'network':
      return { network: NetworkRecord.create({ id }) };
    case 'endpoint':
      return { endpoint: EndpointRecord.create({ id }) };
    case 'service':
      return { service: ServiceRecord.create({ id }) };
    case 'secret':
      return { secret: Secret.create({ id }) };
    case 'config':
      return { config: Config.create({ id }) };
    case 'keys':
      return { networkKeys: NetworkKeyRing.create() };
  }
}
