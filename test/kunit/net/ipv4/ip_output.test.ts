// What leaves for a datagram: header, fragments, ID and counters against Linux (golden/ip_output.json, tools/record-ip-output.py; live in
// test/linux/ip_output.test.ts); generators of the ID (RFC 6864); the copy of our own multicast.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SKB_DROP_REASON_NOT_SPECIFIED } from "../../../../src/net/core/dropreason.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";
import { type OutputTable, our_ip_output, output_differences } from "./ip_output_table.ts";

const linux = JSON.parse(readFileSync(new URL("./golden/ip_output.json", import.meta.url), "utf8")) as OutputTable;
const ours = our_ip_output(linux);

test("by IP_MTU_DISCOVER, TTL, TOS, options, route and size: errno, headers, fragments and counters are Linux's", () => {
  assert.ok(linux.cases.length > 140);
  assert.deepEqual(output_differences(linux, ours, "rest"), []);
});

test("a datagram with DF that was not asked for has an ID all the same (skb->ignore_df)", () => {
  assert.deepEqual(output_differences(linux, ours, "id"), []);
});

test("a route with `mtu lock` switches path MTU discovery off: no DF", () => {
  assert.deepEqual(output_differences(linux, ours, "lock"), []);
});

/** Sends `n` datagrams and returns the IDs that leave. */
function ids(
  rig: KernelRig,
  setup: (s: ReturnType<KernelRig["task"]>, u: number) => Uint8Array | null,
  n: number,
): number[] {
  const net = rig.k.nets.find((x) => x.dev_by_name.has("va"))!;
  const sys = rig.task(net);
  const tap = sys.socket(17, 2, 0x0300);
  const u = sys.socket(2, 2, 0);
  const to = setup(sys, u);
  const seen: number[] = [];
  const buf = new Uint8Array(2000);
  for (let i = 0; i < n; i++) {
    assert.equal(now(sys.sendto(u, new Uint8Array(10), 0, to)), 10);
    const where = new Uint8Array(20);
    while ((now(sys.recvfrom(tap, buf, 0x40, where)) as number) > 0)
      if (where[10] === 4 && buf[9] === 17) seen.push((buf[4]! << 8) | buf[5]!);
  }
  sys.close(tap);
  sys.close(u);
  return seen;
}

const dont = (s: ReturnType<KernelRig["task"]>, u: number): void => {
  assert.equal(s.setsockopt(u, 0, 10, new Uint8Array(4)), 0);
};
const steps = (list: number[]): number[] => list.slice(1).map((id, i) => (id - list[i]!) & 0xffff);

test("IDs of what may be fragmented: one generator per pair of addresses, no two of them alike, whichever socket sends", () => {
  const rig = new KernelRig();
  const { a } = rig.pair();
  for (let host = 2; host < 6; host++) rig.ip(`addr add 10.0.0.${host + 100}/24 dev va`, a);
  const flow = (to: string): number[] =>
    ids(
      rig,
      (s, u) => {
        dont(s, u);
        return sockaddr(to, 9);
      },
      5,
    );
  const first = flow("10.0.0.2");
  assert.deepEqual(steps(first), [1, 1, 1, 1]);
  // A new socket goes on where the last one was.
  assert.equal(flow("10.0.0.2")[0], (first[4]! + 1) & 0xffff);
  const again = new KernelRig({ seed: 5 });
  again.pair();
  const other = ids(
    again,
    (s, u) => {
      dont(s, u);
      return sockaddr("10.0.0.2", 9);
    },
    1,
  );
  assert.notEqual(other[0], first[0], "the start is nobody's guess");
  again.end();
  rig.end();
});

/** The IDs of two sockets that connect to one peer at one time. */
function two_connected(): [number[], number[]] {
  const rig = new KernelRig();
  const { b } = rig.pair();
  const far = rig.task(b);
  assert.equal(far.bind(far.socket(2, 2, 0), sockaddr("0.0.0.0", 9)), 0);
  const connected = (): number[] =>
    ids(
      rig,
      (s, u) => {
        assert.equal(now(s.connect(u, sockaddr("10.0.0.2", 9))), 0);
        return null;
      },
      4,
    );
  const both: [number[], number[]] = [connected(), connected()];
  rig.end();
  return both;
}

test("a connected socket counts for itself, with DF too", () => {
  assert.deepEqual(two_connected().map(steps), [
    [1, 1, 1],
    [1, 1, 1],
  ]);
});

test("where a connected socket begins is random", () => {
  const [x, y] = two_connected();
  assert.ok(Math.abs(x[0]! - y[0]!) > 16, `${x[0]} and ${y[0]}`);
});

test("our own multicast comes back once to who joined and wants it (IP_MULTICAST_LOOP), and leaves all the same", () => {
  const rig = new KernelRig();
  const { a } = rig.pair();
  rig.ip("route add 224.0.0.0/4 dev va", a);
  const sys = rig.task(a);
  const d = sys.socket(2, 2, 0);
  assert.equal(sys.bind(d, sockaddr("0.0.0.0", 9)), 0);
  assert.equal(sys.setsockopt(d, 0, 35, Uint8Array.of(224, 1, 1, 1, 10, 0, 0, 1)), 0);
  // IGMP has said so twice and is silent.
  rig.run(60_000);
  const u = sys.socket(2, 2, 0);
  const buf = new Uint8Array(100);
  const send = (): [number | string, number] => {
    const before = rig.mib(a).IpExtOutMcastPkts!;
    assert.equal(now(sys.sendto(u, new Uint8Array(7), 0, sockaddr("224.1.1.1", 9))), 7);
    rig.run(1);
    const got = now(sys.recvfrom(d, buf, 0x40, null));
    assert.equal(now(sys.recvfrom(d, buf, 0x40, null)), -11);
    return [got, rig.mib(a).IpExtOutMcastPkts! - before];
  };
  assert.deepEqual(send(), [7, 1]);
  assert.equal(sys.setsockopt(u, 0, 34, Uint8Array.of(0)), 0);
  assert.deepEqual(send(), [-11, 1]);
  // TTL 0 stays on this host.
  assert.equal(sys.setsockopt(u, 0, 34, Uint8Array.of(1)), 0);
  assert.equal(sys.setsockopt(u, 0, 33, Uint8Array.of(0)), 0);
  const drops = rig.k.drops.slice();
  assert.deepEqual(send(), [7, 0]);
  const by_reason = [...rig.k.drops].map((n, i) => n - drops[i]!);
  assert.deepEqual([by_reason[SKB_DROP_REASON_NOT_SPECIFIED], by_reason.reduce((x, y) => x + y, 0)], [1, 1]);
  rig.end();
});
