// /proc/net/tcp, and TCP's line of /proc/net/sockstat. Mirrors the proc half of net/ipv4/tcp_ipv4.c.
// Read first: proc_net(5). Way in: tcp4_seq_show(), tcp4_proc_init() in inet_init().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { timer_pending } from "../../kernel/time/timer.ts";
import { AF_INET } from "../../uapi/socket.ts";
import type { Net } from "../core/net_namespace.ts";
import { proc_create_net } from "../core/net-procfs.ts";
import { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_TIME_WAIT } from "../core/sock.ts";
import { inet_csk_in_pingpong_mode } from "./inet_connection_sock.ts";
import { inet_ehash_entries, inet_listeners } from "./inet_hashtables.ts";
import type { InetTimewaitSock } from "./inet_timewait_sock.ts";
import type { RequestSock } from "./request_sock.ts";
import {
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  type TcpSock,
  tcp_in_initial_slowstart,
} from "./tcp_sock.ts";
import { proc_addresses } from "./udp_proc.ts";

const HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
/** Each line is padded to this, and ends in a newline. */
const WIDTH = 149;
/** ms in a tick of USER_HZ. */
const CLOCK_TICK = 10;

const hex = (v: number, width: number): string => (v >>> 0).toString(16).toUpperCase().padStart(width, "0");
const clock_t = (ms: number): number => Math.floor(ms / CLOCK_TICK);
/** How long until a timer is due, in clock ticks; not less than 0. */
const delta_to_clock_t = (ms: number): number => (ms > 0 ? clock_t(ms) : 0);
/** What Linux prints of a kernel pointer is a hash of it; here it is the cookie. */
const pointer = (v: number): string => v.toString(16).padStart(16, "0");

const TIMER_NONE = 0;
const TIMER_RETRANS = 1;
const TIMER_KEEPALIVE = 2;
const TIMER_TIME_WAIT = 3;
const TIMER_PROBE0 = 4;

/** Which timer runs (as ss and netstat -o name them), and when it is due (jiffies). */
export function tcp_timer_of(tp: TcpSock): readonly [number, number] {
  switch (tp.icsk_pending) {
    case ICSK_TIME_RETRANS:
    case ICSK_TIME_REO_TIMEOUT:
    case ICSK_TIME_LOSS_PROBE:
      return [TIMER_RETRANS, tp.icsk_timeout];
    case ICSK_TIME_PROBE0:
      return [TIMER_PROBE0, tp.icsk_timeout];
  }
  const t = tp.sk_timer;
  if (t !== null && timer_pending(t)) return [TIMER_KEEPALIVE, t.expires];
  return [TIMER_NONE, jiffies(tp.net.kernel)];
}

function get_tcp4_sock(tp: TcpSock): string {
  const now = jiffies(tp.net.kernel);
  const listen = tp.sk_state === TCP_LISTEN;
  const [timer, expires] = tcp_timer_of(tp);
  const rx_queue = listen ? tp.sk_ack_backlog : Math.max(0, (tp.rcv_nxt - tp.copied_seq) | 0);
  const tx_queue = (tp.write_seq - tp.snd_una) | 0;
  const quick = (tp.ack_quick << 1) | (inet_csk_in_pingpong_mode(tp) ? 1 : 0);
  const ssthresh = listen
    ? (tp.icsk_accept_queue?.fastopenq.max_qlen ?? 0)
    : tcp_in_initial_slowstart(tp)
      ? -1
      : tp.snd_ssthresh;
  return (
    `${proc_addresses(tp)} ${hex(tp.sk_state, 2)} ` +
    `${hex(tx_queue, 8)}:${hex(rx_queue, 8)} ${hex(timer, 2)}:${hex(delta_to_clock_t(expires - now), 8)} ` +
    `${hex(tp.icsk_retransmits, 8)} ${String(tp.sk_uid).padStart(5)} ${String(tp.icsk_probes_out).padStart(8)} ` +
    // Without a program (sk_socket) there is no inode.
    `${tp.sk_socket !== null ? tp.sk_cookie : 0} ${tp.sk_refcnt} ${pointer(tp.sk_cookie)} ` +
    `${clock_t(tp.icsk_rto)} ${clock_t(tp.ack_ato)} ${quick} ${tp.snd_cwnd} ${ssthresh}`
  );
}

function get_openreq4(req: RequestSock): string {
  const left = req.timer !== null ? req.timer.expires - jiffies(req.net.kernel) : 0;
  return (
    `${proc_addresses(req)} ${hex(TCP_SYN_RECV, 2)} ` +
    `00000000:00000000 ${hex(TIMER_RETRANS, 2)}:${hex(delta_to_clock_t(left), 8)} ${hex(req.num_timeout, 8)} ` +
    `${String(req.rsk_listener?.sk_uid ?? 0).padStart(5)} ${"0".padStart(8)} 0 0 ${pointer(req.sk_hash >>> 0)}`
  );
}

function get_timewait4_sock(tw: InetTimewaitSock): string {
  const left = tw.tw_timer.expires - jiffies(tw.net.kernel);
  return (
    `${proc_addresses(tw)} ${hex(tw.tw_substate, 2)} ` +
    `00000000:00000000 ${hex(TIMER_TIME_WAIT, 2)}:${hex(delta_to_clock_t(left), 8)} 00000000 ` +
    `${"0".padStart(5)} ${"0".padStart(8)} 0 3 ${pointer(tw.sk_hash >>> 0)}`
  );
}

/** Text of /proc/net/tcp: listeners, then everything in the hash of connections. */
export const tcp4_seq_show = (net: Net): string => tcp_seq_show(net, AF_INET, HEADER, WIDTH);

/** The sockets of one family, each line as wide as `width` at least. */
export function tcp_seq_show(net: Net, family: number, header: string, width: number): string {
  const lines = [header.padEnd(width)];
  const add = (what: string): void => {
    lines.push(`${String(lines.length - 1).padStart(4)}: ${what}`.padEnd(width));
  };
  for (const sk of inet_listeners(net)) if (sk.family === family) add(get_tcp4_sock(sk));
  for (const e of inet_ehash_entries(net)) {
    if (e.family !== family) continue;
    if (e.sk_state === TCP_TIME_WAIT) add(get_timewait4_sock(e as InetTimewaitSock));
    else if (e.sk_state === TCP_NEW_SYN_RECV) add(get_openreq4(e as RequestSock));
    else add(get_tcp4_sock(e as TcpSock));
  }
  return `${lines.join("\n")}\n`;
}

/** inuse, orphan, tw, alloc, mem of /proc/net/sockstat: the first and the third of the namespace, the others of the machine. */
function tcp_sockstat(net: Net): readonly [number, number, number, number, number] {
  const k = net.kernel;
  return [
    net.tcp_hashinfo.inuse - net.tcp_hashinfo.inuse6,
    k.tcp_orphan_count,
    net.tcp_death_row.tw_refcount,
    k.tcp_sockets_allocated,
    k.tcp_memory_allocated,
  ];
}

export function tcp4_proc_init(k: Kernel): void {
  k.tcp_sockstat = tcp_sockstat;
  proc_create_net(k, "tcp", tcp4_seq_show);
}
