// Goodput over one impaired cable: the kernel's sender and ours in turn, both towards the kernel, with the same delay, loss and queue.
// The cable is ours: between two TAPs, or between a TAP and a card of ours. Real time; root, iperf3.
// Way in: node --import tsx test/linux/goodput.ts [--rtt 20] [--loss 1] [--rate 100] [--cc cubic] [--seconds 10] [--seeds 3]

import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { connect, createMachine } from "../../src/api/index.ts";
import { NodePlatform, openTap } from "../../src/arch/node/index.ts";
import type { WireOptions } from "../../src/hw/wire.ts";
import { RealNet } from "./rig.ts";

export interface GoodputOptions {
  rtt_ms: number;
  /** Of frames, in each direction. */
  loss: number;
  /** Mbit/s. */
  rate: number;
  /** Frames in front of the bottleneck. */
  queue: number;
  cc: string;
  seconds: number;
  seed: number;
}

const KERNEL = "10.9.0.1";
const OTHER = "10.9.0.2";
let instance = 0;

const cable = (o: GoodputOptions): WireOptions => ({
  rate: o.rate * 1e6,
  delay_ns: (o.rtt_ms / 2) * 1e6,
  queue_limit: o.queue,
  seed: o.seed,
  impair: { loss: o.loss },
});

/** bit/s that the kernel's iperf3 received from `who`. */
export async function goodput(who: "kernel" | "ours", o: GoodputOptions): Promise<number> {
  const net = new RealNet();
  const platform = new NodePlatform();
  const taps: { close(): void }[] = [];
  let off = (): void => {};
  const plug = (): ReturnType<typeof openTap> => {
    const tap = openTap(platform, { name: `gp${process.pid % 10_000}x${instance++}`, vnet: false });
    taps.push(tap);
    return tap;
  };
  // Into a namespace, with an address; no segment longer than the cable takes.
  const into = async (ns: string, name: string, address: string): Promise<void> => {
    const r = spawnSync("ip", ["link", "set", name, "netns", ns], { encoding: "utf8" });
    if (r.status !== 0) throw new Error(r.stderr);
    await net.ok(
      ns,
      `ip addr add ${address}/24 dev ${name} && ethtool -K ${name} tso off gso off gro off > /dev/null; ip link set ${name} up; tc qdisc replace dev ${name} root pfifo limit 10000`,
    );
  };
  try {
    const receiver = net.ns("r");
    const a = plug();
    await into(receiver, a.name, KERNEL);
    const client = `iperf3 -c ${KERNEL} -C ${o.cc} -t ${o.seconds} -i 0`;
    const server = net.sh(receiver, "iperf3 -s -1 -J", { timeout: (o.seconds + 20) * 1000 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    if (who === "kernel") {
      const sender = net.ns("s");
      const b = plug();
      connect(platform, b, a, cable(o));
      await into(sender, b.name, OTHER);
      await net.ok(sender, `for i in $(seq 50); do ping -c 1 -W 0.2 ${KERNEL} > /dev/null && break; done`);
      await net.ok(sender, client, { timeout: (o.seconds + 20) * 1000 });
    } else {
      const machine = createMachine({ host: platform, hostname: "ours" });
      connect(platform, machine.addNic(Uint8Array.of(2, 0, 0, 0, 0, 2)), a, cable(o));
      machine.interruptAtOnce("eth0");
      const setup = `ip link set lo up; ip address add ${OTHER}/24 dev eth0; ip link set eth0 up`;
      await machine.run(setup);
      await a.ready();
      await machine.ready();
      await machine.run(`ping -c 5 -i 0.2 ${KERNEL}`);
      const r = await machine.run(client);
      if (r.exitCode !== 0) throw new Error(r.stderr + r.stdout);
      // Its last segments may have to be sent again.
      off = () => machine.poweroff();
    }
    const said = await server;
    off();
    if (said.code !== 0) throw new Error(`iperf3 -s: ${said.code} ${said.err}${said.out}`);
    const result = JSON.parse(said.out) as { end: { sum_received: { bits_per_second: number } } };
    return result.end.sum_received.bits_per_second;
  } finally {
    for (const t of taps) t.close();
    platform.stop();
    await net.end();
  }
}

if (process.argv[1]?.endsWith("goodput.ts")) {
  const { values: v } = parseArgs({
    options: {
      rtt: { type: "string", default: "20" },
      loss: { type: "string", default: "1" },
      rate: { type: "string", default: "100" },
      queue: { type: "string", default: "200" },
      cc: { type: "string", default: "cubic" },
      seconds: { type: "string", default: "10" },
      seeds: { type: "string", default: "3" },
    },
  });
  const sums = { kernel: 0, ours: 0 };
  const n = Number(v.seeds);
  for (let seed = 1; seed <= n; seed++) {
    for (const who of ["kernel", "ours"] as const) {
      const bps = await goodput(who, {
        rtt_ms: Number(v.rtt),
        loss: Number(v.loss) / 100,
        rate: Number(v.rate),
        queue: Number(v.queue),
        cc: v.cc,
        seconds: Number(v.seconds),
        seed,
      });
      sums[who] += bps;
      console.log(`seed ${seed}: ${who} → kernel ${(bps / 1e6).toFixed(2)} Mbit/s`);
    }
  }
  const [k, u] = [sums.kernel / n / 1e6, sums.ours / n / 1e6];
  console.log(
    `${v.cc}, ${v.rtt} ms, ${v.loss} %: kernel ${k.toFixed(2)}, ours ${u.toFixed(2)} Mbit/s: ${((100 * u) / k).toFixed(1)} %`,
  );
  process.exit(0);
}
