// W2: UDP from a socket in one namespace to a socket in another, over veth; one flow, sendto and recvfrom in two tasks.

import { syscall_enter, syscall_exit } from "../src/kernel/cpu.ts";
import { sys_recvfrom, sys_sendto } from "../src/net/socket.ts";
import { MSG_DONTWAIT } from "../src/uapi/socket.ts";
import type { Bench, BenchSetup } from "./lib/harness.ts";
import { Rig, sockaddr_in } from "./lib/rig.ts";

/** Datagrams sent before the receiver runs, as a scheduler would let them gather. */
const BURST = 16;

function udp_veth(size: number): BenchSetup {
  const r = new Rig();
  const k = r.k;
  const a = r.netns("a");
  const b = r.netns("b");
  const [va, vb] = r.veth(a, "v0", b, "v1");
  r.addr(va, "10.0.0.1/24");
  r.addr(vb, "10.0.0.2/24");
  r.run(3e9);
  const sender = r.task("sender", a);
  const receiver = r.task("receiver", b);
  const tx = r.udp(sender, "10.0.0.1", 5000);
  const rx = r.udp(receiver, "10.0.0.2", 6000);
  const to = sockaddr_in("10.0.0.2", 6000);
  const payload = new Uint8Array(size).fill(0x5a);
  const buf = new Uint8Array(2048);
  const from = new Uint8Array(16);
  let sum = 0;
  const step = (n: number): number => {
    let got = 0;
    for (let i = 0; i < n; i += BURST) {
      for (let j = 0; j < BURST; j++) {
        syscall_enter(k);
        sys_sendto(sender, tx, payload, 0, to);
        syscall_exit(k);
      }
      for (let j = 0; j < BURST; j++) {
        syscall_enter(k);
        const len = sys_recvfrom(receiver, rx, buf, MSG_DONTWAIT, from);
        syscall_exit(k);
        if (len === size) got++;
      }
      sum += buf[0]!;
    }
    // The clock moves: timers of neighbours and caches run as they would.
    r.run(1e6);
    return got;
  };
  // The first datagram waits for ARP.
  step(BURST);
  r.run(1e9);
  return {
    k,
    step,
    check: () => {
      if (step(BURST) !== BURST) throw new Error("datagrams are lost");
      if (sum === 0 || k.bugs.length > 0) throw new Error(`bugs: ${k.bugs.map((x) => x.where).join()}`);
    },
  };
}

export const bench: Bench = { unit: "packets/s", setup: udp_veth };
