// A level-compressed trie of 32-bit keys: a node of n bits has 2^n children, and grows or shrinks with how many of them are in use.
// Read first: S. Nilsson, G. Karlsson, "IP-address lookup using LC-tries" (1999), for the dynamic variant their TRASH report.
// Way in: lc_trie_insert(), lc_trie_remove(), lc_trie_flush().

/** Percent of the children in use at which a node doubles, and below which it halves; the root may be sparser. */
const INFLATE = 50;
const INFLATE_ROOT = 30;
const HALVE = 25;
const HALVE_ROOT = 15;
/** One change doubles or halves a node this often at most. */
const MAX_WORK = 10;

/** A leaf (`bits` 0), or a node that looks at `bits` bits of the key, the lowest of which is bit `pos`. */
export class LcNode {
  readonly key: number;
  readonly pos: number;
  readonly bits: number;
  readonly child: (LcNode | null)[];
  parent: LcNode | null = null;
  /** Children there are none of, and children that skip no bit: what decides about the size. */
  empty: number;
  full = 0;
  constructor(key: number, pos: number, bits: number) {
    const span = pos + bits;
    this.key = bits === 0 ? key : span >= 32 ? 0 : (key >>> span) << span;
    this.pos = pos;
    this.bits = bits;
    this.child = bits === 0 ? [] : new Array<LcNode | null>(2 ** bits).fill(null);
    this.empty = this.child.length;
  }
}

export class LcTrie {
  root: LcNode | null = null;
}

/** Which child of `n` the key belongs to; not below the number of its children when the key is not of this part. */
const index_of = (key: number, n: LcNode): number => (key ^ n.key) >>> n.pos;

const is_full = (parent: LcNode, n: LcNode | null): boolean =>
  n !== null && n.bits > 0 && n.pos + n.bits === parent.pos;

function put_child(parent: LcNode, i: number, n: LcNode | null): void {
  const old = parent.child[i]!;
  parent.empty += (old !== null ? 1 : 0) - (n !== null ? 1 : 0);
  parent.full += (is_full(parent, n) ? 1 : 0) - (is_full(parent, old) ? 1 : 0);
  parent.child[i] = n;
  if (n !== null) n.parent = parent;
}

const adopt = (parent: LcNode, n: LcNode): void => put_child(parent, index_of(n.key, parent), n);

/** Puts `n` where `old` is. */
function replace(t: LcTrie, old: LcNode, n: LcNode | null): void {
  const parent = old.parent;
  if (parent !== null) put_child(parent, index_of(old.key, parent), n);
  else {
    t.root = n;
    if (n !== null) n.parent = null;
  }
}

function should_inflate(n: LcNode): boolean {
  const len = n.child.length;
  const used = len - n.empty + n.full;
  // The doubled node has 2 * len children, and each full child fills two of them.
  return n.pos > 0 && used > 1 && 50 * used >= (n.parent === null ? INFLATE_ROOT : INFLATE) * len;
}

function should_halve(n: LcNode): boolean {
  const len = n.child.length;
  const used = len - n.empty;
  return n.bits > 1 && used > 1 && 100 * used < (n.parent === null ? HALVE_ROOT : HALVE) * len;
}

/** The same with one more bit: children that skip no bit are divided. */
function inflated(n: LcNode): LcNode {
  const out = new LcNode(n.key, n.pos - 1, n.bits + 1);
  n.child.forEach((c, i) => {
    if (c === null) return;
    if (!is_full(n, c)) adopt(out, c);
    else if (c.bits === 1) {
      put_child(out, 2 * i, c.child[0]!);
      put_child(out, 2 * i + 1, c.child[1]!);
    } else {
      const half = c.child.length / 2;
      for (const side of [0, 1]) {
        const part = new LcNode(c.key | (side << (c.pos + c.bits - 1)), c.pos, c.bits - 1);
        for (let k = 0; k < half; k++) put_child(part, k, c.child[side * half + k]!);
        put_child(out, 2 * i + side, part);
      }
    }
  });
  return out;
}

/** The same with one bit less: two children that meet in one place get a node of their own. */
function halved(n: LcNode): LcNode {
  const out = new LcNode(n.key, n.pos + 1, n.bits - 1);
  for (let i = 0; i < n.child.length; i += 2) {
    const [a, b] = [n.child[i]!, n.child[i + 1]!];
    if (a === null || b === null) put_child(out, i >> 1, a ?? b);
    else {
      const pair = new LcNode(a.key, n.pos, 1);
      put_child(pair, 0, a);
      put_child(pair, 1, b);
      put_child(out, i >> 1, pair);
    }
  }
  return out;
}

function exchange(t: LcTrie, old: LcNode, n: LcNode): LcNode {
  replace(t, old, n);
  // Its children, some of them new, may be worth another size now; the last ones first.
  for (let i = n.child.length - 1; i >= 0; i--) {
    const c = n.child[i]!;
    if (is_full(n, c)) resize(t, c!);
  }
  return n;
}

function resize(t: LcTrie, n: LcNode): void {
  let work = MAX_WORK;
  while (work > 0 && should_inflate(n)) {
    n = exchange(t, n, inflated(n));
    work--;
  }
  if (work !== MAX_WORK) return;
  while (work > 0 && should_halve(n)) {
    n = exchange(t, n, halved(n));
    work--;
  }
  if (n.child.length - n.empty < 2) replace(t, n, n.child.find((c) => c !== null) ?? null);
}

/** From a changed node up to the root. */
function rebalance(t: LcTrie, n: LcNode | null): void {
  for (let at = n; at !== null; ) {
    const up: LcNode | null = at.parent;
    resize(t, at);
    at = up;
  }
}

/** Adds a leaf for `key` when there is none. */
export function lc_trie_insert(t: LcTrie, key: number): void {
  let parent: LcNode | null = null;
  let n = t.root;
  while (n !== null) {
    const i = index_of(key, n);
    if (i >= (n.bits === 0 ? 1 : n.child.length)) break;
    if (n.bits === 0) return;
    parent = n;
    n = n.child[i]!;
  }
  const leaf = new LcNode(key, 0, 0);
  if (n !== null) {
    // Beside it, under a node that looks at the first bit in which they differ.
    const fork = new LcNode(key, 31 - Math.clz32(key ^ n.key), 1);
    replace(t, n, fork);
    adopt(fork, n);
    parent = fork;
  }
  if (parent === null) t.root = leaf;
  else adopt(parent, leaf);
  rebalance(t, parent);
}

/** Takes the leaf of `key` out. */
export function lc_trie_remove(t: LcTrie, key: number): void {
  let n = t.root;
  while (n !== null && n.bits > 0) {
    const i = index_of(key, n);
    n = i < n.child.length ? n.child[i]! : null;
  }
  if (n === null || n.key !== key) return;
  const parent = n.parent;
  replace(t, n, null);
  rebalance(t, parent);
}

/** Takes many leaves out in one pass, the last first: a node changes its size once, after those below it. */
export function lc_trie_flush(t: LcTrie, keys: ReadonlySet<number>): void {
  if (t.root !== null) flush(t, t.root, keys);
}

function flush(t: LcTrie, n: LcNode, keys: ReadonlySet<number>): void {
  if (n.bits === 0) {
    if (keys.has(n.key)) replace(t, n, null);
    return;
  }
  for (let i = n.child.length - 1; i >= 0; i--) {
    const c = n.child[i]!;
    if (c !== null) flush(t, c, keys);
  }
  resize(t, n);
}
