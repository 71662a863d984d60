// The symbolic links of procfs: /proc/net is one's own namespace's, /proc/PID/net that of the process, /proc/PID/ns/net leads to what
// stands for it. readlink(2), lstat(2), symlink(7).

import assert from "node:assert/strict";
import { test } from "node:test";
import { TestNet } from "../../../selftests/net.ts";

test("/proc/self and /proc/net: links to the process that looks, and through it", () => {
  const net = new TestNet();
  const m = net.machine("m");
  assert.equal(net.ok(m, "readlink /proc/net"), "self/net\n");
  assert.match(net.ok(m, "readlink /proc/self"), /^\d+\n$/);
  assert.match(net.ok(m, "readlink -f /proc/net/dev"), /^\/proc\/\d+\/net\/dev\n$/);
  assert.match(net.ok(m, "ls -l -d /proc/net"), /^lrwxrwxrwx .* \/proc\/net -> self\/net\n$/);
  assert.match(net.ok(m, "ls /proc/net/"), /^arp\n(?:.*\n)*dev\n/);
  assert.match(net.ok(m, "ls /proc/net"), /^arp\n/, "a link named without -l is followed");
  assert.equal(
    net.ok(m, "cd /proc/net && pwd && test -f dev && test -L /proc/net && ! test -L /proc/net/dev"),
    "/proc/net\n",
  );
  const not = net.sh(m, "readlink -v /proc/net/dev");
  assert.deepEqual([not.code, not.err], [1, "readlink: /proc/net/dev: Invalid argument\n"]);
  assert.match(net.sh(m, "ls /proc/net/dev/x").err, /Not a directory/);
  net.end();
});

test("each process's /proc/PID/net and /proc/PID/ns/net are of its namespace", () => {
  const net = new TestNet();
  const m = net.machine("m");
  net.ok(m, "ip netns add a; ip -n a link add v0 type veth peer name v1");
  const inside = m.exec("sleep 100", { netns: "a" });
  net.world.run(1e6);
  const pid = net.ok(m, "ip netns pids a | head -1").trim();
  assert.match(net.ok(m, `cat /proc/${pid}/net/dev`), /v0:/);
  assert.doesNotMatch(net.ok(m, "cat /proc/net/dev"), /v0:/);
  assert.match(net.ok(m, "cat /proc/net/dev", "a"), /v0:/);
  const ns = net.ok(m, `readlink /proc/${pid}/ns/net`);
  assert.match(ns, /^net:\[\d+\]\n$/);
  assert.notEqual(ns, net.ok(m, "readlink /proc/self/ns/net"));
  assert.equal(net.ok(m, `ip netns identify ${pid}`), "a\n");
  assert.equal(net.ok(m, "ip netns identify"), "");
  assert.equal(net.ok(m, "ls /proc/net/stat"), "arp_cache\nrt_cache\n");
  assert.equal(net.ok(m, "ls /proc/net/stat", "a"), "rt_cache\n");
  inside.kill(9);
  net.end();
});
