// Written by tools/gen-trace-fns.mjs from the F_ names that the sources trace. Do not edit.

export const fn_names: readonly string[] = [
  "?",
  "__dev_queue_xmit",
  "__dev_xmit_skb",
  "__icmp_send",
  "__ip_local_out",
  "__napi_poll",
  "__neigh_event_send",
  "__netif_receive_skb_core",
  "__qdisc_run",
  "__sys_recvfrom",
  "__sys_sendto",
  "__udp4_lib_lookup_skb",
  "__udp_enqueue_schedule_skb",
  "arp_process",
  "arp_rcv",
  "arp_solicit",
  "arp_xmit",
  "dev_hard_start_xmit",
  "enqueue_to_backlog",
  "eth_type_trans",
  "fib_lookup",
  "fib_validate_source",
  "icmp_echo",
  "icmp_push_reply",
  "icmp_rcv",
  "icmp_redirect",
  "icmp_reply",
  "icmp_socket_deliver",
  "icmp_timestamp",
  "icmp_unreach",
  "igb_clean_rx_irq",
  "igb_clean_tx_irq",
  "igb_msix_other",
  "igb_msix_ring",
  "igb_open",
  "igb_poll",
  "igb_probe",
  "igb_setup_all_rx_resources",
  "igb_setup_all_tx_resources",
  "igb_tso",
  "igb_tx_csum",
  "igb_tx_map",
  "igb_watchdog_task",
  "igb_xmit_frame",
  "igb_xmit_frame_ring",
  "igmp_rcv",
  "inet_recvmsg",
  "inet_sendmsg",
  "ip_append_data",
  "ip_defrag",
  "ip_do_fragment",
  "ip_error",
  "ip_expire",
  "ip_finish_output",
  "ip_finish_output2",
  "ip_forward",
  "ip_forward_finish",
  "ip_forward_options",
  "ip_frag_reasm",
  "ip_fragment",
  "ip_local_deliver",
  "ip_local_deliver_finish",
  "ip_local_out",
  "ip_make_skb",
  "ip_mc_output",
  "ip_options_compile",
  "ip_options_rcv_srr",
  "ip_output",
  "ip_queue_xmit",
  "ip_rcv",
  "ip_rcv_core",
  "ip_rcv_finish",
  "ip_route_input_noref",
  "ip_route_input_slow",
  "kfree_skb_reason",
  "loopback_xmit",
  "napi_gro_receive",
  "neigh_hh_output",
  "neigh_resolve_output",
  "net_rx_action",
  "net_tx_action",
  "netif_rx",
  "nf_hook_slow",
  "nf_reinject",
  "packet_rcv",
  "packet_snd",
  "ping_rcv",
  "process_backlog",
  "raw_local_deliver",
  "raw_rcv",
  "raw_send_hdrinc",
  "sch_direct_xmit",
  "skb_clone",
  "sock_recvmsg",
  "sock_sendmsg",
  "udp_queue_rcv_skb",
  "udp_rcv",
  "udp_send_skb",
  "veth_xmit",
];
export const F___dev_queue_xmit = 1;
export const F___dev_xmit_skb = 2;
export const F___icmp_send = 3;
export const F___ip_local_out = 4;
export const F___napi_poll = 5;
export const F___neigh_event_send = 6;
export const F___netif_receive_skb_core = 7;
export const F___qdisc_run = 8;
export const F___sys_recvfrom = 9;
export const F___sys_sendto = 10;
export const F___udp4_lib_lookup_skb = 11;
export const F___udp_enqueue_schedule_skb = 12;
export const F_arp_process = 13;
export const F_arp_rcv = 14;
export const F_arp_solicit = 15;
export const F_arp_xmit = 16;
export const F_dev_hard_start_xmit = 17;
export const F_enqueue_to_backlog = 18;
export const F_eth_type_trans = 19;
export const F_fib_lookup = 20;
export const F_fib_validate_source = 21;
export const F_icmp_echo = 22;
export const F_icmp_push_reply = 23;
export const F_icmp_rcv = 24;
export const F_icmp_redirect = 25;
export const F_icmp_reply = 26;
export const F_icmp_socket_deliver = 27;
export const F_icmp_timestamp = 28;
export const F_icmp_unreach = 29;
export const F_igb_clean_rx_irq = 30;
export const F_igb_clean_tx_irq = 31;
export const F_igb_msix_other = 32;
export const F_igb_msix_ring = 33;
export const F_igb_open = 34;
export const F_igb_poll = 35;
export const F_igb_probe = 36;
export const F_igb_setup_all_rx_resources = 37;
export const F_igb_setup_all_tx_resources = 38;
export const F_igb_tso = 39;
export const F_igb_tx_csum = 40;
export const F_igb_tx_map = 41;
export const F_igb_watchdog_task = 42;
export const F_igb_xmit_frame = 43;
export const F_igb_xmit_frame_ring = 44;
export const F_igmp_rcv = 45;
export const F_inet_recvmsg = 46;
export const F_inet_sendmsg = 47;
export const F_ip_append_data = 48;
export const F_ip_defrag = 49;
export const F_ip_do_fragment = 50;
export const F_ip_error = 51;
export const F_ip_expire = 52;
export const F_ip_finish_output = 53;
export const F_ip_finish_output2 = 54;
export const F_ip_forward = 55;
export const F_ip_forward_finish = 56;
export const F_ip_forward_options = 57;
export const F_ip_frag_reasm = 58;
export const F_ip_fragment = 59;
export const F_ip_local_deliver = 60;
export const F_ip_local_deliver_finish = 61;
export const F_ip_local_out = 62;
export const F_ip_make_skb = 63;
export const F_ip_mc_output = 64;
export const F_ip_options_compile = 65;
export const F_ip_options_rcv_srr = 66;
export const F_ip_output = 67;
export const F_ip_queue_xmit = 68;
export const F_ip_rcv = 69;
export const F_ip_rcv_core = 70;
export const F_ip_rcv_finish = 71;
export const F_ip_route_input_noref = 72;
export const F_ip_route_input_slow = 73;
export const F_kfree_skb_reason = 74;
export const F_loopback_xmit = 75;
export const F_napi_gro_receive = 76;
export const F_neigh_hh_output = 77;
export const F_neigh_resolve_output = 78;
export const F_net_rx_action = 79;
export const F_net_tx_action = 80;
export const F_netif_rx = 81;
export const F_nf_hook_slow = 82;
export const F_nf_reinject = 83;
export const F_packet_rcv = 84;
export const F_packet_snd = 85;
export const F_ping_rcv = 86;
export const F_process_backlog = 87;
export const F_raw_local_deliver = 88;
export const F_raw_rcv = 89;
export const F_raw_send_hdrinc = 90;
export const F_sch_direct_xmit = 91;
export const F_skb_clone = 92;
export const F_sock_recvmsg = 93;
export const F_sock_sendmsg = 94;
export const F_udp_queue_rcv_skb = 95;
export const F_udp_rcv = 96;
export const F_udp_send_skb = 97;
export const F_veth_xmit = 98;
