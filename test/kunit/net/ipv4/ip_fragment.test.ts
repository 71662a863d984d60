// Reassembly and fragmentation under hostile input: RFC 791, 815, 1858, 5722; bounds of memory and work.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { csum_fold, csum_partial_dv, ip_fast_csum } from "../../../../src/lib/checksum.ts";
import { ip_frag_mem, ip_frag_nqueues } from "../../../../src/net/ipv4/ip_fragment.ts";
import { EdgeRig, type Frame } from "./edge_rig.ts";

const D = 0x0a000001;
const T = 0x0a000002;

const pat = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 7 + 3) & 0xff);

/** An ICMP echo with `n` bytes of data. */
function echo(n: number): Uint8Array {
  const b = new Uint8Array(8 + n);
  b[0] = 8;
  b[5] = 1;
  b[7] = 1;
  b.set(pat(n), 8);
  const dv = new DataView(b.buffer);
  dv.setUint16(2, csum_fold(csum_partial_dv(dv, 0, b.length, 0)));
  return b;
}

interface Piece {
  off: number;
  end: number;
  more: boolean;
}

function packet(payload: Uint8Array, p: Piece, id = 1, saddr = T, proto = 1): Uint8Array {
  const body = payload.subarray(p.off, p.end);
  const f = new Uint8Array(Math.max(60, 34 + body.length));
  const dv = new DataView(f.buffer);
  f.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45]);
  dv.setUint16(16, 20 + body.length);
  dv.setUint16(18, id);
  dv.setUint16(20, (p.more ? 0x2000 : 0) | (p.off >> 3));
  f[22] = 64;
  f[23] = proto;
  dv.setInt32(26, saddr);
  dv.setInt32(30, D);
  f.set(body, 34);
  dv.setUint16(24, ip_fast_csum(dv, 14, 5));
  return f;
}

function pieces(len: number, cuts: number[]): Piece[] {
  const edges = [0, ...[...new Set(cuts)].filter((c) => c > 0 && c < len).sort((a, b) => a - b), len];
  return edges.slice(1).map((end, i) => ({ off: edges[i]!, end, more: i < edges.length - 2 }));
}

function rig(): EdgeRig {
  const r = new EdgeRig({ a0: "020000000001" });
  r.ip("addr add 10.0.0.1/8 dev a0");
  r.ip("link set lo up");
  r.ip("link set a0 up");
  r.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 nud permanent dev a0");
  r.sysctl({ icmp_ratemask: 0 });
  r.run(10);
  r.take();
  return r;
}

/** The IP payload of what was sent, put together again. */
function payload_of(frames: Frame[]): Uint8Array {
  const out: number[] = [];
  for (const { frame } of frames) {
    const dv = new DataView(frame.buffer);
    assert.equal(ip_fast_csum(dv, 14, 5), 0);
    const off = (dv.getUint16(20) & 0x1fff) << 3;
    const n = dv.getUint16(16) - 20;
    for (let i = 0; i < n; i++) out[off + i] = frame[34 + i]!;
  }
  return Uint8Array.from(out);
}

test("any cutting, any order, with duplicates: the datagram comes back, and is answered in fragments", () => {
  const r = rig();
  let id = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9000 }),
      fc.array(fc.integer({ min: 1, max: 1100 }), { maxLength: 30 }),
      fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
      (n, cuts8, keys) => {
        const p = echo(n);
        const parts = pieces(
          p.length,
          cuts8.map((c) => c * 8),
        );
        if (parts.length === 1) return;
        id = (id + 1) & 0xffff;
        const all = parts.map((x, i) => ({ x, k: keys[i % 40]! + i }));
        // A duplicate of what has arrived is harmless; one before the end keeps the queue open.
        const order = all.sort((a, b) => a.k - b.k).map((a) => a.x);
        const dup = order[0]!;
        for (let i = 0; i < order.length; i++) {
          r.rx("a0", packet(p, order[i]!, id));
          if (i === 0 && order.length > 2) r.rx("a0", packet(p, dup, id));
        }
        const reply = echo(n);
        reply[0] = 0;
        reply[2] = reply[3] = 0;
        const got = payload_of(r.take());
        got[2] = got[3] = 0;
        assert.deepEqual(got, reply);
        assert.equal(ip_frag_nqueues(r.net), 0);
        assert.equal(ip_frag_mem(r.net), 0);
      },
    ),
    { numRuns: 150 },
  );
  r.end();
});

test("random overlapping garbage: no BUG, nothing left, memory back to zero", () => {
  const r = rig();
  fc.assert(
    fc.property(
      fc.array(fc.record({ off: fc.nat(8191), len: fc.nat(1480), more: fc.boolean(), id: fc.nat(3), src: fc.nat(2) }), {
        minLength: 1,
        maxLength: 60,
      }),
      (frags) => {
        const junk = pat(70000);
        for (const f of frags) {
          const p = packet(
            junk,
            { off: f.off * 8, end: Math.min(f.off * 8 + f.len, 70000), more: f.more },
            f.id,
            T + f.src,
            200,
          );
          r.rx("a0", p);
        }
        assert.deepEqual(r.k.bugs, []);
      },
    ),
    { numRuns: 150 },
  );
  r.run(31_000);
  assert.equal(ip_frag_nqueues(r.net), 0);
  assert.equal(ip_frag_mem(r.net), 0);
  r.end();
});

test("the largest datagram passes, one byte more does not (Linux: ReasmFails, no ICMP)", () => {
  const r = rig();
  const p = echo(65507);
  for (const x of pieces(
    p.length,
    Array.from({ length: 44 }, (_, i) => (i + 1) * 1480),
  ))
    r.rx("a0", packet(p, x));
  const out = r.take();
  assert.equal(out.length, 45);
  assert.equal(payload_of(out).length, 65515);
  const before = r.mib();
  const q = pat(65516);
  for (const x of pieces(
    q.length,
    Array.from({ length: 44 }, (_, i) => (i + 1) * 1480),
  ))
    r.rx("a0", packet(q, x, 2, T, 200));
  assert.equal(r.mib().IpReasmFails! - before.IpReasmFails!, 1);
  assert.equal(r.mib().IpInDelivers, before.IpInDelivers);
  assert.deepEqual(r.take(), []);
  r.end();
});

test("ping of death: an end beyond 65535 kills the queue when it is complete, and nothing else happens", () => {
  const r = rig();
  const junk = pat(65720);
  for (let off = 0; off < 65120; off += 1480) r.rx("a0", packet(junk, { off, end: off + 1480, more: true }));
  r.rx("a0", packet(junk, { off: 65120, end: 65720, more: false }));
  assert.equal(r.mib().IpReasmFails, 1);
  assert.equal(ip_frag_nqueues(r.net), 0);
  assert.deepEqual(r.take(), []);
  r.end();
});

test("a flood of first fragments is bounded by ipfrag_high_thresh, and ends with the timers", () => {
  const r = rig();
  r.sysctl({ ipfrag_low_thresh: 30000, ipfrag_high_thresh: 40000 });
  const p = echo(1400);
  for (let i = 0; i < 1000; i++) r.rx("a0", packet(p, { off: 0, end: 1024, more: true }, i & 0xffff, T + (i & 7)));
  assert.ok(ip_frag_mem(r.net) > 20000 && ip_frag_mem(r.net) < 50000, String(ip_frag_mem(r.net)));
  const full = r.mib();
  assert.equal(full.IpReasmReqds, 1000);
  assert.equal(full.IpReasmFails, 1000 - ip_frag_nqueues(r.net));
  const queues = ip_frag_nqueues(r.net);
  r.run(31_000);
  assert.equal(r.mib().IpReasmTimeout, queues);
  assert.equal(ip_frag_mem(r.net), 0);
  r.end();
});

test("8191 gaps in one datagram: 8-byte fragments, odd ones first, are work of n log n", () => {
  const r = rig();
  const p = echo(65507);
  const parts = pieces(
    p.length,
    Array.from({ length: 8200 }, (_, i) => i * 8),
  );
  r.sysctl({ ipfrag_max_dist: 0, ipfrag_high_thresh: 100_000_000 });
  for (let i = 1; i < parts.length; i += 2) r.rx("a0", packet(p, parts[i]!));
  for (let i = parts.length - 1 - ((parts.length - 1) % 2); i >= 0; i -= 2) r.rx("a0", packet(p, parts[i]!));
  assert.equal(payload_of(r.take()).length, 65515);
  assert.equal(ip_frag_mem(r.net), 0);
  r.end();
});

test("a namespace that goes takes its queues along", () => {
  const r = rig();
  const p = echo(1400);
  for (let i = 0; i < 50; i++) r.rx("a0", packet(p, { off: 0, end: 1024, more: true }, i));
  assert.equal(ip_frag_nqueues(r.net), 50);
  r.end();
});
