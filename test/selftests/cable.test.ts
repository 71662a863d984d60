// What happens on the cable and to the card: pulled, plugged, slow, shared, lossy. Virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { wire_attach, wire_detach } from "../../src/hw/wire.ts";
import { MS, pair, SEC, TestNet } from "./net.ts";
import { sockaddr, udpSocket } from "./socket.ts";

/** Sends `count` numbered datagrams from a to b, one each `gap` ns; returns the numbers in the order of arrival. */
function stream(t: ReturnType<typeof pair>, count: number, gap = MS): number[] {
  const { net, a, b } = t;
  const got: number[] = [];
  const job = net.task(b, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 9);
    const buf = new Uint8Array(2000);
    for (;;) {
      const n = yield* sys.recvfrom(fd, buf, 0, null);
      if (n < 0) return;
      got.push(new DataView(buf.buffer).getUint32(0));
    }
  });
  net.run(1000);
  net.call(a, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 0);
    const msg = new Uint8Array(400);
    for (let i = 0; i < count; i++) {
      new DataView(msg.buffer).setUint32(0, i);
      yield* sys.sendto(fd, msg, 0, sockaddr("10.0.0.2", 9));
      if (gap > 0) yield* sys.nanosleep(gap);
    }
    sys.close(fd);
  });
  net.run(SEC);
  job.kill();
  net.run(MS);
  return got;
}

test("a cable is pulled and put back: carrier, operstate, ping fails and works again", () => {
  const t = pair();
  const { net, a, b, wire } = t;
  net.ok(a, "ping -c 1 10.0.0.2");
  const watch = net.start(a, "ip monitor link");
  net.run(10 * MS);
  const port = wire.ends[1].port!;
  wire_detach(wire, 1);
  net.run(3 * SEC);
  for (const m of [a, b]) {
    assert.match(net.ok(m, "ip link show eth0"), /<NO-CARRIER,BROADCAST,MULTICAST,UP> .* state DOWN/);
    assert.equal(net.ok(m, "cat /sys/class/net/eth0/carrier").trim(), "0");
  }
  assert.match(net.sh(a, "ethtool eth0").out, /Link detected: no/);
  // The route's next hop is marked, and the packet has nowhere to go.
  assert.match(net.ok(a, "ip route"), /10\.0\.0\.0\/24 dev eth0 .*linkdown/);
  assert.equal(net.sh(a, "ping -c 1 -W 1 10.0.0.2").code, 1);
  wire_attach(wire, 1, port);
  net.run(5 * SEC);
  assert.match(net.ok(a, "ip link show eth0"), /<BROADCAST,MULTICAST,UP,LOWER_UP> .* state UP/);
  net.ok(a, "ping -c 1 10.0.0.2");
  watch.stop();
  assert.match(watch.text(), /NO-CARRIER[\s\S]*LOWER_UP/);
  assert.match(net.ok(a, "dmesg"), /eth0.*[Ll]ink is Down[\s\S]*[Ll]ink is Up/i);
  net.end();
});

test("a card is plugged into a running machine and pulled out under traffic", () => {
  const t = pair();
  const { net, a, b } = t;
  const na = net.card(a);
  const nb = net.card(b);
  net.cable(na, nb);
  assert.match(net.ok(a, "ip -br link show eth1"), /^eth1\s+DOWN/);
  net.ok(a, "ip a add 10.1.0.1/24 dev eth1; ip link set eth1 up");
  net.ok(b, "ip a add 10.1.0.2/24 dev eth1; ip link set eth1 up");
  net.run(3 * SEC);
  net.ok(a, "ping -c 2 10.1.0.2");
  const flood = net.start(a, "ping -i 0.002 10.1.0.2");
  net.run(100 * MS);
  b.removeNic(nb);
  net.run(50 * MS);
  a.removeNic(na);
  net.run(50 * MS);
  flood.stop();
  for (const m of [a, b]) assert.notEqual(net.sh(m, "ip link show eth1").code, 0);
  assert.doesNotMatch(net.ok(a, "ip route"), /eth1/);
  assert.doesNotMatch(net.ok(a, "cat /proc/interrupts"), /eth1/);
  net.ok(a, "ping -c 1 10.0.0.2");
  net.end();
});

test("half duplex: both ends talk at once, collisions are counted, everything arrives", () => {
  const t = pair(3, { rate: 10e6, duplex: "half" });
  const { net, a, b } = t;
  assert.match(net.ok(a, "ethtool eth0"), /Duplex: Half/);
  const back = net.start(b, "ping -i 0.002 -s 700 -c 300 -q 10.0.0.1");
  const out = net.ok(a, "ping -i 0.002 -s 700 -c 300 -q 10.0.0.2");
  net.run(5 * SEC);
  assert.match(out, /300 packets transmitted, 300 received, 0% packet loss/);
  assert.match(back.text(), /300 packets transmitted, 300 received, 0% packet loss/);
  const collisions = [a, b].map((m) => Number(/collisions:\s*(\d+)/.exec(net.ok(m, "ethtool -S eth0"))?.[1]));
  assert.ok(collisions[0]! + collisions[1]! > 0, `collisions ${collisions}`);
  const shown = net.ok(a, "ip -s link show eth0").split("\n");
  assert.equal(Number(shown.at(-2)!.trim().split(/\s+/)[5]), collisions[0]);
  net.end();
});

test("loss, corruption, duplication and reordering on a cable are what arrives, and are counted where they happen", () => {
  const lossy = pair(5, { impair: { loss: 0.1 } });
  lossy.net.ok(lossy.a, "ip neigh add 10.0.0.2 lladdr 02:00:00:00:02:00 dev eth0 nud permanent");
  const got = stream(lossy, 1000);
  assert.ok(got.length > 850 && got.length < 950, `${got.length} of 1000 with 10 % loss`);
  assert.ok(got.every((n, i) => i === 0 || n > got[i - 1]!));
  assert.equal(lossy.wire.ends[0].stats.lost, 1000 - got.length);
  lossy.net.end();

  const dirty = pair(5, { impair: { corrupt: 0.1 } });
  dirty.net.ok(dirty.a, "ip neigh add 10.0.0.2 lladdr 02:00:00:00:02:00 dev eth0 nud permanent");
  const clean = stream(dirty, 1000);
  const crc = Number(/rx_crc_errors:\s*(\d+)/.exec(dirty.net.ok(dirty.b, "ethtool -S eth0"))?.[1]);
  assert.ok(crc > 50, `${crc} frames with a bad FCS`);
  assert.equal(clean.length + crc, 1000);
  assert.match(dirty.net.ok(dirty.b, "ip -s -s link show eth0"), new RegExp(`\\b${crc}\\b`));
  dirty.net.end();

  const twice = pair(5, { impair: { duplicate: 0.2 } });
  twice.net.ok(twice.a, "ip neigh add 10.0.0.2 lladdr 02:00:00:00:02:00 dev eth0 nud permanent");
  const dup = stream(twice, 500);
  assert.equal(dup.length, 500 + twice.wire.ends[0].stats.duplicated);
  assert.ok(dup.length > 560);
  twice.net.ok(twice.a, "ping -c 20 -i 0.01 10.0.0.2");
  assert.match(twice.net.ok(twice.a, "ping -c 50 -i 0.01 10.0.0.2"), /\(DUP!\)[\s\S]*\+\d+ duplicates/);
  twice.net.end();

  const mixed = pair(5, { impair: { reorder: 0.1, reorder_ns: 5 * MS } });
  mixed.net.ok(mixed.a, "ip neigh add 10.0.0.2 lladdr 02:00:00:00:02:00 dev eth0 nud permanent");
  const order = stream(mixed, 500);
  assert.equal(order.length, 500);
  assert.ok(order.some((n, i) => i > 0 && n < order[i - 1]!));
  assert.deepEqual(
    [...order].sort((x, y) => x - y),
    Array.from({ length: 500 }, (_, i) => i),
  );
  mixed.net.end();
});

test("rate and delay of a cable are the times that ping sees", () => {
  // 1,000 bytes of data: a frame of 1042 + 4 FCS + 20 = 1066 bytes = 8.528 ms at 1 Mbit/s, and 10 ms of delay, each way.
  const { net, a } = pair(1, { rate: 1e6, delay_ns: 10 * MS });
  net.ok(a, "ping -c 1 10.0.0.2");
  const out = net.ok(a, "ping -c 1 -s 1000 10.0.0.2");
  const ms = Number(/time=([\d.]+) ms/.exec(out)?.[1]);
  assert.ok(ms >= 37.0 && ms < 37.5, `${ms} ms`);
  net.end();
});

test("a slow cable in front of a fast sender: the ring stops the queue, the qdisc holds, nothing of what was accepted is lost", () => {
  const t = pair(1, { rate: 10e6 });
  t.net.ok(t.a, "ping -c 1 10.0.0.2");
  const got = stream(t, 200, 0);
  assert.equal(got.length, 200);
  const tx = t.net.ok(t.a, "tc -s qdisc show dev eth0");
  assert.match(tx, /dropped 0/);
  t.net.end();
});

test("a packet larger than the peer's MTU is dropped by its card and counted", () => {
  const net = new TestNet();
  const a = net.machine("a");
  const b = net.machine("b");
  net.cable(a.nics[0]!, b.nics[0]!);
  net.ok(a, "ip link set eth0 mtu 4000; ip a add 10.0.0.1/24 dev eth0; ip link set eth0 up");
  net.ok(b, "ip a add 10.0.0.2/24 dev eth0; ip link set eth0 up");
  net.run(3 * SEC);
  net.ok(a, "ping -c 1 10.0.0.2");
  assert.equal(net.sh(a, "ping -c 1 -W 1 -s 3000 10.0.0.2").code, 1);
  const errors = Number(/rx_long_length_errors:\s*(\d+)/.exec(net.ok(b, "ethtool -S eth0"))?.[1]);
  assert.equal(errors, 1);
  net.end();
});
