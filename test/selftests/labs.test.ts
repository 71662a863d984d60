// The phenomena of the example labs, in the numbers that docs/labs shows: rings, interrupts, CPUs, accounting.
// Linux behaviour pinned: NAPI and its budget, smp_affinity, RPS and its backlog, receive livelock without NAPI, sy against si.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lab, LabOptions } from "../../src/lab/lab.ts";
import { loadTopology } from "../../src/lab/topology.ts";
import { memoryTree } from "../../src/lab/tree.ts";
import { bootLab } from "../lib/lab_pages.ts";

function sh(lab: Lab, host: string, command: string): string {
  lab.run(1e9);
  const r = lab.exec(host, command);
  assert.equal(r.exitCode, 0, `${host}$ ${command}: ${r.stderr}`);
  return r.stdout;
}

/** A counter of ethtool -S. */
function stat(lab: Lab, host: string, name: string, dev = "eth0"): number {
  const m = new RegExp(`^\\s*${name}: (\\d+)$`, "m").exec(sh(lab, host, `ethtool -S ${dev}`));
  assert.ok(m, name);
  return Number(m[1]);
}

/** Counts per CPU of a line of /proc/interrupts or /proc/softirqs. */
function perCpu(lab: Lab, host: string, file: string, line: RegExp): number[] {
  const text = sh(lab, host, `cat ${file}`).split("\n");
  const cpus = text[0]!.trim().split(/\s+/).length;
  const found = text.find((l) => line.test(l));
  assert.ok(found, `${file}: ${line}`);
  return found
    .trim()
    .split(/\s+/)
    .slice(1, 1 + cpus)
    .map(Number);
}
const netRx = (lab: Lab, host: string): number[] => perCpu(lab, host, "/proc/softirqs", /NET_RX:/);
const queueIrqs = (lab: Lab, host: string): number =>
  perCpu(lab, host, "/proc/interrupts", /TxRx-0/).reduce((a, b) => a + b, 0);
const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);

/** A column of /proc/net/softnet_stat, a number per CPU. */
function softnet(lab: Lab, host: string, column: number): number[] {
  const lines = sh(lab, host, "cat /proc/net/softnet_stat").trim().split("\n");
  return lines.map((l) => Number.parseInt(l.split(" ")[column]!, 16));
}

/** us, sy, hi, si of the whole machine, in ns: /proc/stat only shows hundredths of a second. */
function acct(lab: Lab, host: string): [number, number, number, number] {
  const total: [number, number, number, number] = [0, 0, 0, 0];
  for (const cpu of lab.host(host).computer.kernel.cpus) for (let i = 0; i < 4; i++) total[i]! += cpu.acct[i]!;
  return total;
}

function udpIn(lab: Lab, host: string): number {
  const [names, values] = sh(lab, host, "grep Udp: /proc/net/snmp").trim().split("\n");
  return Number(values!.split(" ")[names!.split(" ").indexOf("InDatagrams")]);
}

function end(lab: Lab): void {
  lab.stop();
  assert.deepEqual(lab.bugs(), []);
}

test("ring-overrun: a burst overruns 256 descriptors, fits into 4096, and needs few interrupts", () => {
  const lab = bootLab("examples/ring-overrun");
  sh(lab, "gen", "ping -c 1 10.0.0.2");
  const irqs = queueIrqs(lab, "pc2");
  sh(lab, "gen", "udpflood -q -c 3000 10.0.0.2");
  const drops = stat(lab, "pc2", "rx_queue_0_drops");
  assert.ok(drops > 300 && drops < 2000, `${drops} dropped`);
  assert.match(sh(lab, "pc2", "ifconfig eth0"), new RegExp(`overruns ${drops} `));
  assert.match(
    sh(lab, "pc2", "cat /proc/net/dev"),
    new RegExp(`eth0:\\s+\\d+\\s+\\d+\\s+${drops}\\s+\\d+\\s+${drops} `),
  );
  const taken = queueIrqs(lab, "pc2") - irqs;
  assert.ok(taken < (3000 - drops) / 50, `${taken} interrupts for ${3000 - drops} packets`);
  // One instance gets one turn of 64 in each run of NET_RX, and does not use the budget of a run up (seen on Linux 6.18).
  assert.equal(sum(softnet(lab, "pc2", 2)), 0, "time_squeeze");
  const runs = sh(lab, "pc2", "grep NET_RX: /proc/softirqs").trim().split(/\s+/).slice(1).map(Number);
  assert.ok(sum(runs) >= (3000 - drops) / 64, `${runs} runs of NET_RX`);
  const before = stat(lab, "pc2", "rx_queue_0_packets");
  sh(lab, "pc2", "ethtool -G eth0 rx 4096");
  sh(lab, "gen", "udpflood -q -c 3000 10.0.0.2");
  assert.equal(stat(lab, "pc2", "rx_queue_0_drops"), drops);
  assert.ok(stat(lab, "pc2", "rx_queue_0_packets") - before >= 3000);
  end(lab);
});

test("ring-overrun: a ring of 80 loses more than one of 256", () => {
  const lost = (ring: number): number => {
    const lab = bootLab("examples/ring-overrun");
    sh(lab, "pc2", `ethtool -G eth0 rx ${ring}; sleep 5`);
    sh(lab, "gen", "udpflood -q -c 3000 10.0.0.2");
    const n = stat(lab, "pc2", "rx_queue_0_drops");
    end(lab);
    return n;
  };
  // The smallest ring that igb takes.
  assert.ok(lost(80) > lost(512));
});

test("irq-affinity: the softirq runs where the interrupt was taken, and moves with it", () => {
  const lab = bootLab("examples/irq-affinity-and-rps");
  const irq = /^\s*(\d+):.*TxRx-0/m.exec(sh(lab, "pc2", "cat /proc/interrupts"))![1];
  const rate = "udpflood -q -r 500000 -c 5000 10.0.0.2";
  sh(lab, "gen", rate);
  let rx = netRx(lab, "pc2");
  assert.ok(rx[0]! > 50 && rx[1] === 0 && rx[2] === 0 && rx[3] === 0, String(rx));
  sh(lab, "pc2", `echo 4 > /proc/irq/${irq}/smp_affinity`);
  assert.equal(sh(lab, "pc2", `cat /proc/irq/${irq}/effective_affinity_list`), "2\n");
  const before = netRx(lab, "pc2");
  sh(lab, "gen", rate);
  rx = netRx(lab, "pc2").map((n, i) => n - before[i]!);
  assert.ok(rx[2]! > 50 && rx[0]! <= 2 && rx[1] === 0 && rx[3] === 0, String(rx));
  const irqs = perCpu(lab, "pc2", "/proc/interrupts", /TxRx-0/);
  assert.ok(irqs[2]! > 50 && irqs[1] === 0 && irqs[3] === 0);
  end(lab);
});

test("rps: spreads flows over the CPUs of the mask, and the card loses nothing any more", () => {
  const lab = bootLab("examples/irq-affinity-and-rps");
  sh(lab, "gen", "udpflood -q -c 20000 10.0.0.2");
  const missed = stat(lab, "pc2", "rx_missed_errors");
  assert.ok(missed > 1000, `${missed} missed by one CPU`);
  assert.deepEqual(softnet(lab, "pc2", 0).slice(1), [0, 0, 0]);
  sh(lab, "pc2", "echo e > /sys/class/net/eth0/queues/rx-0/rps_cpus");
  const flows = "for p in 1 2 3 4 5 6 7 8; do udpflood -q -r 186000 -c 2500 -P 100$p 10.0.0.2 & done; wait";
  sh(lab, "gen", flows);
  assert.equal(stat(lab, "pc2", "rx_missed_errors"), missed);
  const processed = softnet(lab, "pc2", 0);
  for (const cpu of [1, 2, 3]) assert.ok(processed[cpu]! >= 2500, String(processed));
  assert.ok(sum(softnet(lab, "pc2", 9)) > 0, "received_rps");
  assert.equal(sum(softnet(lab, "pc2", 1)), 0, "backlog drops");
  // Over net.core.netdev_max_backlog the packet goes.
  sh(lab, "pc2", "sysctl -q -w net.core.netdev_max_backlog=16");
  sh(lab, "gen", flows);
  assert.ok(sum(softnet(lab, "pc2", 1)) > 100);
  end(lab);
});

test("napi: fewer interrupts and more packets than an interrupt per packet, which livelocks", () => {
  const lab = bootLab("examples/napi-against-interrupts");
  const to = { new: "10.0.1.2", old: "10.0.2.2" } as const;
  sh(lab, "new", "udpsink -q &");
  sh(lab, "old", "udpsink -q &");
  const load = (host: "new" | "old", rate: number, count: number): { irqs: number; got: number; hi: number } => {
    const before = { irqs: queueIrqs(lab, host), got: udpIn(lab, host), hi: acct(lab, host)[2] };
    sh(lab, "gen", `udpflood -q -r ${rate} -c ${count} ${to[host]}`);
    return {
      irqs: queueIrqs(lab, host) - before.irqs,
      got: udpIn(lab, host) - before.got,
      hi: acct(lab, host)[2] - before.hi,
    };
  };
  for (const host of ["new", "old"] as const) {
    const slow = load(host, 50_000, 2000);
    assert.ok(slow.got >= 2000);
    assert.ok(slow.irqs > 1900, `${host}: ${slow.irqs} interrupts`);
  }
  // 2.5 µs between packets: without NAPI still an interrupt for each.
  assert.ok(load("old", 400_000, 10_000).irqs >= 10_000 - 100);
  const now = load("new", 1_000_000, 50_000);
  const then = load("old", 1_000_000, 50_000);
  assert.ok(now.irqs < 500, `${now.irqs} interrupts with NAPI`);
  assert.ok(now.got > 15_000, `${now.got} received with NAPI`);
  assert.ok(then.irqs > 20_000, `${then.irqs} interrupts without`);
  assert.ok(then.got < now.got / 10, `${then.got} received without`);
  assert.ok(then.hi > 0.9 * 50e6 && now.hi < 0.1 * 50e6, "time in hard interrupts");
  assert.ok(softnet(lab, "old", 1)[0]! > 20_000, "dropped by enqueue_to_backlog");
  end(lab);
});

test("who-pays-for-sending: the caller pays, and NET_RX counts the completions", () => {
  const lab = bootLab("examples/who-pays-for-sending");
  sh(lab, "pc1", "udpflood -q -c 100000 10.0.0.2");
  const [us, sy, hi, si] = acct(lab, "pc1");
  assert.ok(sy > 20 * si && sy > 5 * us && sy > 10 * hi, `us ${us} sy ${sy} hi ${hi} si ${si}`);
  const rx = sum(netRx(lab, "pc1"));
  const tx = sum(perCpu(lab, "pc1", "/proc/softirqs", /NET_TX:/));
  assert.ok(rx > 500 && rx > 50 * tx, `NET_RX ${rx} NET_TX ${tx}`);
  // A cable slower than the sender: the ring is full, the qdisc goes on in NET_TX.
  sh(lab, "pc1", "ethtool -s eth0 speed 100 duplex full autoneg on; sleep 5");
  sh(lab, "pc1", "udpflood -q -c 20000 10.0.0.2");
  assert.ok(sum(perCpu(lab, "pc1", "/proc/softirqs", /NET_TX:/)) > 10 * tx + 100);
  assert.match(sh(lab, "pc1", "tc -s qdisc show dev eth0"), /requeues [1-9]/);
  end(lab);
});

test("arp: one question to all, one answer; the entry ages and fails as in Linux", () => {
  const lab = bootLab("examples/arp");
  const state = (addr: string): string =>
    new RegExp(`^${addr.replaceAll(".", "\\.")} .* ([A-Z]+)\\s*$`, "m").exec(sh(lab, "pc1", "ip neigh"))?.[1] ?? "none";
  assert.equal(state("10.0.0.2"), "none");
  sh(lab, "pc1", "ping -c 1 10.0.0.2");
  assert.equal(state("10.0.0.2"), "REACHABLE");
  sh(lab, "pc1", "sleep 60");
  assert.equal(state("10.0.0.2"), "STALE");
  sh(lab, "pc1", "ping -c 1 10.0.0.2");
  assert.equal(state("10.0.0.2"), "DELAY");
  sh(lab, "pc1", "sleep 6");
  assert.equal(state("10.0.0.2"), "REACHABLE");
  lab.exec("pc1", "ping -c 1 -W 4 10.0.0.9");
  assert.equal(state("10.0.0.9"), "FAILED");
  end(lab);
});

test("cost and napi in lab files: taken, or refused with a hint", () => {
  const conf = loadTopology(memoryTree({ "lab.conf": 'a[0]=A\na[cost]="calibrated"\na[napi]=off\nb[0]=A\n' }));
  assert.deepEqual(conf.diagnostics, []);
  assert.deepEqual(
    conf.machines.map((m) => [m.cost, m.napi]),
    [
      ["calibrated", false],
      ["none", true],
    ],
  );
  const yaml =
    "topology: {nodes: {a: {labels: {cost: calibrated, napi: off}}, b: {}}, links: [{endpoints: [a:eth1, b:eth1]}]}";
  const clab = loadTopology(memoryTree({ "x.clab.yml": yaml }));
  assert.deepEqual(
    clab.machines.map((m) => [m.cost, m.napi]),
    [
      ["calibrated", false],
      ["none", true],
    ],
  );
  const wrong = loadTopology(memoryTree({ "lab.conf": "a[0]=A\na[cost]=calibrate\na[napi]=no\n" }));
  assert.match(
    wrong.diagnostics[0]!.text,
    /cost is none or calibrated, not "calibrate" \(did you mean "calibrated"\?\)/,
  );
  assert.match(wrong.diagnostics[1]!.text, /napi is on or off, not "no"/);
});

test("the options of a run go before the lab's file", () => {
  const cost = (options: LabOptions): boolean => {
    const lab = bootLab("examples/ring-overrun", options);
    const costs = lab.host("pc2").computer.kernel.cost !== null;
    end(lab);
    return costs;
  };
  assert.equal(cost({}), true);
  assert.equal(cost({ cost: null }), false);
});

test("timers that are due while the CPU is busy wait for it, and the clock goes on", () => {
  const lab = bootLab("examples/who-pays-for-sending");
  // Timers of 1 ms beside a program that leaves no pause.
  sh(lab, "pc1", "ping -q -i 0.001 -c 20 10.0.0.2 > /dev/null & udpflood -q -t 0.05 10.0.0.2; wait");
  end(lab);
});
