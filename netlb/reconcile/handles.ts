import { join } from 'node:path';
import { NetNamespace, namespaceInode } from '../kernel/namespace.js';
import { Nftables } from '../kernel/nftables.js';
import { RouteSocket } from '../kernel/rtnetlink.js';
import { SettingFiles } from '../kernel/setting-files.js';
import { NODE_NAMESPACE } from '../names.js';
import { EncryptionSocket } from './encryption.js';
import { IpvsState } from './ipvs.js';
import { TableReader } from './tables.js';

/** Open descriptors of one namespace. They keep it alive: close them before it shall go. */
export class NamespaceHandle {
  readonly namespace: NetNamespace;
  readonly route: RouteSocket;
  readonly tables: TableReader;
  readonly ipvs: IpvsState;
  readonly settings: SettingFiles;
  #nft: Nftables | undefined;
  #encryption: EncryptionSocket | undefined;

  constructor(namespace: NetNamespace) {
    this.namespace = namespace;
    this.route = new RouteSocket(namespace);
    this.tables = new TableReader(namespace);
    this.ipvs = new IpvsState(namespace);
    this.settings = new SettingFiles(namespace);
  }

  /** To change rule sets. */
  get nft(): Nftables {
    this.#nft ??= new Nftables(this.namespace);
    return this.#nft;
  }

  get encryption(): EncryptionSocket {
    this.#encryption ??= new EncryptionSocket(this.namespace);
    return this.#encryption;
  }

  close(): void {
    this.#nft?.close();
    this.#encryption?.close();
    this.tables.close();
    this.ipvs.close();
    this.settings.close();
    this.route.close();
    this.namespace.close();
  }
}

/** The namespaces of a directory and the node's own, opened when first needed and kept open. */
export class NamespaceHandles {
  readonly directory: string;
  readonly #handles = new Map<string, NamespaceHandle>();
  /** Names by the numbers that the node's namespace has for them. */
  readonly #numbers = new Map<number, string>();

  constructor(directory: string) {
    this.directory = directory;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /**
   * A namespace that was made anew under the same name is opened anew; one whose name was taken away is
   * still the same, for processes may be in it.
   * @throws KernelError when it is not there
   */
  get(name: string): NamespaceHandle {
    const known = this.#handles.get(name);
    const inode = known && name !== NODE_NAMESPACE ? namespaceInode(this.path(name)) : undefined;
    if (known && (inode === undefined || known.namespace.inode === inode)) return known;
    this.close(name);
    const handle = new NamespaceHandle(
      name === NODE_NAMESPACE ? NetNamespace.self() : NetNamespace.open(this.path(name)),
    );
    return this.#keep(name, handle);
  }

  create(name: string): NamespaceHandle {
    this.close(name);
    return this.#keep(name, new NamespaceHandle(NetNamespace.create(this.path(name))));
  }

  /** Numbered, so that the kernel tells of what changes in it. */
  #keep(name: string, handle: NamespaceHandle): NamespaceHandle {
    this.#handles.set(name, handle);
    if (name === NODE_NAMESPACE) return handle;
    const number = this.get(NODE_NAMESPACE).route.numberOf(handle.namespace);
    if (number !== undefined) this.#numbers.set(number, name);
    return handle;
  }

  /** The one that has this number in the node's namespace, if it is open. */
  nameOf(number: number): string | undefined {
    return this.#numbers.get(number);
  }

  close(name: string): void {
    this.#handles.get(name)?.close();
    this.#handles.delete(name);
    for (const [number, other] of this.#numbers) if (other === name) this.#numbers.delete(number);
  }

  /** Names of those that are open though no file names them any more. */
  nameless(named: ReadonlySet<string>): string[] {
    return [...this.#handles.keys()].filter((name) => name !== NODE_NAMESPACE && !named.has(name));
  }

  /** Closes those that are not among the names; the node's stays. */
  retain(names: ReadonlySet<string>): void {
    for (const name of [...this.#handles.keys()]) if (name !== NODE_NAMESPACE && !names.has(name)) this.close(name);
  }

  closeAll(): void {
    for (const name of [...this.#handles.keys()]) this.close(name);
  }
}
