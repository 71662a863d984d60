// W4: connect, accept and FIN close of both ends over veth, 16 at a time. W5: 64 bytes there and back over N connections in
// turn, 64 requests in flight. W6 is in tcp_idle.ts.

import { syscall_enter, syscall_exit } from "../src/kernel/cpu.ts";
import { close_fd } from "../src/kernel/fs/file.ts";
import type { Task } from "../src/kernel/sched.ts";
import { sys_accept4, sys_connect, sys_listen, sys_recvfrom, sys_sendto } from "../src/net/socket.ts";
import { MSG_DONTWAIT } from "../src/uapi/socket.ts";
import type { Bench, BenchSetup } from "./lib/harness.ts";
import { Rig, sockaddr_in } from "./lib/rig.ts";

const SERVER = "10.0.0.2";
const PORT = 5001;

export interface Pair {
  r: Rig;
  a: Task;
  b: Task;
  listener: number;
}
export function pair(): Pair {
  const r = new Rig();
  const na = r.netns("a");
  const nb = r.netns("b");
  const [va, vb] = r.veth(na, "v0", nb, "v1");
  r.addr(va, "10.0.0.1/16");
  r.addr(vb, `${SERVER}/16`);
  r.run(3e9);
  r.sysctl(na, "net/ipv4/ip_local_port_range", "1024 65535");
  for (const net of [na, nb]) r.sysctl(net, "net/ipv4/tcp_congestion_control", "reno");
  const a = r.task("client", na);
  const b = r.task("server", nb);
  const listener = r.tcp(b, SERVER, PORT);
  r.call(() => sys_listen(b, listener, 4096));
  return { r, a, b, listener };
}
const to = sockaddr_in(SERVER, PORT);

function call<T>(r: Rig, fn: () => T): T {
  syscall_enter(r.k);
  const v = fn();
  syscall_exit(r.k);
  return v;
}

/** `n` connections, both ends. */
export function connect(p: Pair, n: number): [number, number][] {
  const out: [number, number][] = [];
  for (let i = 0; i < n; i++) {
    const c = p.r.tcp(p.a, "0.0.0.0", 0);
    call(p.r, () => sys_connect(p.a, c, to));
    const s = call(p.r, () => sys_accept4(p.b, p.listener, null, 0));
    if (s < 0) {
      p.r.run(1e6);
      i--;
      call(p.r, () => close_fd(p.a, c));
      continue;
    }
    out.push([c, s]);
  }
  return out;
}

function conn(): BenchSetup {
  const p = pair();
  const { r, a, b } = p;
  connect(p, 1);
  r.run(1e9);
  const step = (n: number): number => {
    let done = 0;
    for (let i = 0; i < n; i += 16) {
      const list = connect(p, 16);
      for (const [c, s] of list) {
        call(r, () => close_fd(a, c));
        call(r, () => close_fd(b, s));
        done++;
      }
    }
    // TIME_WAIT ends, as it would in real time at this rate.
    r.run(65e9);
    return done;
  };
  return { k: r.k, step: (n) => step(Math.min(n, 4096)) };
}

function rr(count: number): BenchSetup {
  const p = pair();
  const { r, a, b } = p;
  const list = connect(p, count);
  r.run(1e9);
  const buf = new Uint8Array(64);
  let at = 0;
  const step = (n: number): number => {
    let done = 0;
    for (let i = 0; i < n; i += 64) {
      const from = at;
      for (let j = 0; j < 64; j++) {
        call(r, () => sys_sendto(a, list[(from + j) % count]![0], buf, MSG_DONTWAIT, null));
      }
      for (let j = 0; j < 64; j++) {
        const s = list[(from + j) % count]![1];
        const len = call(r, () => sys_recvfrom(b, s, buf, MSG_DONTWAIT, null));
        if (len === 64) call(r, () => sys_sendto(b, s, buf, MSG_DONTWAIT, null));
      }
      for (let j = 0; j < 64; j++) {
        if (call(r, () => sys_recvfrom(a, list[(from + j) % count]![0], buf, MSG_DONTWAIT, null)) === 64) done++;
      }
      at = (from + 64) % count;
    }
    r.run(1e6);
    return done;
  };
  return { k: r.k, step };
}

export const bench: Bench = { unit: "connections/s", setup: conn };
export const bench_rr: Bench = { unit: "round trips/s", setup: rr };
