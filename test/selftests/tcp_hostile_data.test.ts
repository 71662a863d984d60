// Data that means harm: out of order, overlapping, urgent, with options of any kind. Memory stays in its bounds, the stream is one stream.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Prng, prng_below } from "../../src/lib/prng.ts";
import { ACK, FIN, MS, PSH, type RawConn, RawPeer, RST, SEC, SYN, sack_blocks, URG } from "./raw_peer.ts";

const SACK_OK = [2, 4, 5, 180, 1, 1, 4, 2];
/** What a program reads. */
function read_all(p: RawPeer, c: RawConn): Uint8Array {
  const out: Uint8Array[] = [];
  const buf = new Uint8Array(65_536);
  for (;;) {
    const n = p.stack.recvfrom(c.fd, buf, 0x40, null);
    if (n <= 0) break;
    out.push(buf.slice(0, n));
  }
  const all = new Uint8Array(out.reduce((n, b) => n + b.length, 0));
  let at = 0;
  for (const b of out) {
    all.set(b, at);
    at += b.length;
  }
  return all;
}

test("single bytes with holes between, by the thousand: tcp_rmem bounds what they take; who is in order comes through and prunes", () => {
  const p = new RawPeer({ tcp_rmem: "4096 131072 131072" });
  const l = p.listen(80);
  const c = p.open(l, 80, { opts: SACK_OK });
  const seen: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    c.seg({ at: 1 + 2 * i, flags: ACK | PSH, data: 1 });
    if (i % 1000 === 0) seen.push(p.mem(c).rmem);
  }
  // The limit and the one packet that a buffer below it still takes.
  assert.ok(Math.max(...seen) <= 131_072 + 4096, `${Math.max(...seen)}`);
  const m = p.mib();
  assert.ok(m.TcpExtTCPOFODrop! > 10_000);
  assert.ok(m.TcpExtPruneCalled! > 10_000);
  c.take();
  c.data(2000);
  assert.ok(p.mib().TcpExtOfoPruned! >= 1);
  assert.ok(p.read(c.fd, 10_000) >= 2000);
  // After pruning nothing is reported as held (RFC 2018 section 8).
  c.take();
  p.stack.close(c.fd);
  p.run(200 * SEC);
  p.end();
});

test("the same in descending order: each goes in front of all others; time and memory stay bounded", () => {
  const p = new RawPeer({ tcp_rmem: "4096 131072 1000000" });
  const l = p.listen(80);
  const c = p.open(l, 80, { opts: SACK_OK });
  for (let i = 20_000; i > 0; i--) c.seg({ at: 2 * i, flags: ACK | PSH, data: 1 });
  assert.ok(p.mem(c).rmem <= 1_000_000 + 4096);
  p.end();
});

test("many connections with full out-of-order queues: tcp_mem is the limit of all of them, and closing gives everything back", () => {
  const p = new RawPeer({ tcp_mem: "300 600 900" });
  const l = p.listen(80, 512);
  const conns = Array.from({ length: 100 }, () => p.open(l, 80, { opts: SACK_OK }));
  for (let i = 0; i < 60; i++) for (const c of conns) c.seg({ at: 100 + 1000 * i, flags: ACK | PSH, data: 900 });
  assert.ok(p.sockstat().mem! <= 901, `${p.sockstat().mem}`);
  p.take();
  const good = p.open(l, 80);
  assert.ok(good.fd >= 0);
  for (const c of conns) c.seg({ flags: RST });
  for (const c of conns) p.stack.close(c.fd);
  assert.ok(p.sockstat().mem! <= 1);
  good.data(1000);
  assert.equal(p.read(good.fd, 2000), 1000);
  p.end();
});

test("segments that overlap with other bytes in them: each byte read is one that was sent for its place, and there is one of each", () => {
  const prng = new Prng(7, 1);
  for (let run = 1; run <= 60; run++) {
    const p = new RawPeer({}, { seed: run });
    const l = p.listen(80);
    const c = p.open(l, 80, { opts: SACK_OK });
    const sent: Set<number>[] = Array.from({ length: 3000 }, () => new Set([99]));
    const got: number[] = [];
    for (let i = 1; i <= 40; i++) {
      const at = prng_below(prng, 2500);
      const len = 1 + prng_below(prng, 500);
      c.seg({ at, flags: ACK | PSH, data: new Uint8Array(len).fill(i) });
      for (let j = at; j < at + len; j++) sent[j]!.add(i);
      // Now and then the front is filled and read.
      if (i % 10 === 0) {
        c.seg({ flags: ACK | PSH, data: new Uint8Array(i * 20).fill(99) });
        got.push(...read_all(p, c));
      }
      p.run(MS);
    }
    c.seg({ flags: ACK | PSH, data: new Uint8Array(3000).fill(99) });
    got.push(...read_all(p, c));
    assert.equal(got.length, 3000);
    assert.equal(
      got.findIndex((v, j) => !sent[j]!.has(v)),
      -1,
    );
    p.end();
  }
});

test("what was acknowledged is not replaced by a later copy", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80, { opts: SACK_OK });
  c.seg({ flags: ACK | PSH, data: new Uint8Array(100).fill(1) });
  c.seg({ at: 200, flags: ACK | PSH, data: new Uint8Array(100).fill(2) });
  // Over all of it, with other bytes.
  c.seg({ flags: ACK | PSH, data: new Uint8Array(150).fill(3) });
  c.seg({ at: 100, flags: ACK | PSH, data: new Uint8Array(300).fill(4) });
  const got = read_all(p, c);
  assert.deepEqual([...new Set(got.subarray(0, 100))], [1]);
  assert.deepEqual([...new Set(got.subarray(100, 150))], [3]);
  assert.equal(got.length, 400);
  p.end();
});

test("urgent pointers that jump: one mark at a time, the buffer is given back, reading goes on (RFC 6093)", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80);
  for (let i = 0; i < 2000; i++) c.data(3, { flags: ACK | PSH | URG, urg: 1 + ((i * 7919) % 65_535) });
  read_all(p, c);
  // A mark beyond everything: its byte never comes.
  c.seg({ flags: ACK | URG, urg: 65_535 });
  read_all(p, c);
  c.data(50, { flags: ACK | PSH | URG, urg: 50 });
  c.data(50, { flags: ACK | PSH | URG, urg: 50 });
  read_all(p, c);
  // The byte of an earlier mark that nobody read does not hold its packet.
  assert.ok(p.mem(c).rmem <= 2304, `${p.mem(c).rmem}`);
  c.data(100);
  assert.ok(read_all(p, c).length >= 99);
  p.end();
});

test("a mark that is moved on frees the packet of the byte before (found by the model: the window stayed shut)", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80);
  c.data(10, { flags: ACK | PSH | URG, urg: 10 });
  assert.equal(p.read(c.fd, 100), 9);
  c.data(10, { flags: ACK | PSH | URG, urg: 10 });
  // The first packet is gone; the second waits with its own mark at the end.
  assert.equal(p.read(c.fd, 100), 9);
  c.seg({ flags: ACK | URG, urg: 500 });
  assert.equal(p.read(c.fd, 100), -11);
  assert.ok(p.mem(c).rmem <= 832, `${p.mem(c).rmem}`);
  p.end();
});

const rnd_options = (prng: Prng): number[] => {
  const n = prng_below(prng, 41);
  const o: number[] = [];
  while (o.length < n) {
    const kind = [0, 1, 2, 3, 4, 5, 8, 19, 28, 29, 30, 34, 253, 254, 255][prng_below(prng, 15)]!;
    o.push(kind);
    if (kind > 1) {
      const len = prng_below(prng, 6) === 0 ? prng_below(prng, 256) : prng_below(prng, 12);
      o.push(len);
      for (let i = 0; i < len - 2 && o.length < 40; i++) o.push(prng_below(prng, 256));
    }
  }
  return o.slice(0, 40);
};

test("options of any kind and length on every type of segment, in every state: no exception, no leak, other connections go on", () => {
  const prng = new Prng(3, 5);
  const p = new RawPeer({ tcp_timestamps: 1, tcp_fastopen: 3, tcp_ecn: 1 });
  const l = p.listen(80, 64);
  const good = p.open(l, 80, { opts: SACK_OK, sport: 999 });
  for (let i = 0; i < 6000; i++) {
    const sport = 2000 + prng_below(prng, 200);
    const flags = [SYN, SYN, ACK, ACK | PSH, FIN | ACK, RST | ACK, RST, URG | ACK, SYN | ACK, 0][prng_below(prng, 10)]!;
    const known = p.take((a) => a.dport === sport).at(-1);
    p.send({
      sport,
      dport: prng_below(prng, 20) === 0 ? 81 : 80,
      seq: known === undefined ? i : known.ack,
      ack: known === undefined ? 0 : (known.seq + known.data.length + ((known.flags >> 1) & 1)) | 0,
      flags,
      urg: prng_below(prng, 65_536),
      window: prng_below(prng, 65_536),
      options: rnd_options(prng),
      data: prng_below(prng, 3) === 0 ? prng_below(prng, 1400) : 0,
    });
    if (i % 50 === 0) {
      p.run(prng_below(prng, 2000) * MS);
      for (let fd = p.accept(l); fd >= 0; fd = p.accept(l)) {
        p.write(fd, prng_below(prng, 20_000));
        p.read(fd, 2000);
        p.stack.close(fd);
      }
    }
  }
  p.take((a) => a.dport !== 999);
  good.take();
  good.data(100);
  assert.equal(p.read(good.fd, 1000), 100);
  p.run(1000 * SEC);
  for (let fd = p.accept(l); fd >= 0; fd = p.accept(l)) p.stack.close(fd);
  p.run(1000 * SEC);
  p.take();
  assert.equal(p.live().socks, 2);
  p.end();
});

test("SYNs with every option length from 0 to 40, cut short and overrunning: each is answered or dropped, none is half kept", () => {
  const p = new RawPeer({ tcp_syncookies: 0 });
  p.listen(80, 4096);
  let n = 0;
  for (const kind of [2, 3, 4, 5, 8, 19, 28, 34, 254]) {
    for (let len = 0; len <= 40; len++) {
      const o = [kind, len];
      while (o.length < Math.max(2, Math.min(40, len))) o.push(255);
      p.send({ sport: 1024 + n, dport: 80, seq: n, flags: SYN, options: o });
      n++;
    }
  }
  const answers = p.take((a) => (a.flags & SYN) !== 0).length;
  // MD5 with a key that nobody knows is refused; all others are served.
  assert.ok(answers >= n - 41, `${answers} of ${n}`);
  p.run(200 * SEC);
  assert.equal(p.live().socks, 1);
  p.end();
});

test("a peer that sends beyond every window it is offered: the buffer's limit holds", () => {
  const p = new RawPeer({ tcp_rmem: "4096 16384 16384" });
  const l = p.listen(80);
  const c = p.open(l, 80, { opts: SACK_OK });
  for (let i = 0; i < 2000; i++) c.data(1460);
  const m = p.mem(c);
  assert.ok(m.rmem <= m.rcvbuf + 4096, `${m.rmem} of ${m.rcvbuf}`);
  assert.ok(p.mib().TcpExtBeyondWindow! > 0);
  assert.ok(sack_blocks(c.take().at(-1)!).length <= 4);
  p.end();
});

test("FIN everywhere: in the middle of data, twice, out of order, beyond the window: one end of the stream", () => {
  const p = new RawPeer();
  const l = p.listen(80);
  const c = p.open(l, 80, { opts: SACK_OK });
  c.seg({ at: 200, flags: ACK | FIN });
  c.seg({ at: 5_000_000, flags: ACK | FIN });
  c.seg({ at: 100, flags: ACK | FIN, data: 100 });
  c.seg({ flags: ACK, data: 50 });
  c.seg({ at: 50, flags: ACK | FIN, data: 50 });
  // The first FIN in order ends it: after 100 bytes; what was further is gone.
  assert.equal(read_all(p, c).length, 100);
  assert.equal(p.read(c.fd, 10), 0);
  c.seg({ at: 101, flags: ACK | PSH, data: 500 });
  assert.equal(p.read(c.fd, 10), 0);
  assert.equal(p.mem(c).rmem, 0);
  p.end();
});
