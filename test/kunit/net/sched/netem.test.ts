// netem and tbf: what delays, losses and rates amount to (tc-netem(8), tc-tbf(8)).

import assert from "node:assert/strict";
import { test } from "node:test";
import { Prng } from "../../../../src/lib/prng.ts";
import type { SkBuff } from "../../../../src/net/core/skbuff.ts";
import {
  CLG_4_STATES,
  CLG_GILB_ELL,
  Crndstate,
  get_crandom,
  init_crandom,
  LossModel,
  loss_event,
  tabledist,
} from "../../../../src/net/sched/netem_model.ts";
import { Tfifo, tfifo_enqueue, tfifo_erase_head, tfifo_peek } from "../../../../src/net/sched/tfifo.ts";
import { TwoHosts } from "./lab.ts";

const P = (p: number): number => Math.round(p * 0xffffffff);

test("loss models: the long-run rate is that of the chain", () => {
  const prng = new Prng(42);
  const rate = (m: LossModel, loss = 0): number => {
    let lost = 0;
    const cor = new Crndstate();
    for (let i = 0; i < 200_000; i++) if (loss_event(m, loss, cor, prng)) lost++;
    return lost / 200_000;
  };
  const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 0.006, `${a} is not ${b}`);
  near(rate(new LossModel(), P(0.2)), 0.2);
  const ge = new LossModel();
  ge.kind = CLG_GILB_ELL;
  Object.assign(ge, { a1: P(0.1), a2: P(0.4), a3: P(0.3), a4: P(0.01) });
  // In the bad state p / (p + r) of the time; there 1-h is lost, elsewhere 1-k.
  near(rate(ge), 0.2 * 0.7 + 0.8 * 0.01);
  const gi = new LossModel();
  gi.kind = CLG_4_STATES;
  Object.assign(gi, { a1: P(0.05), a2: P(0.5), a3: 0, a4: 0, a5: P(1) });
  near(rate(gi), 0.05 / 0.55);
});

test("correlation: the mean stays, neighbours resemble each other", () => {
  const prng = new Prng(7);
  const s = new Crndstate();
  init_crandom(s, P(0.9), prng);
  let sum = 0;
  let step = 0;
  let last = get_crandom(s, prng);
  for (let i = 0; i < 100_000; i++) {
    const v = get_crandom(s, prng);
    sum += v / 2 ** 32;
    step += Math.abs(v - last) / 2 ** 32;
    last = v;
  }
  assert.ok(Math.abs(sum / 100_000 - 0.5) < 0.02);
  assert.ok(step / 100_000 < 0.05, "a step is a tenth of an uncorrelated one");
});

test("delay: uniform within the jitter, or after a table in units of 1/8192 sigma", () => {
  const prng = new Prng(3);
  let min = Number.POSITIVE_INFINITY;
  let max = 0;
  for (let i = 0; i < 20_000; i++) {
    const d = tabledist(100e6, 10e6, null, prng, null);
    min = Math.min(min, d);
    max = Math.max(max, d);
  }
  assert.ok(min >= 90e6 && min < 90.1e6 && max < 110e6 && max > 109.9e6);
  assert.equal(tabledist(5, 0, null, prng, null), 5);
  assert.equal(tabledist(100e6, 10e6, null, prng, Int16Array.of(8192)), 110e6);
  assert.equal(tabledist(100e6, 10e6, null, prng, Int16Array.of(-4096)), 95e6);
});

test("tfifo gives packets by time, and in order of arrival among equals", () => {
  const prng = new Prng(9);
  const q = new Tfifo();
  const all: { time_to_send: number; next: SkBuff | null; n: number }[] = [];
  for (let n = 0; n < 500; n++) {
    const skb = { time_to_send: Math.floor(tabledist(50, 40, null, prng, null)), next: null, n };
    all.push(skb);
    tfifo_enqueue(q, skb as unknown as SkBuff);
  }
  const got: number[] = [];
  for (let s = tfifo_peek(q); s !== null; s = tfifo_peek(q)) {
    tfifo_erase_head(q, s);
    got.push(s.time_to_send);
  }
  assert.deepEqual(
    got,
    all.map((s) => s.time_to_send).sort((a, b) => a - b),
  );
  assert.equal(q.len, 0);
});

test("delay, loss, duplication and rate as ping and tc -s see them; the same seed, the same fate", () => {
  const run = (): string[] => {
    const h = new TwoHosts();
    const out: string[] = [];
    const a = (c: string): string => {
      const text = h.sh(h.a, c);
      out.push(text);
      return text;
    };
    a("ping -c 1 10.0.0.2");
    a("tc qdisc replace dev eth0 root netem delay 100ms");
    assert.match(a("ping -c 3 -q 10.0.0.2"), /rtt min\/avg\/max\/mdev = 100\.\d+\/100\.\d+\/100\.\d+\/0\.000 ms/);
    assert.match(a("tc -s qdisc show dev eth0"), /limit 1000 delay 100ms\n Sent 294 bytes 3 pkt \(dropped 0, /);
    a("tc qdisc replace dev eth0 root netem loss 30% duplicate 20% seed 11");
    const loss = a("ping -c 200 -i 0.01 -q 10.0.0.2");
    const m = /(\d+) received, \+(\d+) duplicates, (\d+)/.exec(loss)!;
    assert.ok(Number(m[3]) > 10 && Number(m[3]) < 40, loss);
    assert.ok(Number(m[2]) > 15 && Number(m[2]) < 60, loss);
    // 1 Mbit/s: 1 kB of payload is 8.3 ms on the way there, none on the way back.
    a("tc qdisc del dev eth0 root");
    a("tc qdisc add dev eth0 root netem rate 1mbit");
    assert.match(a("ping -c 1 -s 1000 -q 10.0.0.2"), /= 8\.3\d\d\//);
    h.close();
    return out;
  };
  assert.deepEqual(run(), run());
});

test("reorder: with gap 5 every fifth packet goes first", () => {
  const h = new TwoHosts();
  h.sh(h.a, "ping -c 1 10.0.0.2");
  h.sh(h.a, "tc qdisc add dev eth0 root netem delay 12ms reorder 100% gap 5");
  const order = [...h.sh(h.a, "ping -c 20 -i 0.005 10.0.0.2").matchAll(/icmp_seq=(\d+)/g)].map((x) => Number(x[1]));
  const arrival = (n: number): number => 5 * n + (n % 5 === 0 ? 0 : 12);
  assert.deepEqual(
    order,
    Array.from({ length: 20 }, (_, i) => i + 1).sort((x, y) => arrival(x) - arrival(y)),
  );
  assert.match(h.sh(h.a, "tc -s qdisc show dev eth0"), /requeues 4\)/);
  h.close();
});

test("limit: what does not fit is dropped and counted", () => {
  const h = new TwoHosts();
  h.sh(h.a, "ping -c 1 10.0.0.2");
  h.sh(h.a, "tc qdisc add dev eth0 root netem delay 1s limit 5");
  // The sender is told (ENOBUFS), and ping tries again: five go out each second.
  assert.match(h.sh(h.a, "ping -c 20 -i 0.002 -q 10.0.0.2"), /20 received, 0% packet loss, time 3\d\d\dms/);
  assert.match(h.sh(h.a, "tc -s qdisc show dev eth0"), /Sent 1960 bytes 20 pkt \(dropped [1-9]/);
  h.close();
});

test("corrupt: one bit is wrong, and the receiver's checksum tells", () => {
  const h = new TwoHosts();
  h.sh(h.a, "ping -c 1 10.0.0.2");
  h.sh(h.a, "tc qdisc add dev eth0 root netem corrupt 100% seed 5");
  h.sh(h.a, "ping -c 50 -i 0.01 -q 10.0.0.2");
  const icmp = h
    .sh(h.b, "cat /proc/net/snmp")
    .split("\n")
    .find((l) => /^Icmp: \d/.test(l))!;
  assert.ok(Number(icmp.split(" ")[3]) > 25, "InCsumErrors: most bits lie in the ICMP part");
  h.close();
});

test("tbf: the rate holds, order stays, packets larger than the burst are dropped", () => {
  const h = new TwoHosts();
  h.sh(h.a, "ping -c 1 10.0.0.2");
  h.sh(h.a, "tc qdisc add dev eth0 root handle 1: tbf rate 1mbit burst 2kb limit 100kb");
  const addr = (host: number): Uint8Array => Uint8Array.of(2, 0, 0x13, 0x88, 10, 0, 0, host, 0, 0, 0, 0, 0, 0, 0, 0);
  const seen: number[] = [];
  const times: number[] = [];
  const rx = h.b.spawn(
    function* (sys) {
      const fd = sys.socket(2, 2, 0);
      sys.bind(fd, addr(2));
      const buf = new Uint8Array(2000);
      for (let i = 0; i < 20; i++) {
        yield* sys.recvfrom(fd, buf, 0, null);
        seen.push(buf[0]!);
        times.push(sys.clock_gettime(1));
      }
      sys.close(fd);
      return 0;
    },
    ["rx"],
  );
  h.program(h.a, function* (sys) {
    const fd = sys.socket(2, 2, 0);
    for (let i = 0; i < 20; i++) yield* sys.sendto(fd, new Uint8Array(1208).fill(i), 0, addr(2));
    sys.close(fd);
    return 0;
  });
  assert.equal(h.world.wait(rx, 5e9), 0);
  assert.deepEqual(
    seen,
    Array.from({ length: 20 }, (_, i) => i),
  );
  // 1250 bytes on the link are 10 ms, once the bucket of 2 kB is empty.
  for (let i = 2; i < 20; i++) assert.ok(Math.abs(times[i]! - times[i - 1]! - 10e6) < 0.1e6, `${times}`);
  assert.match(h.sh(h.a, "tc -s qdisc show dev eth0"), /dropped 0, overlimits [1-9]/);
  h.sh(h.a, "tc qdisc replace dev eth0 root handle 1: tbf rate 1mbit burst 500 limit 100kb");
  h.program(h.a, function* (sys) {
    const fd = sys.socket(2, 2, 0);
    yield* sys.sendto(fd, new Uint8Array(1208), 0, addr(2));
    sys.close(fd);
    return 0;
  });
  assert.match(h.sh(h.a, "tc -s qdisc show dev eth0"), /\(dropped 1, /);
  h.close();
});

test("tbf: a GSO packet passes when its frames fit the bucket (1250 bytes of 1300), as those", () => {
  const h = new TwoHosts();
  h.sh(
    h.a,
    "ip link add v0 type veth peer name v1; ip addr add 10.9.0.1/24 dev v0; ip link set v0 up; ip link set v1 up",
  );
  h.sh(h.a, "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev v0");
  const sent = (burst: number): string => {
    h.sh(h.a, `tc qdisc add dev v0 root tbf rate 1mbit burst ${burst} limit 100kb`);
    h.program(h.a, function* (sys) {
      const fd = sys.socket(2, 2, 0);
      sys.setsockopt(fd, 17, 103, 1208);
      yield* sys.sendto(fd, new Uint8Array(2416), 0, Uint8Array.of(2, 0, 0, 9, 10, 9, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0));
      sys.close(fd);
      return 0;
    });
    h.world.run(1e9);
    const shown = h.sh(h.a, "tc -s qdisc show dev v0; tc qdisc del dev v0 root");
    return /Sent .*\(dropped \d+/.exec(shown)![0];
  };
  assert.equal(sent(1249), "Sent 0 bytes 0 pkt (dropped 1");
  assert.equal(sent(1300), "Sent 2500 bytes 2 pkt (dropped 0");
  h.close();
});

test("tbf over netem: the delay of the inner qdisc is kept", () => {
  const h = new TwoHosts();
  h.sh(h.a, "ping -c 1 10.0.0.2");
  h.sh(h.a, "tc qdisc add dev eth0 root handle 1: tbf rate 10mbit burst 10kb latency 50ms");
  h.sh(h.a, "tc qdisc add dev eth0 parent 1:1 handle 10: netem delay 30ms");
  assert.match(h.sh(h.a, "ping -c 3 -q 10.0.0.2"), /= 30\.\d+\/30\./);
  h.sh(
    h.a,
    "ping -c 10 -i 0.002 -q 10.0.0.2 & sleep 0.01; tc qdisc del dev eth0 parent 1:1; tc qdisc del dev eth0 root",
  );
  h.close();
});
