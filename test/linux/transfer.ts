// A long transfer between ours and the kernel over TAP, while on our side frames get lost, doubled, overtaken and damaged: the
// SHA-256 of both ends, and tshark's opinion of what ours sent. Real time; root, nc, tshark.
// Way in: transfer(); node --import tsx test/linux/transfer.ts [--mb 100] [--direction out|in] [--nic igb|virtio] [--fault 0.1]

import { spawnSync } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect, createMachine } from "../../src/api/index.ts";
import { NodePlatform, openTap } from "../../src/arch/node/index.ts";
import { CaptureFile } from "../../src/cli/capture.ts";
import { Prng, prng_below } from "../../src/lib/prng.ts";
import * as S from "../../src/uapi/socket.ts";
import type { Blocking } from "../../src/uapi/sys.ts";
import { sockaddr } from "../selftests/socket.ts";
import { RealNet } from "./rig.ts";

export interface TransferOptions {
  bytes: number;
  /** "out": ours sends. */
  direction: "out" | "in";
  /**
   * igb: the cable of ours does all of it to both directions, the kernel cuts and sums. virtio: segments and sums are left to the
   * kernel, and netem on our card does it to what leaves.
   */
  nic: "igb" | "virtio";
  /** Probability of each fault, of frames. */
  fault: number;
  /** Frames that are captured for tshark; 0: none. */
  capture: number;
  seed: number;
}

export interface TransferResult {
  sent: string;
  received: string;
  bytes: number;
  seconds: number;
  /** Lines of tshark's expert about what ours sent, other than what loss explains. */
  expert: string[];
  /** Our machine's counters. */
  mib: Record<string, number>;
}

const KERNEL = "10.9.0.1";
const OURS = "10.9.0.2";
const PORT = 5001;
const BLOCK = 1 << 20;

/** Zeros become bytes that nothing compresses or repeats. */
const SCRAMBLE =
  'process.stdin.pipe(require("node:crypto").createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16))).pipe(process.stdout)';

/** What tshark may say of a sender on a bad path. */
const FINE =
  /retransmission|out-of-order|Duplicate ACK|D-SACK|segment not captured|Window update|window update|Zero ?Window|completely full|Connection (establish|finish|reset)|connection closing|Keep-Alive|Previous segment/i;

export async function transfer(o: TransferOptions): Promise<TransferResult> {
  const net = new RealNet();
  const platform = new NodePlatform();
  const dir = mkdtempSync(join(tmpdir(), "skb-transfer-"));
  const ns = net.ns("k");
  const tap = openTap(platform, { name: `tr${process.pid}`, vnet: o.nic === "virtio" });
  const machine = createMachine({ host: platform, hostname: "ours" });
  const bugs: unknown[] = [];
  machine.kernel.on_bug = (error) => bugs.push(error);
  try {
    const r = spawnSync("ip", ["link", "set", tap.name, "netns", ns], { encoding: "utf8" });
    if (r.status !== 0) throw new Error(r.stderr);
    await net.ok(ns, `ip addr add ${KERNEL}/24 dev ${tap.name}; ip link set ${tap.name} up`);
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 2);
    const pcap = join(dir, "part.pcapng");
    const file = o.capture > 0 ? new CaptureFile(pcap, ["cable"]) : null;
    let left = o.capture;
    if (o.nic === "virtio") machine.addVirtioNic(mac, tap);
    else {
      const wire = connect(platform, machine.addNic(mac), tap, {
        seed: o.seed,
        impair: { loss: o.fault, duplicate: o.fault, reorder: o.fault, reorder_ns: 300_000, corrupt: o.fault },
      });
      machine.interruptAtOnce("eth0");
      const prng = new Prng(o.seed, 7);
      wire.tap = (f, side) => {
        if (left > 0 && file !== null) {
          left--;
          file.packet(0, Date.now() * 1e6, f.u8.slice(f.off, f.off + f.len), side === 0 ? 2 : 1);
        }
        // A bit that changes before the frame's check sequence is made: only TCP's checksum can tell.
        if (f.len > 60 && prng_below(prng, 1_000_000) < o.fault * 1e6)
          f.u8[f.off + 34 + prng_below(prng, f.len - 34)]! ^= 1 << prng_below(prng, 8);
      };
    }
    await machine.run(`ip link set lo up; ip address add ${OURS}/24 dev eth0; ip link set eth0 up`);
    await tap.ready();
    await machine.ready();
    await machine.run(`ping -c 10 -i 0.1 ${KERNEL}`);
    if (o.nic === "virtio" && o.fault > 0) {
      const p = o.fault * 100;
      const tc = await machine.run(
        `tc qdisc replace dev eth0 root netem limit 10000 delay 300us loss ${p}% duplicate ${p}% corrupt ${p}% reorder ${100 - p}%`,
      );
      if (tc.exitCode !== 0) throw new Error(tc.stderr);
    }
    const hash = createHash("sha256");
    const start = performance.now();
    let ours = "";
    let theirs = "";
    let bytes = 0;
    if (o.direction === "out") {
      const there = net.ok(ns, `nc -l -p ${PORT} 2>/dev/null < /dev/null | sha256sum`, { timeout: 3_600_000 });
      await net.ok(ns, `for i in $(seq 100); do ss -ltn | grep -q :${PORT} && break; sleep 0.1; done`);
      const key = new Uint8Array(16).fill(o.seed);
      const cipher = createCipheriv("aes-128-ctr", key, new Uint8Array(16));
      const zeros = new Uint8Array(BLOCK);
      machine.spawn(
        function* (sys): Blocking<number> {
          const fd = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
          while ((yield* sys.connect(fd, sockaddr(KERNEL, PORT))) !== 0) yield* sys.nanosleep(1e8);
          while (bytes < o.bytes) {
            const block = cipher.update(zeros.subarray(0, Math.min(BLOCK, o.bytes - bytes)));
            hash.update(block);
            for (let at = 0; at < block.length; ) {
              const n = yield* sys.write(fd, block.subarray(at));
              if (n < 0) return 1;
              at += n;
            }
            bytes += block.length;
          }
          sys.close(fd);
          return 0;
        },
        ["sender"],
      );
      theirs = (await there).slice(0, 64);
      ours = hash.digest("hex");
    } else {
      const done = new Promise<void>((resolve) => {
        machine.spawn(
          function* (sys): Blocking<number> {
            const l = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
            sys.bind(l, sockaddr("0.0.0.0", PORT));
            sys.listen(l, 1);
            const fd = yield* sys.accept4(l, null, 0);
            const buf = new Uint8Array(BLOCK);
            for (;;) {
              const n = yield* sys.read(fd, buf);
              if (n <= 0) break;
              hash.update(buf.subarray(0, n));
              bytes += n;
            }
            sys.close(fd);
            resolve();
            return 0;
          },
          ["receiver"],
        );
      });
      const sent = await net.ok(
        ns,
        `head -c ${o.bytes} /dev/zero | ${process.execPath} -e '${SCRAMBLE}' | tee >(sha256sum > ${dir}/sum) | nc -N ${OURS} ${PORT}; sleep 0.5; cat ${dir}/sum`,
        { timeout: 3_600_000 },
      );
      await done;
      theirs = sent.slice(0, 64);
      ours = hash.digest("hex");
    }
    const seconds = (performance.now() - start) / 1000;
    const counters = await machine.run("cat /proc/net/snmp /proc/net/netstat");
    file?.close();
    const expert = file === null ? [] : await opinion(net, ns, pcap);
    if (bugs.length > 0) throw bugs[0];
    return {
      sent: o.direction === "out" ? ours : theirs,
      received: o.direction === "out" ? theirs : ours,
      bytes,
      seconds,
      expert,
      mib: parse(counters.stdout),
    };
  } finally {
    machine.poweroff();
    tap.close();
    platform.stop();
    await net.end();
    rmSync(dir, { recursive: true });
  }
}

/** tshark's expert about packets of ours: malformed ones, bad checksums, ACKs of what it has not seen, overrun windows. */
async function opinion(net: RealNet, ns: string, pcap: string): Promise<string[]> {
  const said = await net.ok(
    ns,
    `tshark -r ${pcap} -d tcp.port==${PORT},data -o tcp.check_checksum:TRUE -q -z 'expert,note,ip.src==${OURS}'`,
    { timeout: 300_000 },
  );
  return said.split("\n").filter((l) => /^ +\d+ /.test(l) && !FINE.test(l));
}

function parse(text: string): Record<string, number> {
  const out: Record<string, number> = {};
  const lines = text.trim().split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [group, ...names] = lines[i]!.split(" ");
    const values = lines[i + 1]!.split(" ").slice(1);
    names.forEach((n, j) => {
      out[group!.replace(":", "") + n] = Number(values[j]);
    });
  }
  return out;
}

if (process.argv[1]?.endsWith("transfer.ts")) {
  const { values: v } = parseArgs({
    options: {
      mb: { type: "string", default: "100" },
      direction: { type: "string", default: "out" },
      nic: { type: "string", default: "igb" },
      fault: { type: "string", default: "0.1" },
      capture: { type: "string", default: "100000" },
      seed: { type: "string", default: "1" },
    },
  });
  const r = await transfer({
    bytes: Math.round(Number(v.mb) * 1e6),
    direction: v.direction as "out" | "in",
    nic: v.nic as "igb" | "virtio",
    fault: Number(v.fault) / 100,
    capture: v.nic === "igb" ? Number(v.capture) : 0,
    seed: Number(v.seed),
  });
  const m = r.mib;
  console.log(
    `${v.direction} over ${v.nic}: ${r.bytes} bytes in ${r.seconds.toFixed(1)} s, ${((r.bytes * 8) / r.seconds / 1e6).toFixed(0)} Mbit/s`,
  );
  console.log(`sent     ${r.sent}\nreceived ${r.received}`);
  console.log(
    `retransmitted ${m.TcpRetransSegs}, bad sums ${m.TcpInCsumErrors}, out of order ${m.TcpExtTCPOFOQueue}, doubled ${m.TcpExtDelayedACKLost}`,
  );
  for (const l of r.expert) console.log(`tshark: ${l}`);
  process.exit(r.sent === r.received && r.expert.length === 0 ? 0 : 1);
}
