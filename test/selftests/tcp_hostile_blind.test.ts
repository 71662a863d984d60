// Attackers who do not see the connection: blind RST, SYN and data (RFC 5961), ICMP (RFC 5927), old timestamps (RFC 7323),
// TIME_WAIT assassination (RFC 1337). The connection goes on, and answers are limited.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACK, FIN, icmp_error, MS, PSH, type RawConn, RawPeer, RST, SEC, SYN, US } from "./raw_peer.ts";

const ts = (val: number, ecr: number): number[] => {
  const b = [1, 1, 8, 10];
  for (const v of [val, ecr]) b.push((v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255);
  return b;
};
/** The connection carries data both ways. */
function alive(p: RawPeer, c: RawConn): void {
  c.take();
  c.data(10);
  assert.equal(p.read(c.fd, 100), 10);
  assert.equal(p.write(c.fd, 20), 20);
  const a = c.follow().filter((x) => x.data.length === 20);
  assert.equal(a.length, 1);
  c.seg();
}

test("blind RSTs all over the number space: only the exact number resets; those in the window are challenged, at most two a second", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80);
  // A step of one window would hit every window once; none hits the number itself.
  for (let i = 1; i < 65_536; i += 4) c.seg({ at: i * 65_521, flags: RST });
  for (let i = 1; i < 20_000; i += 7) c.seg({ at: i, flags: RST });
  const answers = c.take();
  assert.equal(answers.length, 1);
  assert.equal(answers[0]!.flags, ACK);
  assert.ok(p.mib().TcpExtTCPACKSkippedChallenge! > 2000);
  alive(p, c);
  p.run(SEC);
  c.seg({ flags: RST });
  assert.equal(p.read(c.fd, 1), -104);
  p.end();
});

test("blind SYNs, in the window and out: a challenge ACK (RFC 5961 section 4.2), no reset, no new connection", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80);
  for (let i = 0; i < 5000; i++) c.seg({ at: i * 429_497, flags: SYN });
  assert.equal(c.take().length, 1);
  const m = p.mib();
  assert.equal(m.TcpExtTCPSYNChallenge, 5000);
  assert.equal(m.TcpExtTCPChallengeACK, 1);
  assert.equal(m.TcpInErrs, 5000);
  assert.equal(p.accept(l), -11);
  alive(p, c);
  p.end();
});

test("tcp_challenge_ack_limit bounds the challenges of all connections per second, with a random share (RFC 5961 section 7)", () => {
  const counts = new Set<number>();
  for (const seed of [1, 2, 3, 4]) {
    const p = new RawPeer({ tcp_challenge_ack_limit: 20 }, { seed });
    const l = p.listen(80, 256);
    const conns = Array.from({ length: 60 }, () => p.open(l, 80));
    p.run(2 * SEC);
    p.take();
    for (const c of conns) c.seg({ at: 100, flags: RST });
    const n = p.take().length;
    // Half of the limit, and up to a whole one more.
    assert.ok(n >= 10 && n < 30, `${n} challenges`);
    counts.add(n);
    for (const c of conns) c.seg({ at: 200, flags: RST });
    assert.equal(p.take().length, 0);
    p.run(2 * SEC);
    for (const c of conns) c.seg({ at: 300, flags: RST });
    const again = p.take().length;
    assert.ok(again >= 10 && again < 30, `${again} challenges`);
    p.end();
  }
  // A limit that everybody knows would be a side channel.
  assert.ok(counts.size > 1);
});

test("blind data: an ACK that is too old or too new is challenged and the data is not taken (RFC 5961 section 5)", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80);
  for (let i = 1; i < 4000; i++) {
    c.seg({ acked: i * 1_073_741, flags: ACK | PSH, data: 100 });
    c.seg({ acked: -70_000 - i * 65_537, flags: ACK | PSH, data: 100 });
  }
  assert.equal(p.read(c.fd, 100), -11);
  // A segment without ACK has no say at all.
  c.seg({ flags: PSH, data: 100 });
  assert.equal(p.read(c.fd, 100), -11);
  assert.equal(p.mem(c).rmem, 0);
  alive(p, c);
  p.end();
});

test("data out of the window is not kept; each piece is answered by an ACK that carries nothing", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80);
  for (let i = 1; i < 1000; i++) c.seg({ at: 100_000 + i * 1_000_003, flags: ACK | PSH, data: 1000 });
  const m = p.mem(c);
  assert.equal(m.rmem, 0);
  assert.ok(c.take().every((a) => a.data.length === 0));
  alive(p, c);
  p.end();
});

test("PAWS: forged timestamps of the future do not shut the real peer out; the past is dropped", () => {
  const p = new RawPeer({ tcp_timestamps: 1 });
  const l = p.listen(80);
  const c = p.open(l, 80, { opts: [2, 4, 5, 180, ...ts(1000, 0)] });
  // Without the right number a timestamp is not believed, however large.
  for (let i = 1; i < 500; i++) c.seg({ at: i * 8_000_009, flags: ACK, options: ts(0x7000_0000 + i, 0) });
  // In the window, but beyond the edge of what was acknowledged: RFC 7323 section 4.3, not stored either.
  c.seg({ at: 500, flags: ACK, options: ts(0x6000_0000, 0) });
  c.take();
  c.data(10, { options: ts(1001, 0) });
  assert.equal(p.read(c.fd, 100), 10);
  p.run(100 * MS);
  for (let i = 0; i < 50; i++) c.seg({ flags: ACK | PSH, options: ts(500, 0), data: 10 });
  assert.equal(p.read(c.fd, 100), -11);
  assert.equal(p.mib().TcpExtPAWSEstab, 50);
  c.data(10, { options: ts(1002, 0) });
  assert.equal(p.read(c.fd, 100), 10);
  p.end();
});

test("ICMP: unreachable of all kinds is a soft error in a connection; numbers that are not on the way are ignored", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80);
  assert.equal(p.write(c.fd, 1000), 1000);
  c.follow();
  const about = { sport: 80, dport: c.sport, flags: ACK };
  for (let code = 0; code < 16; code++) {
    if (code === 4) continue;
    // What a blind attacker guesses, and what is really unacknowledged.
    for (let i = 0; i < 200; i++)
      p.stack.inject(icmp_error(3, code, 0, { ...about, seq: (c.ack + 1 + i * 21_474_836) | 0 }));
    p.stack.inject(icmp_error(3, code, 0, { ...about, seq: (c.ack - 1000) | 0 }));
  }
  for (const type of [4, 11, 12]) p.stack.inject(icmp_error(type, 0, 0, { ...about, seq: (c.ack - 1000) | 0 }));
  assert.ok(p.mib().TcpExtOutOfWindowIcmps! >= 15 * 199);
  c.seg();
  alive(p, c);
  p.end();
});

test("ICMP fragmentation needed: not below min_pmtu, only for what is on the way, never upwards", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80);
  const about = { sport: 80, dport: c.sport, flags: ACK };
  const mss = (): number => Number(/ mss:(\d+)/.exec(p.ok(`ss -tniH dport = :${c.sport}`))![1]);
  assert.equal(mss(), 1460);
  // Nothing is on the way.
  for (let i = 1; i < 1000; i++) p.stack.inject(icmp_error(3, 4, 600, { ...about, seq: (c.ack + i * 4_294_967) | 0 }));
  assert.equal(mss(), 1460);
  p.write(c.fd, 1400);
  c.follow();
  for (let i = 1; i < 1000; i++)
    p.stack.inject(icmp_error(3, 4, 600, { ...about, seq: (c.ack + 1 + i * 4_294_967) | 0 }));
  assert.equal(mss(), 1460);
  // 68 bytes: net.ipv4.route.min_pmtu (552) is the least that is believed.
  p.stack.inject(icmp_error(3, 4, 68, { ...about, seq: (c.ack - 1400) | 0 }));
  assert.equal(mss(), 512);
  p.stack.inject(icmp_error(3, 4, 1400, { ...about, seq: (c.ack - 1400) | 0 }));
  assert.equal(mss(), 512);
  c.take();
  c.seg();
  alive(p, c);
  p.end();
});

test("ICMP errors for connections that do not exist, from anywhere: nothing happens, nothing is kept", () => {
  const p = new RawPeer();
  p.listen(80);
  for (let i = 0; i < 3000; i++)
    p.stack.inject(icmp_error(3, i % 16, 600, { sport: i % 2 === 0 ? 80 : 1024 + i, dport: i, seq: i, flags: ACK }));
  assert.equal(p.live().skbs, 0);
  assert.equal(p.live().dsts! <= 3, true);
  p.end();
});

/** A connection that we closed first: TIME_WAIT. */
function time_wait(p: RawPeer): RawConn {
  const l = p.listen(80);
  const c = p.open(l, 80);
  p.stack.close(c.fd);
  c.follow();
  c.seg({ flags: ACK | FIN });
  c.seq = (c.seq + 1) | 0;
  assert.equal(p.sockstat().tw, 1);
  c.take();
  return c;
}

test("TIME_WAIT assassination: a RST ends it, as Linux lets it; with tcp_rfc1337 it does not (RFC 1337)", () => {
  for (const rfc1337 of [0, 1]) {
    const p = new RawPeer({ tcp_rfc1337: rfc1337 });
    const c = time_wait(p);
    // Out of the window it has no effect.
    c.seg({ at: -100_000_000, flags: RST });
    assert.equal(p.sockstat().tw, 1);
    c.seg({ flags: RST });
    assert.equal(p.sockstat().tw, rfc1337);
    p.run(61 * SEC);
    p.end();
  }
});

test("a FIN flood and stray ACKs at TIME_WAIT: an ACK for each FIN, two a second for the others; no new state, no longer life", () => {
  const p = new RawPeer();
  const c = time_wait(p);
  for (let i = 0; i < 5000; i++) c.seg({ at: -1 - (i % 3000), flags: ACK | FIN });
  assert.ok(p.take().length <= 5000);
  for (let i = 1; i < 5000; i++) c.seg({ at: i * 858_993, flags: ACK });
  assert.ok(p.take().length <= 2);
  assert.equal(p.sockstat().tw, 1);
  assert.equal(p.live().socks, 1);
  p.run(61 * SEC);
  assert.equal(p.sockstat().tw, 0);
  p.end();
});

test("FIN flood without a connection: a RST each, and nothing kept; a listener answers a FIN alone not at all", () => {
  const p = new RawPeer();
  p.listen(80);
  for (let i = 0; i < 3000; i++) p.send({ sport: 1024 + i, dport: 81, seq: i, ack: i, flags: FIN | ACK });
  assert.equal(p.take((a) => a.flags === RST).length, 3000);
  for (let i = 0; i < 3000; i++) p.send({ sport: 1024 + i, dport: 80, seq: i, flags: FIN });
  assert.equal(p.take().length, 0);
  assert.equal(p.live().socks, 1);
  p.end();
});

test("tcp_max_tw_buckets: more than that many connections do not wait", () => {
  const p = new RawPeer({ tcp_max_tw_buckets: 10 });
  const l = p.listen(80);
  for (let i = 0; i < 30; i++) {
    const c = p.open(l, 80);
    p.stack.close(c.fd);
    c.follow();
    c.seg({ flags: ACK | FIN });
    c.take();
  }
  assert.equal(p.sockstat().tw, 10);
  assert.equal(p.mib().TcpExtTCPTimeWaitOverflow, 20);
  p.run(61 * SEC);
  p.end();
});

test("a forged RST or SYN-ACK to a connect(): only an exact acknowledgement counts", () => {
  const p = new RawPeer();
  const fd = p.stack.socket(2, 1 | 0o4000, 0);
  p.stack.connect(fd, Uint8Array.of(2, 0, 0, 7, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  const syn = p.take((a) => a.flags === SYN)[0]!;
  for (let i = 0; i < 2000; i++) {
    p.send({ sport: 7, dport: syn.sport, ack: (syn.seq + 2 + i * 2_147_483) | 0, flags: RST | ACK });
    p.send({ sport: 7, dport: syn.sport, seq: i, flags: RST });
  }
  const state = (): string => p.ok("ss -tanH dport = :7").split(" ")[0]!;
  assert.equal(state(), "SYN-SENT");
  p.take();
  // A SYN-ACK of somebody else gets a RST with its own number (RFC 9293 section 3.10.7.3).
  p.send({ sport: 7, dport: syn.sport, seq: 77, ack: (syn.seq + 1000) | 0, flags: SYN | ACK });
  const rst = p.take((a) => a.flags === RST);
  assert.equal(rst.length, 1);
  assert.equal(rst[0]!.seq, (syn.seq + 1000) | 0);
  assert.equal(state(), "SYN-SENT");
  p.send({ sport: 7, dport: syn.sport, seq: 77, ack: (syn.seq + 1) | 0, flags: SYN | ACK, options: [2, 4, 5, 180] });
  assert.equal(state(), "ESTAB");
  assert.equal(US, 0xc0a80001);
  p.end();
});
