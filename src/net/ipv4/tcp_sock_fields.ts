// The fields of a connection that most connections never change: they share one set of them until one is written
// (tcp_sock_rare.ts, which tools/gen-rare.mjs writes, has the accessors: code reads and writes tp.urg_seq as any field).
// Mirrors include/linux/tcp.h, include/net/inet_connection_sock.h. Way in: class TcpSock.

import type { Hrtimer } from "../../kernel/time/hrtimer.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import type { InetListenHashbucket, RequestSock, RequestSockQueue } from "./inet_connection_sock.ts";
import type { SockReuseport } from "./inet_hashtables.ts";
import type { FastopenCookie } from "./tcp_parse.ts";

/** What most connections never change: all of them read one and the same until they write something else. */
export class TcpSockRare {
  sk_gso_max_segs = 65535;
  sk_pacing_shift = 10;
  prr_delivered = 0;
  prr_out = 0;
  /** ssthresh before the last reduction: what an undo goes back to; 0 for none. */
  prior_ssthresh = 0;
  delivered_ce = 0;
  icsk_listen_hash: InetListenHashbucket | null = null;
  /** SO_REUSEPORT: the listeners that share address and port, this one among them. */
  sk_reuseport_cb: SockReuseport | null = null;
  /** Established but not accepted: the request it came from holds it. */
  icsk_accept_queue: RequestSockQueue | null = null;
  icsk_rto_max = 120000;
  icsk_delack_max = 200;
  icsk_ca_setsockopt = false;
  /** The route chose the congestion control and locked it. */
  icsk_ca_dst_locked = false;
  icsk_syn_retries = 0;
  icsk_probes_tstamp = 0;
  icsk_user_timeout = 0;
  icsk_ext_hdr_len = 0;
  mtup_probe_size = 0;
  /** Sequence numbers of the MTU probe in flight. */
  mtu_probe_start = 0;
  mtu_probe_end = 0;
  mtup_probe_timestamp = 0;
  mtup_enabled = false;
  dsack_dups = 0;
  last_oow_ack_time = 0;
  compressed_ack_rcv_nxt = 0;
  rack_reo_wnd_persist = 0;
  rack_dsack_seen = false;
  tlp_retrans = false;
  tcp_tx_delay = 0;
  thin_lto = false;
  recvmsg_inq = false;
  repair = false;
  frto = false;
  fastopen_connect = false;
  fastopen_no_cookie = false;
  fastopen_client_fail = 0;
  syn_data = false;
  syn_fastopen = false;
  syn_fastopen_exp = false;
  /** It goes well: Fast Open need not stay disabled (tcp_fastopen_active_should_disable). */
  syn_fastopen_ch = false;
  syn_data_acked = false;
  is_sack_reneg = false;
  save_syn = 0;
  saved_syn: Uint8Array | null = null;
  urg_seq = 0;
  keepalive_probes = 0;
  keepalive_time = 0;
  keepalive_intvl = 0;
  linger2 = 0;
  reord_seen = 0;
  notsent_lowat = 0;
  bytes_retrans = 0;
  total_rto = 0;
  total_rto_recoveries = 0;
  total_rto_time = 0;
  rto_stamp = 0;
  /** Times that a timeout chose another flow hash. */
  timeout_rehash = 0;
  rcv_ooopack = 0;
  mtu_info = 0;
  pacing_timer: Hrtimer | null = null;
  /** us by which the pacing timer was late, as far as it was not made up for. */
  pacing_late_us = 0;
  compressed_ack_timer: Hrtimer | null = null;
  /** Somebody waits in send or connect with data (sk_write_pending). */
  sk_write_pending = false;
  /** TCP_REPAIR_QUEUE. */
  repair_queue = 0;
  fastopen_rsk: RequestSock | null = null;
  fastopen_req: { data: MsgHdr | null; size: number; copied: number; cookie: FastopenCookie } | null = null;
}

/** What the rare fields are before anybody writes them. Never written. */
export const TCP_SOCK_RARE: TcpSockRare = new TcpSockRare();
