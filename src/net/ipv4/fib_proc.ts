// /proc/net/route: the main table as the old tools read it. Mirrors the last part of net/ipv4/fib_trie.c.
// Read first: route(8). Way in: fib_route_seq_show().

import {
  RT_TABLE_MAIN,
  RTAX_ADVMSS,
  RTAX_RTT,
  RTAX_WINDOW,
  RTN_BROADCAST,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_UNREACHABLE,
} from "../../uapi/rtnetlink.ts";
import type { Net } from "../core/net_namespace.ts";
import { fib_get_table } from "./fib_frontend.ts";
import { fib_props_error } from "./fib_lookup.ts";
import { fib_table_dump } from "./fib_trie.ts";
import { proc_addr } from "./udp_proc.ts";

const RTF_UP = 1;
const RTF_GATEWAY = 2;
const RTF_HOST = 4;
const RTF_REJECT = 0x200;

const HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";

export function fib_route_seq_show(net: Net): string {
  let s = `${HEADER.padEnd(127)}\n`;
  const table = fib_get_table(net, RT_TABLE_MAIN);
  if (table === null) return s;
  for (const fa of fib_table_dump(table)) {
    if (fa.fa_type === RTN_BROADCAST || fa.fa_type === RTN_MULTICAST) continue;
    const fi = fa.fa_info;
    const nh = fi.nhs.length > 0 ? fi.nhs[0]! : null;
    const gw = nh !== null ? nh.gw : 0;
    let flags =
      fib_props_error[fa.fa_type] !== 0 && (fa.fa_type === RTN_UNREACHABLE || fa.fa_type === RTN_PROHIBIT)
        ? RTF_REJECT
        : 0;
    if (gw !== 0) flags |= RTF_GATEWAY;
    if (fa.leaf.mask === -1) flags |= RTF_HOST;
    flags |= RTF_UP;
    const advmss = fi.metrics[RTAX_ADVMSS]!;
    const line = [
      nh !== null && nh.dev !== null ? nh.dev.name : "*",
      proc_addr(fa.leaf.key),
      proc_addr(gw),
      flags.toString(16).toUpperCase().padStart(4, "0"),
      "0",
      "0",
      String(fi.priority >>> 0),
      proc_addr(fa.leaf.mask),
      String(advmss !== 0 ? advmss + 40 : 0),
      String(fi.metrics[RTAX_WINDOW]),
      String(fi.metrics[RTAX_RTT]! >> 3),
    ].join("\t");
    s += `${line.padEnd(127)}\n`;
  }
  return s;
}
