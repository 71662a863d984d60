// Which part of the stack a function belongs to: the left column of a walk.

const EXACT: Readonly<Record<string, string>> = {
  __icmp_send: "icmp",
  __inet_lookup_skb: "tcp",
  __ip_local_out: "ip",
  __napi_poll: "softirq",
  __neigh_event_send: "neigh",
  __netif_receive_skb_core: "dev",
  __qdisc_run: "qdisc",
  __dev_queue_xmit: "dev",
  __dev_xmit_skb: "qdisc",
  dev_gro_receive: "gro",
  dev_hard_start_xmit: "dev",
  enqueue_to_backlog: "dev",
  eth_type_trans: "dev",
  inet_gro_receive: "gro",
  inet_gso_segment: "gso",
  napi_gro_complete: "gro",
  napi_gro_receive: "dev",
  net_rx_action: "softirq",
  net_tx_action: "softirq",
  process_backlog: "softirq",
  netif_rx: "dev",
  loopback_xmit: "driver",
  veth_xmit: "driver",
  nf_hook_slow: "hook",
  nf_reinject: "hook",
  sch_direct_xmit: "qdisc",
  ip_route_input_noref: "route",
  ip_route_input_slow: "route",
  fib_lookup: "route",
  fib_validate_source: "route",
  ip_error: "route",
  kfree_skb_reason: "drop",
  packet_rcv: "socket",
  packet_snd: "socket",
  raw_send_hdrinc: "raw",
  igb_msix_ring: "irq",
  igb_msix_other: "irq",
  igb_poll: "softirq",
  skb_clone: "skb",
  skb_gro_receive: "gro",
  skb_segment: "gso",
  start_xmit: "driver",
  tun_net_xmit: "driver",
  virtnet_poll: "softirq",
  virtnet_receive: "driver",
};

const PREFIXES: readonly (readonly [string, string])[] = [
  ["__sys_", "syscall"],
  ["sock_", "syscall"],
  ["inet_", "syscall"],
  ["igb_", "driver"],
  ["arp_", "arp"],
  ["neigh_", "neigh"],
  ["icmp_", "icmp"],
  ["igmp_", "igmp"],
  ["__udp", "udp"],
  ["udp_", "udp"],
  ["tcp_", "tcp"],
  ["ping_", "ping"],
  ["raw_", "raw"],
  ["ip_", "ip"],
  ["skb_", "skb"],
  ["br_", "bridge"],
  ["vlan_", "vlan"],
];

export function phaseOf(fn: string): string {
  const exact = EXACT[fn];
  if (exact !== undefined) return exact;
  if (/_(en|de)queue$/.test(fn)) return "qdisc";
  for (const [prefix, phase] of PREFIXES) if (fn.startsWith(prefix)) return phase;
  return "net";
}
