// net.ipv4.* that is not per device and not registered where its protocol lives. Mirrors net/ipv4/sysctl_net_ipv4.c.
// Read first: Documentation/networking/ip-sysctl.rst of Linux. Way in: sysctl_ipv4_init() at boot.

import type { Kernel } from "../../kernel/kernel.ts";
import {
  type CtlTable,
  parse_sysctl_int,
  proc_dointvec,
  proc_dointvec_conv,
  register_sysctl,
} from "../../kernel/sysctl.ts";
import { EINVAL } from "../../uapi/errno.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import type { NetnsIpv4 } from "./netns_ipv4.ts";
import { rt_cache_flush } from "./route.ts";
import { sysctl_tcp_net } from "./sysctl_tcp.ts";

const P = "net/ipv4/";
const INT_MAX = 0x7fffffff;
const INT_MIN = -0x80000000;

export type NumberKey = { [K in keyof NetnsIpv4]: NetnsIpv4[K] extends number ? K : never }[keyof NetnsIpv4];

/** name, field, least, greatest. Linux keeps many in a byte, which is why 255 is a limit so often. */
const ints: readonly (readonly [string, NumberKey, number?, number?])[] = [
  ["fib_multipath_hash_policy", "sysctl_fib_multipath_hash_policy", 0, 3],
  ["fib_multipath_hash_fields", "sysctl_fib_multipath_hash_fields", 1, 0xfff],
  ["fib_multipath_use_neigh", "sysctl_fib_multipath_use_neigh", 0, 1],
  ["fwmark_reflect", "sysctl_fwmark_reflect", 0, 255],
  ["ip_autobind_reuse", "sysctl_ip_autobind_reuse", 0, 1],
  ["ip_default_ttl", "sysctl_ip_default_ttl", 1, 255],
  ["ip_dynaddr", "sysctl_ip_dynaddr", 0, 255],
  ["ip_early_demux", "sysctl_ip_early_demux", 0, 255],
  ["ip_forward_update_priority", "sysctl_ip_fwd_update_priority", 0, 1],
  ["ip_forward_use_pmtu", "sysctl_ip_fwd_use_pmtu", 0, 255],
  ["ip_no_pmtu_disc", "sysctl_ip_no_pmtu_disc", 0, 255],
  ["ip_nonlocal_bind", "sysctl_ip_nonlocal_bind", 0, 255],
  ["ip_unprivileged_port_start", "sysctl_ip_prot_sock", 0, 65535],
  ["nexthop_compat_mode", "sysctl_nexthop_compat_mode", 0, 1],
  ["raw_l3mdev_accept", "sysctl_raw_l3mdev_accept", 0, 1],
  ["udp_early_demux", "sysctl_udp_early_demux", 0, 255],
  ["udp_l3mdev_accept", "sysctl_udp_l3mdev_accept", 0, 1],
  ["udp_rmem_min", "sysctl_udp_rmem_min", 1],
  ["udp_wmem_min", "sysctl_udp_wmem_min", 1],
  ["route/min_pmtu", "ip_rt_min_pmtu", 68],
  ["route/mtu_expires", "ip_rt_mtu_expires"],
  ["route/min_adv_mss", "ip_rt_min_advmss"],
];

/** Of the whole machine in Linux: shown in the initial namespace, kept there. */
const init_net_ints: readonly (readonly [string, NumberKey, number?, number?])[] = [
  ["fib_sync_mem", "sysctl_fib_sync_mem", 65536, 67108864],
  ["route/redirect_number", "ip_rt_redirect_number"],
  ["route/redirect_load", "ip_rt_redirect_load"],
  ["route/redirect_silence", "ip_rt_redirect_silence"],
  ["route/error_cost", "ip_rt_error_cost"],
  ["route/error_burst", "ip_rt_error_burst"],
];

class KeptValues {
  fib_multipath_hash_seed = 0;
  fib_notify_on_flag_change = 0;
}

/** Values that nothing reads here but that exist, with Linux's defaults (the route cache of old). */
class RouteGc {
  gc_thresh = -1;
  max_size = INT_MAX;
  gc_min_interval = 0;
  gc_min_interval_ms = 500;
  gc_timeout = 300;
  gc_interval = 60;
  gc_elasticity = 8;
}

function add(net: Net, entry: CtlTable): void {
  // A protocol that registered the name itself knows better.
  if (!net.sysctl_table.has(entry.path)) register_sysctl(net.sysctl_table, entry);
}

const words = (text: string): string[] => text.trim().split(/\s+/);

/** ip_local_port_range: both or nothing, first <= last, and not below the privileged ports. */
function local_port_range(v4: NetnsIpv4): CtlTable {
  return {
    path: `${P}ip_local_port_range`,
    mode: 0o644,
    read: () => v4.ip_local_ports.join("\t"),
    write: (text) => {
      const now: [number, number] = [...v4.ip_local_ports];
      const w = words(text);
      for (let i = 0; i < 2 && i < w.length; i++) {
        const v = parse_sysctl_int(w[i]!);
        if (Number.isNaN(v) || v < 1 || v > 65535) return -EINVAL;
        now[i] = v;
      }
      if (now[0] > now[1] || now[0] < v4.sysctl_ip_prot_sock) return -EINVAL;
      v4.ip_local_ports = now;
      return 0;
    },
  };
}

/** ping_group_range: an empty range is written "1 0", whatever was asked for. */
function ping_group_range(v4: NetnsIpv4): CtlTable {
  return {
    path: `${P}ping_group_range`,
    mode: 0o644,
    read: () => v4.ping_group_range.join("\t"),
    write: (text) => {
      const now: [number, number] = [...v4.ping_group_range];
      const w = words(text);
      for (let i = 0; i < 2 && i < w.length; i++) {
        const v = parse_sysctl_int(w[i]!);
        if (Number.isNaN(v) || v < 0 || v > 0x7fffffff) return -EINVAL;
        now[i] = v;
      }
      v4.ping_group_range = now[0] <= now[1] ? now : [1, 0];
      return 0;
    },
  };
}

/** ip_local_reserved_ports: "8080,9000-9010". What is refused leaves the list empty, as in Linux. */
function local_reserved_ports(v4: NetnsIpv4): CtlTable {
  return {
    path: `${P}ip_local_reserved_ports`,
    mode: 0o644,
    read: () => v4.sysctl_local_reserved_ports.map(([a, b]) => (a === b ? String(a) : `${a}-${b}`)).join(","),
    write: (text) => {
      const used = new Set<number>();
      for (const word of text.replace(/\n$/, "").split(",")) {
        if (word === "") continue;
        const m = /^(0x[0-9a-fA-F]+|\d+)(?:-(0x[0-9a-fA-F]+|\d+))?$/.exec(word);
        if (!m) return -EINVAL;
        const a = Number(m[1]);
        const b = m[2] !== undefined ? Number(m[2]) : a;
        if (a > 65535 || b > 65535 || b < a) return -EINVAL;
        for (let p = a; p <= b; p++) used.add(p);
      }
      const out: [number, number][] = [];
      for (const p of [...used].sort((x, y) => x - y)) {
        const last = out[out.length - 1];
        if (last !== undefined && last[1] === p - 1) last[1] = p;
        else out.push([p, p]);
      }
      v4.sysctl_local_reserved_ports = out;
      return 0;
    },
  };
}

function sysctl_ipv4_net(net: Net): void {
  const v4 = net.ipv4;
  for (const [name, key, min = INT_MIN, max = INT_MAX] of ints)
    add(net, proc_dointvec(P + name, v4, key, { min, max }));
  sysctl_tcp_net(net);
  add(net, local_port_range(v4));
  add(net, ping_group_range(v4));
  add(net, local_reserved_ports(v4));
  const kept = new KeptValues();
  add(net, proc_dointvec(`${P}fib_multipath_hash_seed`, kept, "fib_multipath_hash_seed", { min: 0 }));
  add(net, proc_dointvec(`${P}fib_notify_on_flag_change`, kept, "fib_notify_on_flag_change", { min: 0, max: 2 }));
  add(
    net,
    proc_dointvec_conv(
      `${P}udp_hash_entries`,
      () => -256,
      () => {},
      { mode: 0o444 },
    ),
  );
  // Write-only, whatever is written: cached routes of the namespace are stale from now on.
  add(net, {
    path: `${P}route/flush`,
    mode: 0o200,
    read: () => "",
    write: () => {
      rt_cache_flush(net);
      return 0;
    },
  });
  if (net.id !== 0) return;
  for (const [name, key, min = INT_MIN, max = INT_MAX] of init_net_ints) {
    add(net, proc_dointvec(P + name, v4, key, { min, max }));
  }
  const gc = new RouteGc();
  for (const key of Object.keys(gc) as (keyof RouteGc)[]) add(net, proc_dointvec(`${P}route/${key}`, gc, key));
}

/** After inet_init(): names that a protocol registered for itself stay as they are. */
export function sysctl_ipv4_init(k: Kernel): void {
  register_pernet_subsys(k, { init: sysctl_ipv4_net });
}
