// What is left of a connection in TIME_WAIT (and in FIN_WAIT2 without its program): enough to answer, no buffers, no sock.
// Mirrors net/ipv4/inet_timewait_sock.c, include/linux/tcp.h (tcp_timewait_sock). Read first: RFC 9293 section 3.6.1.
// Way in: tcp_time_wait() in tcp_minisocks.ts, which calls inet_twsk_alloc() and inet_twsk_hashdance_schedule().

import { jiffies } from "../../kernel/kernel.ts";
import { mod_timer, type TimerList, timer_delete, timer_setup } from "../../kernel/time/timer.ts";
import type { Net } from "../core/net_namespace.ts";
import { LINUX_MIB_TW, LINUX_MIB_TWKILLED } from "../core/snmp.ts";
import { TCP_TIME_WAIT } from "../core/sock.ts";
import {
  type InetBindBucket,
  type InetBindOwner,
  type InetEhashEntry,
  inet_bind_bucket_add,
  inet_bind_bucket_remove,
  inet_ehash_replace,
  inet_ehash_unlink,
} from "./inet_hashtables.ts";
import type { TcpSock } from "./tcp_sock.ts";

/** struct inet_timewait_sock and tcp_timewait_sock. The tw_* accessors are Linux's other names of the common fields. */
export class InetTimewaitSock implements InetEhashEntry, InetBindOwner {
  readonly net: Net;
  readonly family: number;
  sk_state: number = TCP_TIME_WAIT;
  sk_hash = 0;
  hash_next: InetEhashEntry | null = null;
  hash_prev: InetEhashEntry | null = null;
  hashed = 0;
  inet_daddr = 0;
  inet_rcv_saddr = 0;
  inet_dport = 0;
  inet_num = 0;
  sk_bound_dev_if = 0;
  bind_next: InetBindOwner | null = null;
  bind_prev: InetBindOwner | null = null;
  sk_reuse = 0;
  sk_reuseport = false;
  sk_uid = 0;

  tw_tb: InetBindBucket | null = null;
  readonly tw_timer: TimerList;
  /** TCP_FIN_WAIT2 or TCP_TIME_WAIT. */
  tw_substate = 0;
  tw_rcv_wscale = 0;
  tw_tos = 0;
  tw_mark = 0;
  tw_priority = 0;
  tw_txhash = 0;
  tw_transparent = false;
  tw_usec_ts = false;
  sk_cookie = 0;
  /** ms of the timestamp clock: when TIME_WAIT began. */
  tw_entry_stamp = 0;
  tw_rcv_nxt = 0;
  tw_snd_nxt = 0;
  /** Bytes, not scaled. */
  tw_rcv_wnd = 0;
  tw_ts_offset = 0;
  tw_ts_recent = 0;
  /** s; 0: the connection had no timestamps. */
  tw_ts_recent_stamp = 0;
  last_oow_ack_time = 0;
  tw_tx_delay = 0;
  private dead = false;

  /** True for the first who ends it. */
  kill(): boolean {
    const first = !this.dead;
    this.dead = true;
    return first;
  }

  constructor(net: Net, family: number) {
    this.net = net;
    this.family = family;
    this.tw_timer = timer_setup(net.kernel, tw_timer_handler, this);
  }

  get tw_daddr(): number {
    return this.inet_daddr;
  }
  get tw_rcv_saddr(): number {
    return this.inet_rcv_saddr;
  }
  get tw_dport(): number {
    return this.inet_dport;
  }
  get tw_sport(): number {
    return this.inet_num;
  }
  get tw_num(): number {
    return this.inet_num;
  }
  get tw_bound_dev_if(): number {
    return this.sk_bound_dev_if;
  }
}

/** How many a namespace has (struct inet_timewait_death_row). */
export class InetTimewaitDeathRow {
  tw_refcount = 0;
}

declare module "../core/net_namespace.ts" {
  interface Net {
    tcp_death_row: InetTimewaitDeathRow;
  }
}

function tw_timer_handler(timer: TimerList): void {
  inet_twsk_kill(timer.owner as InetTimewaitSock);
}

/** Null when there are tcp_max_tw_buckets already. */
export function inet_twsk_alloc(tp: TcpSock, state: number): InetTimewaitSock | null {
  const net = tp.net;
  if (net.tcp_death_row.tw_refcount >= net.ipv4.sysctl_max_tw_buckets) return null;
  const tw = new InetTimewaitSock(net, tp.family);
  tw.inet_daddr = tp.inet_daddr;
  tw.inet_rcv_saddr = tp.inet_rcv_saddr;
  tw.inet_dport = tp.inet_dport;
  tw.inet_num = tp.inet_num;
  tw.sk_bound_dev_if = tp.sk_bound_dev_if;
  tw.sk_reuse = tp.sk_reuse;
  tw.sk_reuseport = tp.sk_reuseport;
  tw.sk_uid = tp.sk_uid;
  tw.tw_tos = tp.tos;
  tw.tw_substate = state;
  tw.tw_transparent = tp.transparent;
  tw.tw_priority = tp.sk_priority;
  tw.sk_cookie = tp.sk_cookie;
  return tw;
}

/** Takes the place of its connection in both hashes, and starts its time (ms). */
export function inet_twsk_hashdance_schedule(tw: InetTimewaitSock, tp: TcpSock, timeo: number): void {
  const tb = tp.icsk_bind_hash;
  if (tb !== null) {
    tw.tw_tb = tb;
    inet_bind_bucket_add(tb, tw);
  }
  tw.sk_hash = tp.sk_hash;
  inet_ehash_replace(tp, tw);
  __inet_twsk_schedule(tw, timeo, false);
}

/** Above it a timeout is a full TIME_WAIT for the counters. */
const TW_KILLED_BELOW = 4000;

function __inet_twsk_schedule(tw: InetTimewaitSock, timeo: number, rearm: boolean): void {
  const net = tw.net;
  const expires = jiffies(net.kernel) + timeo;
  if (!rearm) {
    net.mib.linux[timeo <= TW_KILLED_BELOW ? LINUX_MIB_TWKILLED : LINUX_MIB_TW]!++;
    net.tcp_death_row.tw_refcount++;
    mod_timer(tw.tw_timer, expires);
  } else if (tw.tw_timer.index >= 0) {
    mod_timer(tw.tw_timer, expires);
  }
}

export const inet_twsk_reschedule = (tw: InetTimewaitSock, timeo: number): void =>
  __inet_twsk_schedule(tw, timeo, true);

/** Out of both hashes, for good. */
function inet_twsk_kill(tw: InetTimewaitSock): void {
  if (!tw.kill()) return;
  inet_ehash_unlink(tw);
  inet_twsk_bind_unhash(tw);
  tw.net.tcp_death_row.tw_refcount--;
}

export function inet_twsk_bind_unhash(tw: InetTimewaitSock): void {
  const tb = tw.tw_tb;
  if (tb === null) return;
  tw.tw_tb = null;
  inet_bind_bucket_remove(tb, tw);
}

/** Before its time: a RST came, or its port is wanted for a new connection. */
export function inet_twsk_deschedule_put(tw: InetTimewaitSock): void {
  timer_delete(tw.tw_timer);
  inet_twsk_kill(tw);
}
