// W6 at its size: so many open connections between two machines, a byte there and back on each, then all closed: bytes per end, and
// nothing may be left. Prints bytes of memory per end. As a program: node --import tsx bench/tcp_hold.ts [200000]

import "../tools/help.mjs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createWorld, type Machine } from "../src/api/index.ts";
import * as S from "../src/uapi/socket.ts";
import type { Blocking, Sys } from "../src/uapi/sys.ts";
import { sockaddr_in } from "./lib/rig.ts";

const COUNT = Number(process.argv[2] ?? 200_000);
/**
 * Neither ports of one address nor descriptors of one process are enough: so many for each pair of processes. With more than half of
 * the ports in use, each connect() would look through all ports of one parity first.
 */
const PER_ADDRESS = 25_000;
const PORT = 5001;

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;
const memory = (): number => {
  gc();
  const m = process.memoryUsage();
  return m.heapUsed + m.external;
};
const cpu = (): number => {
  const u = process.cpuUsage();
  return (u.user + u.system) / 1e6;
};

const world = createWorld({ seed: 1 });
const client = world.createMachine({ hostname: "client" });
const server = world.createMachine({ hostname: "server" });
world.connect(client.addNic(Uint8Array.of(2, 0, 0, 0, 0, 1)), server.addNic(Uint8Array.of(2, 0, 0, 0, 0, 2)), {
  rate: 1e9,
});

function sh(m: Machine, command: string): string {
  let out = "";
  const dec = new TextDecoder();
  const p = m.exec(command, {
    stdout: (b) => {
      out += dec.decode(b, { stream: true });
    },
  });
  if (world.wait(p, 600e9) !== 0) throw new Error(`${command}: ${out}`);
  return out;
}
const addresses = Math.ceil(COUNT / PER_ADDRESS);
sh(client, "ip a add 10.0.0.1/16 dev eth0; ip link set eth0 up");
sh(client, "echo 1024 65535 > /proc/sys/net/ipv4/ip_local_port_range");
sh(server, "ip link set eth0 up; echo 65535 > /proc/sys/net/core/somaxconn");
for (let i = 0; i < addresses; i++) sh(server, `ip a add 10.0.1.${i + 1}/16 dev eth0`);
world.run(3e9);

/** Properties, not variables: the bundler takes what is declared here for constant. */
const now = { failed: "", phase: 0, ready: 0, listening: 0, ended: 0 };
/** Ends the program; the run then says what it was. */
const fail = (what: string, n: number): never => {
  now.failed = `${what}: ${n}`;
  throw new Error(now.failed);
};

/** Programs that stay: they own the descriptors, and do what is asked. */
const at_client: number[][] = [];
const at_server: number[][] = [];
/** Programs take no time here: without a pause they would fill the card's queue, and TCP gives up after 15 drops of our own. */
function* pause(sys: Sys, i: number): Blocking<void> {
  if (i % 50 === 49) yield* sys.nanosleep(1e6);
}
function* wait(sys: Sys, n: number): Blocking<void> {
  now.ready++;
  while (now.phase < n) yield* sys.nanosleep(1e6);
}
/** How many the k-th pair of processes holds. */
const share = (k: number): number => Math.min(PER_ADDRESS, COUNT - k * PER_ADDRESS);
for (let k = 0; k < addresses; k++) {
  const count = share(k);
  at_client.push([]);
  at_server.push([]);
  server.spawn(
    function* (sys): Blocking<number> {
      const l = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
      sys.bind(l, sockaddr_in(`10.0.1.${k + 1}`, PORT));
      sys.listen(l, 4096);
      now.listening++;
      while (at_server[k]!.length < count) {
        const fd = yield* sys.accept4(l, null, 0);
        at_server[k]!.push(fd < 0 ? fail("accept", fd) : fd);
      }
      yield* wait(sys, 1);
      const b = new Uint8Array(1);
      for (const [i, fd] of at_server[k]!.entries()) {
        yield* pause(sys, i);
        const n = yield* sys.read(fd, b);
        if (n !== 1) fail("server read", n);
        yield* sys.write(fd, b);
      }
      yield* wait(sys, 2);
      for (const [i, fd] of at_server[k]!.entries()) {
        yield* pause(sys, i);
        const n = yield* sys.read(fd, b);
        if (n !== 0) fail("end of stream", n);
        sys.close(fd);
      }
      sys.close(l);
      now.ended++;
      return 0;
    },
    ["server"],
  );
}
world.run(1e6);
if (now.listening !== addresses) throw new Error("no listener");

const heap0 = memory();
const c0 = cpu();
for (let k = 0; k < addresses; k++) {
  const count = share(k);
  client.spawn(
    function* (sys): Blocking<number> {
      for (let i = 0; i < count; i++) {
        const fd = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
        const r = yield* sys.connect(fd, sockaddr_in(`10.0.1.${k + 1}`, PORT));
        if (r !== 0) fail(`connect ${i}`, r);
        at_client[k]!.push(fd);
      }
      yield* wait(sys, 1);
      const b = new Uint8Array(1);
      for (const [i, fd] of at_client[k]!.entries()) {
        b[0] = i;
        yield* sys.write(fd, b);
        yield* pause(sys, i);
      }
      for (const [i, fd] of at_client[k]!.entries()) {
        const n = yield* sys.read(fd, b);
        if (n !== 1 || b[0] !== (i & 255)) fail("client read", n);
      }
      yield* wait(sys, 2);
      for (const [i, fd] of at_client[k]!.entries()) {
        sys.close(fd);
        yield* pause(sys, i);
      }
      now.ended++;
      return 0;
    },
    ["client"],
  );
}
const both = (n: number): void => {
  world.sim.run_until(() => now.ready >= n || now.failed !== "", world.now + 36_000e9);
  if (now.ready < n) throw new Error(`${now.failed}; ${at_client.map((l) => l.length)} open`);
};
both(2 * addresses);
const open_s = cpu() - c0;
world.run(1e9);
const idle = (memory() - heap0) / (2 * COUNT);
now.phase = 1;
const c1 = cpu();
both(4 * addresses);
const echo_s = cpu() - c1;
world.run(1e9);
const used = (memory() - heap0) / (2 * COUNT);
const open = Number(/TCP: inuse (\d+)/.exec(sh(server, "cat /proc/net/sockstat"))![1]);
if (open !== COUNT + addresses) throw new Error(`${open} sockets are open`);
now.phase = 2;
const c2 = cpu();
world.sim.run_until(() => now.ended === 2 * addresses, world.now + 36_000e9);
const close_s = cpu() - c2;
world.run(130e9);
// What the descriptors' table and the lists here hold is no longer counted.
at_client.length = at_server.length = 0;
const left: string[] = [];
for (const m of [client, server]) {
  const stat = sh(m, "cat /proc/net/sockstat");
  if (!/TCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0/.test(stat)) left.push(`${m.hostname}: ${stat}`);
  m.poweroff();
}
world.run(2e9);
for (const m of [client, server])
  for (const [what, n] of Object.entries(m.live())) if (n !== 0) left.push(`${m.hostname}: ${n} ${what}`);
if (left.length > 0) throw new Error(`left: ${left.join(", ")}`);
const after = (memory() - heap0) / (2 * COUNT);
process.stdout.write(
  `${JSON.stringify({ value: used, unit: "bytes", extra: { connections: COUNT, idle, after_closing: after, open_s, echo_s, close_s } })}\n`,
);
