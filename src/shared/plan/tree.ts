/** The one binary tree in which everything is summed over the micro-batches, whoever computes them. */
import type { Range } from './range.js';

/** A node is the range of leaves below it; `{lo: 0, hi: K}` is the root, `{lo: k, hi: k + 1}` leaf k. */
export type Node = Range;

/** Adds two partial sums, the left one first; it may reuse either. */
export type Add<T> = (left: T, right: T) => T;

/**
 * Where a node of two or more leaves is cut: the left child takes the largest power of two of leaves that leaves
 * the right child at least one. So node [a·2ʲ, (a+1)·2ʲ) exists wherever it fits in [0, K), and equal shares of a
 * power of two are whole nodes.
 */
export function split(lo: number, hi: number): number {
  if (hi - lo < 2) throw new RangeError(`Node [${lo}, ${hi}) has no children`);
  let left = 1;
  while (left * 2 < hi - lo) left *= 2;
  return lo + left;
}

/** The maximal nodes of the tree over [0, K) inside [lo, hi), from left to right: at most 2·log₂K of them. */
export function coveringNodes(lo: number, hi: number, leaves: number): Node[] {
  if (lo < 0 || hi > leaves) throw new RangeError(`Range [${lo}, ${hi}) is not inside [0, ${leaves})`);
  const found: Node[] = [];
  const visit = (nodeLo: number, nodeHi: number): void => {
    if (nodeHi <= lo || hi <= nodeLo) return;
    if (lo <= nodeLo && nodeHi <= hi) {
      found.push({ lo: nodeLo, hi: nodeHi });
      return;
    }
    const middle = split(nodeLo, nodeHi);
    visit(nodeLo, middle);
    visit(middle, nodeHi);
  };
  if (lo < hi) visit(0, leaves);
  return found;
}

/**
 * Sums node values as they come, in any order of arrival and always in the tree's order of addition: two siblings
 * are merged as soon as both are there. A worker feeds its leaves and takes the covering nodes of its range; with
 * leaves fed from left to right no more than 1 + 2·log₂K values are alive. A reducer feeds everybody's nodes and takes the root.
 */
export class TreeAccumulator<T> {
  readonly #values = new Map<string, { readonly node: Node; readonly value: T }>();

  constructor(
    readonly leaves: number,
    readonly add: Add<T>,
  ) {
    if (!Number.isInteger(leaves) || leaves < 1) throw new RangeError('A tree needs at least one leaf');
  }

  /** @throws RangeError when the node is not in the tree, or it or some of its leaves are in already */
  put(node: Node, value: T): void {
    const path = pathTo(node, this.leaves);
    for (const held of this.#values.values()) {
      if (held.node.lo < node.hi && node.lo < held.node.hi) {
        throw new RangeError(
          `Node ${nameOf(node)} overlaps ${nameOf(held.node)}, which is in the sum already`,
        );
      }
    }
    let current = node;
    let sum = value;
    for (let parent = path.pop(); parent !== undefined; parent = path.pop()) {
      const middle = split(parent.lo, parent.hi);
      const isLeft = current.lo === parent.lo;
      const sibling = nameOf(isLeft ? { lo: middle, hi: parent.hi } : { lo: parent.lo, hi: middle });
      const other = this.#values.get(sibling);
      if (other === undefined) break;
      this.#values.delete(sibling);
      sum = isLeft ? this.add(sum, other.value) : this.add(other.value, sum);
      current = parent;
    }
    this.#values.set(nameOf(current), { node: current, value: sum });
  }

  /** The partial sums held now, from left to right. */
  entries(): { readonly node: Node; readonly value: T }[] {
    return [...this.#values.values()].sort((a, b) => a.node.lo - b.node.lo);
  }

  /** Whether the whole sum is there. */
  get complete(): boolean {
    return this.#values.has(nameOf({ lo: 0, hi: this.leaves }));
  }

  /** @throws RangeError while leaves are missing */
  get root(): T {
    const root = this.#values.get(nameOf({ lo: 0, hi: this.leaves }));
    if (root === undefined) throw new RangeError(`The sum over ${this.leaves} micro-batches is not complete`);
    return root.value;
  }
}

/** The ancestors of a node, the root first; throws for a range that is no node. */
function pathTo(node: Node, leaves: number): Node[] {
  const path: Node[] = [];
  let at: Node = { lo: 0, hi: leaves };
  while (at.lo !== node.lo || at.hi !== node.hi) {
    const inside = at.lo <= node.lo && node.lo < node.hi && node.hi <= at.hi;
    if (!inside || at.hi - at.lo < 2)
      throw new RangeError(`${nameOf(node)} is no node of the tree over ${leaves} leaves`);
    path.push(at);
    const middle = split(at.lo, at.hi);
    at = node.lo < middle ? { lo: at.lo, hi: middle } : { lo: middle, hi: at.hi };
  }
  return path;
}

function nameOf({ lo, hi }: Node): string {
  return `[${lo}, ${hi})`;
}
