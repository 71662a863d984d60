// sysctl values: integers in every notation, ranges, vectors, units, strings; a refused value changes nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parse_sysctl_int,
  proc_dointvec,
  proc_dointvec_array,
  proc_dostring,
  register_sysctl,
  type SysctlTable,
  sysctl_path,
  sysctl_read,
  sysctl_write,
} from "../../../src/kernel/sysctl.ts";

test("numbers: decimal, hex, octal, signs; anything else is none", () => {
  assert.deepEqual(
    ["0", "10", "-5", "0X1F", "0x1f", "010", "-0x10"].map(parse_sysctl_int),
    [0, 10, -5, 31, 31, 8, -16],
  );
  for (const bad of ["", "x", "1x", "0x", "--1", "1.5", "09", " 1", "+7", "1,2", "00000000000000000000000000000066"]) {
    assert.ok(Number.isNaN(parse_sysctl_int(bad)), bad);
  }
});

test("range, change notice, mode", () => {
  const t: SysctlTable = new Map();
  const v = { ttl: 64 };
  const old: number[] = [];
  register_sysctl(t, proc_dointvec("net/ttl", v, "ttl", { min: 1, max: 255, changed: (o) => old.push(o) }));
  register_sysctl(t, proc_dointvec("net/ro", v, "ttl", { mode: 0o444 }));
  assert.deepEqual(
    ["0", "256", "", "abc", "77 88", " 99\n", "2147483648"].map((s) => sysctl_write([t], "net/ttl", s)),
    [-22, -22, -22, -22, 0, 0, -22],
  );
  assert.deepEqual([v.ttl, old], [99, [64, 77]]);
  assert.deepEqual(
    [sysctl_write([t], "net/ro", "1"), sysctl_write([t], "net/none", "1"), sysctl_read([t], "x")],
    [-1, -2, -2],
  );
  assert.equal(sysctl_read([t], "net/ttl"), "99");
});

test("vectors take as many numbers as are given; one bad word refuses all", () => {
  let v = [4, 5, 6];
  const leaf = proc_dointvec_array(
    "v",
    () => v,
    (n) => {
      if (n[0]! > n[1]!) return -22;
      v = n;
      return 0;
    },
  );
  assert.deepEqual([leaf.write("1 2"), v, leaf.read()], [0, [1, 2, 6], "1\t2\t6"]);
  assert.deepEqual([leaf.write("1 x"), leaf.write("9 2"), v], [-22, -22, [1, 2, 6]]);
});

test("strings lose their line ends; names with dots and slashes", () => {
  let s = "";
  const leaf = proc_dostring(
    "s",
    () => s,
    (v) => {
      s = v;
      return 0;
    },
  );
  leaf.write("host\n\n");
  assert.equal(s, "host");
  assert.equal(proc_dostring("r", () => "x", null).write("y"), -1);
  assert.deepEqual(
    ["net.ipv4.ip_forward", "net/ipv4/ip_forward", "net.ipv4.conf.eth0/100.forwarding", "/net/core/"].map(sysctl_path),
    ["net/ipv4/ip_forward", "net/ipv4/ip_forward", "net/ipv4/conf/eth0.100/forwarding", "net/core"],
  );
});
