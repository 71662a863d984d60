// /proc/net/fib_trie and fib_triestat as Linux 6.18 printed them for the same routes (golden/trie/fib_trie.batch, by `ip -batch`): dense and
// sparse tables, some hundred random prefixes each, local and main in one trie and, after a rule, in two; after deletions and a flush.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { TestNet } from "../../../selftests/net.ts";

const golden = (name: string): string => readFileSync(new URL(`golden/trie/${name}`, import.meta.url), "utf8");
const SHOW = "cat /proc/net/fib_trie /proc/net/fib_triestat";

test("the trie of Linux, in shape and numbers", () => {
  const net = new TestNet();
  const m = net.machine("m", { nics: 0 });
  m.writeFile("/tmp/batch", golden("fib_trie.batch"));
  net.ok(m, "ip -batch /tmp/batch");
  let out = net.ok(m, SHOW);
  for (const change of [
    "ip rule add from 192.0.2.1 lookup 300",
    "ip route flush table 300 root 0.0.0.0/1; ip route flush table 303 root 192.168.0.0/17",
    "ip link set lo down; ip link set lo up",
  ])
    out += net.ok(m, `${change}; ${SHOW}`);
  assert.deepEqual(out.split("\n"), golden("fib_trie.txt").split("\n"));
  net.end();
});

test("a namespace without routes has no trie, one without addresses no tables", () => {
  const net = new TestNet();
  const m = net.machine("m", { nics: 0 });
  net.ok(m, "ip netns add a");
  assert.equal(net.ok(m, SHOW, "a"), "Basic info: size of leaf: 48 bytes, size of tnode: 40 bytes.\n");
  net.ok(m, "ip -n a link set lo up; ip -n a route add 10.0.0.0/8 dev lo table 7; ip -n a route flush table 7");
  const shown = net.ok(m, SHOW, "a");
  assert.match(shown, /^Main:\n {2}\+-- 127\.0\.0\.0\/8 2 0 2\n/);
  assert.match(
    shown,
    /\nId 7:\n\tAver depth: {5}0\.00\n(?:\t.*\n)+\tInternal nodes: 0\n\t\n\tPointers: 0\nNull ptrs: 0\nTotal size: 0 {2}kB\n/,
  );
  net.end();
});
