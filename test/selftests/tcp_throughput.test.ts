// Throughput of one connection by loss, round trip, queue and congestion control, in virtual time: the same figures on every run.
// A change shows as a readable diff: SKBUFF_UPDATE=1 node --import tsx --test test/selftests/tcp_throughput.test.ts writes tcp_throughput.txt.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import * as S from "../../src/uapi/socket.ts";
import type { Blocking } from "../../src/uapi/sys.ts";
import { TCP_CONGESTION } from "../../src/uapi/tcp.ts";
import { line, MS, SEC } from "./net.ts";
import { sockaddr } from "./socket.ts";

const FILE = new URL("tcp_throughput.txt", import.meta.url);
const RATE = 100e6;
const SECONDS = 2;
const LOSS = [0, 0.1, 1, 5];
const RTT = [2, 20, 100];
/** Packets that wait in front of the slow cable, beside the 80 of the card's ring. */
const QUEUE = [10, 500];
const CC = ["reno", "cubic", "bbr"];

interface Cell {
  mbit: number;
  /** Of what was sent, per cent. */
  again: number;
}

function run(loss: number, rtt: number, queue: number, cc: string): Cell {
  // A fast cable into the router, with the delay and the loss; a slow one out of it, with the queue.
  const way = { delay_ns: (rtt / 2) * MS, seed: 42, impair: { loss: loss / 100 } };
  const { net, pc1: a, r, pc2: b } = line(42, way, { rate: RATE });
  net.ok(r, `ethtool -G eth1 tx 80; tc qdisc replace dev eth1 root pfifo limit ${queue}`);
  let got = 0;
  let end = 0;
  net.task(b, function* (sys): Blocking<void> {
    const l = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    sys.bind(l, sockaddr("0.0.0.0", 7));
    sys.listen(l, 1);
    const fd = yield* sys.accept4(l, null, 0);
    const buf = new Uint8Array(1 << 20);
    for (;;) {
      const n = yield* sys.recvfrom(fd, buf, S.MSG_TRUNC, null);
      if (n <= 0) break;
      if (net.world.now <= end) got += n;
    }
  });
  net.run(MS);
  const sender = net.task(a, function* (sys): Blocking<void> {
    const fd = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    sys.setsockopt(fd, S.SOL_TCP, TCP_CONGESTION, new TextEncoder().encode(cc));
    // A SYN or an ARP that was lost is not what this measures.
    while ((yield* sys.connect(fd, sockaddr("10.0.2.2", 7))) !== 0);
    end = net.world.now + SECONDS * SEC;
    const data = new Uint8Array(1 << 18);
    while (net.world.now < end) if ((yield* sys.sendto(fd, data, S.MSG_NOSIGNAL, null)) < 0) break;
  });
  net.world.sim.run_until(() => end !== 0, net.world.now + 60 * SEC);
  net.run(end - net.world.now);
  const m = net.mib(a);
  sender.kill();
  net.end();
  return { mbit: (got * 8) / SECONDS / 1e6, again: (100 * m.TcpRetransSegs!) / m.TcpOutSegs! };
}

function table(): string {
  const head = (title: string): string =>
    `${title}\n${"loss %  RTT ms  queue".padEnd(22)}${CC.map((c) => c.padStart(8)).join("")}\n`;
  let mbit = head(`Mbit/s of ${RATE / 1e6}, one connection, ${SECONDS} s`);
  let again = head("segments sent again, per cent");
  for (const loss of LOSS) {
    for (const rtt of RTT) {
      for (const queue of QUEUE) {
        const row = `${String(loss).padStart(6)}${String(rtt).padStart(8)}${String(queue).padStart(7)} `.padEnd(22);
        const cells = CC.map((cc) => run(loss, rtt, queue, cc));
        mbit += `${row}${cells.map((c) => c.mbit.toFixed(2).padStart(8)).join("")}\n`;
        again += `${row}${cells.map((c) => c.again.toFixed(2).padStart(8)).join("")}\n`;
      }
    }
  }
  return `${mbit}\n${again}`;
}

test("throughput by loss, round trip, queue and congestion control is what it was", () => {
  const now = table();
  if (process.env.SKBUFF_UPDATE === "1") writeFileSync(FILE, now);
  assert.equal(now, readFileSync(FILE, "utf8"), "SKBUFF_UPDATE=1 takes the new figures over");
});
