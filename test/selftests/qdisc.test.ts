// What queueing disciplines do to traffic, in virtual time: delays and rates are exact.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MS, pair, SEC } from "./net.ts";
import { sockaddr, udpSocket } from "./socket.ts";

const rtts = (out: string): number[] => [...out.matchAll(/time=([\d.]+) ms/g)].map((m) => Number(m[1]));

/** Sends `count` datagrams of `size` bytes at once and returns when each arrived, ns after the sending. */
function burst(t: ReturnType<typeof pair>, count: number, size: number): number[] {
  const { net, a, b } = t;
  net.ok(a, "ping -c 1 -W 30 10.0.0.2");
  const at: number[] = [];
  const job = net.task(b, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 9);
    const buf = new Uint8Array(2000);
    for (;;) {
      if ((yield* sys.recvfrom(fd, buf, 0, null)) < 0) return;
      at.push(net.world.now);
    }
  });
  net.run(SEC);
  const start = net.world.now;
  net.call(a, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 0);
    for (let i = 0; i < count; i++) yield* sys.sendto(fd, new Uint8Array(size), 0, sockaddr("10.0.0.2", 9));
    sys.close(fd);
  });
  net.run(30 * SEC);
  job.kill();
  return at.map((x) => x - start);
}

test("netem delay adds exactly that; with jitter it stays within, and order may change", () => {
  const { net, a } = pair();
  net.ok(a, "ping -c 1 10.0.0.2");
  const base = rtts(net.ok(a, "ping -c 1 10.0.0.2"))[0]!;
  net.ok(a, "tc qdisc add dev eth0 root netem delay 25ms");
  const exact = rtts(net.ok(a, "ping -c 5 -i 0.2 10.0.0.2"));
  for (const r of exact) assert.ok(Math.abs(r - base - 25) < 0.2, `${r}`);
  net.ok(a, "tc qdisc change dev eth0 root netem delay 50ms 10ms");
  const jitter = rtts(net.ok(a, "ping -c 50 -i 0.2 10.0.0.2"));
  assert.equal(jitter.length, 50);
  for (const r of jitter) assert.ok(r > 39.9 && r < 60.5, `${r}`);
  assert.ok(new Set(jitter.map((r) => Math.round(r))).size > 5);
  net.ok(a, "tc qdisc del dev eth0 root");
  assert.ok(Math.abs(rtts(net.ok(a, "ping -c 1 10.0.0.2"))[0]! - base) < 0.2);
  net.end();
});

test("netem loss, duplication and corruption, counted by tc -s", () => {
  const { net, a, b } = pair(7);
  net.ok(a, "ping -c 1 10.0.0.2");
  net.ok(a, "tc qdisc add dev eth0 root netem loss 20%");
  const lossy = net.sh(a, "ping -c 500 -i 0.01 -q 10.0.0.2").out;
  const received = Number(/, (\d+) received/.exec(lossy)?.[1]);
  assert.ok(received > 350 && received < 450, lossy);
  const dropped = Number(/dropped (\d+)/.exec(net.ok(a, "tc -s qdisc show dev eth0"))?.[1]);
  assert.equal(dropped, 500 - received);
  net.ok(a, "tc qdisc replace dev eth0 root netem duplicate 30%");
  assert.match(net.ok(a, "ping -c 100 -i 0.01 -q 10.0.0.2"), /100 received, \+\d\d duplicates, 0% packet loss/);
  net.ok(a, "tc qdisc replace dev eth0 root netem corrupt 100%");
  const before = net.mib(b);
  // One bit is wrong in each: the sum of ICMP or of IP finds it, unless it lies in the sender's MAC address.
  const bad = net.sh(a, "ping -c 50 -i 0.01 -W 1 -q 10.0.0.2").out;
  assert.ok(Number(/, (\d+) received/.exec(bad)?.[1]) < 10, bad);
  const after = net.mib(b);
  assert.ok(after.IcmpInCsumErrors! + after.IpInHdrErrors! + after.IpExtInCsumErrors! > before.IcmpInCsumErrors!);
  net.end();
});

test("netem rate and limit: one after the other, the rest is dropped", () => {
  const t = pair();
  t.net.ok(t.a, "tc qdisc add dev eth0 root netem rate 1mbit limit 20");
  // 100 + 8 + 20 + 14 bytes at 1 Mbit/s: 1.136 ms each.
  const at = burst(t, 50, 100);
  assert.equal(at.length, 20);
  for (let i = 1; i < at.length; i++)
    assert.ok(Math.abs(at[i]! - at[i - 1]! - 1.136 * MS) < 2000, `${at[i]! - at[i - 1]!}`);
  assert.match(t.net.ok(t.a, "tc -s qdisc show dev eth0"), /dropped 30, overlimits/);
  t.net.end();
});

test("tbf: a bucket's burst at once, then the rate; the limit drops", () => {
  const t = pair();
  // A burst of 5,000 bytes holds four frames of 1,042; then 8.336 ms each at 1 Mbit/s.
  t.net.ok(t.a, "tc qdisc add dev eth0 root tbf rate 1mbit burst 5000 limit 30000");
  t.net.run(SEC);
  const at = burst(t, 60, 1000);
  const gaps = at.slice(1).map((x, i) => x - at[i]!);
  const slow = gaps.filter((g) => g > MS);
  assert.equal(gaps.length - slow.length, 3);
  // The fifth waits for the 210 bytes that the bucket lacks.
  assert.ok(Math.abs(slow[0]! - 1.68 * MS) < 0.1 * MS, `${slow[0]}`);
  for (const g of slow.slice(1)) assert.ok(Math.abs(g - 8.336 * MS) < 0.02 * MS, `${g}`);
  const [, dropped, over] = /dropped (\d+), overlimits (\d+)/.exec(t.net.ok(t.a, "tc -s qdisc show dev eth0"))!;
  assert.equal(at.length + Number(dropped), 60);
  assert.ok(Number(over) > 0);
  t.net.end();
});

test("pfifo and bfifo hold as many as they say when the cable is slow", () => {
  for (const [command, most] of [
    ["pfifo limit 5", 5],
    ["bfifo limit 3200", 3],
  ] as const) {
    const t = pair(1, { rate: 1e6 });
    // One ring slot's worth on the card, so that the queue builds where it is looked at.
    t.net.ok(t.a, "ethtool -G eth0 tx 80");
    t.net.ok(t.a, `tc qdisc replace dev eth0 root ${command}`);
    const at = burst(t, 300, 1000);
    const text = t.net.ok(t.a, "tc -s qdisc show dev eth0");
    const dropped = Number(/dropped (\d+)/.exec(text)?.[1]);
    assert.equal(at.length + dropped, 300, text);
    assert.ok(dropped > 100, `${command} holds ${most}: ${text}`);
    t.net.end();
  }
});
