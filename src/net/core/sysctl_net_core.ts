// net.core.*: budgets, backlogs, buffers, RFS, the default qdisc. Mirrors net/core/sysctl_net_core.c.
// Read first: Documentation/admin-guide/sysctl/net.rst of Linux. Way in: sysctl_core_init() at boot.

import type { Kernel } from "../../kernel/kernel.ts";
import {
  type CtlTable,
  parse_sysctl_int,
  proc_dointvec,
  proc_dostring,
  register_sysctl,
  type SysctlTable,
} from "../../kernel/sysctl.ts";
import { bitmap_parse, bitmap_print } from "../../lib/bitmap_text.ts";
import { EINVAL, ENOENT } from "../../uapi/errno.ts";
import { type Net, register_pernet_subsys } from "./net_namespace.ts";
import { rps_update_needed } from "./rps.ts";
import { SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF } from "./sock.ts";

/** Values that are kept and shown, with their range, in the initial namespace. */
export class SysctlNetCore {
  busy_poll = 0;
  busy_read = 0;
  dev_weight_rx_bias = 1;
  dev_weight_tx_bias = 1;
  devconf_inherit_init_net = 0;
  fb_tunnels_only_for_init_net = 0;
  flow_limit_cpu_bitmap = 0;
  flow_limit_table_len = 4096;
  gro_normal_batch = 8;
  high_order_alloc_disable = 0;
  max_skb_frags = 17;
  mem_pcpu_rsv = 256;
  message_burst = 10;
  message_cost = 5;
  netdev_tstamp_prequeue = 1;
  netdev_unregister_timeout_secs = 10;
  skb_defer_max = 64;
  warnings = 0;
}

/** net.core.* that each namespace has for itself, beside the buffer limits of sock.ts. */
export class NetCorePernet {
  rps_default_mask = 0;
  tstamp_allow_data = 1;
  txrehash = 1;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    sysctl_net_core: SysctlNetCore;
  }
}
declare module "./net_namespace.ts" {
  interface Net {
    sysctl_core: NetCorePernet;
  }
}

const P = "net/core/";

/** A mask of CPUs. */
function cpumask_entry(path: string, ncpus: number, get: () => number, set: (mask: number) => void): CtlTable {
  return {
    path,
    mode: 0o644,
    read: () => bitmap_print(get(), ncpus),
    write: (text) => {
      const mask = bitmap_parse(text, ncpus);
      if (mask < 0) return mask;
      set(mask);
      return 0;
    },
  };
}

const roundup_pow_of_two = (v: number): number => (v <= 1 ? v : 2 ** (32 - Math.clz32(v - 1)));

/** RFS: the table of all sockets' flows. Its size is rounded up to a power of two; 0 turns it off. */
function rps_sock_flow_entry(k: Kernel): CtlTable {
  return {
    path: `${P}rps_sock_flow_entries`,
    mode: 0o644,
    read: () => String(k.rps_sock_flow_table !== null ? k.rps_sock_flow_table.length : 0),
    write: (text) => {
      const v = parse_sysctl_int(text.trim().split(/\s+/)[0] ?? "");
      if (Number.isNaN(v) || v < 0 || v > 0x7fffffff) return -EINVAL;
      if (v > 1 << 29) return -EINVAL;
      k.rps_sock_flow_table = v === 0 ? null : new Int32Array(roundup_pow_of_two(v)).fill(-1);
      rps_update_needed(k);
      return 0;
    },
  };
}

function init_net_table(k: Kernel, t: SysctlTable): void {
  const c = k.sysctl_net_core;
  const add = (e: CtlTable): void => register_sysctl(t, e);
  const int = (name: keyof SysctlNetCore, min = -0x80000000, max = 0x7fffffff, mode = 0o644): void =>
    add(proc_dointvec(P + name, c, name, { min, max, mode }));
  add(proc_dointvec(`${P}netdev_budget`, k, "netdev_budget"));
  add(proc_dointvec(`${P}netdev_budget_usecs`, k, "netdev_budget_usecs", { min: 0 }));
  add(proc_dointvec(`${P}netdev_max_backlog`, k, "netdev_max_backlog"));
  add(proc_dointvec(`${P}dev_weight`, k, "dev_weight", { min: 1 }));
  add(
    proc_dostring(
      `${P}default_qdisc`,
      () => k.default_qdisc,
      (v) => {
        const ops = k.qdisc_base.get(v.trim());
        if (ops === undefined) return -ENOENT;
        k.default_qdisc = ops.id;
        return 0;
      },
    ),
  );
  add(proc_dostring(`${P}netdev_rss_key`, () => new Array(52).fill("00").join(":"), null));
  add(rps_sock_flow_entry(k));
  const ncpus = k.cpus.length;
  add(
    cpumask_entry(
      `${P}flow_limit_cpu_bitmap`,
      ncpus,
      () => c.flow_limit_cpu_bitmap,
      (v) => {
        c.flow_limit_cpu_bitmap = v;
      },
    ),
  );
  int("busy_poll", 0);
  int("busy_read", 0);
  int("dev_weight_rx_bias", 1);
  int("dev_weight_tx_bias", 1);
  int("devconf_inherit_init_net", 0, 3);
  int("fb_tunnels_only_for_init_net", 0, 2);
  int("flow_limit_table_len", 0);
  int("gro_normal_batch", 1);
  int("high_order_alloc_disable", 0, 1);
  int("max_skb_frags", 1, 17);
  int("mem_pcpu_rsv", 1);
  int("message_burst");
  int("message_cost");
  int("netdev_tstamp_prequeue");
  int("netdev_unregister_timeout_secs", 1, 3600);
  int("skb_defer_max", 0);
  int("warnings");
}

function pernet_table(net: Net, first: boolean): void {
  net.sysctl_core = new NetCorePernet();
  const t = net.sysctl_table;
  const c = net.sysctl_core;
  // The buffer limits of other namespaces show the initial one's and cannot be written.
  const mode = first ? 0o644 : 0o444;
  register_sysctl(t, proc_dointvec(`${P}rmem_max`, net, "sysctl_rmem_max", { min: SOCK_MIN_RCVBUF, mode }));
  register_sysctl(t, proc_dointvec(`${P}wmem_max`, net, "sysctl_wmem_max", { min: SOCK_MIN_SNDBUF, mode }));
  register_sysctl(t, proc_dointvec(`${P}rmem_default`, net, "sysctl_rmem_default", { min: SOCK_MIN_RCVBUF, mode }));
  register_sysctl(t, proc_dointvec(`${P}wmem_default`, net, "sysctl_wmem_default", { min: SOCK_MIN_SNDBUF, mode }));
  register_sysctl(t, proc_dointvec(`${P}optmem_max`, net, "sysctl_optmem_max", { min: 0 }));
  register_sysctl(t, proc_dointvec(`${P}somaxconn`, net, "sysctl_somaxconn", { min: 0 }));
  register_sysctl(t, proc_dointvec(`${P}tstamp_allow_data`, c, "tstamp_allow_data", { min: 0, max: 1 }));
  register_sysctl(t, proc_dointvec(`${P}txrehash`, c, "txrehash", { min: 0, max: 1 }));
  register_sysctl(
    t,
    cpumask_entry(
      `${P}rps_default_mask`,
      net.kernel.cpus.length,
      () => c.rps_default_mask,
      (v) => {
        c.rps_default_mask = v;
      },
    ),
  );
}

/** After net_core_init(). What Linux keeps for the whole machine is shown in the initial namespace only, as there. */
export function sysctl_core_init(k: Kernel): void {
  k.sysctl_net_core = new SysctlNetCore();
  register_pernet_subsys(k, {
    init: (net) => {
      const first = net.id === 0;
      pernet_table(net, first);
      if (first) init_net_table(k, net.sysctl_table);
    },
  });
}
