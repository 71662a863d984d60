// Requests and TIME_WAIT: how long a half-open connection is kept, what ends it, the queues of a listener, and what TIME_WAIT
// answers (RFC 9293 sections 3.6.1 and 3.10.7.4, RFC 6191). The other side is made of raw packets or of a real socket.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskSys } from "../../../../src/init/sys.ts";
import type { Net } from "../../../../src/net/core/net_namespace.ts";
import { TCP_NEW_SYN_RECV, TCP_TIME_WAIT } from "../../../../src/net/core/sock.ts";
import { inet_ehash_entries } from "../../../../src/net/ipv4/inet_hashtables.ts";
import type { InetTimewaitSock } from "../../../../src/net/ipv4/inet_timewait_sock.ts";
import type { RequestSock } from "../../../../src/net/ipv4/request_sock.ts";
import { BLOCKS, KernelRig, now, sockaddr, sockaddr_text } from "../../../lib/kernel.ts";

const SYN = 2;
const RST = 4;
const ACK = 16;
const SERVER = "10.0.0.2";
/** Nobody is there: what is sent to it, by way of the other host, which is no router, is lost. */
const FORGED = "10.9.0.9";

/** An IPv4 packet with a TCP segment from FORGED; options are not needed. */
function segment(sport: number, dport: number, seq: number, ack: number, flags: number, payload = 0): Uint8Array {
  const p = new Uint8Array(40 + payload);
  const dv = new DataView(p.buffer);
  dv.setUint8(0, 0x45);
  dv.setUint16(2, p.length);
  dv.setUint8(8, 64);
  dv.setUint8(9, 6);
  FORGED.split(".").forEach((s, i) => {
    p[12 + i] = Number(s);
  });
  SERVER.split(".").forEach((s, i) => {
    p[16 + i] = Number(s);
  });
  dv.setUint16(20, sport);
  dv.setUint16(22, dport);
  dv.setUint32(24, seq >>> 0);
  dv.setUint32(28, ack >>> 0);
  dv.setUint16(32, 0x5000 | flags);
  dv.setUint16(34, 65535);
  let sum = 6 + 20 + payload;
  for (let i = 12; i < p.length; i += 2) sum += (p[i]! << 8) | (p[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  dv.setUint16(36, ~sum & 0xffff);
  return p;
}

interface Listening {
  rig: KernelRig;
  a: Net;
  b: Net;
  sa: TaskSys;
  sb: TaskSys;
  lfd: number;
  inject(seq: number, ack: number, flags: number, payload?: number, sport?: number): void;
  requests(): RequestSock[];
  timewaits(net: Net): InetTimewaitSock[];
}

/** A listener on port 80 of namespace b, and a way to send it segments of somebody who is not there. */
function listening(backlog = 10): Listening {
  const rig = new KernelRig();
  const { a, b } = rig.pair();
  rig.ip("route add 10.9.0.0/24 via 10.0.0.1", b);
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const lfd = sb.socket(2, 1, 0);
  assert.equal(sb.setsockopt(lfd, 1, 2, 1), 0);
  assert.equal(sb.bind(lfd, sockaddr("0.0.0.0", 80)), 0);
  assert.equal(sb.listen(lfd, backlog), 0);
  const raw = sa.socket(2, 3, 255);
  return {
    rig,
    a,
    b,
    sa,
    sb,
    lfd,
    inject: (seq, ack, flags, payload = 0, sport = 1234) => {
      const p = segment(sport, 80, seq, ack, flags, payload);
      assert.equal(now(sa.sendto(raw, p, 0, sockaddr(SERVER, 0))), p.length);
      rig.run(1);
    },
    requests: () => [...inet_ehash_entries(b)].filter((e) => e.sk_state === TCP_NEW_SYN_RECV) as RequestSock[],
    timewaits: (net) => [...inet_ehash_entries(net)].filter((e) => e.sk_state === TCP_TIME_WAIT) as InetTimewaitSock[],
  };
}

test("a half-open connection: SYN-ACKs after 1, 3, 7, 15 and 31 s, and the end after 63 s (tcp_synack_retries 5)", () => {
  const t = listening();
  t.inject(1000, 0, SYN);
  assert.equal(t.requests().length, 1);
  const mib = (name: string): number => t.rig.mib(t.b)[name]!;
  assert.equal(mib("TcpRetransSegs"), 0);
  for (const [ms, retrans] of [
    [990, 0],
    [20, 1],
    [1980, 1],
    [20, 2],
    [27_900, 4],
    [200, 5],
    [31_700, 5],
  ] as const) {
    t.rig.run(ms);
    assert.equal(mib("TcpRetransSegs"), retrans, `after ${ms} more ms`);
  }
  assert.equal(t.requests().length, 1);
  t.rig.run(200);
  assert.equal(t.requests().length, 0);
  assert.equal(mib("TcpRetransSegs"), 5);
  assert.equal(mib("TcpExtTCPTimeouts"), 6);
  t.rig.end();
});

test("the same SYN again is answered again, and makes no second request", () => {
  const t = listening();
  t.inject(1000, 0, SYN);
  t.rig.run(600);
  t.inject(1000, 0, SYN);
  assert.equal(t.requests().length, 1);
  assert.equal(t.rig.mib(t.b).TcpRetransSegs, 1);
  t.inject(1000, 0, SYN);
  assert.equal(t.rig.mib(t.b).TcpRetransSegs, 1, "not more often than tcp_invalid_ratelimit allows");
  assert.equal(t.rig.mib(t.b).TcpExtTCPACKSkippedSynRecv, 1);
  t.rig.end();
});

test("a RST in the window ends a request, one outside of it does not; a SYN in the window is answered with RST", () => {
  const t = listening();
  t.inject(1000, 0, SYN);
  t.inject(900, 0, RST);
  assert.equal(t.requests().length, 1);
  t.inject(1001, 0, RST);
  assert.equal(t.requests().length, 0);
  assert.equal(t.rig.mib(t.b).TcpExtEmbryonicRsts, 1);
  assert.equal(t.rig.mib(t.b).TcpAttemptFails, 1);
  t.inject(5000, 0, SYN);
  t.inject(5005, 0, SYN);
  assert.equal(t.requests().length, 0);
  assert.equal(t.rig.mib(t.b).TcpExtEmbryonicRsts, 2);
  assert.equal(t.rig.mib(t.b).TcpOutRsts, 1);
  t.rig.end();
});

test("an ACK that acknowledges something else is answered with RST, and the request stays", () => {
  const t = listening();
  t.inject(1000, 0, SYN);
  const req = t.requests()[0]!;
  t.inject(1001, req.snt_isn + 2, ACK);
  assert.equal(t.rig.mib(t.b).TcpOutRsts, 1);
  assert.equal(t.requests().length, 1);
  t.inject(1001, req.snt_isn + 1, ACK);
  assert.equal(t.requests().length, 0);
  const fd = now(t.sb.accept4(t.lfd, null, 0)) as number;
  assert.ok(fd > 0);
  const name = new Uint8Array(16);
  t.sb.getpeername(fd, name);
  assert.equal(sockaddr_text(name), `${FORGED}:1234`);
  assert.equal(t.rig.mib(t.b).TcpPassiveOpens, 1);
  t.rig.end();
});

test("the accept queue takes one more than listen(2) said; a SYN beyond it is dropped and counted", () => {
  const t = listening(0);
  const clients = Array.from({ length: 2 }, () => {
    const fd = t.sa.socket(2, 1, 0);
    const r = now(t.sa.connect(fd, sockaddr(SERVER, 80)));
    t.rig.run(1);
    return [fd, r] as const;
  });
  assert.equal(t.rig.mib(t.b).TcpPassiveOpens, 1);
  assert.equal(t.rig.mib(t.b).TcpExtListenOverflows, 1);
  assert.equal(t.rig.mib(t.b).TcpExtListenDrops, 1);
  assert.ok((now(t.sb.accept4(t.lfd, null, 0)) as number) > 0);
  assert.equal(now(t.sb.accept4(t.lfd, null, 0)), BLOCKS);
  t.rig.run(1100);
  assert.ok((now(t.sb.accept4(t.lfd, null, 0)) as number) > 0, "the SYN came again after a second");
  for (const [fd] of clients) t.sa.close(fd);
  t.rig.end();
});

test("requests whose ACK finds a full accept queue stay, or are reset with tcp_abort_on_overflow", () => {
  const t = listening(5);
  for (const port of [1, 2, 3]) t.inject(1000, 0, SYN, 0, port);
  const isn = new Map(t.requests().map((req) => [req.inet_dport, req.snt_isn]));
  assert.equal(isn.size, 3);
  // The queue is made shorter while they wait.
  assert.equal(t.sb.listen(t.lfd, 0), 0);
  const ack = (port: number): void => t.inject(1001, isn.get(port)! + 1, ACK, 0, port);
  ack(1);
  ack(2);
  assert.equal(t.rig.mib(t.b).TcpPassiveOpens, 1);
  assert.equal(t.rig.mib(t.b).TcpExtListenOverflows, 1);
  assert.deepEqual(
    new Map(t.requests().map((req) => [req.inet_dport, req.acked])),
    new Map([
      [2, true],
      [3, false],
    ]),
  );
  t.b.ipv4.sysctl_tcp_abort_on_overflow = 1;
  ack(3);
  assert.deepEqual(
    t.requests().map((req) => req.inet_dport),
    [2],
  );
  assert.equal(t.rig.mib(t.b).TcpOutRsts, 1);
  t.rig.end();
});

test("TCP_DEFER_ACCEPT: the bare ACK makes no connection, data does", () => {
  const t = listening();
  assert.equal(t.sb.setsockopt(t.lfd, 6, 9, 5), 0);
  t.inject(1000, 0, SYN);
  const isn = t.requests()[0]!.snt_isn;
  t.inject(1001, isn + 1, ACK);
  assert.equal(t.rig.mib(t.b).TcpExtTCPDeferAcceptDrop, 1);
  assert.equal(t.requests().length, 1);
  assert.equal(now(t.sb.accept4(t.lfd, null, 0)), BLOCKS);
  t.inject(1001, isn + 1, ACK, 10);
  assert.equal(t.requests().length, 0);
  assert.ok((now(t.sb.accept4(t.lfd, null, 0)) as number) > 0);
  t.rig.end();
});

test("closing a listener resets what nobody accepted; a request of it ends with its timer", () => {
  const t = listening();
  const fd = t.sa.socket(2, 1, 0);
  now(t.sa.connect(fd, sockaddr(SERVER, 80)));
  t.rig.run(1);
  t.inject(1000, 0, SYN);
  t.sb.close(t.lfd);
  t.rig.run(1);
  assert.equal(t.rig.mib(t.a).TcpEstabResets, 1);
  assert.equal(t.requests().length, 1);
  t.rig.run(1000);
  assert.equal(t.requests().length, 0);
  t.rig.end();
});

/** A connection from the bound port 4000 that side `first` closes first; both ends are closed afterwards. */
function closed(t: Listening, first: "client" | "server"): void {
  const c = t.sa.socket(2, 1, 0);
  t.sa.setsockopt(c, 1, 2, 1);
  assert.equal(t.sa.bind(c, sockaddr("0.0.0.0", 4000)), 0);
  const r = now(t.sa.connect(c, sockaddr(SERVER, 80)));
  assert.ok(r === 0 || r === BLOCKS, `connect: ${r as number}`);
  t.rig.run(1);
  const s = now(t.sb.accept4(t.lfd, null, 0)) as number;
  assert.ok(s > 0);
  if (first === "client") t.sa.close(c);
  else t.sb.close(s);
  t.rig.run(1);
  if (first === "client") t.sb.close(s);
  else t.sa.close(c);
  t.rig.run(1);
}

test("TIME_WAIT is where the first close was, and lasts 60 s", () => {
  for (const first of ["client", "server"] as const) {
    const t = listening();
    closed(t, first);
    const [here, there] = first === "client" ? [t.a, t.b] : [t.b, t.a];
    assert.equal(t.timewaits(here).length, 1);
    assert.equal(t.timewaits(there).length, 0);
    assert.equal(here.tcp_death_row.tw_refcount, 1);
    assert.equal(t.rig.mib(here).TcpExtTW, 1);
    t.rig.run(59_900);
    assert.equal(t.timewaits(here).length, 1);
    t.rig.run(200);
    assert.equal(t.timewaits(here).length, 0);
    assert.equal(here.tcp_death_row.tw_refcount, 0);
    t.rig.end();
  }
});

test("RFC 6191: a bound port in TIME_WAIT is used again at once where timestamps were in use, and only there", () => {
  const t = listening();
  closed(t, "client");
  closed(t, "client");
  assert.equal(t.timewaits(t.a).length, 1);
  assert.equal(t.rig.mib(t.a).TcpExtTWRecycled, 1);
  t.rig.end();

  const u = listening();
  u.a.ipv4.sysctl_tcp_timestamps = 0;
  closed(u, "client");
  const c = u.sa.socket(2, 1, 0);
  u.sa.setsockopt(c, 1, 2, 1);
  assert.equal(u.sa.bind(c, sockaddr("0.0.0.0", 4000)), 0);
  assert.equal(now(u.sa.connect(c, sockaddr(SERVER, 80))), -99);
  u.rig.end();
});

test("a SYN with a higher sequence number, or a later timestamp, ends TIME_WAIT and makes a new connection", () => {
  const t = listening();
  closed(t, "server");
  assert.equal(t.timewaits(t.b).length, 1);
  const [tw] = t.timewaits(t.b);
  t.rig.run(10);
  closed(t, "server");
  assert.equal(t.rig.mib(t.b).TcpPassiveOpens, 2);
  const after = t.timewaits(t.b);
  assert.equal(after.length, 1);
  assert.notEqual(after[0], tw);
  assert.equal(t.b.tcp_death_row.tw_refcount, 1);
  t.rig.end();
});

test("tcp_max_tw_buckets: beyond it a connection just ends, and that is counted", () => {
  const t = listening();
  t.a.ipv4.sysctl_max_tw_buckets = 0;
  closed(t, "client");
  assert.equal(t.timewaits(t.a).length, 0);
  assert.equal(t.rig.mib(t.a).TcpExtTCPTimeWaitOverflow, 1);
  t.rig.end();
});
