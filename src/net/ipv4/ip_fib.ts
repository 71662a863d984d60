// The layouts of routing: flow keys, results, fib_info and next hops. Mirrors include/net/flow.h, include/net/ip_fib.h.

import { RTAX_MAX } from "../../uapi/rtnetlink.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import type { Rtable } from "./route.ts";

/** struct flowi4: what a route is asked for. Addresses are int32. Reused: fill every field by flowi4_init_output(). */
export class Flowi4 {
  flowi4_oif = 0;
  flowi4_iif = 0;
  flowi4_l3mdev = 0;
  flowi4_mark = 0;
  /** DSCP bits of the TOS byte (0xfc). */
  flowi4_tos = 0;
  flowi4_scope = 0;
  flowi4_proto = 0;
  flowi4_flags = 0;
  flowi4_uid = 0;
  saddr = 0;
  daddr = 0;
  fl4_sport = 0;
  fl4_dport = 0;
  fl4_icmp_type = 0;
  fl4_icmp_code = 0;
  flowi4_multipath_hash = 0;
}

export const FLOWI_FLAG_ANYSRC = 1;
export const FLOWI_FLAG_KNOWN_NH = 2;

/** A path: device and gateway. Exceptions (redirect, PMTU) and cached routes hang here, as on fib_nh_common. */
export class FibNh {
  dev: NetDevice | null = null;
  oif = 0;
  /** int32; 0 means the destination is on the link. */
  gw = 0;
  scope = 0;
  flags = 0;
  weight = 1;
  /** Upper bound of this path's share of the hash (multipath), -1 when it takes none. */
  upper_bound = 0;
  /** Preferred source for destinations by this path; see fib_result_prefsrc(). */
  saddr = 0;
  saddr_genid = -1;
  readonly parent: FibInfo;
  /** Cached routes: one for output, one for input by this path; owned, released when the fib_info goes. */
  rth_output: Rtable | null = null;
  rth_input: Rtable | null = null;
  /** daddr → exception; null until the first. Owned by net/ipv4/route.ts. */
  exceptions: Map<number, FibNhException> | null = null;

  constructor(parent: FibInfo) {
    this.parent = parent;
  }
}

/** What ICMP taught about one destination by this path: a better gateway, or a smaller MTU. */
export class FibNhException {
  daddr = 0;
  gw = 0;
  pmtu = 0;
  mtu_locked = false;
  /** jiffies; 0 never. */
  expires = 0;
  stamp = 0;
  rth_input: Rtable | null = null;
  rth_output: Rtable | null = null;
}

/** What routes of the same attributes share. */
export class FibInfo {
  readonly net: Net;
  protocol = 0;
  scope = 0;
  type = 0;
  prefsrc = 0;
  priority = 0;
  tb_id = 0;
  flags = 0;
  dead = false;
  /** RTAX_* by index. */
  metrics: Int32Array = new Int32Array(RTAX_MAX + 1);
  nhs: FibNh[] = [];
  /** Nexthop object id (`ip nexthop`), 0 when the paths are the route's own. */
  nh_id = 0;
  /** Routes (aliases) that use it. */
  treeref = 0;

  constructor(net: Net) {
    this.net = net;
  }
}

/** struct fib_result: filled by fib_lookup(). Reused per CPU entry; copy what must last. */
export class FibResult {
  prefix = 0;
  prefixlen = 0;
  nh_sel = 0;
  type = 0;
  scope = 0;
  dscp = 0;
  fi: FibInfo | null = null;
  nhc: FibNh | null = null;
  /** Which table answered, and by which rule: for the walk. */
  tb_id = 0;
  rule_pref = 0;
}
