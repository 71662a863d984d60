// The metrics of rows 45 and 46: what a lab of known cables must measure, and one packet header by header.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Lab } from "../../src/lab/lab.ts";
import { measure, metricsText } from "../../src/lab/measure.ts";
import { loadTopology } from "../../src/lab/topology.ts";
import { memoryTree } from "../../src/lab/tree.ts";
import { decodePacket, walk, walkLayers } from "../../src/lab/walk/index.ts";

function lab(link: string): Lab {
  const topology = loadTopology(
    memoryTree({
      "lab.conf": `pc1[0]="A"\nr1[0]="A"\nr1[1]="B"\npc2[0]="B"\nlink[A]="rate=100mbit delay=2ms"\nlink[B]="${link}"\n`,
      "pc1.startup": "ip address add 10.0.1.2/24 dev eth0\nip link set eth0 up\nip route add default via 10.0.1.1\n",
      "pc2.startup": "ip address add 10.0.2.2/24 dev eth0\nip link set eth0 up\nip route add default via 10.0.2.1\n",
      "r1.startup":
        "ip address add 10.0.1.1/24 dev eth0\nip address add 10.0.2.1/24 dev eth1\nip link set eth0 up\nip link set eth1 up\n" +
        "sysctl -q -w net.ipv4.ip_forward=1\n",
    }),
  );
  assert.deepEqual(topology.diagnostics, []);
  const l = new Lab(topology, { seed: 1 });
  assert.deepEqual(l.boot(), []);
  return l;
}

const quiet = { stdout: () => {}, stderr: () => {} };

test("delay by part: sending at each rate, propagation of each cable, and the parts add up to the whole", () => {
  const l = lab("rate=10mbit delay=5ms");
  walk(l, "pc1", "ping -c 1 10.0.2.2", quiet);
  const started = l.world.sim!.now;
  const w = walk(l, "pc1", "ping -c 1 -s 1000 10.0.2.2", quiet);
  const m = measure(l, w, l.world.sim!.now - started, decodePacket);
  const [request, reply] = m.packets;
  assert.equal(m.packets.length, 2);
  // 1,042 bytes, and 24 of FCS, preamble and gap: at 100 Mbit/s 85.28 µs, at 10 Mbit/s ten times as much.
  assert.ok(Math.abs(request!.sending_ns - 1066 * 8 * (10 + 100)) < 10, String(request!.sending_ns));
  assert.equal(request!.propagation_ns, 7e6);
  for (const p of [request!, reply!]) {
    const parts = p.sending_ns + p.propagation_ns + p.queueing_ns + p.processing_ns;
    assert.ok(Math.abs(parts - p.delay_ns) < 5, `${parts} against ${p.delay_ns}`);
  }
  assert.ok(m.rtt_ns > 14e6 && m.rtt_ns < 20e6, String(m.rtt_ns));
  // The slowest cable carries 10 Mbit/s: product of rate and round-trip time.
  assert.ok(Math.abs(m.bandwidth_delay_bits - (10e6 * m.rtt_ns) / 1e9) < 1);
  assert.match(metricsText(m), /Bandwidth-delay product: 1\d\d kbit/);
  l.stop();
  assert.deepEqual(l.bugs(), []);
});

test("throughput, utilisation and loss of a link are those of its cable", () => {
  const l = lab("rate=1mbit delay=1ms loss=20%");
  const started = l.world.sim!.now;
  const w = walk(l, "pc1", "ping -q -i 0.01 -c 100 -s 900 -W 1 10.0.2.2", quiet);
  const m = measure(l, w, l.world.sim!.now - started, decodePacket);
  const b = m.links.find((x) => x.direction === "r1:eth1 > pc2:eth0")!;
  assert.equal(b.bandwidth_bps, 1e6);
  assert.ok(b.loss > 0.08 && b.loss < 0.35, String(b.loss));
  assert.ok(b.utilisation > 0.2 && b.utilisation <= 1, String(b.utilisation));
  assert.ok(b.throughput_bps < 1e6);
  l.stop();
  assert.deepEqual(l.bugs(), []);
});

test("layers: what each machine wraps, reads and takes off", () => {
  const l = lab("rate=10mbit");
  const server = l.start("pc2", "nc -u -l 7777", quiet);
  walk(l, "pc1", "ping -c 1 10.0.2.2", quiet);
  const w = walk(l, "pc1", "echo hello | nc -u -w 1 10.0.2.2 7777", quiet);
  const text = walkLayers(w, w.packets, { color: false, hosts: [] });
  assert.match(text, /pc1 wraps it[^\n]*\n {4}5-7 application +application +\+ +6 bytes {2}6 bytes of data\n/);
  assert.match(text, /4 transport +transport +\+ +8 bytes {2}UDP port \d+ > port 7777, length 14\n/);
  assert.match(
    text,
    /r1 takes off the Ethernet header[^\n]*\n {4}3 network +internet +\* +20 bytes {2}IPv4 10\.0\.1\.2 > 10\.0\.2\.2, TTL 63/,
  );
  assert.match(text, /pc2 unwraps it[^\n]*\n {4}2 data link/);
  server.kill(15);
  l.run(1e9);
  l.stop();
  assert.deepEqual(l.bugs(), []);
});
