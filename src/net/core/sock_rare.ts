// Written by tools/gen-rare.mjs from sock_fields.ts, where the fields are explained. Do not edit.

import { SOCK_RARE, SockRare } from "./sock_fields.ts";

export class SockFields {
  private sock_rare: SockRare = SOCK_RARE;
  private own_sock_rare(): SockRare {
    if (this.sock_rare === SOCK_RARE) this.sock_rare = new SockRare();
    return this.sock_rare;
  }

  get sk_lingertime(): SockRare["sk_lingertime"] {
    return this.sock_rare.sk_lingertime;
  }
  set sk_lingertime(v: SockRare["sk_lingertime"]) {
    if (this.sock_rare.sk_lingertime !== v) this.own_sock_rare().sk_lingertime = v;
  }
  get sk_omem_alloc(): SockRare["sk_omem_alloc"] {
    return this.sock_rare.sk_omem_alloc;
  }
  set sk_omem_alloc(v: SockRare["sk_omem_alloc"]) {
    if (this.sock_rare.sk_omem_alloc !== v) this.own_sock_rare().sk_omem_alloc = v;
  }
  get sk_ll_usec(): SockRare["sk_ll_usec"] {
    return this.sock_rare.sk_ll_usec;
  }
  set sk_ll_usec(v: SockRare["sk_ll_usec"]) {
    if (this.sock_rare.sk_ll_usec !== v) this.own_sock_rare().sk_ll_usec = v;
  }
  get sk_stamp(): SockRare["sk_stamp"] {
    return this.sock_rare.sk_stamp;
  }
  set sk_stamp(v: SockRare["sk_stamp"]) {
    if (this.sock_rare.sk_stamp !== v) this.own_sock_rare().sk_stamp = v;
  }
  get sk_tskey(): SockRare["sk_tskey"] {
    return this.sock_rare.sk_tskey;
  }
  set sk_tskey(v: SockRare["sk_tskey"]) {
    if (this.sock_rare.sk_tskey !== v) this.own_sock_rare().sk_tskey = v;
  }
  get sk_peek_off(): SockRare["sk_peek_off"] {
    return this.sock_rare.sk_peek_off;
  }
  set sk_peek_off(v: SockRare["sk_peek_off"]) {
    if (this.sock_rare.sk_peek_off !== v) this.own_sock_rare().sk_peek_off = v;
  }
  get sk_rcvtimeo(): SockRare["sk_rcvtimeo"] {
    return this.sock_rare.sk_rcvtimeo;
  }
  set sk_rcvtimeo(v: SockRare["sk_rcvtimeo"]) {
    if (this.sock_rare.sk_rcvtimeo !== v) this.own_sock_rare().sk_rcvtimeo = v;
  }
  get sk_sndtimeo(): SockRare["sk_sndtimeo"] {
    return this.sock_rare.sk_sndtimeo;
  }
  set sk_sndtimeo(v: SockRare["sk_sndtimeo"]) {
    if (this.sock_rare.sk_sndtimeo !== v) this.own_sock_rare().sk_sndtimeo = v;
  }
  get sk_max_ack_backlog(): SockRare["sk_max_ack_backlog"] {
    return this.sock_rare.sk_max_ack_backlog;
  }
  set sk_max_ack_backlog(v: SockRare["sk_max_ack_backlog"]) {
    if (this.sock_rare.sk_max_ack_backlog !== v) this.own_sock_rare().sk_max_ack_backlog = v;
  }
  get sk_ack_backlog(): SockRare["sk_ack_backlog"] {
    return this.sock_rare.sk_ack_backlog;
  }
  set sk_ack_backlog(v: SockRare["sk_ack_backlog"]) {
    if (this.sock_rare.sk_ack_backlog !== v) this.own_sock_rare().sk_ack_backlog = v;
  }
  get sk_uid(): SockRare["sk_uid"] {
    return this.sock_rare.sk_uid;
  }
  set sk_uid(v: SockRare["sk_uid"]) {
    if (this.sock_rare.sk_uid !== v) this.own_sock_rare().sk_uid = v;
  }
  get sk_forward_alloc(): SockRare["sk_forward_alloc"] {
    return this.sock_rare.sk_forward_alloc;
  }
  set sk_forward_alloc(v: SockRare["sk_forward_alloc"]) {
    if (this.sock_rare.sk_forward_alloc !== v) this.own_sock_rare().sk_forward_alloc = v;
  }
  get sk_busy_poll_budget(): SockRare["sk_busy_poll_budget"] {
    return this.sock_rare.sk_busy_poll_budget;
  }
  set sk_busy_poll_budget(v: SockRare["sk_busy_poll_budget"]) {
    if (this.sock_rare.sk_busy_poll_budget !== v) this.own_sock_rare().sk_busy_poll_budget = v;
  }
  get sk_clockid(): SockRare["sk_clockid"] {
    return this.sock_rare.sk_clockid;
  }
  set sk_clockid(v: SockRare["sk_clockid"]) {
    if (this.sock_rare.sk_clockid !== v) this.own_sock_rare().sk_clockid = v;
  }
  get sk_txtime_flags(): SockRare["sk_txtime_flags"] {
    return this.sock_rare.sk_txtime_flags;
  }
  set sk_txtime_flags(v: SockRare["sk_txtime_flags"]) {
    if (this.sock_rare.sk_txtime_flags !== v) this.own_sock_rare().sk_txtime_flags = v;
  }
  get sk_bind_phc(): SockRare["sk_bind_phc"] {
    return this.sock_rare.sk_bind_phc;
  }
  set sk_bind_phc(v: SockRare["sk_bind_phc"]) {
    if (this.sock_rare.sk_bind_phc !== v) this.own_sock_rare().sk_bind_phc = v;
  }
  get sk_txrehash(): SockRare["sk_txrehash"] {
    return this.sock_rare.sk_txrehash;
  }
  set sk_txrehash(v: SockRare["sk_txrehash"]) {
    if (this.sock_rare.sk_txrehash !== v) this.own_sock_rare().sk_txrehash = v;
  }
  get sk_reuseport_prog(): SockRare["sk_reuseport_prog"] {
    return this.sock_rare.sk_reuseport_prog;
  }
  set sk_reuseport_prog(v: SockRare["sk_reuseport_prog"]) {
    if (this.sock_rare.sk_reuseport_prog !== v) this.own_sock_rare().sk_reuseport_prog = v;
  }
  get sk_zckey(): SockRare["sk_zckey"] {
    return this.sock_rare.sk_zckey;
  }
  set sk_zckey(v: SockRare["sk_zckey"]) {
    if (this.sock_rare.sk_zckey !== v) this.own_sock_rare().sk_zckey = v;
  }
  get sk_zc_waits(): SockRare["sk_zc_waits"] {
    return this.sock_rare.sk_zc_waits;
  }
  set sk_zc_waits(v: SockRare["sk_zc_waits"]) {
    if (this.sock_rare.sk_zc_waits !== v) this.own_sock_rare().sk_zc_waits = v;
  }
  get sk_max_pacing_rate(): SockRare["sk_max_pacing_rate"] {
    return this.sock_rare.sk_max_pacing_rate;
  }
  set sk_max_pacing_rate(v: SockRare["sk_max_pacing_rate"]) {
    if (this.sock_rare.sk_max_pacing_rate !== v) this.own_sock_rare().sk_max_pacing_rate = v;
  }
}
