// The IPv4 part of a network namespace: sysctl values with Linux's defaults, tables and caches.
// Mirrors include/net/netns/ipv4.h. Filled by the files that own each part, in boot order.

import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import type { Rtable } from "./route.ts";

/** net.ipv4.conf.X.*: one per device, one "default" and one "all" (struct ipv4_devconf). */
export class Ipv4Devconf {
  forwarding = 0;
  mc_forwarding = 0;
  accept_redirects = 1;
  secure_redirects = 1;
  shared_media = 1;
  rp_filter = 0;
  send_redirects = 1;
  accept_source_route = 1;
  accept_local = 0;
  route_localnet = 0;
  log_martians = 0;
  tag = 0;
  arp_filter = 0;
  arp_announce = 0;
  arp_ignore = 0;
  arp_accept = 0;
  arp_notify = 0;
  arp_evict_nocarrier = 1;
  proxy_arp = 0;
  proxy_arp_pvlan = 0;
  medium_id = 0;
  bootp_relay = 0;
  bc_forwarding = 0;
  disable_policy = 0;
  disable_xfrm = 0;
  promote_secondaries = 0;
  force_igmp_version = 0;
  igmpv2_unsolicited_report_interval = 10000;
  igmpv3_unsolicited_report_interval = 1000;
  ignore_routes_with_linkdown = 0;
  drop_unicast_in_l2_multicast = 0;
  drop_gratuitous_arp = 0;
  src_valid_mark = 0;
}

/** net.ipv4.* that are not per device. Times in the unit of the sysctl unless a name says otherwise. */
export class NetnsIpv4 {
  readonly net: Net;
  readonly devconf_all: Ipv4Devconf = new Ipv4Devconf();
  readonly devconf_dflt: Ipv4Devconf = new Ipv4Devconf();
  sysctl_ip_default_ttl = 64;
  sysctl_ip_no_pmtu_disc = 0;
  sysctl_ip_fwd_use_pmtu = 0;
  sysctl_ip_fwd_update_priority = 1;
  sysctl_ip_nonlocal_bind = 0;
  sysctl_ip_dynaddr = 0;
  sysctl_ip_early_demux = 1;
  sysctl_tcp_early_demux = 1;
  sysctl_udp_early_demux = 1;
  sysctl_ip_autobind_reuse = 0;
  sysctl_ip_prot_sock = 1024;
  ip_local_ports: [number, number] = [32768, 60999];
  sysctl_local_reserved_ports: [number, number][] = [];
  ping_group_range: [number, number] = [1, 0];
  sysctl_fwmark_reflect = 0;
  sysctl_icmp_echo_ignore_all = 0;
  sysctl_icmp_echo_ignore_broadcasts = 1;
  sysctl_icmp_echo_enable_probe = 0;
  sysctl_icmp_ignore_bogus_error_responses = 1;
  sysctl_icmp_errors_use_inbound_ifaddr = 0;
  sysctl_icmp_ratelimit = 1000;
  sysctl_icmp_ratemask = 0x1818;
  sysctl_icmp_msgs_per_sec = 1000;
  sysctl_icmp_msgs_burst = 50;
  sysctl_udp_rmem_min = 4096;
  sysctl_udp_wmem_min = 4096;
  sysctl_udp_l3mdev_accept = 0;
  sysctl_raw_l3mdev_accept = 1;
  sysctl_ipfrag_high_thresh = 4194304;
  sysctl_ipfrag_low_thresh = 3145728;
  sysctl_ipfrag_time = 30;
  sysctl_ipfrag_max_dist = 64;
  sysctl_fib_multipath_hash_policy = 0;
  sysctl_fib_multipath_hash_fields = 7;
  sysctl_fib_multipath_use_neigh = 0;
  sysctl_fib_sync_mem = 524288;
  sysctl_nexthop_compat_mode = 1;
  sysctl_igmp_max_memberships = 20;
  sysctl_igmp_max_msf = 10;
  sysctl_igmp_qrv = 2;
  sysctl_igmp_llm_reports = 1;
  ip_rt_min_pmtu = 552;
  ip_rt_mtu_expires = 600;
  ip_rt_min_advmss = 256;
  ip_rt_redirect_number = 9;
  /** ms */
  ip_rt_redirect_load = 20;
  /** ms */
  ip_rt_redirect_silence = 20480;
  ip_rt_error_cost = 1000;
  ip_rt_error_burst = 5000;
  // TCP. In milliseconds (jiffies) and not, as their sysctls are, in seconds: fin_timeout, keepalive_time, keepalive_intvl.
  sysctl_tcp_abort_on_overflow = 0;
  sysctl_tcp_adv_win_scale = 1;
  sysctl_tcp_app_win = 31;
  sysctl_tcp_autocorking = 1;
  sysctl_tcp_backlog_ack_defer = 1;
  sysctl_tcp_base_mss = 1024;
  sysctl_tcp_challenge_ack_limit = 0x7fffffff;
  /** The second for which challenge ACKs are counted, and how many more may go in it. */
  tcp_challenge_timestamp = 0;
  tcp_challenge_count = 0;
  sysctl_tcp_child_ehash_entries = 0;
  sysctl_tcp_comp_sack_delay_ns = 1000000;
  sysctl_tcp_comp_sack_nr = 44;
  sysctl_tcp_comp_sack_slack_ns = 100000;
  sysctl_tcp_dsack = 1;
  sysctl_tcp_early_retrans = 3;
  sysctl_tcp_ecn = 2;
  sysctl_tcp_ecn_fallback = 1;
  sysctl_tcp_ecn_option = 2;
  sysctl_tcp_ecn_option_beacon = 3;
  sysctl_tcp_fack = 0;
  sysctl_tcp_fastopen = 1;
  /** s */
  sysctl_tcp_fastopen_blackhole_timeout = 0;
  sysctl_tcp_fin_timeout = 60000;
  sysctl_tcp_frto = 2;
  sysctl_tcp_fwmark_accept = 0;
  sysctl_tcp_invalid_ratelimit = 500;
  sysctl_tcp_keepalive_intvl = 75000;
  sysctl_tcp_keepalive_probes = 9;
  sysctl_tcp_keepalive_time = 7200000;
  sysctl_tcp_l3mdev_accept = 0;
  sysctl_tcp_limit_output_bytes = 4194304;
  sysctl_tcp_max_reordering = 300;
  sysctl_max_syn_backlog = 2048;
  sysctl_max_tw_buckets = 131072;
  sysctl_tcp_migrate_req = 0;
  /** s */
  sysctl_tcp_min_rtt_wlen = 300;
  sysctl_tcp_min_snd_mss = 48;
  sysctl_tcp_min_tso_segs = 2;
  sysctl_tcp_moderate_rcvbuf = 1;
  sysctl_tcp_mtu_probe_floor = 48;
  sysctl_tcp_mtu_probing = 0;
  sysctl_tcp_nometrics_save = 0;
  sysctl_tcp_no_ssthresh_metrics_save = 1;
  sysctl_tcp_notsent_lowat = 0xffffffff;
  sysctl_tcp_orphan_retries = 0;
  sysctl_tcp_pacing_ca_ratio = 120;
  sysctl_tcp_pacing_ss_ratio = 200;
  sysctl_tcp_pingpong_thresh = 1;
  sysctl_tcp_plb_cong_thresh = 128;
  sysctl_tcp_plb_enabled = 0;
  sysctl_tcp_plb_idle_rehash_rounds = 3;
  sysctl_tcp_plb_rehash_rounds = 12;
  sysctl_tcp_plb_suspend_rto_sec = 60;
  /** s */
  sysctl_tcp_probe_interval = 600;
  sysctl_tcp_probe_threshold = 8;
  sysctl_tcp_recovery = 1;
  sysctl_tcp_reflect_tos = 0;
  sysctl_tcp_reordering = 3;
  sysctl_tcp_retrans_collapse = 1;
  sysctl_tcp_retries1 = 3;
  sysctl_tcp_retries2 = 15;
  sysctl_tcp_rfc1337 = 0;
  sysctl_tcp_rto_max_ms = 120000;
  sysctl_tcp_rto_min_us = 200000;
  sysctl_tcp_sack = 1;
  sysctl_tcp_shrink_window = 0;
  sysctl_tcp_slow_start_after_idle = 1;
  sysctl_tcp_stdurg = 0;
  sysctl_tcp_syn_linear_timeouts = 4;
  sysctl_tcp_syn_retries = 6;
  sysctl_tcp_synack_retries = 5;
  sysctl_tcp_syncookies = 1;
  sysctl_tcp_thin_linear_timeouts = 0;
  sysctl_tcp_timestamps = 1;
  sysctl_tcp_tso_rtt_log = 9;
  sysctl_tcp_tso_win_divisor = 3;
  sysctl_tcp_tw_reuse = 2;
  /** ms */
  sysctl_tcp_tw_reuse_delay = 1000;
  sysctl_tcp_window_scaling = 1;
  sysctl_tcp_workaround_signed_windows = 0;
  /** Least, default and greatest receive and send buffer of a connection. */
  sysctl_tcp_rmem: [number, number, number] = [4096, 131072, 33554432];
  sysctl_tcp_wmem: [number, number, number] = [4096, 16384, 4194304];
  /** Fast Open: the key that cookies are made with and the one before it, 16 bytes each; null until one is needed. */
  tcp_fastopen_key: Uint8Array | null = null;
  /** How often in a row Fast Open met a black hole, and when (jiffies) it was last disabled for it. */
  tfo_active_disable_times = 0;
  tfo_active_disable_stamp = 0;
  /** Bumped whenever cached routes must not be used any longer (rt_genid). */
  rt_genid = 1;
  /** Bumped when addresses change: invalidates preferred sources (dev_addr_genid). */
  dev_addr_genid = 1;
  /** Seed of keyed hashes; from the Host's random source at setup. */
  hash_secret = 0;
  ip_id_key = 0;

  constructor(net: Net) {
    this.net = net;
  }
}

declare module "../core/net_namespace.ts" {
  interface Net {
    ipv4: NetnsIpv4;
  }
}

/** An address of a device (struct in_ifaddr). Addresses and masks are int32. */
export class InIfaddr {
  readonly ifa_dev: InDevice;
  ifa_local = 0;
  /** The peer's address on a point-to-point link, else the same as ifa_local. */
  ifa_address = 0;
  ifa_mask = 0;
  ifa_prefixlen = 0;
  ifa_broadcast = 0;
  ifa_scope = 0;
  /** IFA_F_*. */
  ifa_flags = 0;
  ifa_rt_priority = 0;
  ifa_proto = 0;
  ifa_label: string;
  /** Seconds; 0xffffffff is for ever. */
  ifa_valid_lft = 0xffffffff;
  ifa_preferred_lft = 0xffffffff;
  /** jiffies of creation and last change. */
  ifa_cstamp = 0;
  ifa_tstamp = 0;
  constructor(dev: InDevice, label: string) {
    this.ifa_dev = dev;
    this.ifa_label = label;
  }
}

/** The IPv4 part of a device (struct in_device). */
export class InDevice {
  readonly dev: NetDevice;
  readonly cnf: Ipv4Devconf;
  ifa_list: InIfaddr[] = [];
  /** Multicast groups joined, int32 → membership; owned by net/ipv4/igmp.ts. */
  mc_list: Map<number, unknown> = new Map();
  dead = false;
  /** The local route that the last packet for us took, and for which address and TOS (ip_route_input_slow). */
  hint_rt: Rtable | null = null;
  hint_daddr = 0;
  hint_tos = 0;
  constructor(dev: NetDevice, cnf: Ipv4Devconf) {
    this.dev = dev;
    this.cnf = cnf;
  }
}

declare module "../core/netdevice.ts" {
  interface NetDevice {
    ip_ptr: InDevice | null;
  }
}

export const __in_dev_get = (dev: NetDevice): InDevice | null => dev.ip_ptr;
/** IN_DEV_ORCONF and friends: the value in "all" and in the device, combined as Linux does for each name. */
export const IN_DEV_FORWARD = (d: InDevice): boolean => d.cnf.forwarding !== 0;
export const IN_DEV_RPFILTER = (d: InDevice): number => Math.max(d.dev.net.ipv4.devconf_all.rp_filter, d.cnf.rp_filter);
export const IN_DEV_RX_REDIRECTS = (d: InDevice): boolean =>
  IN_DEV_FORWARD(d)
    ? d.dev.net.ipv4.devconf_all.accept_redirects !== 0 && d.cnf.accept_redirects !== 0
    : d.dev.net.ipv4.devconf_all.accept_redirects !== 0 || d.cnf.accept_redirects !== 0;
export const IN_DEV_TX_REDIRECTS = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.send_redirects !== 0 || d.cnf.send_redirects !== 0;
export const IN_DEV_SEC_REDIRECTS = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.secure_redirects !== 0 || d.cnf.secure_redirects !== 0;
export const IN_DEV_SHARED_MEDIA = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.shared_media !== 0 || d.cnf.shared_media !== 0;
export const IN_DEV_SOURCE_ROUTE = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.accept_source_route !== 0 && d.cnf.accept_source_route !== 0;
export const IN_DEV_ROUTE_LOCALNET = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.route_localnet !== 0 || d.cnf.route_localnet !== 0;
export const IN_DEV_ACCEPT_LOCAL = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.accept_local !== 0 || d.cnf.accept_local !== 0;
export const IN_DEV_PROXY_ARP = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.proxy_arp !== 0 || d.cnf.proxy_arp !== 0;
export const IN_DEV_ARP_ANNOUNCE = (d: InDevice): number =>
  Math.max(d.dev.net.ipv4.devconf_all.arp_announce, d.cnf.arp_announce);
export const IN_DEV_ARP_IGNORE = (d: InDevice): number =>
  Math.max(d.dev.net.ipv4.devconf_all.arp_ignore, d.cnf.arp_ignore);
export const IN_DEV_ARPFILTER = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.arp_filter !== 0 || d.cnf.arp_filter !== 0;
export const IN_DEV_ARP_ACCEPT = (d: InDevice): number =>
  Math.max(d.dev.net.ipv4.devconf_all.arp_accept, d.cnf.arp_accept);
export const IN_DEV_ARP_NOTIFY = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.arp_notify !== 0 || d.cnf.arp_notify !== 0;

// linux/in.h predicates over int32 addresses.
export const ipv4_is_loopback = (a: number): boolean => a >> 24 === 0x7f;
/** 224.0.0.0/4. */
export const ipv4_is_multicast = (a: number): boolean => a >>> 28 === 0xe;
/** 224.0.0.0/24. */
export const ipv4_is_local_multicast = (a: number): boolean => a >>> 8 === 0xe00000;
export const ipv4_is_lbcast = (a: number): boolean => a === -1;
/** 0.0.0.0/8. */
export const ipv4_is_zeronet = (a: number): boolean => a >>> 24 === 0;
/** Network mask of a prefix length, int32. */
export const inet_make_mask = (len: number): number => (len === 0 ? 0 : (-1 << (32 - len)) | 0);
