// W1: bulk TCP from a socket in one namespace to a socket in another over veth; one flow. `gso`: the device takes 64 KiB and
// sums nothing; `mss`: every segment is built, summed and verified in software.

import { syscall_enter, syscall_exit } from "../src/kernel/cpu.ts";
import { sys_accept4, sys_connect, sys_listen, sys_recvfrom, sys_sendto } from "../src/net/socket.ts";
import { MSG_DONTWAIT } from "../src/uapi/socket.ts";
import type { Bench, BenchSetup } from "./lib/harness.ts";
import { Rig, sockaddr_in } from "./lib/rig.ts";

const CHUNK = 128 * 1024;

function tcp_bulk(software: boolean): BenchSetup {
  const r = new Rig();
  const k = r.k;
  const a = r.netns("a");
  const b = r.netns("b");
  const [va, vb] = r.veth(a, "v0", b, "v1");
  if (software) for (const d of [va, vb]) r.no_offloads(d);
  r.addr(va, "10.0.0.1/24");
  r.addr(vb, "10.0.0.2/24");
  // As on the peers' side.
  for (const net of [a, b]) r.sysctl(net, "net/ipv4/tcp_congestion_control", "reno");
  r.run(3e9);
  const sender = r.task("sender", a);
  const receiver = r.task("receiver", b);
  const l = r.tcp(receiver, "10.0.0.2", 5001);
  r.call(() => sys_listen(receiver, l, 16));
  const tx = r.tcp(sender, "0.0.0.0", 0);
  r.call(() => sys_connect(sender, tx, sockaddr_in("10.0.0.2", 5001)));
  r.run(2e9);
  const rx = r.call(() => sys_accept4(receiver, l, null, 0));
  if (rx < 0) throw new Error(`accept: ${rx}`);
  const data = new Uint8Array(CHUNK).fill(0x5a);
  const buf = new Uint8Array(CHUNK);
  const step = (n: number): number => {
    let got = 0;
    while (got < n) {
      syscall_enter(k);
      const w = sys_sendto(sender, tx, data, MSG_DONTWAIT, null);
      syscall_exit(k);
      let any = w > 0;
      for (;;) {
        syscall_enter(k);
        const len = sys_recvfrom(receiver, rx, buf, MSG_DONTWAIT, null);
        syscall_exit(k);
        if (len <= 0) break;
        got += len;
        any = true;
      }
      if (!any) r.run(1e6);
    }
    r.run(1e5);
    return got;
  };
  // 64 KiB a packet are few packets a gigabyte: V8 needs some before it compiles what they pass.
  step(software ? 1 << 30 : 2 ** 32);
  return {
    k,
    // Enough at a time that reading the clock costs nothing beside it.
    step: (n) => (step(n * 256) * 8) / 1e9,
    check: () => {
      if (k.bugs.length > 0) throw new Error(`bugs: ${k.bugs.map((x) => x.where).join()}`);
    },
  };
}

export const bench: Bench = { unit: "Gbit/s", setup: () => tcp_bulk(true) };
export const bench_gso: Bench = { unit: "Gbit/s", setup: () => tcp_bulk(false) };
