// What `ip -d link` says of a bridge and of its ports.

import * as L from "../../uapi/if_link.ts";
import type { NlAttr, NlAttrs } from "../../uapi/nlattr.ts";
import { nla_data, nla_get_be16, nla_get_u8, nla_get_u16, nla_get_u32, nla_get_u64 } from "../../uapi/nlattr.ts";
import { formatLinkAddress } from "../iproute/addr.ts";
import type { Context } from "../iproute/context.ts";
import { etherTypeName } from "../iproute/names.ts";

/** 1, 2, 4, 8: bytes of a number; t: time in 1/100 s; i: bridge id; b: on or off; a: MAC; x, n: hex; p: ethertype; T: state; m: options. */
type Kind = "1" | "2" | "4" | "8" | "t" | "i" | "b" | "a" | "x" | "p" | "m" | "T" | "n";
type Row = readonly [attr: number, kind: Kind, key: string | null, label: string];

const BRIDGE: readonly Row[] = [
  [L.IFLA_BR_FORWARD_DELAY, "4", "forward_delay", "forward_delay"],
  [L.IFLA_BR_HELLO_TIME, "4", "hello_time", "hello_time"],
  [L.IFLA_BR_MAX_AGE, "4", "max_age", "max_age"],
  [L.IFLA_BR_AGEING_TIME, "4", "ageing_time", "ageing_time"],
  [L.IFLA_BR_STP_STATE, "4", "stp_state", "stp_state"],
  [L.IFLA_BR_PRIORITY, "2", "priority", "priority"],
  [L.IFLA_BR_VLAN_FILTERING, "1", "vlan_filtering", "vlan_filtering"],
  [L.IFLA_BR_VLAN_PROTOCOL, "p", "vlan_protocol", "vlan_protocol"],
  [L.IFLA_BR_BRIDGE_ID, "i", "bridge_id", "bridge_id"],
  [L.IFLA_BR_ROOT_ID, "i", "root_id", "designated_root"],
  [L.IFLA_BR_ROOT_PORT, "2", "root_port", "root_port"],
  [L.IFLA_BR_ROOT_PATH_COST, "4", "root_path_cost", "root_path_cost"],
  [L.IFLA_BR_TOPOLOGY_CHANGE, "1", "topology_change", "topology_change"],
  [L.IFLA_BR_TOPOLOGY_CHANGE_DETECTED, "1", "topology_change_detected", "topology_change_detected"],
  [L.IFLA_BR_HELLO_TIMER, "t", "hello_timer", "hello_timer"],
  [L.IFLA_BR_TCN_TIMER, "t", "tcn_timer", "tcn_timer"],
  [L.IFLA_BR_TOPOLOGY_CHANGE_TIMER, "t", "topology_change_timer", "topology_change_timer"],
  [L.IFLA_BR_GC_TIMER, "t", "gc_timer", "gc_timer"],
  [L.IFLA_BR_VLAN_DEFAULT_PVID, "2", "vlan_default_pvid", "vlan_default_pvid"],
  [L.IFLA_BR_VLAN_STATS_ENABLED, "1", "vlan_stats_enabled", "vlan_stats_enabled"],
  [L.IFLA_BR_VLAN_STATS_PER_PORT, "1", "vlan_stats_per_port", "vlan_stats_per_port"],
  [L.IFLA_BR_GROUP_FWD_MASK, "x", "group_fwd_mask", "group_fwd_mask"],
  [L.IFLA_BR_GROUP_ADDR, "a", "group_addr", "group_address"],
  [L.IFLA_BR_MCAST_SNOOPING, "1", "mcast_snooping", "mcast_snooping"],
  [L.IFLA_BR_MULTI_BOOLOPT, "m", null, ""],
  [L.IFLA_BR_MCAST_ROUTER, "1", "mcast_router", "mcast_router"],
  [L.IFLA_BR_MCAST_QUERY_USE_IFADDR, "1", "mcast_query_use_ifaddr", "mcast_query_use_ifaddr"],
  [L.IFLA_BR_MCAST_QUERIER, "1", "mcast_querier", "mcast_querier"],
  [L.IFLA_BR_MCAST_HASH_ELASTICITY, "4", "mcast_hash_elasticity", "mcast_hash_elasticity"],
  [L.IFLA_BR_MCAST_HASH_MAX, "4", "mcast_hash_max", "mcast_hash_max"],
  [L.IFLA_BR_MCAST_LAST_MEMBER_CNT, "4", "mcast_last_member_cnt", "mcast_last_member_count"],
  [L.IFLA_BR_MCAST_STARTUP_QUERY_CNT, "4", "mcast_startup_query_cnt", "mcast_startup_query_count"],
  [L.IFLA_BR_MCAST_LAST_MEMBER_INTVL, "8", "mcast_last_member_intvl", "mcast_last_member_interval"],
  [L.IFLA_BR_MCAST_MEMBERSHIP_INTVL, "8", "mcast_membership_intvl", "mcast_membership_interval"],
  [L.IFLA_BR_MCAST_QUERIER_INTVL, "8", "mcast_querier_intvl", "mcast_querier_interval"],
  [L.IFLA_BR_MCAST_QUERY_INTVL, "8", "mcast_query_intvl", "mcast_query_interval"],
  [L.IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, "8", "mcast_query_response_intvl", "mcast_query_response_interval"],
  [L.IFLA_BR_MCAST_STARTUP_QUERY_INTVL, "8", "mcast_startup_query_intvl", "mcast_startup_query_interval"],
  [L.IFLA_BR_MCAST_STATS_ENABLED, "1", "mcast_stats_enabled", "mcast_stats_enabled"],
  [L.IFLA_BR_MCAST_IGMP_VERSION, "1", "mcast_igmp_version", "mcast_igmp_version"],
  [L.IFLA_BR_MCAST_MLD_VERSION, "1", "mcast_mld_version", "mcast_mld_version"],
  [L.IFLA_BR_NF_CALL_IPTABLES, "1", "nf_call_iptables", "nf_call_iptables"],
  [L.IFLA_BR_NF_CALL_IP6TABLES, "1", "nf_call_ip6tables", "nf_call_ip6tables"],
  [L.IFLA_BR_NF_CALL_ARPTABLES, "1", "nf_call_arptables", "nf_call_arptables"],
];

const PORT: readonly Row[] = [
  [L.IFLA_BRPORT_STATE, "T", "state", "state"],
  [L.IFLA_BRPORT_PRIORITY, "2", "priority", "priority"],
  [L.IFLA_BRPORT_COST, "4", "cost", "cost"],
  [L.IFLA_BRPORT_MODE, "b", "hairpin", "hairpin"],
  [L.IFLA_BRPORT_GUARD, "b", "guard", "guard"],
  [L.IFLA_BRPORT_PROTECT, "b", "root_block", "root_block"],
  [L.IFLA_BRPORT_FAST_LEAVE, "b", "fastleave", "fastleave"],
  [L.IFLA_BRPORT_LEARNING, "b", "learning", "learning"],
  [L.IFLA_BRPORT_UNICAST_FLOOD, "b", "flood", "flood"],
  [L.IFLA_BRPORT_ID, "n", "id", "port_id"],
  [L.IFLA_BRPORT_NO, "n", "no", "port_no"],
  [L.IFLA_BRPORT_DESIGNATED_PORT, "2", "designated_port", "designated_port"],
  [L.IFLA_BRPORT_DESIGNATED_COST, "2", "designated_cost", "designated_cost"],
  [L.IFLA_BRPORT_BRIDGE_ID, "i", "bridge_id", "designated_bridge"],
  [L.IFLA_BRPORT_ROOT_ID, "i", "root_id", "designated_root"],
  [L.IFLA_BRPORT_HOLD_TIMER, "t", "hold_timer", "hold_timer"],
  [L.IFLA_BRPORT_MESSAGE_AGE_TIMER, "t", "message_age_timer", "message_age_timer"],
  [L.IFLA_BRPORT_FORWARD_DELAY_TIMER, "t", "forward_delay_timer", "forward_delay_timer"],
  [L.IFLA_BRPORT_TOPOLOGY_CHANGE_ACK, "1", "topology_change_ack", "topology_change_ack"],
  [L.IFLA_BRPORT_CONFIG_PENDING, "1", "config_pending", "config_pending"],
  [L.IFLA_BRPORT_PROXYARP, "b", "proxy_arp", "proxy_arp"],
  [L.IFLA_BRPORT_PROXYARP_WIFI, "b", "proxy_arp_wifi", "proxy_arp_wifi"],
  [L.IFLA_BRPORT_MULTICAST_ROUTER, "1", "multicast_router", "mcast_router"],
  [L.IFLA_BRPORT_FAST_LEAVE, "b", null, "mcast_fast_leave"],
  [L.IFLA_BRPORT_MCAST_FLOOD, "b", "mcast_flood", "mcast_flood"],
  [L.IFLA_BRPORT_BCAST_FLOOD, "b", "bcast_flood", "bcast_flood"],
  [L.IFLA_BRPORT_MCAST_TO_UCAST, "b", "mcast_to_unicast", "mcast_to_unicast"],
  [L.IFLA_BRPORT_NEIGH_SUPPRESS, "b", "neigh_suppress", "neigh_suppress"],
  [L.IFLA_BRPORT_GROUP_FWD_MASK, "x", "group_fwd_mask", "group_fwd_mask"],
  [L.IFLA_BRPORT_GROUP_FWD_MASK, "n", "group_fwd_mask_str", "group_fwd_mask_str"],
  [L.IFLA_BRPORT_VLAN_TUNNEL, "b", "vlan_tunnel", "vlan_tunnel"],
  [L.IFLA_BRPORT_ISOLATED, "b", "isolated", "isolated"],
  [L.IFLA_BRPORT_LOCKED, "b", "locked", "locked"],
];
const PORT_STATES = ["disabled", "listening", "learning", "forwarding", "blocking"];
const BOOL_OPTIONS = ["no_linklocal_learn", "mcast_vlan_snooping"];

function bridgeId(a: NlAttr): string {
  const b = nla_data(a);
  if (b.length < 8) return "";
  const prio = ((b[0] << 8) | b[1]).toString(16).padStart(4, "0");
  return `${prio}.${Array.from(b.subarray(2, 8), (x) => x.toString(16)).join(":")}`;
}

function printRow(ctx: Context, a: NlAttr, [, kind, key, label]: Row): unknown {
  const put = (value: string | number | boolean, shown: string): void => {
    if (key === null) ctx.text(`${label} ${shown} `);
    else ctx.put(key, value, `${label} ${shown} `);
  };
  const number = (n: number): void => put(n, String(n));
  switch (kind) {
    case "1":
      return number(nla_get_u8(a));
    case "2":
      return number(nla_get_u16(a));
    case "4":
      return number(nla_get_u32(a));
    case "8":
      return number(nla_get_u64(a));
    case "b":
      return put(nla_get_u8(a) !== 0, nla_get_u8(a) !== 0 ? "on" : "off");
    case "i":
      return put(bridgeId(a), bridgeId(a));
    case "a":
      return put(formatLinkAddress(nla_data(a), 1), formatLinkAddress(nla_data(a), 1));
    case "x":
      return put(nla_get_u16(a).toString(16), nla_get_u16(a).toString(16));
    case "n":
      return put(`0x${nla_get_u16(a).toString(16)}`, `0x${nla_get_u16(a).toString(16)}`);
    case "p":
      return put(etherTypeName(nla_get_be16(a)), etherTypeName(nla_get_be16(a)));
    case "T":
      return put(PORT_STATES[nla_get_u8(a)] ?? nla_get_u8(a), PORT_STATES[nla_get_u8(a)] ?? String(nla_get_u8(a)));
    case "t": {
      const t = (nla_get_u64(a) / 100).toFixed(2);
      if (ctx.json === undefined) ctx.raw(`${label} ${t.padStart(7)} `);
      else ctx.json.literal(key ?? label, t);
      return;
    }
    case "m": {
      // struct br_boolopt_multi: values, then the mask of those that exist.
      const values = nla_get_u32(a);
      const mask = a.len >= 8 ? a.dv.getUint32(a.off + 4, true) : 0;
      BOOL_OPTIONS.forEach((name, bit) => {
        if ((mask & (1 << bit)) !== 0) ctx.put(name, (values >> bit) & 1, `${name} ${(values >> bit) & 1} `);
      });
      return;
    }
  }
}

export function printBridge(ctx: Context, tb: NlAttrs): void {
  const filtering = nla_get_u8(tb[L.IFLA_BR_VLAN_FILTERING]) !== 0;
  for (const row of BRIDGE) {
    const a = tb[row[0]];
    const vlan = row[2]?.startsWith("vlan_") === true && row[0] !== L.IFLA_BR_VLAN_FILTERING;
    if (a !== undefined && (!vlan || filtering)) printRow(ctx, a, row);
  }
}
export function printBridgePort(ctx: Context, tb: NlAttrs): void {
  for (const row of PORT) {
    const a = tb[row[0]];
    if (a !== undefined) printRow(ctx, a, row);
  }
}
