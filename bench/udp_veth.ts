// W2: UDP from a socket in one namespace to a socket in another, over veth; one flow, two tasks. Batches by sendmmsg and
// recvmmsg, as the kernel's peer does; or a call for each datagram.

import { syscall_enter, syscall_exit } from "../src/kernel/cpu.ts";
import { sys_recvfrom, sys_recvmmsg, sys_sendmmsg, sys_sendto } from "../src/net/socket.ts";
import { MSG_DONTWAIT } from "../src/uapi/socket.ts";
import type { MmsgHdr } from "../src/uapi/sys.ts";
import type { Bench, BenchSetup } from "./lib/harness.ts";
import { Rig, sockaddr_in } from "./lib/rig.ts";

/** Datagrams sent before the receiver runs, as a scheduler would let them gather; the vector of sendmmsg. */
const BURST = 32;

function messages(n: number, buf: () => Uint8Array, name: () => Uint8Array): MmsgHdr[] {
  return Array.from({ length: n }, () => ({
    msg_hdr: {
      msg_name: name(),
      msg_namelen: 16,
      msg_iov: [buf()],
      msg_control: null,
      msg_controllen: 0,
      msg_flags: 0,
    },
    msg_len: 0,
  }));
}

function udp_veth(size: number, one_by_one: boolean): BenchSetup {
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
  const out = messages(
    BURST,
    () => payload,
    () => to,
  );
  const inn = messages(
    BURST,
    () => new Uint8Array(2048),
    () => new Uint8Array(16),
  );
  let sum = 0;
  const batches = (n: number): number => {
    let got = 0;
    for (let i = 0; i < n; i += BURST) {
      syscall_enter(k);
      sys_sendmmsg(sender, tx, out, BURST, 0);
      syscall_exit(k);
      syscall_enter(k);
      const r = sys_recvmmsg(receiver, rx, inn, BURST, MSG_DONTWAIT);
      syscall_exit(k);
      for (let j = 0; j < r; j++) if (inn[j]!.msg_len === size) got++;
      sum += inn[0]!.msg_hdr.msg_iov[0]![0]!;
    }
    r.run(1e6);
    return got;
  };
  const singly = (n: number): number => {
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
  const step = one_by_one ? singly : batches;
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

export const bench: Bench = { unit: "packets/s", setup: (size) => udp_veth(size, false) };
export const bench_sendto: Bench = { unit: "packets/s", setup: (size) => udp_veth(size, true) };
