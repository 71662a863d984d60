// net.ipv4.neigh.*: a directory per device, and "default" in the initial namespace; /proc/net/stat/arp_cache.
// Mirrors the sysctl and seq_file parts of net/core/neighbour.c. Way in: register_neigh_sysctl_netdev().

import type { Kernel } from "../../kernel/kernel.ts";
import { type CtlTable, proc_dointvec_conv, register_sysctl } from "../../kernel/sysctl.ts";
import {
  NEIGH_VAR_ANYCAST_DELAY,
  NEIGH_VAR_APP_PROBES,
  NEIGH_VAR_BASE_REACHABLE_TIME,
  NEIGH_VAR_DELAY_PROBE_TIME,
  NEIGH_VAR_GC_STALETIME,
  NEIGH_VAR_INTERVAL_PROBE_TIME_MS,
  NEIGH_VAR_LOCKTIME,
  NEIGH_VAR_MCAST_PROBES,
  NEIGH_VAR_MCAST_REPROBES,
  NEIGH_VAR_PROXY_DELAY,
  NEIGH_VAR_PROXY_QLEN,
  NEIGH_VAR_QUEUE_LEN_BYTES,
  NEIGH_VAR_RETRANS_TIME,
  NEIGH_VAR_UCAST_PROBES,
  type NeighParms,
  type NeighTable,
  neigh_copy_dflt_parms,
  neigh_parms_alloc,
  neigh_parms_release,
  neigh_rand_reach_time,
} from "./neigh_table.ts";
import { register_pernet_subsys } from "./net_namespace.ts";
import { NETDEV_CHANGENAME, NETDEV_REGISTER, NETDEV_UNREGISTER, NETDEV_UP, type NetDevice } from "./netdevice.ts";
import { register_netdevice_notifier } from "./notifier.ts";

const HZ = 1000;
const USER_HZ = 100;
const INT_MAX = 0x7fffffff;
/** SKB_TRUESIZE(ETH_FRAME_LEN) on x86-64: the packet that unres_qlen counts in. */
const UNRES_PACKET = 2090;

/** [name, parameter, unit]: how a value is shown and which values are taken. */
type Unit = "count" | "seconds" | "userhz" | "ms" | "ms1" | "bytes" | "packets";
const leaves: readonly (readonly [string, number, Unit])[] = [
  ["anycast_delay", NEIGH_VAR_ANYCAST_DELAY, "userhz"],
  ["app_solicit", NEIGH_VAR_APP_PROBES, "count"],
  ["base_reachable_time", NEIGH_VAR_BASE_REACHABLE_TIME, "seconds"],
  ["base_reachable_time_ms", NEIGH_VAR_BASE_REACHABLE_TIME, "ms"],
  ["delay_first_probe_time", NEIGH_VAR_DELAY_PROBE_TIME, "seconds"],
  ["gc_stale_time", NEIGH_VAR_GC_STALETIME, "seconds"],
  ["interval_probe_time_ms", NEIGH_VAR_INTERVAL_PROBE_TIME_MS, "ms1"],
  ["locktime", NEIGH_VAR_LOCKTIME, "userhz"],
  ["mcast_resolicit", NEIGH_VAR_MCAST_REPROBES, "count"],
  ["mcast_solicit", NEIGH_VAR_MCAST_PROBES, "count"],
  ["proxy_delay", NEIGH_VAR_PROXY_DELAY, "userhz"],
  ["proxy_qlen", NEIGH_VAR_PROXY_QLEN, "count"],
  ["retrans_time", NEIGH_VAR_RETRANS_TIME, "userhz"],
  ["retrans_time_ms", NEIGH_VAR_RETRANS_TIME, "ms"],
  ["ucast_solicit", NEIGH_VAR_UCAST_PROBES, "count"],
  ["unres_qlen", NEIGH_VAR_QUEUE_LEN_BYTES, "packets"],
  ["unres_qlen_bytes", NEIGH_VAR_QUEUE_LEN_BYTES, "bytes"],
];

function leaf(dir: string, p: NeighParms, name: string, which: number, unit: Unit): CtlTable {
  const scale = unit === "seconds" ? HZ : unit === "userhz" ? HZ / USER_HZ : unit === "packets" ? UNRES_PACKET : 1;
  const signed = unit === "seconds" || unit === "userhz";
  const max = Math.floor(INT_MAX / scale);
  return proc_dointvec_conv(
    `${dir}/${name}`,
    () => Math.trunc(p.data[which]! / scale),
    (v) => {
      // USER_HZ values wrap in Linux; here they stop at what fits.
      p.data[which] = Math.max(-max, Math.min(max, v)) * scale;
      p.data_state |= 1 << which;
      if (p === p.tbl.parms) neigh_copy_dflt_parms(p.tbl, which);
      if (which === NEIGH_VAR_BASE_REACHABLE_TIME) {
        p.reachable_time = neigh_rand_reach_time(p.tbl.kernel, p.data[which]!);
      }
    },
    { min: signed ? -0x80000000 : unit === "ms1" ? 1 : 0, max: unit === "userhz" ? INT_MAX : max },
  );
}

/** The directory of one device, or of the default. */
export function neigh_sysctl_register(p: NeighParms, name: string): void {
  const tbl = p.tbl;
  const dir = `net/${tbl.ops.sysctl_family}/neigh/${name}`;
  const table = p.net !== null ? p.net.sysctl_table : tbl.kernel.nets[0]!.sysctl_table;
  for (const [n, which, unit] of leaves) register_sysctl(table, leaf(dir, p, n, which, unit));
  if (p !== tbl.parms) return;
  for (const key of ["gc_thresh1", "gc_thresh2", "gc_thresh3"] as const) {
    const set = (v: number): void => {
      tbl[key] = v;
    };
    register_sysctl(
      table,
      proc_dointvec_conv(`${dir}/${key}`, () => tbl[key], set, { min: 0 }),
    );
  }
  register_sysctl(
    table,
    proc_dointvec_conv(
      `${dir}/gc_interval`,
      () => Math.trunc(tbl.gc_interval / HZ),
      (v) => {
        tbl.gc_interval = v * HZ;
      },
      { min: -Math.floor(INT_MAX / HZ), max: Math.floor(INT_MAX / HZ) },
    ),
  );
}

export function neigh_sysctl_unregister(p: NeighParms, name: string): void {
  if (p.net === null) return;
  const dir = `net/${p.tbl.ops.sysctl_family}/neigh/${name}/`;
  for (const path of [...p.net.sysctl_table.keys()]) if (path.startsWith(dir)) p.net.sysctl_table.delete(path);
}

/** Keeps the directories of `tbl` in step with the devices that exist. */
export function register_neigh_sysctl_netdev(k: Kernel, tbl: NeighTable): void {
  const names: Map<NetDevice, string> = new Map();
  const enter = (dev: NetDevice): void => {
    if (names.get(dev) === dev.name) return;
    const p = neigh_parms_alloc(dev, tbl);
    const old = names.get(dev);
    if (old !== undefined) neigh_sysctl_unregister(p, old);
    neigh_sysctl_register(p, dev.name);
    names.set(dev, dev.name);
  };
  let default_done = false;
  register_pernet_subsys(k, {
    init: () => {
      if (default_done) return;
      default_done = true;
      neigh_sysctl_register(tbl.parms, "default");
    },
  });
  register_netdevice_notifier(k, (event, dev) => {
    if (event === NETDEV_REGISTER || event === NETDEV_UP || event === NETDEV_CHANGENAME) enter(dev);
    else if (event === NETDEV_UNREGISTER) {
      const old = names.get(dev);
      const p = tbl.parms_by_dev.get(dev);
      names.delete(dev);
      if (old !== undefined && p !== undefined) neigh_sysctl_unregister(p, old);
      // Last, so that the leaves above could be found.
      if (p !== undefined) neigh_parms_release(tbl, p);
    }
  });
}

/** What stands in front of each column behind "entries". */
const gaps: readonly number[] = [1, 1, 1, 3, 1, 1, 3, 9, 9, 9, 7, 12];
const hex8 = (v: number): string => (v >>> 0).toString(16).padStart(8, "0");

/** /proc/net/stat/arp_cache: a line per CPU under the kernel's own heading. */
export function neigh_stat_seq_show(tbl: NeighTable): string {
  let s =
    "entries  allocs   destroys hash_grows lookups  hits     res_failed rcv_probes_mcast rcv_probes_ucast " +
    "periodic_gc_runs forced_gc_runs unresolved_discards table_fulls\n";
  for (const st of tbl.stats) {
    s += hex8(tbl.entries);
    for (let i = 0; i < st.length; i++) s += " ".repeat(gaps[i]!) + hex8(st[i]!);
    s += "\n";
  }
  return s;
}
