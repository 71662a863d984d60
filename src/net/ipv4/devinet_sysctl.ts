// net.ipv4.conf.{all,default,DEV}.* and net.ipv4.ip_forward. The sysctl part of net/ipv4/devinet.c.
// Read first: Documentation of ip-sysctl. Way in: devinet_sysctl_register(), devinet_sysctl_init_net().

import { type CtlTable, proc_dointvec, register_sysctl } from "../../kernel/sysctl.ts";
import { NETCONFA_IFINDEX_ALL, NETCONFA_IFINDEX_DEFAULT } from "../../uapi/netconf.ts";
import { RTM_NEWNETCONF } from "../../uapi/rtnetlink.ts";
import type { Net } from "../core/net_namespace.ts";
import { inet_netconf_notify } from "./devinet.ts";
import { rt_cache_flush } from "./fib_trie.ts";
import type { InDevice, Ipv4Devconf } from "./netns_ipv4.ts";

type Name = keyof Ipv4Devconf;

/** In the order of the names; "+" flushes cached routes on a write, "0" when it becomes zero, "n" tells RTM_NEWNETCONF. */
const ENTRIES: readonly (readonly [Name, string])[] = [
  ["accept_local", "0"],
  ["accept_redirects", ""],
  ["accept_source_route", ""],
  ["arp_accept", ""],
  ["arp_announce", ""],
  ["arp_evict_nocarrier", ""],
  ["arp_filter", ""],
  ["arp_ignore", ""],
  ["arp_notify", ""],
  ["bc_forwarding", "+n"],
  ["bootp_relay", ""],
  ["disable_policy", "+"],
  ["disable_xfrm", "+"],
  ["drop_gratuitous_arp", ""],
  ["drop_unicast_in_l2_multicast", "+"],
  ["force_igmp_version", "+"],
  ["igmpv2_unsolicited_report_interval", ""],
  ["igmpv3_unsolicited_report_interval", ""],
  ["ignore_routes_with_linkdown", "n"],
  ["log_martians", ""],
  ["medium_id", ""],
  ["promote_secondaries", "+"],
  ["proxy_arp", "n"],
  ["proxy_arp_pvlan", ""],
  ["route_localnet", "0+"],
  ["rp_filter", "n"],
  ["secure_redirects", ""],
  ["send_redirects", ""],
  ["shared_media", ""],
  ["src_valid_mark", ""],
  ["tag", ""],
];

/** Which set of values an entry belongs to: "all", "default", or a device. */
interface Owner {
  readonly name: string;
  readonly ifindex: number;
  readonly cnf: Ipv4Devconf;
  readonly in_dev: InDevice | null;
}

/** A value of "default" reaches devices on which nobody set it and which have no address yet. */
function devinet_copy_dflt_conf(net: Net, name: Name): void {
  for (const dev of net.dev_by_index.values()) {
    const in_dev = dev.ip_ptr;
    if (in_dev && in_dev.cnf_set !== "all" && !in_dev.cnf_set.has(name)) {
      in_dev.cnf[name] = net.ipv4.devconf_dflt[name];
    }
  }
}

/** Turns the host into a router or back: "all" speaks for every device and for those to come, and redirects follow. */
function inet_forward_change(net: Net): void {
  const { devconf_all, devconf_dflt } = net.ipv4;
  const on = devconf_all.forwarding;
  devconf_all.accept_redirects = on !== 0 ? 0 : 1;
  const dflt_changed = devconf_dflt.forwarding !== on;
  devconf_dflt.forwarding = on;
  inet_netconf_notify(net, RTM_NEWNETCONF, NETCONFA_IFINDEX_ALL, devconf_all, "forwarding");
  if (dflt_changed) inet_netconf_notify(net, RTM_NEWNETCONF, NETCONFA_IFINDEX_DEFAULT, devconf_dflt, "forwarding");
  for (const dev of net.dev_by_index.values()) {
    if (!dev.ip_ptr) continue;
    dev.ip_ptr.cnf.forwarding = on;
    inet_netconf_notify(net, RTM_NEWNETCONF, dev.ifindex, dev.ip_ptr.cnf, "forwarding");
  }
}

function forwarding_entry(net: Net, path: string, owner: Owner): CtlTable {
  return proc_dointvec(path, owner.cnf, "forwarding", {
    changed: (old) => {
      if (owner.cnf.forwarding === old) return;
      if (owner.name === "all") inet_forward_change(net);
      else inet_netconf_notify(net, RTM_NEWNETCONF, owner.ifindex, owner.cnf, "forwarding");
      if (owner.name !== "default") rt_cache_flush(net);
    },
  });
}

function devinet_conf_entry(net: Net, owner: Owner, name: Name, kind: string): CtlTable {
  return proc_dointvec(`net/ipv4/conf/${owner.name}/${name}`, owner.cnf, name, {
    changed: (old) => {
      const v = owner.cnf[name];
      if (owner.in_dev !== null && owner.in_dev.cnf_set !== "all") owner.in_dev.cnf_set.add(name);
      if (owner.name === "default") devinet_copy_dflt_conf(net, name);
      if (v === old) return;
      if (kind.includes("+") || (kind.includes("0") && v === 0)) rt_cache_flush(net);
      if (kind.includes("n")) inet_netconf_notify(net, RTM_NEWNETCONF, owner.ifindex, owner.cnf, name);
    },
  });
}

function register(net: Net, owner: Owner): void {
  const table = net.sysctl_table;
  const dir = `net/ipv4/conf/${owner.name}`;
  for (const [name, kind] of ENTRIES) register_sysctl(table, devinet_conf_entry(net, owner, name, kind));
  register_sysctl(table, forwarding_entry(net, `${dir}/forwarding`, owner));
  register_sysctl(table, proc_dointvec(`${dir}/mc_forwarding`, owner.cnf, "mc_forwarding", { mode: 0o444 }));
}

/** The directory of a device; again after a rename. */
export function devinet_sysctl_register(in_dev: InDevice): void {
  const { dev, cnf } = in_dev;
  register(dev.net, { name: dev.name, ifindex: dev.ifindex, cnf, in_dev });
}

/** Removes the directory that the device had under `name`. */
export function devinet_sysctl_unregister(in_dev: InDevice, name: string): void {
  const table = in_dev.dev.net.sysctl_table;
  const dir = `net/ipv4/conf/${name}`;
  for (const [leaf] of ENTRIES) table.delete(`${dir}/${leaf}`);
  table.delete(`${dir}/forwarding`);
  table.delete(`${dir}/mc_forwarding`);
}

/** "all", "default" and ip_forward, which is another name of conf.all.forwarding. */
export function devinet_sysctl_init_net(net: Net): void {
  const { devconf_all, devconf_dflt } = net.ipv4;
  const all: Owner = { name: "all", ifindex: NETCONFA_IFINDEX_ALL, cnf: devconf_all, in_dev: null };
  register(net, all);
  register(net, { name: "default", ifindex: NETCONFA_IFINDEX_DEFAULT, cnf: devconf_dflt, in_dev: null });
  register_sysctl(net.sysctl_table, forwarding_entry(net, "net/ipv4/ip_forward", all));
}
