// A peer of an established connection that cheats: on ACKs (Savage et al., "TCP Congestion Control with a Misbehaving Receiver"), on
// windows (sockstress), on SACK. Nobody else suffers, memory is bounded, and the connection ends when it should.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as T from "../../src/uapi/tcp.ts";
import { ACK, FIN, MS, PSH, type RawConn, RawPeer, RST, SEC, SYN } from "./raw_peer.ts";

const SACK_OK = [2, 4, 5, 180, 1, 1, 4, 2];
const info = (p: RawPeer, c: RawConn, name: string): number => {
  const m = new RegExp(`[ (]${name}:(\\d+)`).exec(p.ok(`ss -tniH dport = :${c.sport}`));
  return m === null ? -1 : Number(m[1]);
};
const sack = (base: number, blocks: readonly (readonly [number, number])[]): number[] => {
  const o = [1, 1, 5, 2 + 8 * blocks.length];
  for (const b of blocks)
    for (const e of b) {
      const v = (base + e) | 0;
      o.push((v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255);
    }
  return o;
};
/** A connection with `n` segments on the way; `una`: where they begin. */
function sending(p: RawPeer, n = 10, opts = SACK_OK): { c: RawConn; una: number; l: number } {
  const l = p.listen(80);
  const c = p.open(l, 80, { opts });
  p.run(10 * MS);
  const una = c.ack;
  p.write(c.fd, n * 1460);
  const sent = c.follow();
  assert.equal((c.ack - una) >>> 0, n * 1460);
  assert.ok(sent.length > 0);
  return { c, una, l };
}
/** Segments of data among answers. */
const segments = (a: ReturnType<RawConn["take"]>): number => a.reduce((n, x) => n + Math.ceil(x.data.length / 1460), 0);

test("ACK division: a thousand ACKs for one segment open the window no more than one ACK (RFC 3465, appropriate byte counting)", () => {
  const grown: number[] = [];
  for (const pieces of [1, 1000]) {
    const p = new RawPeer();
    const { c, una } = sending(p);
    p.write(c.fd, 500_000);
    c.take();
    for (let i = 1; i <= pieces; i++)
      p.send({
        sport: c.sport,
        dport: 80,
        seq: c.seq,
        ack: (una + Math.floor((10 * 1460 * i) / pieces)) | 0,
        flags: ACK,
      });
    p.run(MS);
    grown.push(info(p, c, "cwnd"));
    c.take();
    p.end();
  }
  assert.equal(grown[0], 20);
  assert.ok(grown[1]! <= 20, `cwnd ${grown[1]}`);
});

test("optimistic ACKs: what was never sent is not acknowledged; it is challenged, and the window stays", () => {
  const p = new RawPeer();
  const { c, una } = sending(p);
  for (let i = 1; i < 2000; i++) c.seg({ acked: i * 1460 });
  assert.equal(info(p, c, "cwnd"), 10);
  assert.equal(info(p, c, "unacked"), 10);
  assert.equal(p.mib().TcpExtTCPAckSkippedChallenge ?? 0, 0);
  assert.ok(c.take().length <= 2);
  // Acknowledging at once what is on the way is the peer's loss: nothing is sent again.
  c.seg({ ack: (una + 10 * 1460) | 0 });
  assert.equal(info(p, c, "unacked"), -1);
  p.end();
});

test("duplicate ACKs by the thousand: with SACK they say nothing; without, one packet for each until the peer's window is full (Linux: 35)", () => {
  for (const opts of [SACK_OK, [2, 4, 5, 180]]) {
    const p = new RawPeer();
    const { c, una } = sending(p, 10, opts);
    p.write(c.fd, 1_000_000);
    c.take();
    let out = 0;
    let again = 0;
    for (let i = 0; i < 3000; i++) {
      c.seg({ ack: una });
      const a = c.take();
      out += segments(a);
      again += a.filter((x) => x.seq === una).length;
    }
    const reno = opts !== SACK_OK;
    assert.equal(out, reno ? 35 : 0);
    assert.equal(again, reno ? 1 : 0);
    assert.ok(info(p, c, "cwnd") <= 10);
    p.end();
  }
});

test("a window of zero for ever, acknowledged: probed at growing intervals, never given up while the peer answers (RFC 9293 section 3.8.6.1)", () => {
  const p = new RawPeer();
  const { c } = sending(p);
  p.write(c.fd, 1000);
  c.follow();
  c.seg({ window: 0 });
  p.write(c.fd, 10_000);
  let probes = 0;
  for (let s = 0; s < 3600; s += 10) {
    p.run(10 * SEC);
    for (const _ of c.take()) {
      probes++;
      c.seg({ window: 0 });
    }
  }
  assert.ok(probes > 25 && probes < 60, `${probes} probes in an hour`);
  assert.match(p.ok(`ss -tanH dport = :${c.sport}`), /^ESTAB/);
  // The program's own patience ends it (RFC 5482).
  p.stack.setsockopt(c.fd, 6, T.TCP_USER_TIMEOUT, 30_000);
  for (let s = 0; s < 400; s += 10) {
    p.run(10 * SEC);
    for (const _ of c.take()) c.seg({ window: 0 });
  }
  assert.equal(p.ok(`ss -tanH dport = :${c.sport}`), "");
  assert.equal(p.read(c.fd, 1), -110);
  p.end();
});

test("sockstress: 500 connections with a window of 0 and full buffers: memory is bounded by tcp_wmem, closing them leaves orphans that end", () => {
  const p = new RawPeer({ tcp_wmem: "4096 16384 16384" });
  const l = p.listen(80, 1024);
  const conns = Array.from({ length: 500 }, () => p.open(l, 80, { window: 0 }));
  for (const c of conns) while (p.write(c.fd, 65_536) > 0);
  p.take();
  const mem = p.sockstat().mem!;
  // Two packets over the limit at most, in pages.
  assert.ok(mem <= 500 * 20, `${mem} pages`);
  // Others are served.
  const good = p.open(l, 80);
  p.write(good.fd, 5000);
  assert.equal(
    good.follow().reduce((n, a) => n + a.data.length, 0),
    5000,
  );
  for (const c of conns) p.stack.close(c.fd);
  assert.equal(p.sockstat().orphan, 500);
  // All that the attacker does is to keep them alive by answering the probes: RTO's limit ends them.
  for (let s = 0; s < 1200; s += 5) {
    p.run(5 * SEC);
    for (const a of p.take())
      p.send({ sport: a.dport, dport: 80, seq: 1, ack: (a.seq + a.data.length) | 0, flags: ACK, window: 0 });
  }
  assert.equal(p.sockstat().orphan, 0);
  assert.ok(p.sockstat().mem! <= 5);
  p.end();
});

test("tcp_max_orphans: beyond it a closed connection is reset at once, and counted", () => {
  const p = new RawPeer({ tcp_max_orphans: 50 });
  const l = p.listen(80, 1024);
  const conns = Array.from({ length: 200 }, () => p.open(l, 80, { window: 0 }));
  for (const c of conns) p.write(c.fd, 5000);
  p.take();
  for (const c of conns) p.stack.close(c.fd);
  assert.ok(p.sockstat().orphan! <= 51);
  assert.equal(p.take((a) => (a.flags & RST) !== 0).length, 200 - p.sockstat().orphan!);
  assert.equal(p.mib().TcpExtTCPAbortOnMemory, 200 - p.sockstat().orphan!);
  p.run(1000 * SEC);
  assert.equal(p.sockstat().orphan, 0);
  p.end();
});

test("tcp_mem: with all of its memory taken, receivers drop and senders wait; nothing breaks, and reading frees it", () => {
  const p = new RawPeer({ tcp_mem: "100 200 300" });
  const l = p.listen(80, 1024);
  const conns = Array.from({ length: 60 }, () => p.open(l, 80));
  for (let round = 0; round < 20; round++) for (const c of conns) c.data(1400, { flags: ACK | PSH });
  p.take();
  const m = p.sockstat();
  assert.ok(m.mem! <= 301, `${m.mem} pages`);
  assert.ok(p.mib().TcpExtTCPMemoryPressures! > 0);
  assert.ok(p.mib().TcpExtTCPRcvQDrop! > 0);
  for (const c of conns) while (p.read(c.fd, 65_536) > 0);
  assert.ok(p.sockstat().mem! <= 60);
  p.end();
});

test("a window of one byte: data crawls, in segments of a byte or by the probe timer, with bounded memory for each", () => {
  const p = new RawPeer({ tcp_wmem: "4096 16384 16384" });
  const l = p.listen(80);
  const c = p.open(l, 80, { window: 1 });
  while (p.write(c.fd, 8192) > 0);
  let got = 0;
  for (let i = 0; i < 500; i++) {
    p.run(250 * MS);
    const a = c.follow();
    got += a.reduce((n, x) => n + x.data.length, 0);
    assert.ok(a.every((x) => x.data.length <= 1));
    c.seg({ window: 1 });
  }
  assert.ok(got > 100);
  assert.ok(p.mem(c).wmem < 60_000, `${p.mem(c).wmem}`);
  p.end();
});

test("a window that shrinks over what was sent: it is sent again one segment at a time, nothing behind the new edge", () => {
  const p = new RawPeer();
  const { c, una } = sending(p);
  c.seg({ ack: (una + 1460) | 0, window: 1460 });
  p.write(c.fd, 100_000);
  c.take();
  let far = 0;
  for (let i = 0; i < 40; i++) {
    p.run(SEC);
    for (const a of c.take()) far = Math.max(far, (a.seq + a.data.length - una) | 0);
  }
  assert.ok(far <= 2 * 1460, `up to ${far}`);
  p.end();
});

test("an MSS of 1 and SACKs of single bytes: TCPMinSndMss holds, segments are not cut without end (SACK panic)", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80, { opts: [2, 4, 0, 1, 1, 1, 4, 2] });
  // 48 bytes of MSS less 0 options: net.ipv4.tcp_min_snd_mss.
  assert.equal(info(p, c, "mss"), 48);
  p.write(c.fd, 60_000);
  const first = c.follow();
  assert.ok(first.every((a) => a.data.length % 48 === 0));
  const una = first[0]!.seq;
  const end = (c.ack - una) | 0;
  for (let i = 1; i + 9 < end; i += 5) {
    c.seg({
      ack: una,
      options: sack(una, [
        [i, i + 1],
        [i + 2, i + 3],
        [i + 4, i + 5],
      ]),
    });
    c.take();
  }
  p.run(10 * SEC);
  c.take();
  // The buffer's limit holds for the pieces too.
  assert.ok(p.mem(c).wmem < 600_000, `${p.mem(c).wmem}`);
  p.end();
});

test("SACK blocks for what was never sent, backwards, empty, a gigabyte long: ignored and counted", () => {
  const p = new RawPeer();
  const { c, una } = sending(p);
  const bad = [
    [20_000, 30_000],
    [5000, 4000],
    [3000, 3000],
    [-100_000, 100_000],
    [0x7000_0000, 0x7000_0100],
    [-5000, -4000],
  ] as const;
  for (let i = 0; i < 500; i++) for (const b of bad) c.seg({ ack: una, options: sack(una, [b]) });
  assert.equal(info(p, c, "sacked"), -1);
  assert.ok(
    p.mib().TcpExtTCPSACKDiscard! + p.mib().TcpExtTCPDSACKIgnoredOld! + p.mib().TcpExtTCPDSACKIgnoredNoUndo! > 0,
  );
  c.take();
  c.seg();
  assert.equal(info(p, c, "unacked"), -1);
  p.end();
});

test("reneging: blocks that are taken back; after a timeout everything is sent again and arrives (RFC 2018 section 8)", () => {
  const p = new RawPeer();
  const { c, una } = sending(p);
  for (let i = 0; i < 4; i++) c.seg({ ack: una, options: sack(una, [[1460, 1460 * (3 + i)]]) });
  c.take();
  // The first is there; the rest was not kept, whatever was said.
  let at = 1460;
  for (let i = 0; i < 60 && at < 14_600; i++) {
    c.seg({ ack: (una + at) | 0 });
    p.run(SEC);
    for (const a of c.take()) if (a.seq === ((una + at) | 0)) at += a.data.length;
  }
  assert.equal(at, 14_600);
  assert.equal(p.mib().TcpExtTCPSACKReneging! > 0, true);
  p.end();
});

test("sixty thousand SACK blocks over a large window: time stays bounded, counters of the scoreboard stay right", () => {
  const p = new RawPeer({ tcp_wmem: "4096 4194304 4194304" });
  const l = p.listen(80);
  const c = p.open(l, 80, { opts: [...SACK_OK, 3, 3, 10] });
  p.stack.setsockopt(c.fd, 6, T.TCP_CONGESTION, new TextEncoder().encode("reno"));
  while (p.write(c.fd, 65_536) > 0);
  // Slow start until a thousand segments are out.
  for (let i = 0; i < 12; i++) {
    p.run(10 * MS);
    c.follow();
    c.seg({ window: 65_535 });
  }
  c.follow();
  const una = c.ack;
  while (p.write(c.fd, 65_536) > 0);
  p.run(10 * MS);
  const out = c.follow();
  const n = segments(out);
  assert.ok(n > 100);
  let seed = 1;
  for (let i = 0; i < 20_000; i++) {
    const blocks: [number, number][] = [];
    for (let b = 0; b < 3; b++) {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      const from = 1460 * (seed % n);
      blocks.push([from, from + 1460 * (1 + (seed % 3))]);
    }
    c.seg({ ack: una, options: sack(una, blocks), window: 65_535 });
    if (i % 100 === 0) c.take();
  }
  c.take();
  const sacked = info(p, c, "sacked");
  const unacked = info(p, c, "unacked");
  assert.ok(sacked <= unacked, `${sacked} of ${unacked}`);
  p.end();
});

test("peers that go: FIN, RST and silence in the middle of everything leave nothing", () => {
  const p = new RawPeer();
  const l = p.listen(80, 512);
  const conns = Array.from({ length: 300 }, () => p.open(l, 80, { opts: SACK_OK }));
  for (const [i, c] of conns.entries()) {
    p.write(c.fd, 20_000);
    c.follow();
    if (i % 3 === 0) c.seg({ flags: FIN | ACK });
    else if (i % 3 === 1) c.seg({ flags: RST });
    if (i % 2 === 0) c.seg({ at: 3000, flags: ACK | PSH, data: 1000 });
    if (i % 5 === 0) c.seg({ flags: SYN });
  }
  p.take();
  for (const c of conns) p.stack.close(c.fd);
  p.run(1000 * SEC);
  assert.equal(p.live().socks, 1);
  assert.equal(p.sockstat().mem, 0);
  p.end();
});
