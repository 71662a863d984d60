// Written by tools/gen-rare.mjs from tcp_sock_fields.ts, where the fields are explained. Do not edit.

import { InetSock } from "./inet_sock.ts";
import { TCP_SOCK_RARE, TcpSockRare } from "./tcp_sock_fields.ts";

export class TcpSockFields extends InetSock {
  private tcp_sock_rare: TcpSockRare = TCP_SOCK_RARE;
  private own_tcp_sock_rare(): TcpSockRare {
    if (this.tcp_sock_rare === TCP_SOCK_RARE) this.tcp_sock_rare = new TcpSockRare();
    return this.tcp_sock_rare;
  }

  get sk_gso_max_segs(): TcpSockRare["sk_gso_max_segs"] {
    return this.tcp_sock_rare.sk_gso_max_segs;
  }
  set sk_gso_max_segs(v: TcpSockRare["sk_gso_max_segs"]) {
    if (this.tcp_sock_rare.sk_gso_max_segs !== v) this.own_tcp_sock_rare().sk_gso_max_segs = v;
  }
  get sk_pacing_shift(): TcpSockRare["sk_pacing_shift"] {
    return this.tcp_sock_rare.sk_pacing_shift;
  }
  set sk_pacing_shift(v: TcpSockRare["sk_pacing_shift"]) {
    if (this.tcp_sock_rare.sk_pacing_shift !== v) this.own_tcp_sock_rare().sk_pacing_shift = v;
  }
  get prr_delivered(): TcpSockRare["prr_delivered"] {
    return this.tcp_sock_rare.prr_delivered;
  }
  set prr_delivered(v: TcpSockRare["prr_delivered"]) {
    if (this.tcp_sock_rare.prr_delivered !== v) this.own_tcp_sock_rare().prr_delivered = v;
  }
  get prr_out(): TcpSockRare["prr_out"] {
    return this.tcp_sock_rare.prr_out;
  }
  set prr_out(v: TcpSockRare["prr_out"]) {
    if (this.tcp_sock_rare.prr_out !== v) this.own_tcp_sock_rare().prr_out = v;
  }
  get prior_ssthresh(): TcpSockRare["prior_ssthresh"] {
    return this.tcp_sock_rare.prior_ssthresh;
  }
  set prior_ssthresh(v: TcpSockRare["prior_ssthresh"]) {
    if (this.tcp_sock_rare.prior_ssthresh !== v) this.own_tcp_sock_rare().prior_ssthresh = v;
  }
  get delivered_ce(): TcpSockRare["delivered_ce"] {
    return this.tcp_sock_rare.delivered_ce;
  }
  set delivered_ce(v: TcpSockRare["delivered_ce"]) {
    if (this.tcp_sock_rare.delivered_ce !== v) this.own_tcp_sock_rare().delivered_ce = v;
  }
  get icsk_listen_hash(): TcpSockRare["icsk_listen_hash"] {
    return this.tcp_sock_rare.icsk_listen_hash;
  }
  set icsk_listen_hash(v: TcpSockRare["icsk_listen_hash"]) {
    if (this.tcp_sock_rare.icsk_listen_hash !== v) this.own_tcp_sock_rare().icsk_listen_hash = v;
  }
  get sk_reuseport_cb(): TcpSockRare["sk_reuseport_cb"] {
    return this.tcp_sock_rare.sk_reuseport_cb;
  }
  set sk_reuseport_cb(v: TcpSockRare["sk_reuseport_cb"]) {
    if (this.tcp_sock_rare.sk_reuseport_cb !== v) this.own_tcp_sock_rare().sk_reuseport_cb = v;
  }
  get icsk_accept_queue(): TcpSockRare["icsk_accept_queue"] {
    return this.tcp_sock_rare.icsk_accept_queue;
  }
  set icsk_accept_queue(v: TcpSockRare["icsk_accept_queue"]) {
    if (this.tcp_sock_rare.icsk_accept_queue !== v) this.own_tcp_sock_rare().icsk_accept_queue = v;
  }
  get icsk_rto_max(): TcpSockRare["icsk_rto_max"] {
    return this.tcp_sock_rare.icsk_rto_max;
  }
  set icsk_rto_max(v: TcpSockRare["icsk_rto_max"]) {
    if (this.tcp_sock_rare.icsk_rto_max !== v) this.own_tcp_sock_rare().icsk_rto_max = v;
  }
  get icsk_delack_max(): TcpSockRare["icsk_delack_max"] {
    return this.tcp_sock_rare.icsk_delack_max;
  }
  set icsk_delack_max(v: TcpSockRare["icsk_delack_max"]) {
    if (this.tcp_sock_rare.icsk_delack_max !== v) this.own_tcp_sock_rare().icsk_delack_max = v;
  }
  get icsk_ca_setsockopt(): TcpSockRare["icsk_ca_setsockopt"] {
    return this.tcp_sock_rare.icsk_ca_setsockopt;
  }
  set icsk_ca_setsockopt(v: TcpSockRare["icsk_ca_setsockopt"]) {
    if (this.tcp_sock_rare.icsk_ca_setsockopt !== v) this.own_tcp_sock_rare().icsk_ca_setsockopt = v;
  }
  get icsk_ca_dst_locked(): TcpSockRare["icsk_ca_dst_locked"] {
    return this.tcp_sock_rare.icsk_ca_dst_locked;
  }
  set icsk_ca_dst_locked(v: TcpSockRare["icsk_ca_dst_locked"]) {
    if (this.tcp_sock_rare.icsk_ca_dst_locked !== v) this.own_tcp_sock_rare().icsk_ca_dst_locked = v;
  }
  get icsk_syn_retries(): TcpSockRare["icsk_syn_retries"] {
    return this.tcp_sock_rare.icsk_syn_retries;
  }
  set icsk_syn_retries(v: TcpSockRare["icsk_syn_retries"]) {
    if (this.tcp_sock_rare.icsk_syn_retries !== v) this.own_tcp_sock_rare().icsk_syn_retries = v;
  }
  get icsk_probes_tstamp(): TcpSockRare["icsk_probes_tstamp"] {
    return this.tcp_sock_rare.icsk_probes_tstamp;
  }
  set icsk_probes_tstamp(v: TcpSockRare["icsk_probes_tstamp"]) {
    if (this.tcp_sock_rare.icsk_probes_tstamp !== v) this.own_tcp_sock_rare().icsk_probes_tstamp = v;
  }
  get icsk_user_timeout(): TcpSockRare["icsk_user_timeout"] {
    return this.tcp_sock_rare.icsk_user_timeout;
  }
  set icsk_user_timeout(v: TcpSockRare["icsk_user_timeout"]) {
    if (this.tcp_sock_rare.icsk_user_timeout !== v) this.own_tcp_sock_rare().icsk_user_timeout = v;
  }
  get icsk_ext_hdr_len(): TcpSockRare["icsk_ext_hdr_len"] {
    return this.tcp_sock_rare.icsk_ext_hdr_len;
  }
  set icsk_ext_hdr_len(v: TcpSockRare["icsk_ext_hdr_len"]) {
    if (this.tcp_sock_rare.icsk_ext_hdr_len !== v) this.own_tcp_sock_rare().icsk_ext_hdr_len = v;
  }
  get mtup_probe_size(): TcpSockRare["mtup_probe_size"] {
    return this.tcp_sock_rare.mtup_probe_size;
  }
  set mtup_probe_size(v: TcpSockRare["mtup_probe_size"]) {
    if (this.tcp_sock_rare.mtup_probe_size !== v) this.own_tcp_sock_rare().mtup_probe_size = v;
  }
  get mtu_probe_start(): TcpSockRare["mtu_probe_start"] {
    return this.tcp_sock_rare.mtu_probe_start;
  }
  set mtu_probe_start(v: TcpSockRare["mtu_probe_start"]) {
    if (this.tcp_sock_rare.mtu_probe_start !== v) this.own_tcp_sock_rare().mtu_probe_start = v;
  }
  get mtu_probe_end(): TcpSockRare["mtu_probe_end"] {
    return this.tcp_sock_rare.mtu_probe_end;
  }
  set mtu_probe_end(v: TcpSockRare["mtu_probe_end"]) {
    if (this.tcp_sock_rare.mtu_probe_end !== v) this.own_tcp_sock_rare().mtu_probe_end = v;
  }
  get mtup_probe_timestamp(): TcpSockRare["mtup_probe_timestamp"] {
    return this.tcp_sock_rare.mtup_probe_timestamp;
  }
  set mtup_probe_timestamp(v: TcpSockRare["mtup_probe_timestamp"]) {
    if (this.tcp_sock_rare.mtup_probe_timestamp !== v) this.own_tcp_sock_rare().mtup_probe_timestamp = v;
  }
  get mtup_enabled(): TcpSockRare["mtup_enabled"] {
    return this.tcp_sock_rare.mtup_enabled;
  }
  set mtup_enabled(v: TcpSockRare["mtup_enabled"]) {
    if (this.tcp_sock_rare.mtup_enabled !== v) this.own_tcp_sock_rare().mtup_enabled = v;
  }
  get dsack_dups(): TcpSockRare["dsack_dups"] {
    return this.tcp_sock_rare.dsack_dups;
  }
  set dsack_dups(v: TcpSockRare["dsack_dups"]) {
    if (this.tcp_sock_rare.dsack_dups !== v) this.own_tcp_sock_rare().dsack_dups = v;
  }
  get last_oow_ack_time(): TcpSockRare["last_oow_ack_time"] {
    return this.tcp_sock_rare.last_oow_ack_time;
  }
  set last_oow_ack_time(v: TcpSockRare["last_oow_ack_time"]) {
    if (this.tcp_sock_rare.last_oow_ack_time !== v) this.own_tcp_sock_rare().last_oow_ack_time = v;
  }
  get compressed_ack_rcv_nxt(): TcpSockRare["compressed_ack_rcv_nxt"] {
    return this.tcp_sock_rare.compressed_ack_rcv_nxt;
  }
  set compressed_ack_rcv_nxt(v: TcpSockRare["compressed_ack_rcv_nxt"]) {
    if (this.tcp_sock_rare.compressed_ack_rcv_nxt !== v) this.own_tcp_sock_rare().compressed_ack_rcv_nxt = v;
  }
  get rack_reo_wnd_persist(): TcpSockRare["rack_reo_wnd_persist"] {
    return this.tcp_sock_rare.rack_reo_wnd_persist;
  }
  set rack_reo_wnd_persist(v: TcpSockRare["rack_reo_wnd_persist"]) {
    if (this.tcp_sock_rare.rack_reo_wnd_persist !== v) this.own_tcp_sock_rare().rack_reo_wnd_persist = v;
  }
  get rack_dsack_seen(): TcpSockRare["rack_dsack_seen"] {
    return this.tcp_sock_rare.rack_dsack_seen;
  }
  set rack_dsack_seen(v: TcpSockRare["rack_dsack_seen"]) {
    if (this.tcp_sock_rare.rack_dsack_seen !== v) this.own_tcp_sock_rare().rack_dsack_seen = v;
  }
  get tlp_retrans(): TcpSockRare["tlp_retrans"] {
    return this.tcp_sock_rare.tlp_retrans;
  }
  set tlp_retrans(v: TcpSockRare["tlp_retrans"]) {
    if (this.tcp_sock_rare.tlp_retrans !== v) this.own_tcp_sock_rare().tlp_retrans = v;
  }
  get tcp_tx_delay(): TcpSockRare["tcp_tx_delay"] {
    return this.tcp_sock_rare.tcp_tx_delay;
  }
  set tcp_tx_delay(v: TcpSockRare["tcp_tx_delay"]) {
    if (this.tcp_sock_rare.tcp_tx_delay !== v) this.own_tcp_sock_rare().tcp_tx_delay = v;
  }
  get thin_lto(): TcpSockRare["thin_lto"] {
    return this.tcp_sock_rare.thin_lto;
  }
  set thin_lto(v: TcpSockRare["thin_lto"]) {
    if (this.tcp_sock_rare.thin_lto !== v) this.own_tcp_sock_rare().thin_lto = v;
  }
  get recvmsg_inq(): TcpSockRare["recvmsg_inq"] {
    return this.tcp_sock_rare.recvmsg_inq;
  }
  set recvmsg_inq(v: TcpSockRare["recvmsg_inq"]) {
    if (this.tcp_sock_rare.recvmsg_inq !== v) this.own_tcp_sock_rare().recvmsg_inq = v;
  }
  get repair(): TcpSockRare["repair"] {
    return this.tcp_sock_rare.repair;
  }
  set repair(v: TcpSockRare["repair"]) {
    if (this.tcp_sock_rare.repair !== v) this.own_tcp_sock_rare().repair = v;
  }
  get frto(): TcpSockRare["frto"] {
    return this.tcp_sock_rare.frto;
  }
  set frto(v: TcpSockRare["frto"]) {
    if (this.tcp_sock_rare.frto !== v) this.own_tcp_sock_rare().frto = v;
  }
  get fastopen_connect(): TcpSockRare["fastopen_connect"] {
    return this.tcp_sock_rare.fastopen_connect;
  }
  set fastopen_connect(v: TcpSockRare["fastopen_connect"]) {
    if (this.tcp_sock_rare.fastopen_connect !== v) this.own_tcp_sock_rare().fastopen_connect = v;
  }
  get fastopen_no_cookie(): TcpSockRare["fastopen_no_cookie"] {
    return this.tcp_sock_rare.fastopen_no_cookie;
  }
  set fastopen_no_cookie(v: TcpSockRare["fastopen_no_cookie"]) {
    if (this.tcp_sock_rare.fastopen_no_cookie !== v) this.own_tcp_sock_rare().fastopen_no_cookie = v;
  }
  get fastopen_client_fail(): TcpSockRare["fastopen_client_fail"] {
    return this.tcp_sock_rare.fastopen_client_fail;
  }
  set fastopen_client_fail(v: TcpSockRare["fastopen_client_fail"]) {
    if (this.tcp_sock_rare.fastopen_client_fail !== v) this.own_tcp_sock_rare().fastopen_client_fail = v;
  }
  get syn_data(): TcpSockRare["syn_data"] {
    return this.tcp_sock_rare.syn_data;
  }
  set syn_data(v: TcpSockRare["syn_data"]) {
    if (this.tcp_sock_rare.syn_data !== v) this.own_tcp_sock_rare().syn_data = v;
  }
  get syn_fastopen(): TcpSockRare["syn_fastopen"] {
    return this.tcp_sock_rare.syn_fastopen;
  }
  set syn_fastopen(v: TcpSockRare["syn_fastopen"]) {
    if (this.tcp_sock_rare.syn_fastopen !== v) this.own_tcp_sock_rare().syn_fastopen = v;
  }
  get syn_fastopen_exp(): TcpSockRare["syn_fastopen_exp"] {
    return this.tcp_sock_rare.syn_fastopen_exp;
  }
  set syn_fastopen_exp(v: TcpSockRare["syn_fastopen_exp"]) {
    if (this.tcp_sock_rare.syn_fastopen_exp !== v) this.own_tcp_sock_rare().syn_fastopen_exp = v;
  }
  get syn_fastopen_ch(): TcpSockRare["syn_fastopen_ch"] {
    return this.tcp_sock_rare.syn_fastopen_ch;
  }
  set syn_fastopen_ch(v: TcpSockRare["syn_fastopen_ch"]) {
    if (this.tcp_sock_rare.syn_fastopen_ch !== v) this.own_tcp_sock_rare().syn_fastopen_ch = v;
  }
  get syn_data_acked(): TcpSockRare["syn_data_acked"] {
    return this.tcp_sock_rare.syn_data_acked;
  }
  set syn_data_acked(v: TcpSockRare["syn_data_acked"]) {
    if (this.tcp_sock_rare.syn_data_acked !== v) this.own_tcp_sock_rare().syn_data_acked = v;
  }
  get is_sack_reneg(): TcpSockRare["is_sack_reneg"] {
    return this.tcp_sock_rare.is_sack_reneg;
  }
  set is_sack_reneg(v: TcpSockRare["is_sack_reneg"]) {
    if (this.tcp_sock_rare.is_sack_reneg !== v) this.own_tcp_sock_rare().is_sack_reneg = v;
  }
  get save_syn(): TcpSockRare["save_syn"] {
    return this.tcp_sock_rare.save_syn;
  }
  set save_syn(v: TcpSockRare["save_syn"]) {
    if (this.tcp_sock_rare.save_syn !== v) this.own_tcp_sock_rare().save_syn = v;
  }
  get saved_syn(): TcpSockRare["saved_syn"] {
    return this.tcp_sock_rare.saved_syn;
  }
  set saved_syn(v: TcpSockRare["saved_syn"]) {
    if (this.tcp_sock_rare.saved_syn !== v) this.own_tcp_sock_rare().saved_syn = v;
  }
  get urg_seq(): TcpSockRare["urg_seq"] {
    return this.tcp_sock_rare.urg_seq;
  }
  set urg_seq(v: TcpSockRare["urg_seq"]) {
    if (this.tcp_sock_rare.urg_seq !== v) this.own_tcp_sock_rare().urg_seq = v;
  }
  get keepalive_probes(): TcpSockRare["keepalive_probes"] {
    return this.tcp_sock_rare.keepalive_probes;
  }
  set keepalive_probes(v: TcpSockRare["keepalive_probes"]) {
    if (this.tcp_sock_rare.keepalive_probes !== v) this.own_tcp_sock_rare().keepalive_probes = v;
  }
  get keepalive_time(): TcpSockRare["keepalive_time"] {
    return this.tcp_sock_rare.keepalive_time;
  }
  set keepalive_time(v: TcpSockRare["keepalive_time"]) {
    if (this.tcp_sock_rare.keepalive_time !== v) this.own_tcp_sock_rare().keepalive_time = v;
  }
  get keepalive_intvl(): TcpSockRare["keepalive_intvl"] {
    return this.tcp_sock_rare.keepalive_intvl;
  }
  set keepalive_intvl(v: TcpSockRare["keepalive_intvl"]) {
    if (this.tcp_sock_rare.keepalive_intvl !== v) this.own_tcp_sock_rare().keepalive_intvl = v;
  }
  get linger2(): TcpSockRare["linger2"] {
    return this.tcp_sock_rare.linger2;
  }
  set linger2(v: TcpSockRare["linger2"]) {
    if (this.tcp_sock_rare.linger2 !== v) this.own_tcp_sock_rare().linger2 = v;
  }
  get reord_seen(): TcpSockRare["reord_seen"] {
    return this.tcp_sock_rare.reord_seen;
  }
  set reord_seen(v: TcpSockRare["reord_seen"]) {
    if (this.tcp_sock_rare.reord_seen !== v) this.own_tcp_sock_rare().reord_seen = v;
  }
  get notsent_lowat(): TcpSockRare["notsent_lowat"] {
    return this.tcp_sock_rare.notsent_lowat;
  }
  set notsent_lowat(v: TcpSockRare["notsent_lowat"]) {
    if (this.tcp_sock_rare.notsent_lowat !== v) this.own_tcp_sock_rare().notsent_lowat = v;
  }
  get bytes_retrans(): TcpSockRare["bytes_retrans"] {
    return this.tcp_sock_rare.bytes_retrans;
  }
  set bytes_retrans(v: TcpSockRare["bytes_retrans"]) {
    if (this.tcp_sock_rare.bytes_retrans !== v) this.own_tcp_sock_rare().bytes_retrans = v;
  }
  get total_rto(): TcpSockRare["total_rto"] {
    return this.tcp_sock_rare.total_rto;
  }
  set total_rto(v: TcpSockRare["total_rto"]) {
    if (this.tcp_sock_rare.total_rto !== v) this.own_tcp_sock_rare().total_rto = v;
  }
  get total_rto_recoveries(): TcpSockRare["total_rto_recoveries"] {
    return this.tcp_sock_rare.total_rto_recoveries;
  }
  set total_rto_recoveries(v: TcpSockRare["total_rto_recoveries"]) {
    if (this.tcp_sock_rare.total_rto_recoveries !== v) this.own_tcp_sock_rare().total_rto_recoveries = v;
  }
  get total_rto_time(): TcpSockRare["total_rto_time"] {
    return this.tcp_sock_rare.total_rto_time;
  }
  set total_rto_time(v: TcpSockRare["total_rto_time"]) {
    if (this.tcp_sock_rare.total_rto_time !== v) this.own_tcp_sock_rare().total_rto_time = v;
  }
  get rto_stamp(): TcpSockRare["rto_stamp"] {
    return this.tcp_sock_rare.rto_stamp;
  }
  set rto_stamp(v: TcpSockRare["rto_stamp"]) {
    if (this.tcp_sock_rare.rto_stamp !== v) this.own_tcp_sock_rare().rto_stamp = v;
  }
  get timeout_rehash(): TcpSockRare["timeout_rehash"] {
    return this.tcp_sock_rare.timeout_rehash;
  }
  set timeout_rehash(v: TcpSockRare["timeout_rehash"]) {
    if (this.tcp_sock_rare.timeout_rehash !== v) this.own_tcp_sock_rare().timeout_rehash = v;
  }
  get rcv_ooopack(): TcpSockRare["rcv_ooopack"] {
    return this.tcp_sock_rare.rcv_ooopack;
  }
  set rcv_ooopack(v: TcpSockRare["rcv_ooopack"]) {
    if (this.tcp_sock_rare.rcv_ooopack !== v) this.own_tcp_sock_rare().rcv_ooopack = v;
  }
  get mtu_info(): TcpSockRare["mtu_info"] {
    return this.tcp_sock_rare.mtu_info;
  }
  set mtu_info(v: TcpSockRare["mtu_info"]) {
    if (this.tcp_sock_rare.mtu_info !== v) this.own_tcp_sock_rare().mtu_info = v;
  }
  get pacing_timer(): TcpSockRare["pacing_timer"] {
    return this.tcp_sock_rare.pacing_timer;
  }
  set pacing_timer(v: TcpSockRare["pacing_timer"]) {
    if (this.tcp_sock_rare.pacing_timer !== v) this.own_tcp_sock_rare().pacing_timer = v;
  }
  get pacing_late_us(): TcpSockRare["pacing_late_us"] {
    return this.tcp_sock_rare.pacing_late_us;
  }
  set pacing_late_us(v: TcpSockRare["pacing_late_us"]) {
    if (this.tcp_sock_rare.pacing_late_us !== v) this.own_tcp_sock_rare().pacing_late_us = v;
  }
  get compressed_ack_timer(): TcpSockRare["compressed_ack_timer"] {
    return this.tcp_sock_rare.compressed_ack_timer;
  }
  set compressed_ack_timer(v: TcpSockRare["compressed_ack_timer"]) {
    if (this.tcp_sock_rare.compressed_ack_timer !== v) this.own_tcp_sock_rare().compressed_ack_timer = v;
  }
  get sk_write_pending(): TcpSockRare["sk_write_pending"] {
    return this.tcp_sock_rare.sk_write_pending;
  }
  set sk_write_pending(v: TcpSockRare["sk_write_pending"]) {
    if (this.tcp_sock_rare.sk_write_pending !== v) this.own_tcp_sock_rare().sk_write_pending = v;
  }
  get repair_queue(): TcpSockRare["repair_queue"] {
    return this.tcp_sock_rare.repair_queue;
  }
  set repair_queue(v: TcpSockRare["repair_queue"]) {
    if (this.tcp_sock_rare.repair_queue !== v) this.own_tcp_sock_rare().repair_queue = v;
  }
  get fastopen_rsk(): TcpSockRare["fastopen_rsk"] {
    return this.tcp_sock_rare.fastopen_rsk;
  }
  set fastopen_rsk(v: TcpSockRare["fastopen_rsk"]) {
    if (this.tcp_sock_rare.fastopen_rsk !== v) this.own_tcp_sock_rare().fastopen_rsk = v;
  }
  get fastopen_req(): TcpSockRare["fastopen_req"] {
    return this.tcp_sock_rare.fastopen_req;
  }
  set fastopen_req(v: TcpSockRare["fastopen_req"]) {
    if (this.tcp_sock_rare.fastopen_req !== v) this.own_tcp_sock_rare().fastopen_req = v;
  }
}
