// /proc/net/fib_trie and fib_triestat: the tables as a tree. Mirrors the proc part of net/ipv4/fib_trie.c.
// Read first: Documentation/networking/fib_trie.rst of Linux, lib/lc_trie.ts. Way in: fib_trie_seq_show().
// DIFF: lookups go through another trie (fib_trie.ts). Shown is the level-compressed one that Linux gets from the same additions
// and removals in their order; removals older than the last 2,000 to 4,000 are forgotten, and may have left a node there larger.

import { type LcNode, LcTrie, lc_trie_flush, lc_trie_insert, lc_trie_remove } from "../../lib/lc_trie.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_SITE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from "../../uapi/rtnetlink.ts";
import type { Net } from "../core/net_namespace.ts";
import { fib_tables } from "./fib_frontend.ts";
import type { FibLeaf, FibTable } from "./fib_lookup.ts";
import { fib_trie_leaves, fib_trie_removed } from "./fib_trie.ts";

/** Bytes of a leaf, of a node without its children, of a child's pointer and of a route, on x86-64. */
const LEAF_SIZE = 48;
const TNODE_SIZE = 40;
const POINTER_SIZE = 8;
const ALIAS_SIZE = 56;

const rtn_type_names: readonly string[] = [
  "UNSPEC",
  "UNICAST",
  "LOCAL",
  "BROADCAST",
  "ANYCAST",
  "MULTICAST",
  "BLACKHOLE",
  "UNREACHABLE",
  "PROHIBIT",
  "THROW",
  "NAT",
  "XRESOLVE",
];
const scope_names: Readonly<Record<number, string>> = {
  [RT_SCOPE_UNIVERSE]: "universe",
  [RT_SCOPE_SITE]: "site",
  [RT_SCOPE_LINK]: "link",
  [RT_SCOPE_HOST]: "host",
  [RT_SCOPE_NOWHERE]: "nowhere",
};

const dotted = (a: number): string => `${a >>> 24}.${(a >>> 16) & 0xff}.${(a >>> 8) & 0xff}.${a & 0xff}`;

const table_line = (tb: FibTable): string =>
  tb.tb_id === RT_TABLE_LOCAL ? "Local:\n" : tb.tb_id === RT_TABLE_MAIN ? "Main:\n" : `Id ${tb.tb_id}:\n`;

/** The addresses of the prefixes, and what there is at each, the longest prefix first. */
interface Shape {
  trie: LcTrie;
  leaves: Map<number, FibLeaf[]>;
}

/** Prefixes that came or went at one time: one came, one went, or all of a flush. */
interface Change {
  added: number[];
  removed: number[];
}

function shape_of(tb: FibTable): Shape {
  const leaves = new Map<number, FibLeaf[]>();
  const changes: Change[] = [];
  const at = (seq: number): Change => (changes[seq] ??= { added: [], removed: [] });
  for (const leaf of fib_trie_leaves(tb)) {
    at(leaf.seq).added.push(leaf.key);
    const same = leaves.get(leaf.key);
    if (same === undefined) leaves.set(leaf.key, [leaf]);
    else same.push(leaf);
  }
  for (const r of fib_trie_removed(tb)) {
    at(r.added).added.push(r.key);
    at(r.removed).removed.push(r.key);
  }
  const trie = new LcTrie();
  // An address has one leaf for all of its prefixes.
  const prefixes = new Map<number, number>();
  const count = (key: number, by: number): number => {
    const n = (prefixes.get(key) ?? 0) + by;
    prefixes.set(key, n);
    return n;
  };
  // forEach passes over the numbers that nothing is left of.
  changes.forEach(({ added, removed }) => {
    for (const key of added) if (count(key, 1) === 1) lc_trie_insert(trie, key);
    const gone = removed.filter((key) => count(key, -1) === 0);
    if (gone.length === 1) lc_trie_remove(trie, gone[0]!);
    else if (gone.length > 1) lc_trie_flush(trie, new Set(gone));
  });
  return { trie, leaves };
}

function show_node(shape: Shape, n: LcNode, depth: number, out: string[]): void {
  const indent = (d: number): string => "   ".repeat(d);
  if (n.bits > 0) {
    const plen = 32 - n.pos - n.bits;
    out.push(`${indent(depth)}  +-- ${dotted(n.key)}/${plen} ${n.bits} ${n.full} ${n.empty}\n`);
    for (const c of n.child) if (c !== null) show_node(shape, c, depth + 1, out);
    return;
  }
  out.push(`${indent(depth)}  |-- ${dotted(n.key)}\n`);
  for (const leaf of shape.leaves.get(n.key)!) {
    for (const fa of leaf.fa) {
      const { scope } = fa.fa_info;
      const tos = fa.fa_dscp !== 0 ? ` tos=${fa.fa_dscp}` : "";
      const words = `${scope_names[scope] ?? `scope=${scope}`} ${rtn_type_names[fa.fa_type]}${tos}`;
      out.push(`${indent(depth + 1)}  /${leaf.plen} ${words}\n`);
    }
  }
}

/** /proc/net/fib_trie: tables without a route are left out. */
export function fib_trie_seq_show(net: Net): string {
  const out: string[] = [];
  for (const tb of fib_tables(net)) {
    const shape = shape_of(tb);
    if (shape.trie.root === null) continue;
    out.push(table_line(tb));
    show_node(shape, shape.trie.root, 0, out);
  }
  return out.join("");
}

class TrieStat {
  totdepth = 0;
  maxdepth = 0;
  tnodes = 0;
  leaves = 0;
  pointers = 0;
  nullpointers = 0;
  readonly nodesizes: number[] = [];
}

function trie_collect_stats(n: LcNode, depth: number, s: TrieStat): void {
  if (n.bits === 0) {
    s.leaves++;
    s.totdepth += depth;
    s.maxdepth = Math.max(s.maxdepth, depth);
    return;
  }
  s.tnodes++;
  s.nodesizes[n.bits] = (s.nodesizes[n.bits] ?? 0) + 1;
  s.pointers += n.child.length;
  s.nullpointers += n.empty;
  for (const c of n.child) if (c !== null) trie_collect_stats(c, depth + 1, s);
}

function trie_show_stats(tb: FibTable): string {
  const shape = shape_of(tb);
  const s = new TrieStat();
  if (shape.trie.root !== null) trie_collect_stats(shape.trie.root, 0, s);
  let prefixes = 0;
  for (const list of shape.leaves.values()) for (const leaf of list) prefixes += leaf.fa.length;
  const average = s.leaves > 0 ? Math.floor((s.totdepth * 100) / s.leaves) : 0;
  const sizes = s.nodesizes.map((count, bits) => `  ${bits}: ${count}`).join("");
  const bytes = s.leaves * LEAF_SIZE + prefixes * ALIAS_SIZE + s.tnodes * TNODE_SIZE + s.pointers * POINTER_SIZE;
  return (
    `\tAver depth:     ${Math.floor(average / 100)}.${String(average % 100).padStart(2, "0")}\n` +
    `\tMax depth:      ${s.maxdepth}\n\tLeaves:         ${s.leaves}\n\tPrefixes:       ${prefixes}\n` +
    `\tInternal nodes: ${s.tnodes}\n\t${sizes}\n\tPointers: ${s.pointers}\nNull ptrs: ${s.nullpointers}\n` +
    `Total size: ${Math.ceil(bytes / 1024)}  kB\n`
  );
}

/** /proc/net/fib_triestat. */
export function fib_triestat_seq_show(net: Net): string {
  const head = `Basic info: size of leaf: ${LEAF_SIZE} bytes, size of tnode: ${TNODE_SIZE} bytes.\n`;
  return (
    head +
    fib_tables(net)
      .map((tb) => table_line(tb) + trie_show_stats(tb))
      .join("")
  );
}
