// Network namespaces: made, entered, named, unnamed while in use, and gone with what is in them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Blocking } from "../../../../src/uapi/sys.ts";
import { KernelRig, MS, now, sockaddr } from "../../../lib/kernel.ts";

test("names: EEXIST, ENOENT, EINVAL; a new one has lo, down, and values of its own", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  assert.deepEqual(
    [
      sys.netns_add("x"),
      sys.netns_add("x"),
      sys.netns_add(""),
      sys.netns_add("a/b"),
      sys.netns_del("y"),
      sys.setns("y"),
    ],
    [0, -17, -22, -22, -2, -2],
  );
  const net = rig.k.netns_by_name.get("x")!;
  assert.deepEqual([...net.dev_by_name.keys()], ["lo"]);
  assert.equal(net.loopback_dev.flags & 1, 0);
  assert.notEqual(net.ipv4, rig.net.ipv4);
  assert.equal(sys.netns_del("x"), 0);
  assert.equal(net.dead, true);
  rig.end();
});

test("deleted while a process is in it, it lives on without a name, and ends with the process", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  sys.netns_add("x");
  const net = rig.k.netns_by_name.get("x")!;
  rig.up(net.loopback_dev);
  const job = rig.job(function* (s): Blocking<number> {
    const fd = s.socket(2, 2, 0);
    s.bind(fd, sockaddr("127.0.0.1", 9));
    yield* s.nanosleep(10 * MS);
    yield* s.sendto(fd, new Uint8Array(3), 0, sockaddr("127.0.0.1", 9));
    return yield* s.recvfrom(fd, new Uint8Array(9), 0, null);
  }, net);
  rig.run(1);
  sys.netns_del("x");
  assert.deepEqual([net.dead, rig.k.netns_by_name.has("x")], [false, false]);
  rig.run(20);
  assert.deepEqual([job.value, net.dead], [3, true]);
  rig.end();
});

test("a socket stays in the namespace in which it was made, wherever its process goes", () => {
  const rig = new KernelRig();
  const { a, b } = rig.pair();
  const sys = rig.task(a);
  const other = rig.task(b);
  const s = sys.socket(2, 2, 0);
  sys.bind(s, sockaddr("10.0.0.1", 9));
  assert.equal(sys.setns("b"), 0);
  const d = other.socket(2, 2, 0);
  assert.equal(now(other.sendto(d, new Uint8Array(4), 0, sockaddr("10.0.0.1", 9))), 4);
  rig.run(1);
  assert.equal(now(sys.recvfrom(s, new Uint8Array(9), 0x40, null)), 4);
  const t = sys.socket(2, 2, 0);
  assert.equal(sys.bind(t, sockaddr("10.0.0.1", 10)), -99, "a new one is in b, where the address is not");
  rig.end();
});

test("a namespace that goes takes its veth and the peer along; packets, sockets and timers end", () => {
  const rig = new KernelRig();
  const { a, b, vb } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const d = sb.socket(2, 2, 0);
  sb.bind(d, sockaddr("0.0.0.0", 9));
  const s = sa.socket(2, 2, 0);
  for (let i = 0; i < 5; i++) now(sa.sendto(s, new Uint8Array(100), 0, sockaddr("10.0.0.2", 9)));
  now(sa.sendto(s, new Uint8Array(100), 0, sockaddr("10.0.0.99", 9)));
  sa.close(s);
  assert.equal(sa.setns(""), 0);
  const root = rig.task();
  assert.equal(root.netns_del("a"), 0);
  assert.deepEqual([a.dead, vb.reg_state !== 1, b.dev_by_name.has("vb")], [true, true, false]);
  assert.equal(now(sb.recvfrom(d, new Uint8Array(200), 0x40, null)), 100, "what was delivered stays readable");
  rig.end();
});

test("a spawned process starts in its parent's namespace, or in the one that is named", () => {
  const rig = new KernelRig();
  rig.netns("x");
  const seen: string[] = [];
  rig.wait(function* (sys): Blocking<void> {
    sys.setns("x");
    const prog = function* (s: typeof sys): Blocking<number> {
      const n = s.readdir("/proc/sys/net/ipv4/conf");
      seen.push(Array.isArray(n) ? rig.k.tasks.get(s.getpid())!.net_ns.name || "init" : "?");
      return 0;
    };
    sys.spawn(prog, ["p"]);
    sys.spawn(prog, ["p"], { netns: "" });
    assert.equal(sys.spawn(prog, ["p"], { netns: "nope" }), -2);
    yield* sys.wait4(-1, 0);
    yield* sys.wait4(-1, 0);
  });
  assert.deepEqual(seen.sort(), ["init", "x"]);
  rig.end();
});
