// What the files of the FIB share: tables, prefixes, aliases, the request to change a route. Mirrors net/ipv4/fib_lookup.h
// and the table part of include/net/ip_fib.h. Way in: fib_trie.ts (lookup), fib_semantics.ts (fib_info).

import type { Kernel } from "../../kernel/kernel.ts";
import { EACCES, EAGAIN, EHOSTUNREACH, EINVAL } from "../../uapi/errno.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
} from "../../uapi/rtnetlink.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import type { NlInfo } from "../core/rtmsg.ts";
import type { FibInfo, FibNh, FibResult, Flowi4 } from "./ip_fib.ts";
import type { Nexthop } from "./nexthop.ts";

/** lo is the first device of every namespace. */
export const LOOPBACK_IFINDEX = 1;

/** Flags of fib_lookup(). */
export const FIB_LOOKUP_NOREF = 1;
/** Take routes through devices without carrier too, whatever ignore_routes_with_linkdown says. */
export const FIB_LOOKUP_IGNORE_LINKSTATE = 2;

/** The errno (negative) that a route of each type answers with, and the narrowest scope it may have. By RTN_*. */
export const fib_props_error: readonly number[] = [
  0,
  0,
  0,
  0,
  0,
  0,
  -EINVAL,
  -EHOSTUNREACH,
  -EACCES,
  -EAGAIN,
  -EINVAL,
  -EINVAL,
];
export const fib_props_scope: readonly number[] = [
  RT_SCOPE_NOWHERE, // UNSPEC
  RT_SCOPE_UNIVERSE, // UNICAST
  RT_SCOPE_HOST, // LOCAL
  RT_SCOPE_LINK, // BROADCAST
  RT_SCOPE_LINK, // ANYCAST
  RT_SCOPE_UNIVERSE, // MULTICAST
  RT_SCOPE_UNIVERSE, // BLACKHOLE
  RT_SCOPE_UNIVERSE, // UNREACHABLE
  RT_SCOPE_UNIVERSE, // PROHIBIT
  RT_SCOPE_UNIVERSE, // THROW
  RT_SCOPE_NOWHERE, // NAT
  RT_SCOPE_NOWHERE, // XRESOLVE
];

/** Where a refused request says why (NLMSGERR_ATTR_MSG). */
export interface Extack {
  msg: string;
}

/** One route: a prefix, TOS and type, and the fib_info it shares with others. */
export class FibAlias {
  fa_info: FibInfo;
  /** DSCP as it stands in the TOS byte (0xfc); 0 matches every packet. */
  readonly fa_dscp: number;
  fa_type: number;
  readonly tb_id: number;
  readonly leaf: FibLeaf;

  constructor(leaf: FibLeaf, fi: FibInfo, dscp: number, type: number, tb_id: number) {
    this.leaf = leaf;
    this.fa_info = fi;
    this.fa_dscp = dscp;
    this.fa_type = type;
    this.tb_id = tb_id;
  }
}

/** A prefix that has routes. */
export class FibLeaf {
  readonly key: number;
  readonly mask: number;
  readonly plen: number;
  /** Its place in the order in which the prefixes came. */
  readonly seq: number;
  /** The next shorter prefix of the trie that contains this one: where a lookup goes on. */
  cover: FibLeaf | null = null;
  /** Table id descending (local before main while they share a trie), TOS descending, metric ascending. */
  readonly fa: FibAlias[] = [];

  constructor(key: number, plen: number, mask: number, seq: number) {
    this.key = key;
    this.plen = plen;
    this.mask = mask;
    this.seq = seq;
  }
}

/** A path as a request describes it: RTA_MULTIPATH has several, every other request one. */
export class FibNhConfig {
  oif = 0;
  gw = 0;
  /** A gateway was given (0.0.0.0 counts as none in Linux too). */
  has_gw = false;
  flags = 0;
  /** 1–256 (rtnh_hops + 1). */
  weight = 1;
}

/** struct fib_config: a route to add or to delete. */
export class FibConfig {
  fc_dst = 0;
  fc_dst_len = 0;
  fc_dscp = 0;
  fc_protocol = 0;
  fc_scope = 0;
  fc_type = 0;
  fc_table: number = RT_TABLE_MAIN;
  fc_gw = 0;
  fc_has_gw = false;
  fc_oif = 0;
  /** RTNH_F_*. */
  fc_flags = 0;
  fc_priority = 0;
  fc_prefsrc = 0;
  /** RTAX_* by index, or null. */
  fc_mx: Int32Array | null = null;
  /** RTAX_CC_ALGO by name. */
  fc_cc_algo = "";
  fc_mp: FibNhConfig[] | null = null;
  fc_nh_id = 0;
  /** NLM_F_CREATE, EXCL, REPLACE, APPEND. */
  fc_nlflags = 0;
  fc_nlinfo: NlInfo | null = null;
}

declare module "./ip_fib.ts" {
  interface FibInfo {
    /** A preferred source that was deleted takes its routes along, and that is announced. */
    pfsrc_removed: boolean;
    /** RTAX_CC_ALGO by name, "" for none. */
    cc_algo: string;
    /** Key of the sharing table. */
    hash: number;
    /** The nexthop object, null when the paths are the route's own. */
    nh: Nexthop | null;
  }
}

/** The FIB of one namespace. */
export class NetFib {
  readonly net: Net;
  /** By table id. */
  readonly tables: Map<number, FibTable> = new Map();
  /** Cached for the fast path; null until something is in the table, as in Linux. */
  fib_main: FibTable | null = null;
  fib_default: FibTable | null = null;
  /** `ip rule` changed something: lookups go through the rules, and local has its own trie. */
  fib_has_custom_rules = false;
  /** A local route that is not the kernel's: fib_validate_source must look. */
  fib_has_custom_local_routes = false;
  /** fib_infos by hash of what they are made of. */
  readonly info_hash: Map<number, FibInfo[]> = new Map();
  info_cnt = 0;
  /** fib_infos by preferred source. */
  readonly info_laddrhash: Map<number, Set<FibInfo>> = new Map();
  /** Next hops by device. */
  readonly info_devhash: Map<NetDevice, Set<FibNh>> = new Map();
  /** Rules that need ports or the protocol: the flow must be dissected before a lookup. */
  fib_rules_require_fldissect = 0;
  constructor(net: Net) {
    this.net = net;
  }
}

/** A routing table. While there are no custom rules local and main are two names for one trie. */
export interface FibTable {
  readonly tb_id: number;
  /** The trie, owned by fib_trie.ts. */
  trie: unknown;
  /** Default routes in it: with several, dead gateways are avoided (fib_select_default). */
  tb_num_default: number;
  /** Alias that fib_select_default() found alive last. */
  tb_default: number;
}

declare module "./netns_ipv4.ts" {
  interface NetnsIpv4 {
    fib: NetFib;
  }
}
declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Set by route.ts: drops the cached routes and exceptions of a path. */
    fib_nh_release_routes: ((nh: FibNh) => void) | null;
    /** Set by arp.ts: drops what ARP knows by this device. */
    arp_ifdown: ((dev: NetDevice) => void) | null;
    /** Set by arp.ts: forgets one address (a broadcast address came or went). */
    arp_invalidate: ((dev: NetDevice, ip: number) => void) | null;
    /** Set by arp.ts: NUD_* state of a gateway, 0 when unknown; for dead gateway detection. */
    fib_neigh_state: ((dev: NetDevice, gw: number) => number) | null;
    /** Set by fib_rules.ts: a lookup by rules. */
    __fib_lookup: ((net: Net, flp: Flowi4, res: FibResult, flags: number) => number) | null;
  }
}

export function fib_hooks_init(k: Kernel): void {
  k.fib_nh_release_routes ??= null;
  k.arp_ifdown ??= null;
  k.arp_invalidate ??= null;
  k.fib_neigh_state ??= null;
  k.__fib_lookup ??= null;
}

/** Sets the reason and returns -errno: `return fib_err(extack, "Invalid scope", -EINVAL)`. */
export function fib_err(extack: Extack | null, msg: string, err: number): number {
  if (extack !== null) extack.msg = msg;
  return err;
}
