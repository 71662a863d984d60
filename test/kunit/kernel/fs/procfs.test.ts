// /proc/sys: errors of opening, reading and writing, as Linux 6.18 answers root.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KernelRig, now } from "../../../lib/kernel.ts";

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

test("opening, making and removing", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  assert.deepEqual(
    [
      sys.open("/proc/sys/kernel/ostype", 1),
      sys.open("/proc/sys/net/xx", 0),
      sys.open("/proc/sys/net/xx", 0o101),
      sys.open("/proc/sys/net", 1),
      sys.mkdir("/proc/sys/xx"),
      sys.unlink("/proc/sys/net/ipv4/ip_forward"),
      sys.rmdir("/proc/sys/net"),
    ],
    [-13, -2, -2, -21, -2, -13, -13],
  );
  rig.end();
});

test("writing an integer: what proc_dointvec_minmax takes, and how much it says it took", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const table: [string, number][] = [
    ["abc\n", -22],
    ["0\n", -22],
    ["256\n", -22],
    ["\n", -22],
    ["", 0],
    ["64 65\n", 6],
    [" 64\n", 4],
    ["0x40\n", 5],
    ["99999999999\n", -22],
    ["64abc\n", -22],
  ];
  const got = table.map(([s]) => {
    const fd = sys.open("/proc/sys/net/ipv4/ip_default_ttl", 1);
    const n = now(sys.write(fd, text(s)));
    sys.close(fd);
    return [s, n];
  });
  assert.deepEqual(got, table);
  assert.equal(rig.net.ipv4.sysctl_ip_default_ttl, 64);
  rig.end();
});

test("each namespace has its own values; a task sees those of the one it is in", () => {
  const rig = new KernelRig();
  const other = rig.netns("other");
  const sys = rig.task(other);
  const fd = sys.open("/proc/sys/net/ipv4/ip_forward", 2);
  assert.equal(now(sys.write(fd, text("1\n"))), 2);
  assert.deepEqual([other.ipv4.devconf_all.forwarding, rig.net.ipv4.devconf_all.forwarding], [1, 0]);
  const buf = new Uint8Array(10);
  const fresh = sys.open("/proc/sys/net/ipv4/ip_forward", 0);
  assert.equal(now(sys.read(fresh, buf)), 2);
  assert.equal(now(sys.read(fresh, buf)), 0);
  rig.end();
});
