// Written by tools/gen-trace-fns.mjs from the F_ names that the sources trace. Do not edit.

export const fn_names: readonly string[] = [
  "?",
  "__dev_queue_xmit",
  "__dev_xmit_skb",
  "__icmp_send",
  "__inet_lookup_skb",
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
  "bfifo_enqueue",
  "dev_gro_receive",
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
  "inet_gro_receive",
  "inet_gso_segment",
  "inet_recvmsg",
  "inet_sendmsg",
  "ip_append_data",
  "ip_build_and_send_pkt",
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
  "ip_send_unicast_reply",
  "kfree_skb_reason",
  "loopback_xmit",
  "napi_gro_complete",
  "napi_gro_receive",
  "neigh_hh_output",
  "neigh_resolve_output",
  "net_rx_action",
  "net_tx_action",
  "netem_dequeue",
  "netem_enqueue",
  "netif_rx",
  "nf_hook_slow",
  "nf_reinject",
  "packet_rcv",
  "packet_snd",
  "pfifo_enqueue",
  "pfifo_fast_dequeue",
  "pfifo_fast_enqueue",
  "pfifo_tail_enqueue",
  "ping_rcv",
  "prio_enqueue",
  "process_backlog",
  "raw_local_deliver",
  "raw_rcv",
  "raw_send_hdrinc",
  "sch_direct_xmit",
  "skb_clone",
  "skb_gro_receive",
  "skb_segment",
  "sock_recvmsg",
  "sock_sendmsg",
  "start_xmit",
  "tbf_dequeue",
  "tbf_enqueue",
  "tcp_check_req",
  "tcp_child_process",
  "tcp_cleanup_rbuf",
  "tcp_close",
  "tcp_conn_request",
  "tcp_filter",
  "tcp_keepalive_timer",
  "tcp_push",
  "tcp_rcv_established",
  "tcp_rcv_state_process",
  "tcp_recvmsg",
  "tcp_retransmit_skb",
  "tcp_retransmit_timer",
  "tcp_sendmsg",
  "tcp_timewait_state_process",
  "tcp_transmit_skb",
  "tcp_v4_do_rcv",
  "tcp_v4_err",
  "tcp_v4_rcv",
  "tcp_v4_send_reset",
  "tcp_v4_send_synack",
  "tcp_v4_syn_recv_sock",
  "tcp_write_xmit",
  "tun_net_xmit",
  "udp_queue_rcv_skb",
  "udp_rcv",
  "udp_send_skb",
  "veth_xmit",
  "virtnet_poll",
  "virtnet_receive",
];
export const F___dev_queue_xmit = 1;
export const F___dev_xmit_skb = 2;
export const F___icmp_send = 3;
export const F___inet_lookup_skb = 4;
export const F___ip_local_out = 5;
export const F___napi_poll = 6;
export const F___neigh_event_send = 7;
export const F___netif_receive_skb_core = 8;
export const F___qdisc_run = 9;
export const F___sys_recvfrom = 10;
export const F___sys_sendto = 11;
export const F___udp4_lib_lookup_skb = 12;
export const F___udp_enqueue_schedule_skb = 13;
export const F_arp_process = 14;
export const F_arp_rcv = 15;
export const F_arp_solicit = 16;
export const F_arp_xmit = 17;
export const F_bfifo_enqueue = 18;
export const F_dev_gro_receive = 19;
export const F_dev_hard_start_xmit = 20;
export const F_enqueue_to_backlog = 21;
export const F_eth_type_trans = 22;
export const F_fib_lookup = 23;
export const F_fib_validate_source = 24;
export const F_icmp_echo = 25;
export const F_icmp_push_reply = 26;
export const F_icmp_rcv = 27;
export const F_icmp_redirect = 28;
export const F_icmp_reply = 29;
export const F_icmp_socket_deliver = 30;
export const F_icmp_timestamp = 31;
export const F_icmp_unreach = 32;
export const F_igb_clean_rx_irq = 33;
export const F_igb_clean_tx_irq = 34;
export const F_igb_msix_other = 35;
export const F_igb_msix_ring = 36;
export const F_igb_open = 37;
export const F_igb_poll = 38;
export const F_igb_probe = 39;
export const F_igb_setup_all_rx_resources = 40;
export const F_igb_setup_all_tx_resources = 41;
export const F_igb_tso = 42;
export const F_igb_tx_csum = 43;
export const F_igb_tx_map = 44;
export const F_igb_watchdog_task = 45;
export const F_igb_xmit_frame = 46;
export const F_igb_xmit_frame_ring = 47;
export const F_igmp_rcv = 48;
export const F_inet_gro_receive = 49;
export const F_inet_gso_segment = 50;
export const F_inet_recvmsg = 51;
export const F_inet_sendmsg = 52;
export const F_ip_append_data = 53;
export const F_ip_build_and_send_pkt = 54;
export const F_ip_defrag = 55;
export const F_ip_do_fragment = 56;
export const F_ip_error = 57;
export const F_ip_expire = 58;
export const F_ip_finish_output = 59;
export const F_ip_finish_output2 = 60;
export const F_ip_forward = 61;
export const F_ip_forward_finish = 62;
export const F_ip_forward_options = 63;
export const F_ip_frag_reasm = 64;
export const F_ip_fragment = 65;
export const F_ip_local_deliver = 66;
export const F_ip_local_deliver_finish = 67;
export const F_ip_local_out = 68;
export const F_ip_make_skb = 69;
export const F_ip_mc_output = 70;
export const F_ip_options_compile = 71;
export const F_ip_options_rcv_srr = 72;
export const F_ip_output = 73;
export const F_ip_queue_xmit = 74;
export const F_ip_rcv = 75;
export const F_ip_rcv_core = 76;
export const F_ip_rcv_finish = 77;
export const F_ip_route_input_noref = 78;
export const F_ip_route_input_slow = 79;
export const F_ip_send_unicast_reply = 80;
export const F_kfree_skb_reason = 81;
export const F_loopback_xmit = 82;
export const F_napi_gro_complete = 83;
export const F_napi_gro_receive = 84;
export const F_neigh_hh_output = 85;
export const F_neigh_resolve_output = 86;
export const F_net_rx_action = 87;
export const F_net_tx_action = 88;
export const F_netem_dequeue = 89;
export const F_netem_enqueue = 90;
export const F_netif_rx = 91;
export const F_nf_hook_slow = 92;
export const F_nf_reinject = 93;
export const F_packet_rcv = 94;
export const F_packet_snd = 95;
export const F_pfifo_enqueue = 96;
export const F_pfifo_fast_dequeue = 97;
export const F_pfifo_fast_enqueue = 98;
export const F_pfifo_tail_enqueue = 99;
export const F_ping_rcv = 100;
export const F_prio_enqueue = 101;
export const F_process_backlog = 102;
export const F_raw_local_deliver = 103;
export const F_raw_rcv = 104;
export const F_raw_send_hdrinc = 105;
export const F_sch_direct_xmit = 106;
export const F_skb_clone = 107;
export const F_skb_gro_receive = 108;
export const F_skb_segment = 109;
export const F_sock_recvmsg = 110;
export const F_sock_sendmsg = 111;
export const F_start_xmit = 112;
export const F_tbf_dequeue = 113;
export const F_tbf_enqueue = 114;
export const F_tcp_check_req = 115;
export const F_tcp_child_process = 116;
export const F_tcp_cleanup_rbuf = 117;
export const F_tcp_close = 118;
export const F_tcp_conn_request = 119;
export const F_tcp_filter = 120;
export const F_tcp_keepalive_timer = 121;
export const F_tcp_push = 122;
export const F_tcp_rcv_established = 123;
export const F_tcp_rcv_state_process = 124;
export const F_tcp_recvmsg = 125;
export const F_tcp_retransmit_skb = 126;
export const F_tcp_retransmit_timer = 127;
export const F_tcp_sendmsg = 128;
export const F_tcp_timewait_state_process = 129;
export const F_tcp_transmit_skb = 130;
export const F_tcp_v4_do_rcv = 131;
export const F_tcp_v4_err = 132;
export const F_tcp_v4_rcv = 133;
export const F_tcp_v4_send_reset = 134;
export const F_tcp_v4_send_synack = 135;
export const F_tcp_v4_syn_recv_sock = 136;
export const F_tcp_write_xmit = 137;
export const F_tun_net_xmit = 138;
export const F_udp_queue_rcv_skb = 139;
export const F_udp_rcv = 140;
export const F_udp_send_skb = 141;
export const F_veth_xmit = 142;
export const F_virtnet_poll = 143;
export const F_virtnet_receive = 144;
