import { commonLength, NO_CHILDREN, type Node, RadixTree } from './radix.js';

interface MutableNode<V> extends Node<V> {
  prefix: string;
  value: V | undefined;
  labels: string;
  children: readonly MutableNode<V>[];
}

/**
 * Makes a RadixTree of many entries, in place: `RadixTree.set` copies the path for each, which is what
 * most of the time of restoring a large state would go into.
 */
export class RadixBuilder<V extends object> {
  #root: MutableNode<V> | undefined;
  #size = 0;

  set(key: string, value: V): void {
    if (!this.#root) {
      this.#root = leaf(key, value);
      this.#size = 1;
      return;
    }
    let node = this.#root;
    for (let rest = key; ; ) {
      const common = commonLength(node.prefix, rest);
      if (common < node.prefix.length) split(node, common);
      if (common === rest.length) {
        if (node.value === undefined) this.#size++;
        node.value = value;
        return;
      }
      rest = rest.slice(common);
      const child = node.children[node.labels.indexOf(rest.charAt(0))];
      if (!child) {
        addChild(node, leaf(rest, value));
        this.#size++;
        return;
      }
      node = child;
    }
  }

  /** The tree of what was set. The builder is empty afterwards. */
  build(): RadixTree<V> {
    const tree = RadixTree.of(this.#root, this.#size);
    this.#root = undefined;
    this.#size = 0;
    return tree;
  }
}

function leaf<V>(prefix: string, value: V): MutableNode<V> {
  return { prefix, value, labels: '', children: NO_CHILDREN };
}

/** What is below the first `length` characters of the node's prefix becomes its only child. */
function split<V>(node: MutableNode<V>, length: number): void {
  const { prefix, value, labels, children } = node;
  const lower: MutableNode<V> = { prefix: prefix.slice(length), value, labels, children };
  node.prefix = prefix.slice(0, length);
  node.value = undefined;
  node.labels = lower.prefix.charAt(0);
  node.children = [lower];
}

function addChild<V>(node: MutableNode<V>, child: MutableNode<V>): void {
  const label = child.prefix.charAt(0);
  let at = 0;
  while (at < node.labels.length && node.labels.charAt(at) < label) at++;
  node.labels = node.labels.slice(0, at) + label + node.labels.slice(at);
  // A list that is no leaf's belongs to this builder alone.
  if (node.children === NO_CHILDREN) node.children = [child];
  else (node.children as MutableNode<V>[]).splice(at, 0, child);
}
