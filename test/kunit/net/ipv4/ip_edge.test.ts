// What Linux answered to single packets (tools/record-ip-edge.py), frame by frame and counter by counter.
// ICMP generation: RFC 1122 section 3.2.2, RFC 1812 section 4.3. Reassembly: RFC 791, 815, 5722. Options: RFC 791.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { EdgeRig, type Frame, from_hex, to_hex } from "./edge_rig.ts";

interface Case {
  name: string;
  sysctl: Record<string, number>;
  wait_ms: number;
  in: { dev: string; frame: string }[];
  out: { dev: string; frame: string }[];
  mib: Record<string, number>;
}

const lines = readFileSync(new URL("./golden/ip_edge.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n");
const head = JSON.parse(lines[0]!) as { setup: string[]; sysctl: Record<string, number> };
const cases = lines.slice(1).map((l) => JSON.parse(l) as Case);
const PORTS = { a0: "020000000001", a1: "020000000101" };

function ones(b: Uint8Array): number {
  let s = 0;
  for (let i = 0; i < b.length; i += 2) s += b[i]! * 256 + (b[i + 1] ?? 0);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return s;
}

/** A frame without what no two kernels agree on: IP ID, and the clock in timestamps. Checks the checksums that it drops. */
function normal(hex: string, clock: boolean): string {
  const f = from_hex(hex);
  if (f[12] !== 8 || f[13] !== 0) return hex;
  const ihl = (f[14]! & 15) * 4;
  const total = (f[16]! << 8) | f[17]!;
  const ip = f.slice(14, 14 + total);
  assert.equal(ones(ip.subarray(0, ihl)), 0xffff, `IP checksum of ${hex}`);
  const frag = ((ip[6]! << 8) | ip[7]!) & 0x3fff;
  if (ip[9] === 1 && frag === 0) assert.equal(ones(ip.subarray(ihl)), 0xffff, `ICMP checksum of ${hex}`);
  ip[4] = ip[5] = ip[10] = ip[11] = 0;
  if (clock) {
    // Every stamp of today begins with the high byte of milliseconds since midnight, 0 to 5.
    ip[ihl + 2] = ip[ihl + 3] = 0;
    for (let i = 20; i + 4 <= ip.length; i += 4)
      if (ip[i]! < 6 && (ip[i]! | ip[i + 1]!) !== 0 && i % 4 === 0) ip.fill(0, i, i + 4);
  }
  return `${to_hex(f.subarray(0, 14))} ${to_hex(ip.subarray(0, ihl))} ${to_hex(ip.subarray(ihl))}`;
}

const show = (frames: { dev: string; frame: string }[], clock: boolean): string[] =>
  frames.map((o) => `${o.dev} ${normal(o.frame, clock)}`);

function rig(): EdgeRig {
  const r = new EdgeRig(PORTS);
  for (const line of head.setup) r.ip(line);
  r.run(100);
  r.take();
  return r;
}

let shared: EdgeRig | null = null;
for (const c of cases) {
  test(c.name, () => {
    const r = (shared ??= rig());
    r.sysctl({ ...head.sysctl, ...c.sysctl });
    const before = r.mib();
    for (const f of c.in) r.rx(f.dev, from_hex(f.frame));
    r.run(c.wait_ms);
    const after = r.mib();
    r.sysctl(head.sysctl);
    const out = r.take().map((f: Frame) => ({ dev: f.dev, frame: to_hex(f.frame) }));
    r.run(31_000);
    r.take();
    const delta: Record<string, number> = {};
    for (const [n, v] of Object.entries(after)) if (v !== (before[n] ?? 0)) delta[n] = v - (before[n] ?? 0);
    if (c.name === "limit: global budget") {
      // The bucket is drawn from at random: 50 messages cost one each on average.
      assert.ok(out.length > 0 && out.length < 80, String(out.length));
    } else {
      const clock = /timestamp/.test(c.name);
      assert.deepEqual(show(out, clock), show(c.out, clock));
      assert.deepEqual(sorted(delta), sorted(c.mib));
    }
    assert.deepEqual(r.k.bugs, []);
  });
}

test("nothing is left of all these packets", () => shared!.end());

const sorted = (o: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(o).sort((a, b) => (a[0] < b[0] ? -1 : 1)));
