// A hostile world before the handshake is done: SYN floods, LAND, queues that overflow. Bounded memory, service where Linux serves.
// Figures of the floods: Linux 6.18 over a TUN device, the same SYNs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACK, PEER, PSH, RawConn, RawPeer, RST, SEC, SYN, US } from "./raw_peer.ts";

const BACKLOG = 128;
/** What a flood may leave in memory beside requests: nothing. */
function nothing_held(p: RawPeer, socks: number, requests: number): void {
  const live = p.live();
  assert.equal(live.skbs, 0);
  assert.equal(live.heads, 0);
  assert.equal(live.tcp_mem, 0);
  assert.equal(live.socks, socks);
  // A request has its own timer, and nothing else.
  assert.ok(live.timers! <= requests + 2, `timers ${live.timers}`);
}
const requests = (p: RawPeer): number => Number(p.ok("ss -tanH state syn-recv | wc -l"));
/** `n` SYNs, each of another host. */
function flood(p: RawPeer, n: number, port = 80): void {
  for (let i = 0; i < n; i++) {
    const src = 0x0b000000 + i;
    p.send({ src, sport: 1024 + (i % 60_000), dport: port, seq: i * 7919, flags: SYN, options: [2, 4, 5, 180] });
  }
}
/** Of `n` honest clients, how many get a connection that carries data both ways. */
function served(p: RawPeer, listener: number, n: number): number {
  let ok = 0;
  for (let i = 0; i < n; i++) {
    p.send({ sport: 2000 + i, dport: 80, seq: 100, flags: SYN, options: [2, 4, 5, 180] });
    const synack = p.take((a) => a.dst === PEER && a.dport === 2000 + i && a.flags === (SYN | ACK))[0];
    if (synack === undefined) continue;
    const base = { sport: 2000 + i, dport: 80, seq: 101, ack: (synack.seq + 1) | 0 };
    p.send({ ...base, flags: ACK });
    const fd = p.accept(listener);
    if (fd < 0) continue;
    p.send({ ...base, flags: ACK | PSH, data: 10 });
    if (p.read(fd, 100) === 10 && p.write(fd, 20) === 20) ok++;
    p.stack.setsockopt(fd, 1, 13, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
    p.stack.close(fd);
  }
  p.take();
  return ok;
}

test("SYN flood, tcp_syncookies 1: the queue fills to the backlog and one more, then cookies; everybody is served; nothing is kept", () => {
  const p = new RawPeer({ tcp_syncookies: 1 });
  const l = p.listen(80, BACKLOG);
  flood(p, 20_000);
  assert.equal(p.take().filter((a) => a.flags === (SYN | ACK)).length, 20_000);
  assert.equal(requests(p), BACKLOG + 1);
  const m = p.mib();
  assert.equal(m.TcpExtSyncookiesSent, 20_000 - BACKLOG - 1);
  assert.equal(m.TcpExtTCPReqQFullDoCookies, 20_000 - BACKLOG - 1);
  assert.equal(m.TcpExtListenDrops, 0);
  nothing_held(p, 1, BACKLOG + 1);
  assert.equal(served(p, l, 50), 50);
  assert.equal(p.mib().TcpExtSyncookiesRecv, 50);
  // Forged ACKs do not pass for cookies.
  for (let i = 0; i < 2000; i++)
    p.send({ src: 0x0b100000 + i, sport: 1024 + i, dport: 80, seq: i, ack: Math.imul(i, 0x9e3779b1), flags: ACK });
  assert.equal(p.accept(l), -11);
  assert.equal(p.take((a) => a.flags === RST).length, 2000);
  p.run(130 * SEC);
  assert.equal(requests(p), 0);
  nothing_held(p, 1, 0);
  p.end();
});

test("SYN flood, tcp_syncookies 0: what is over the backlog is dropped and counted; half of the old ones give way after 6 s", () => {
  const p = new RawPeer({ tcp_syncookies: 0 });
  const l = p.listen(80, BACKLOG);
  flood(p, 200);
  assert.equal(p.take().length, BACKLOG + 1);
  assert.equal(requests(p), BACKLOG + 1);
  assert.equal(p.mib().TcpExtTCPReqQFullDrop, 200 - BACKLOG - 1);
  assert.equal(p.mib().TcpExtListenDrops, 200 - BACKLOG - 1);
  assert.equal(served(p, l, 5), 0);
  nothing_held(p, 1, BACKLOG + 1);
  // A queue over half is thinned out: fewer tries for who does not answer.
  p.run(8 * SEC);
  assert.equal(requests(p), 64);
  assert.equal(served(p, l, 5), 5);
  p.run(60 * SEC);
  assert.equal(requests(p), 0);
  assert.ok(Math.abs(p.mib().TcpExtTCPSynRetrans! - 450) <= 10, "SYN-ACKs sent again, as Linux: 450");
  nothing_held(p, 1, 0);
  p.end();
});

test("without cookies the last quarter of tcp_max_syn_backlog is for hosts that are known (Linux: 769 of 1024)", () => {
  const p = new RawPeer({ tcp_syncookies: 0, tcp_max_syn_backlog: 1024, "net/core/somaxconn": 4096 });
  p.listen(80, 2000);
  flood(p, 3000);
  assert.equal(p.take().length, 769);
  assert.equal(p.mib().TcpExtListenDrops, 3000 - 769);
  p.run(200 * SEC);
  p.take();
  nothing_held(p, 1, 0);
  p.end();
});

test("tcp_syncookies 2: no request is ever kept", () => {
  const p = new RawPeer({ tcp_syncookies: 2 });
  const l = p.listen(80, BACKLOG);
  flood(p, 5000);
  assert.equal(requests(p), 0);
  nothing_held(p, 1, 0);
  assert.equal(served(p, l, 20), 20);
  p.end();
});

test("a flood from one address and port: one request, however many SYNs; new numbers do not multiply it", () => {
  const p = new RawPeer({ tcp_syncookies: 1 });
  const l = p.listen(80, BACKLOG);
  for (let i = 0; i < 5000; i++)
    p.send({ sport: 1024, dport: 80, seq: i * 65_537, flags: SYN, options: [2, 4, 5, 180] });
  assert.equal(requests(p), 1);
  nothing_held(p, 1, 1);
  // A SYN that lies elsewhere is answered by an ACK, not more than two a second (tcp_invalid_ratelimit).
  assert.ok(p.take().length <= 3);
  assert.equal(served(p, l, 5), 5);
  p.run(130 * SEC);
  p.end();
});

test("LAND: a SYN that claims to come from its target makes no connection and no loop", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  for (let i = 0; i < 100; i++) {
    p.send({ src: US, dst: US, sport: 80, dport: 80, seq: i, flags: SYN });
    p.send({ src: 0x7f000001, dst: US, sport: 80, dport: 80, seq: i, flags: SYN });
  }
  assert.deepEqual(p.take(), []);
  assert.equal(requests(p), 0);
  assert.equal(p.accept(l), -11);
  nothing_held(p, 1, 0);
  assert.equal(p.mib().TcpPassiveOpens, 0);
  p.end();
});

test("the accept queue overflows: the handshake's ACK is ignored and the client tries again; tcp_abort_on_overflow resets", () => {
  for (const abort of [0, 1]) {
    const p = new RawPeer({ tcp_abort_on_overflow: abort, tcp_syncookies: 0 });
    const l = p.listen(80, 2);
    const conns: RawConn[] = [];
    for (let i = 0; i < 10; i++) {
      const c = new RawConn(p, 3000 + i, 80, PEER);
      c.seg({ flags: SYN, options: [2, 4, 5, 180] });
      c.seq = 1;
      conns.push(c);
    }
    // All handshakes are half done before the first is completed.
    for (const c of conns) {
      const a = c.take().find((x) => x.flags === (SYN | ACK));
      if (a !== undefined) c.ack = (a.seq + 1) | 0;
    }
    const half = conns.filter((c) => c.ack !== 0);
    assert.equal(half.length, 3);
    for (const c of half) c.seg();
    // The queue holds backlog + 1.
    for (let i = 0; i < 3; i++) {
      const c = new RawConn(p, 4000 + i, 80, PEER);
      c.seg({ flags: SYN, options: [2, 4, 5, 180] });
      assert.deepEqual(c.take(), []);
    }
    assert.equal(p.mib().TcpExtListenOverflows, 3);
    let accepted = 0;
    while (p.accept(l) >= 0) accepted++;
    assert.equal(accepted, 3);
    const again = new RawConn(p, 5000, 80, PEER);
    again.seg({ flags: SYN, options: [2, 4, 5, 180] });
    assert.equal(again.take().length, 1);
    p.run(100 * SEC);
    p.end();
  }
});

test("a storm of simultaneous opens: each of ours meets a SYN instead of a SYN-ACK; none is stuck, none is left", () => {
  const p = new RawPeer();
  const fds: number[] = [];
  for (let i = 0; i < 200; i++) {
    const fd = p.stack.socket(2, 1 | 0o4000, 0);
    fds.push(fd);
    p.stack.connect(fd, Uint8Array.of(2, 0, 0, 7, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  }
  const syns = p.take((a) => a.flags === SYN);
  assert.equal(syns.length, 200);
  for (const [i, s] of syns.entries()) {
    const base = { sport: 7, dport: s.sport, seq: 5000 };
    p.send({ ...base, flags: SYN, options: [2, 4, 5, 180] });
    // Half of them go on; the others fall silent.
    if (i % 2 === 0) p.send({ ...base, seq: 5001, ack: (s.seq + 1) | 0, flags: ACK });
  }
  assert.equal(Number(p.ok("ss -tanH state established | wc -l")), 100);
  assert.equal(Number(p.ok("ss -tanH state syn-recv | wc -l")), 100);
  p.run(200 * SEC);
  assert.equal(Number(p.ok("ss -tanH state syn-recv | wc -l")), 0);
  for (const fd of fds) p.stack.close(fd);
  p.run(1000 * SEC);
  assert.deepEqual(p.sockstat().inuse, 0);
  p.end();
});

test("all ports towards one server are in use: EADDRNOTAVAIL, and other servers are still reached; a reset frees its port", () => {
  const p = new RawPeer({ ip_local_port_range: "40000 40099" });
  const addr = (last: number): Uint8Array => Uint8Array.of(2, 0, 0, 7, 192, 0, 2, last, 0, 0, 0, 0, 0, 0, 0, 0);
  const connect = (last: number): [number, number] => {
    const fd = p.stack.socket(2, 1 | 0o4000, 0);
    return [fd, p.stack.connect(fd, addr(last))];
  };
  for (let i = 0; i < 100; i++) assert.equal(connect(1)[1], -115);
  assert.equal(connect(1)[1], -99);
  assert.equal(connect(2)[1], -115);
  const syn = p.take((a) => a.flags === SYN)[0]!;
  p.send({ sport: 7, dport: syn.sport, ack: (syn.seq + 1) | 0, flags: RST | ACK });
  assert.equal(connect(1)[1], -115);
  assert.equal(connect(1)[1], -99);
  p.end();
});
