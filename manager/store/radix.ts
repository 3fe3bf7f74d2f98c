/**
 * A persistent radix tree: a map with string keys whose versions share what they have in common.
 * `set` and `delete` return a new tree and copy only the nodes on the key's path, so a held tree
 * never changes and costs nothing. Iteration is in key order (UTF-16 code units), and may start at a
 * prefix: an index on (a, b, c) is a tree with the key `a/b/c`.
 */
export class RadixTree<V extends object> {
  static readonly #empty = new RadixTree<never>(undefined, 0);

  readonly #root: Node<V> | undefined;
  readonly size: number;

  private constructor(root: Node<V> | undefined, size: number) {
    this.#root = root;
    this.size = size;
  }

  static empty<V extends object>(): RadixTree<V> {
    return RadixTree.#empty;
  }

  /** Of a tree that nobody else changes any more. */
  static of<V extends object>(root: Node<V> | undefined, size: number): RadixTree<V> {
    return root ? new RadixTree(root, size) : RadixTree.empty();
  }

  get(key: string): V | undefined {
    let node = this.#root;
    let at = 0;
    while (node) {
      if (!key.startsWith(node.prefix, at)) return undefined;
      at += node.prefix.length;
      if (at === key.length) return node.value;
      node = childOf(node, key.charAt(at));
    }
    return undefined;
  }

  set(key: string, value: V): RadixTree<V> {
    if (!this.#root) return new RadixTree<V>(leaf(key, value), 1);
    const grown = this.get(key) === undefined ? 1 : 0;
    return new RadixTree(insert(this.#root, key, 0, value), this.size + grown);
  }

  delete(key: string): RadixTree<V> {
    if (!this.#root) return this;
    const root = remove(this.#root, key);
    return root === this.#root ? this : new RadixTree(root, this.size - 1);
  }

  /** The values whose keys begin with `prefix`, in key order. */
  *values(prefix = ''): Generator<V, void, undefined> {
    const start = this.#find(prefix);
    if (!start) return;
    const stack: Node<V>[] = [start];
    for (let node = stack.pop(); node; node = stack.pop()) {
      if (node.value) yield node.value;
      for (let i = node.children.length - 1; i >= 0; i--) stack.push(node.children[i] as Node<V>);
    }
  }

  /** The topmost node below which all keys begin with `prefix`. */
  #find(prefix: string): Node<V> | undefined {
    let node = this.#root;
    let at = 0;
    while (node) {
      const rest = prefix.length - at;
      if (node.prefix.length >= rest) return node.prefix.startsWith(prefix.slice(at)) ? node : undefined;
      if (!prefix.startsWith(node.prefix, at)) return undefined;
      at += node.prefix.length;
      node = childOf(node, prefix.charAt(at));
    }
    return undefined;
  }
}

/**
 * Invariants: children are sorted by the first character of their prefix, which `labels` repeats in
 * the same order; a node without a value has at least two children; no child has an empty prefix.
 */
export interface Node<V> {
  readonly prefix: string;
  readonly value: V | undefined;
  readonly labels: string;
  readonly children: readonly Node<V>[];
}

/** Of all leaves, which are most of the nodes. */
export const NO_CHILDREN: readonly never[] = Object.freeze([]);

/** A spread that overrides fields costs several times as much, and most of a write's work in the store is here. */
function nodeOf<V>(prefix: string, value: V | undefined, labels: string, children: readonly Node<V>[]): Node<V> {
  return { prefix, value, labels, children };
}

function leaf<V>(prefix: string, value: V): Node<V> {
  return nodeOf(prefix, value, '', NO_CHILDREN);
}

function childOf<V>(node: Node<V>, label: string): Node<V> | undefined {
  const index = node.labels.indexOf(label);
  return index < 0 ? undefined : node.children[index];
}

/** Characters that `b` from `from` on has in common with the beginning of `a`. */
export function commonLength(a: string, b: string, from = 0): number {
  const end = Math.min(a.length, b.length - from);
  let length = 0;
  while (length < end && a.charCodeAt(length) === b.charCodeAt(from + length)) length++;
  return length;
}

/** @param at where in the key the node's prefix begins */
function insert<V>(node: Node<V>, key: string, at: number, value: V): Node<V> {
  const { prefix, labels, children } = node;
  const common = commonLength(prefix, key, at);
  const next = at + common;
  if (common < prefix.length) {
    const lower = nodeOf(prefix.slice(common), node.value, labels, children);
    const below = nodeOf<V>(prefix.slice(0, common), undefined, lower.prefix.charAt(0), [lower]);
    if (next === key.length) return nodeOf(below.prefix, value, below.labels, below.children);
    return withNewChild(below, leaf(key.slice(next), value));
  }
  if (next === key.length) return nodeOf(prefix, value, labels, children);
  const index = labels.indexOf(key.charAt(next));
  const child = children[index];
  return child
    ? withChild(node, index, insert(child, key, next, value))
    : withNewChild(node, leaf(key.slice(next), value));
}

/** Puts a child in the place of the one with the same label. */
function withChild<V>({ prefix, value, labels, children }: Node<V>, index: number, child: Node<V>): Node<V> {
  const copy = children.slice();
  copy[index] = child;
  return nodeOf(prefix, value, labels, copy);
}

function withNewChild<V>({ prefix, value, labels, children }: Node<V>, child: Node<V>): Node<V> {
  const label = child.prefix.charAt(0);
  let at = 0;
  while (at < labels.length && labels.charAt(at) < label) at++;
  const copy = children.slice();
  copy.splice(at, 0, child);
  return nodeOf(prefix, value, labels.slice(0, at) + label + labels.slice(at), copy);
}

/** @returns the same node when the key is not below it, undefined when nothing is left of it */
function remove<V>(node: Node<V>, key: string): Node<V> | undefined {
  if (!key.startsWith(node.prefix)) return node;
  if (key.length === node.prefix.length)
    return node.value ? compact(nodeOf<V>(node.prefix, undefined, node.labels, node.children)) : node;
  const rest = key.slice(node.prefix.length);
  const index = node.labels.indexOf(rest.charAt(0));
  const child = node.children[index];
  if (!child) return node;
  const left = remove(child, rest);
  if (left === child) return node;
  if (left) return withChild(node, index, left);
  const children = node.children.slice();
  children.splice(index, 1);
  const labels = node.labels.slice(0, index) + node.labels.slice(index + 1);
  return compact(nodeOf(node.prefix, node.value, labels, children));
}

/** Restores the invariant of a node that has lost its value or a child. */
function compact<V>(node: Node<V>): Node<V> | undefined {
  if (node.value || node.children.length > 1) return node;
  const only = node.children[0];
  return only && nodeOf(node.prefix + only.prefix, only.value, only.labels, only.children);
}
