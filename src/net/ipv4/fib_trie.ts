// The routing table: longest-prefix match, and adding, replacing, deleting and listing routes. Mirrors net/ipv4/fib_trie.c.
// Read first: RFC 1812 section 5.2.4.3. Way in: fib_table_lookup(); fib_table_insert(), fib_table_delete().
// DIFF: a path-compressed binary trie whose prefixes know the next shorter one that contains them, where Linux has an
// LC-trie that backtracks. Down by single bits, then up by covers: no step allocates, and a large table skips 16 bits at once.

import { EAGAIN, EEXIST, EINVAL, ENOENT, ESRCH } from "../../uapi/errno.ts";
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import {
  RT_SCOPE_NOWHERE,
  RT_TABLE_LOCAL,
  RTM_DELROUTE,
  RTM_NEWROUTE,
  RTN_BLACKHOLE,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
} from "../../uapi/rtnetlink.ts";
import type { Net } from "../core/net_namespace.ts";
import { rtmsg_notify } from "../core/rtmsg.ts";
import {
  type Extack,
  FIB_LOOKUP_IGNORE_LINKSTATE,
  FibAlias,
  type FibConfig,
  FibLeaf,
  type FibTable,
  fib_err,
  fib_props_error,
} from "./fib_lookup.ts";
import {
  fib_create_info,
  fib_info_nh_is_blackhole,
  fib_metrics_match,
  fib_nh_match,
  fib_release_info,
} from "./fib_semantics.ts";
import type { FibInfo, FibResult, Flowi4 } from "./ip_fib.ts";
import { inet_make_mask } from "./netns_ipv4.ts";

/** A prefix, or a place where two parts of the trie divide. Children differ from each other in bit `plen` (0 is the first). */
class TNode {
  readonly key: number;
  readonly plen: number;
  leaf: FibLeaf | null = null;
  c0: TNode | null = null;
  c1: TNode | null = null;
  parent: TNode | null = null;
  constructor(key: number, plen: number) {
    this.key = key;
    this.plen = plen;
  }
}

/** A prefix that went. */
export interface FibRemoval {
  readonly key: number;
  readonly added: number;
  readonly removed: number;
}
/** How many of them are kept. */
const REMOVALS_MAX = 4096;

/** From this many prefixes on the first 16 bits are looked up in one step. */
const JUMP_MIN = 512;
const JUMP_SLOTS = 65536;

class FibTrie {
  root: TNode | null = null;
  /** Prefixes that have routes. */
  leaves = 0;
  /** Counts additions and removals, for the tree of /proc/net/fib_trie, whose shape depends on their order. */
  next_seq = 0;
  /** The latest removals; those of one flush have one number. */
  readonly removed: FibRemoval[] = [];
  /** By the first 16 bits: where the way down goes on. A slot holds when its generation is the present one. */
  jump: (TNode | null)[] | null = null;
  jump_gen: Int32Array | null = null;
  gen = 1;
  /** All prefixes in dump order; null when something changed. */
  sorted: FibLeaf[] | null = null;
}

class Table implements FibTable {
  readonly tb_id: number;
  trie: FibTrie;
  tb_num_default = 0;
  tb_default = -1;
  constructor(id: number, trie: FibTrie) {
    this.tb_id = id;
    this.trie = trie;
  }
}

/** A new table; with `alias` it shares that one's trie (local and main, while no rule separates them). */
export function fib_trie_table(id: number, alias: FibTable | null): FibTable {
  return new Table(id, alias !== null ? (alias as Table).trie : new FibTrie());
}

const mask_of = inet_make_mask;

// --- the trie -----------------------------------------------------------------------------------------------------

/** The node to start from for `key`, remembered per first 16 bits. */
function jump_start(t: FibTrie, key: number, root: TNode): TNode {
  const slot = key >>> 16;
  const gen = t.jump_gen!;
  if (gen[slot] === t.gen) return t.jump![slot]!;
  let n = root;
  while (n.plen < 16) {
    const c: TNode | null = key << n.plen < 0 ? n.c1 : n.c0;
    if (c === null) break;
    n = c;
  }
  gen[slot] = t.gen;
  t.jump![slot] = n;
  return n;
}

/**
 * Longest prefix that contains `key`, or null. The way down looks at the bits where the trie divides only, so it may
 * end beside the key; but every prefix that contains the key contains that end too, so it is among its covers.
 */
function trie_lookup(t: FibTrie, key: number): FibLeaf | null {
  let n = t.root;
  if (n === null) return null;
  if (t.jump !== null) n = jump_start(t, key, n);
  for (;;) {
    const c: TNode | null = key << n.plen < 0 ? n.c1 : n.c0;
    if (c === null) break;
    n = c;
  }
  let leaf = n.leaf;
  while (leaf !== null && ((key ^ leaf.key) & leaf.mask) !== 0) leaf = leaf.cover;
  return leaf;
}

function trie_find(t: FibTrie, key: number, plen: number): FibLeaf | null {
  let n = t.root;
  while (n !== null && n.plen < plen) n = key << n.plen < 0 ? n.c1 : n.c0;
  return n !== null && n.plen === plen && n.key === key ? n.leaf : null;
}

/** Gives every topmost prefix under `n` its next shorter one. */
function set_cover(n: TNode | null, cover: FibLeaf | null): void {
  if (n === null) return;
  if (n.leaf !== null) {
    n.leaf.cover = cover;
    return;
  }
  set_cover(n.c0, cover);
  set_cover(n.c1, cover);
}

/** Puts `n` where `old` hung under `parent` (the root when that is null). */
function replace_child(t: FibTrie, parent: TNode | null, old: TNode | null, n: TNode | null, key: number): void {
  if (n !== null) n.parent = parent;
  if (parent === null) t.root = n;
  else if (old !== null ? parent.c1 === old : key << parent.plen < 0) parent.c1 = n;
  else parent.c0 = n;
  // Starting points above 16 bits may have moved.
  if (parent === null || parent.plen < 16) t.gen = (t.gen + 1) | 0;
}

function adopt(parent: TNode, child: TNode): void {
  child.parent = parent;
  if (child.key << parent.plen < 0) parent.c1 = child;
  else parent.c0 = child;
}

/** The prefix, made when it is not there. */
function trie_insert(t: FibTrie, key: number, plen: number): FibLeaf {
  let parent: TNode | null = null;
  let n = t.root;
  let common = 0;
  while (n !== null) {
    common = Math.min(Math.clz32(key ^ n.key), plen, n.plen);
    if (common < n.plen || n.plen === plen) break;
    parent = n;
    n = key << n.plen < 0 ? n.c1 : n.c0;
  }
  let node: TNode;
  if (n !== null && common === n.plen) {
    if (n.leaf !== null) return n.leaf;
    node = n;
  } else {
    node = new TNode(key, plen);
    if (n === null) replace_child(t, parent, null, node, key);
    else if (common === plen) {
      replace_child(t, parent, n, node, key);
      adopt(node, n);
    } else {
      const fork = new TNode(key & mask_of(common), common);
      replace_child(t, parent, n, fork, key);
      adopt(fork, n);
      adopt(fork, node);
    }
  }
  const leaf = new FibLeaf(key, plen, mask_of(plen), t.next_seq++);
  let up = node.parent;
  while (up !== null && up.leaf === null) up = up.parent;
  leaf.cover = up !== null ? up.leaf : null;
  node.leaf = leaf;
  set_cover(node.c0, leaf);
  set_cover(node.c1, leaf);
  t.sorted = null;
  if (++t.leaves === JUMP_MIN && t.jump === null) {
    t.jump = new Array(JUMP_SLOTS).fill(null);
    t.jump_gen = new Int32Array(JUMP_SLOTS);
  }
  return leaf;
}

/** Takes a prefix out when it has no routes any more. */
function trie_remove(t: FibTrie, leaf: FibLeaf, seq: number): void {
  let n = t.root;
  while (n !== null && n.leaf !== leaf) n = leaf.key << n.plen < 0 ? n.c1 : n.c0;
  if (n === null) return;
  if (t.removed.length === REMOVALS_MAX) t.removed.splice(0, REMOVALS_MAX / 2);
  t.removed.push({ key: leaf.key, added: leaf.seq, removed: seq });
  n.leaf = null;
  set_cover(n.c0, leaf.cover);
  set_cover(n.c1, leaf.cover);
  t.sorted = null;
  t.leaves--;
  // A node without a prefix is only worth its place where it divides.
  for (let at: TNode | null = n; at !== null && at.leaf === null && (at.c0 === null || at.c1 === null); ) {
    const parent: TNode | null = at.parent;
    replace_child(t, parent, at, at.c0 ?? at.c1, at.key);
    at = parent;
  }
}

function collect(n: TNode | null, out: FibLeaf[]): void {
  if (n === null) return;
  if (n.leaf !== null) out.push(n.leaf);
  collect(n.c0, out);
  collect(n.c1, out);
}

/** All prefixes by address, and the longer first where they begin alike: the order in which Linux lists them. */
function trie_sorted(t: FibTrie): readonly FibLeaf[] {
  if (t.sorted === null) {
    const out: FibLeaf[] = [];
    collect(t.root, out);
    t.sorted = out.sort((a, b) => (a.key >>> 0) - (b.key >>> 0) || b.plen - a.plen);
  }
  return t.sorted;
}

// --- lookup -------------------------------------------------------------------------------------------------------

/**
 * The route of `tb` for flp.daddr, into `res`. Returns 0; -EAGAIN when the table has none (the next rule may); or the
 * errno of a route that refuses: -EINVAL (blackhole), -EHOSTUNREACH, -EACCES (prohibit), -EAGAIN (throw).
 */
export function fib_table_lookup(tb: FibTable, flp: Flowi4, res: FibResult, flags: number): number {
  const key = flp.daddr;
  for (let leaf = trie_lookup((tb as Table).trie, key); leaf !== null; leaf = leaf.cover) {
    if (((key ^ leaf.key) & leaf.mask) !== 0) continue;
    const list = leaf.fa;
    for (let i = 0; i < list.length; i++) {
      const fa = list[i]!;
      const fi = fa.fa_info;
      if (fa.fa_dscp !== 0 && fa.fa_dscp !== (flp.flowi4_tos & 0xfc)) continue;
      if (fi.dead || fi.scope < flp.flowi4_scope) continue;
      let err = fib_props_error[fa.fa_type]!;
      if (err === 0 && fi.nh_id !== 0 && fib_info_nh_is_blackhole(fi)) err = fib_props_error[RTN_BLACKHOLE]!;
      if (err < 0) {
        res.prefix = leaf.key;
        res.prefixlen = leaf.plen;
        res.type = fa.fa_type;
        res.tb_id = fa.tb_id;
        return err;
      }
      if ((fi.flags & RTNH_F_DEAD) !== 0) continue;
      const nhsel = fib_lookup_good_nh(fi, flp, flags);
      if (nhsel < 0) continue;
      res.prefix = leaf.key;
      res.prefixlen = leaf.plen;
      res.nh_sel = nhsel;
      res.nhc = fi.nhs[nhsel]!;
      res.type = fa.fa_type;
      res.scope = fi.scope;
      res.dscp = fa.fa_dscp;
      res.fi = fi;
      res.tb_id = fa.tb_id;
      return 0;
    }
  }
  return -EAGAIN;
}

/** Index of the first path that is alive and leaves by the device asked for, or -1. */
function fib_lookup_good_nh(fi: FibInfo, flp: Flowi4, flags: number): number {
  const nhs = fi.nhs;
  for (let i = 0; i < nhs.length; i++) {
    const nh = nhs[i]!;
    if (nh.flags !== 0) {
      if ((nh.flags & RTNH_F_DEAD) !== 0) continue;
      if ((nh.flags & RTNH_F_LINKDOWN) !== 0 && (flags & FIB_LOOKUP_IGNORE_LINKSTATE) === 0) {
        const in_dev = nh.dev !== null ? nh.dev.ip_ptr : null;
        if (in_dev !== null && in_dev.cnf.ignore_routes_with_linkdown !== 0) continue;
      }
    }
    if (flp.flowi4_oif !== 0 && flp.flowi4_oif !== nh.oif) continue;
    return i;
  }
  return -1;
}

// --- aliases ------------------------------------------------------------------------------------------------------

/** Where a route of this table, TOS and metric belongs in the list of its prefix. */
function fib_find_alias(list: FibAlias[], tb_id: number, dscp: number, priority: number): number {
  let i = 0;
  for (; i < list.length; i++) {
    const fa = list[i]!;
    if (fa.tb_id > tb_id) continue;
    if (fa.tb_id < tb_id) break;
    if (fa.fa_dscp > dscp) continue;
    if (fa.fa_dscp < dscp || fa.fa_info.priority >= priority) break;
  }
  return i;
}

const same_alias = (fa: FibAlias | undefined, tb_id: number, dscp: number, priority: number): boolean =>
  fa !== undefined && fa.tb_id === tb_id && fa.fa_dscp === dscp && fa.fa_info.priority === priority;

/** Cached routes must be looked up again (rt_genid_bump_ipv4). */
export function rt_cache_flush(net: Net): void {
  net.ipv4.rt_genid = (net.ipv4.rt_genid + 1) | 0;
}

function rtmsg_fib(net: Net, event: number, fa: FibAlias, cfg: FibConfig | null, nlflags: number): void {
  if (net.kernel.rtmsg_hooks.length === 0) return;
  const info = cfg !== null ? cfg.fc_nlinfo : null;
  rtmsg_notify(net, event, fa, { portid: info !== null ? info.portid : 0, seq: info !== null ? info.seq : 0, nlflags });
}

function fib_valid_key_len(cfg: FibConfig, extack: Extack | null): number {
  if (cfg.fc_dst_len > 32) return fib_err(extack, "Invalid prefix length", -EINVAL);
  if ((cfg.fc_dst & ~mask_of(cfg.fc_dst_len)) !== 0) {
    return fib_err(extack, "Invalid prefix for given prefix length", -EINVAL);
  }
  return 0;
}

function remove_alias(tb: Table, fa: FibAlias, seq: number): void {
  const leaf = fa.leaf;
  leaf.fa.splice(leaf.fa.indexOf(fa), 1);
  if (leaf.plen === 0 && tb.tb_num_default > 0) tb.tb_num_default--;
  if (leaf.fa.length === 0) trie_remove(tb.trie, leaf, seq);
}

/**
 * RTM_NEWROUTE. cfg.fc_nlflags say whether it may be there already: CREATE|EXCL is `ip route add`, CREATE|APPEND `append`,
 * CREATE alone `prepend`, REPLACE `change`, CREATE|REPLACE `replace`. Returns 0 or -errno.
 */
export function fib_table_insert(net: Net, table: FibTable, cfg: FibConfig, extack: Extack | null): number {
  const tb = table as Table;
  const bad = fib_valid_key_len(cfg, extack);
  if (bad < 0) return bad;
  const fi = fib_create_info(net, cfg, extack);
  if (typeof fi === "number") return fi;
  const { fc_dscp: dscp, fc_nlflags: flags } = cfg;
  const key = cfg.fc_dst;
  let leaf = trie_find(tb.trie, key, cfg.fc_dst_len);
  let at = leaf !== null ? fib_find_alias(leaf.fa, tb.tb_id, dscp, fi.priority) : 0;
  let nlflags = NLM_F_CREATE;
  const first = leaf !== null ? leaf.fa[at] : undefined;
  let err = 0;
  if (leaf !== null && same_alias(first, tb.tb_id, dscp, fi.priority)) {
    if ((flags & NLM_F_EXCL) !== 0) err = -EEXIST;
    else {
      let end = at;
      let match: FibAlias | null = null;
      for (; match === null && same_alias(leaf.fa[end], tb.tb_id, dscp, fi.priority); end++) {
        const fa = leaf.fa[end]!;
        if (fa.fa_type === cfg.fc_type && fa.fa_info === fi) match = fa;
      }
      if ((flags & NLM_F_REPLACE) !== 0) {
        if (match !== null) {
          fib_release_info(fi);
          return match === first ? 0 : -EEXIST;
        }
        const fa = first!;
        const old = fa.fa_info;
        fa.fa_info = fi;
        fa.fa_type = cfg.fc_type;
        fib_release_info(old);
        rt_cache_flush(net);
        rtmsg_fib(net, RTM_NEWROUTE, fa, cfg, NLM_F_REPLACE);
        return 0;
      }
      if (match !== null) err = -EEXIST;
      else if ((flags & NLM_F_APPEND) !== 0) {
        nlflags |= NLM_F_APPEND;
        at = end;
      }
    }
  }
  if (err === 0 && (flags & NLM_F_CREATE) === 0) err = -ENOENT;
  if (err < 0) {
    fib_release_info(fi);
    return err;
  }
  if (leaf === null) leaf = trie_insert(tb.trie, key, cfg.fc_dst_len);
  const fa = new FibAlias(leaf, fi, dscp, cfg.fc_type, tb.tb_id);
  leaf.fa.splice(at, 0, fa);
  if (leaf.plen === 0) tb.tb_num_default++;
  rt_cache_flush(net);
  rtmsg_fib(net, RTM_NEWROUTE, fa, cfg, nlflags);
  return 0;
}

/** RTM_DELROUTE: the first route that fits what the request names. 0, or -ESRCH. */
export function fib_table_delete(net: Net, table: FibTable, cfg: FibConfig, extack: Extack | null): number {
  const tb = table as Table;
  const bad = fib_valid_key_len(cfg, extack);
  if (bad < 0) return bad;
  const leaf = trie_find(tb.trie, cfg.fc_dst, cfg.fc_dst_len);
  if (leaf === null) return -ESRCH;
  for (let i = fib_find_alias(leaf.fa, tb.tb_id, cfg.fc_dscp, 0); i < leaf.fa.length; i++) {
    const fa = leaf.fa[i]!;
    const fi = fa.fa_info;
    if (fa.tb_id !== tb.tb_id || fa.fa_dscp !== cfg.fc_dscp) break;
    if (cfg.fc_type !== 0 && fa.fa_type !== cfg.fc_type) continue;
    if (cfg.fc_scope !== RT_SCOPE_NOWHERE && fi.scope !== cfg.fc_scope) continue;
    if (cfg.fc_prefsrc !== 0 && fi.prefsrc !== cfg.fc_prefsrc) continue;
    if (cfg.fc_protocol !== 0 && fi.protocol !== cfg.fc_protocol) continue;
    if (!fib_nh_match(cfg, fi) || !fib_metrics_match(cfg, fi)) continue;
    rtmsg_fib(net, RTM_DELROUTE, fa, cfg, 0);
    remove_alias(tb, fa, tb.trie.next_seq++);
    rt_cache_flush(net);
    fib_release_info(fi);
    return 0;
  }
  return -ESRCH;
}

/**
 * Removes the routes whose fib_info died. `flush_all` (the namespace goes) takes every route. Returns how many went.
 * Listeners are not told, but for routes whose preferred source was deleted: so does Linux.
 */
export function fib_table_flush(net: Net, table: FibTable, flush_all: boolean): number {
  const tb = table as Table;
  let found = 0;
  const seq = tb.trie.next_seq++;
  for (const leaf of trie_sorted(tb.trie)) {
    for (let i = leaf.fa.length - 1; i >= 0; i--) {
      const fa = leaf.fa[i]!;
      const fi = fa.fa_info;
      if (fa.tb_id !== tb.tb_id) continue;
      if (!flush_all && ((fi.flags & RTNH_F_DEAD) === 0 || fib_props_error[fa.fa_type] !== 0)) continue;
      if (fi.pfsrc_removed) rtmsg_fib(net, RTM_DELROUTE, fa, null, 0);
      remove_alias(tb, fa, seq);
      fib_release_info(fi);
      found++;
    }
  }
  return found;
}

/** Gives local a trie of its own, once rules may put other tables before it. Returns the table that replaces `local`. */
export function fib_trie_unmerge(local: FibTable, main: FibTable): void {
  const tb = local as Table;
  const shared = tb.trie;
  if (shared !== (main as Table).trie) return;
  const own = new FibTrie();
  const seq = shared.next_seq++;
  for (const leaf of [...trie_sorted(shared)]) {
    const moved = leaf.fa.filter((fa) => fa.tb_id === RT_TABLE_LOCAL);
    if (moved.length === 0) continue;
    const dst = trie_insert(own, leaf.key, leaf.plen);
    for (const fa of moved) {
      dst.fa.push(new FibAlias(dst, fa.fa_info, fa.fa_dscp, fa.fa_type, fa.tb_id));
      leaf.fa.splice(leaf.fa.indexOf(fa), 1);
    }
    if (leaf.fa.length === 0) trie_remove(shared, leaf, seq);
  }
  tb.trie = own;
}

// --- listing ------------------------------------------------------------------------------------------------------

/** The routes of one table in Linux's order. Changes during the walk are not seen: it goes over the prefixes of its start. */
export function* fib_table_dump(table: FibTable): Generator<FibAlias, void> {
  for (const leaf of trie_sorted((table as Table).trie)) {
    for (const fa of leaf.fa.length === 1 ? leaf.fa : [...leaf.fa]) if (fa.tb_id === table.tb_id) yield fa;
  }
}

/** The prefixes of the table's trie in Linux's order; of local and main together while they share it. */
export const fib_trie_leaves = (table: FibTable): readonly FibLeaf[] => trie_sorted((table as Table).trie);

/** What was in it and went, as far as that is kept. */
export const fib_trie_removed = (table: FibTable): readonly FibRemoval[] => (table as Table).trie.removed;

/** Prefixes in the trie: what /proc/net/fib_triestat counts; for tests. */
export const fib_trie_prefixes = (table: FibTable): number => (table as Table).trie.leaves;

/** The route that has exactly this prefix, table and fib_info, for RTM_GETROUTE with RTM_F_FIB_MATCH. */
export function fib_find_matching_alias(
  table: FibTable,
  prefix: number,
  plen: number,
  dscp: number,
  fi: FibInfo,
  type: number,
): FibAlias | null {
  const leaf = trie_find((table as Table).trie, prefix, plen);
  if (leaf === null) return null;
  for (const fa of leaf.fa) {
    if (fa.tb_id === table.tb_id && fa.fa_dscp === dscp && fa.fa_info === fi && fa.fa_type === type) return fa;
  }
  return null;
}
