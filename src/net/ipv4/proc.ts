// /proc/net/{snmp,netstat,sockstat} and the list of IPv4's files of /proc/net. Mirrors net/ipv4/proc.c.
// Read first: RFC 1213, RFC 4293 (the names). Way in: ip_misc_proc_init() at boot.

import { GenDir, GenInode, proc_mkdir } from "../../kernel/fs/procfs.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Task } from "../../kernel/sched.ts";
import { neigh_stat_seq_show } from "../core/neigh_sysctl.ts";
import type { Net } from "../core/net_namespace.ts";
import { proc_create_net } from "../core/net-procfs.ts";
import {
  snmp4_icmp_names,
  snmp4_ip_names,
  snmp4_ipext_names,
  snmp4_net_names,
  snmp4_tcp_names,
  snmp4_udp_names,
} from "../core/snmp.ts";
import { Socket } from "../core/sock.ts";
import { arp_seq_show } from "./arp.ts";
import { fib_route_seq_show } from "./fib_proc.ts";
import { fib_trie_seq_show, fib_triestat_seq_show } from "./fib_trie_proc.ts";
import { igmp_mc_seq_show, igmp_mcf_seq_show } from "./igmp.ts";
import { ip_frag_mem, ip_frag_nqueues } from "./ip_fragment.ts";
import { ping_seq_show } from "./ping.ts";
import { raw_seq_show, raw_sockets } from "./raw.ts";
import { udp4_seq_show } from "./udp_proc.ts";

/** The ICMP types that /proc/net/snmp names one by one, in its order. */
const icmpmibmap: readonly (readonly [string, number])[] = [
  ["DestUnreachs", 3],
  ["TimeExcds", 11],
  ["ParmProbs", 12],
  ["SrcQuenchs", 4],
  ["Redirects", 5],
  ["Echos", 8],
  ["EchoReps", 0],
  ["Timestamps", 13],
  ["TimestampReps", 14],
  ["AddrMasks", 17],
  ["AddrMaskReps", 18],
];
/** ICMP types on one pair of lines. */
const PERLINE = 16;

/** RFC 793's constants as SNMP wants them: algorithm "other", least and greatest RTO in ms, connections without limit. */
const TCP_CONSTANTS: readonly number[] = [1, 200, 120000, -1];

const lines = (group: string, names: readonly string[], values: readonly number[]): string =>
  `${group}: ${names.join(" ")}\n${group}: ${values.join(" ")}\n`;

function icmpmsg_lines(msg: Float64Array): string {
  let s = "";
  const used: number[] = [];
  for (let i = 0; i < 512; i++) if (msg[i] !== 0) used.push(i);
  for (let i = 0; i < used.length; i += PERLINE) {
    const part = used.slice(i, i + PERLINE);
    s += `IcmpMsg:${part.map((t) => (t < 256 ? ` InType${t}` : ` OutType${t - 256}`)).join("")}\n`;
    s += `IcmpMsg:${part.map((t) => ` ${msg[t]}`).join("")}\n`;
  }
  return s;
}

/** /proc/net/snmp. */
export function snmp_seq_show(net: Net): string {
  const mib = net.mib;
  const v4 = net.ipv4;
  const ip = [...mib.ip.subarray(0, snmp4_ip_names.length)];
  const msg = mib.icmpmsg;
  const [in_msgs, in_err, in_csum, ...out] = [...mib.icmp];
  const icmp = [in_msgs!, in_err!, in_csum!, ...icmpmibmap.map(([, t]) => msg[t]!), ...out];
  const types = (dir: string): string[] => icmpmibmap.map(([name]) => dir + name);
  const icmp_names = [...snmp4_icmp_names.slice(0, 3), ...types("In"), ...snmp4_icmp_names.slice(3), ...types("Out")];
  return (
    lines(
      "Ip",
      ["Forwarding", "DefaultTTL", ...snmp4_ip_names],
      [v4.devconf_all.forwarding !== 0 ? 1 : 2, v4.sysctl_ip_default_ttl, ...ip],
    ) +
    lines("Icmp", icmp_names, [...icmp, ...icmpmibmap.map(([, t]) => msg[256 + t]!)]) +
    icmpmsg_lines(msg) +
    lines("Tcp", snmp4_tcp_names, [...TCP_CONSTANTS, ...mib.tcp.subarray(TCP_CONSTANTS.length)]) +
    lines("Udp", snmp4_udp_names, [...mib.udp]) +
    lines("UdpLite", snmp4_udp_names, [...mib.udplite])
  );
}

/** /proc/net/netstat. */
export function netstat_seq_show(net: Net): string {
  return (
    lines("TcpExt", snmp4_net_names, [...net.mib.linux]) +
    lines("IpExt", snmp4_ipext_names, [...net.mib.ip.subarray(snmp4_ip_names.length)])
  );
}

/** Sockets of a namespace that programs hold open. */
function sockets_in_use(net: Net): number {
  const seen = new Set<Socket>();
  const count = (task: Task): void => {
    for (const file of task.files.fd) {
      const sock = file?.private_data;
      if (sock instanceof Socket && sock.sk !== null && sock.sk.net === net) seen.add(sock);
    }
  };
  for (const task of net.kernel.tasks.values()) count(task);
  return seen.size;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** TCP's line of /proc/net/sockstat, set by tcp_ipv4.ts: inuse, orphan, tw, alloc, mem. */
    tcp_sockstat: ((net: Net) => readonly [number, number, number, number, number]) | null;
  }
}

/** /proc/net/sockstat. */
export function sockstat_seq_show(net: Net): string {
  const k = net.kernel;
  const [inuse, orphan, tw, alloc, mem] = k.tcp_sockstat !== null ? k.tcp_sockstat(net) : [0, 0, 0, 0, 0];
  return (
    `sockets: used ${sockets_in_use(net)}\nTCP: inuse ${inuse} orphan ${orphan} tw ${tw} alloc ${alloc} mem ${mem}\n` +
    `UDP: inuse ${net.udp_table.count - net.udp_table.count6} mem 0\n` +
    `UDPLITE: inuse ${net.udplite_table.count - net.udplite_table.count6}\n` +
    `RAW: inuse ${[...raw_sockets(net)].length}\n` +
    `FRAG: inuse ${ip_frag_nqueues(net)} memory ${ip_frag_mem(net)}\n`
  );
}

/** /proc/net/rt_cache: its heading is all that is left of the routing cache. */
const RT_CACHE =
  "Iface\tDestination\tGateway \tFlags\t\tRefCnt\tUse\tMetric\tSource\t\tMTU\tWindow\tIRTT\tTOS\tHHRef\tHHUptod\tSpecDst";
const RT_CACHE_WIDTH = 127;

const RT_STAT_HEAD =
  "entries  in_hit   in_slow_tot in_slow_mc in_no_route in_brd   in_martian_dst in_martian_src out_hit  out_slow_tot " +
  "out_slow_mc gc_total gc_ignored gc_goal_miss gc_dst_overflow in_hlist_search out_hlist_search\n";
/** Widths of its columns but the first and the last. */
const RT_STAT_WIDTHS: readonly number[] = [8, 11, 10, 11, 8, 14, 14, 8, 12, 11, 8, 10, 12, 15, 15];

/** /proc/net/stat/rt_cache: routes there are, and what each CPU had to look up. Of all namespaces, as on Linux. */
function rt_cpu_seq_show(k: Kernel): string {
  const hex8 = (v: number): string => (v >>> 0).toString(16).padStart(8, "0");
  let s = RT_STAT_HEAD;
  for (const st of k.rt_cache_stat) {
    const columns = [0, st.in_slow_tot, st.in_slow_mc, st.in_no_route, st.in_brd, st.in_martian_dst, st.in_martian_src];
    columns.push(0, st.out_slow_tot, st.out_slow_mc, 0, 0, 0, 0, 0);
    s += `${hex8(k.live_dsts)} ${columns.map((v, i) => hex8(v).padEnd(RT_STAT_WIDTHS[i]!)).join(" ")} ${hex8(0)}\n`;
  }
  return s;
}

/** /proc/net/stat. The statistics of a neighbour table, which all namespaces share, are in the first one's. */
function stat_dir(k: Kernel): GenDir {
  const files: Readonly<Record<string, () => string>> = {
    rt_cache: () => rt_cpu_seq_show(k),
    arp_cache: () => neigh_stat_seq_show(k.arp_tbl),
  };
  const names = (task: Task): string[] => (task.net_ns === k.init_net ? ["arp_cache", "rt_cache"] : ["rt_cache"]);
  return new GenDir(k, names, (name, task) =>
    names(task).includes(name) ? new GenInode(k, 0o444, files[name]!, null) : null,
  );
}

/** In inet_init(): IPv4's files of /proc/net. */
export function ip_misc_proc_init(k: Kernel): void {
  k.tcp_sockstat ??= null;
  proc_create_net(k, "snmp", snmp_seq_show);
  proc_create_net(k, "netstat", netstat_seq_show);
  proc_create_net(k, "sockstat", sockstat_seq_show);
  proc_create_net(k, "arp", arp_seq_show);
  proc_create_net(k, "route", fib_route_seq_show);
  proc_create_net(k, "fib_trie", fib_trie_seq_show);
  proc_create_net(k, "fib_triestat", fib_triestat_seq_show);
  proc_create_net(k, "udp", (net) => udp4_seq_show(net.udp_table));
  proc_create_net(k, "udplite", (net) => udp4_seq_show(net.udplite_table));
  proc_create_net(k, "raw", raw_seq_show);
  proc_create_net(k, "icmp", ping_seq_show);
  proc_create_net(k, "igmp", igmp_mc_seq_show);
  proc_create_net(k, "mcfilter", igmp_mcf_seq_show);
  proc_create_net(k, "rt_cache", () => `${RT_CACHE.padEnd(RT_CACHE_WIDTH)}\n`);
  proc_mkdir(k, "net/stat", stat_dir(k));
}
