// Longest-prefix match against a naive search, the order of routes of one prefix, and a large table.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Net } from "../../../../src/net/core/net_namespace.ts";
import {
  fib_get_table,
  fib_lookup,
  inet_rtm_delroute,
  inet_rtm_newroute,
} from "../../../../src/net/ipv4/fib_frontend.ts";
import { FibConfig, type FibTable } from "../../../../src/net/ipv4/fib_lookup.ts";
import { fib_table_dump, fib_table_lookup, fib_trie_prefixes } from "../../../../src/net/ipv4/fib_trie.ts";
import { FibResult, Flowi4 } from "../../../../src/net/ipv4/ip_fib.ts";
import { EAGAIN, ENETUNREACH } from "../../../../src/uapi/errno.ts";
import { assert_no_leaks, fib_env } from "./fib_env.ts";
import { ip, ip4 } from "./fib_ip.ts";

const mask = (len: number): number => (len === 0 ? 0 : -1 << (32 - len));

function config(dst: number, len: number, tos: number, metric: number, table: number): FibConfig {
  const cfg = new FibConfig();
  cfg.fc_dst = dst & mask(len);
  cfg.fc_dst_len = len;
  cfg.fc_dscp = tos;
  cfg.fc_priority = metric;
  cfg.fc_table = table;
  cfg.fc_protocol = 3;
  // A blackhole needs no device; its metric says which one answered.
  cfg.fc_type = 9;
  cfg.fc_nlflags = 0x600;
  return cfg;
}

interface Naive {
  key: number;
  len: number;
  tos: number;
  metric: number;
}

/** All routes that match, best first: longest prefix, then the exact TOS, then the lowest metric. */
function naive_best(routes: Naive[], daddr: number, tos: number): Naive | undefined {
  return routes
    .filter((r) => ((daddr ^ r.key) & mask(r.len)) === 0 && (r.tos === 0 || r.tos === tos))
    .sort((a, b) => b.len - a.len || b.tos - a.tos || a.metric - b.metric)[0];
}

function lookup(tb: FibTable, daddr: number, tos: number): { len: number; key: number } | null {
  const fl4 = new Flowi4();
  const res = new FibResult();
  fl4.daddr = daddr;
  fl4.flowi4_tos = tos;
  res.prefixlen = -1;
  // "throw" routes answer -EAGAIN, and res says which.
  assert.equal(fib_table_lookup(tb, fl4, res, 0), -EAGAIN);
  return res.prefixlen < 0 ? null : { len: res.prefixlen, key: res.prefix };
}

const arb_addr = fc.oneof(
  fc.integer(),
  // Neighbours in the address space, where prefixes nest.
  fc.integer({ min: 0, max: 1023 }).map((v) => (v << 22) | 0),
  fc.integer({ min: 0, max: 255 }).map((v) => 0x0a000000 | v),
);
const arb_route = fc.record({
  key: arb_addr,
  len: fc.integer({ min: 0, max: 32 }),
  tos: fc.constantFrom(0, 0, 0, 0x10, 0x20),
  metric: fc.integer({ min: 0, max: 3 }),
});

test("longest prefix, TOS and metric as a naive search finds them, through additions and deletions", () => {
  const { k, net } = fib_env();
  fc.assert(
    fc.property(
      fc.array(arb_route, { maxLength: 60 }),
      fc.array(arb_addr, { maxLength: 40 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      (list, addrs, victims) => {
        const routes: Naive[] = [];
        for (const r of list) {
          const key = r.key & mask(r.len);
          const there = routes.some(
            (o) => o.key === key && o.len === r.len && o.tos === r.tos && o.metric === r.metric,
          );
          const err = inet_rtm_newroute(net, config(r.key, r.len, r.tos, r.metric, 77), null);
          assert.equal(err === 0, !there);
          if (!there) routes.push({ ...r, key });
        }
        const tb = fib_get_table(net, 77);
        const check = (): void => {
          if (tb === null) return;
          for (const a of [...addrs, ...routes.map((r) => r.key | (~mask(r.len) & 0x5a5a5a5a))]) {
            for (const tos of [0, 0x10, 0x20]) {
              const want = naive_best(routes, a, tos);
              const got = lookup(tb, a, tos);
              assert.deepEqual(got, want === undefined ? null : { len: want.len, key: want.key });
            }
          }
        };
        check();
        for (const v of victims) {
          if (routes.length === 0) break;
          const [r] = routes.splice(v % routes.length, 1);
          const cfg = config(r!.key, r!.len, r!.tos, r!.metric, 77);
          // Metric 0 would fit any; the first of the prefix is the one with the lowest.
          if (r!.metric === 0 || cfg.fc_priority !== 0) assert.equal(inet_rtm_delroute(net, cfg, null), 0);
        }
        check();
        const left = tb === null ? [] : [...fib_table_dump(tb)];
        assert.equal(left.length, routes.length);
        // Dump order: by address, longer prefixes first, then TOS down and metric up.
        const keys = left.map((fa) => [fa.leaf.key >>> 0, 32 - fa.leaf.plen, -fa.fa_dscp, fa.fa_info.priority]);
        const sorted = [...keys].sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]! || a[2]! - b[2]! || a[3]! - b[3]!);
        assert.deepEqual(keys, sorted);
        for (const r of routes) inet_rtm_delroute(net, config(r.key, r.len, r.tos, r.metric, 77), null);
        if (tb !== null) assert.equal(fib_trie_prefixes(tb), 0);
      },
    ),
    { numRuns: 150 },
  );
  assert_no_leaks(k);
});

function add(net: Net, text: string): void {
  assert.deepEqual(ip(net, text), []);
}

test("100,000 routes: every one is found, and fib_infos are shared", () => {
  const { k, net } = fib_env();
  add(net, "link add v0 type veth peer name v1");
  add(net, "link set v0 up");
  add(net, "addr add 10.0.0.1/24 dev v0");
  const cfg = new FibConfig();
  cfg.fc_protocol = 186;
  cfg.fc_type = 1;
  cfg.fc_gw = ip4("10.0.0.2");
  cfg.fc_has_gw = true;
  cfg.fc_nlflags = 0x600;
  const N = 100_000;
  const before = net.ipv4.fib.info_cnt;
  const key = (i: number): number => (Math.imul(i, 0x9e3779b1) & 0xffffff00) | 0;
  let added = 0;
  for (let i = 0; i < N; i++) {
    cfg.fc_dst = key(i);
    cfg.fc_dst_len = 24;
    if (inet_rtm_newroute(net, cfg, null) === 0) added++;
  }
  assert.ok(added > N * 0.99);
  assert.equal(net.ipv4.fib.info_cnt, before + 1);
  const fl4 = new Flowi4();
  const res = new FibResult();
  for (let i = 0; i < N; i++) {
    fl4.daddr = key(i) | (i & 0xff);
    assert.equal(fib_lookup(net, fl4, res, 0), 0);
    if (res.prefix !== key(i) || res.prefixlen !== 24) assert.fail(`route ${i} not found`);
  }
  fl4.daddr = ip4("10.0.0.77");
  assert.equal(fib_lookup(net, fl4, res, 0), 0);
  add(net, "link set v0 down");
  assert.equal(fib_lookup(net, fl4, res, 0), -ENETUNREACH);
  assert_no_leaks(k);
});

test("local and main are one longest-prefix match until a rule separates them", () => {
  const { k, net } = fib_env();
  add(net, "link set lo up");
  add(net, "link add v0 type veth peer name v1");
  add(net, "link set v0 up");
  add(net, "addr add 10.0.0.1/24 dev v0");
  add(net, "route add 127.0.0.5/32 dev v0");
  const fl4 = new Flowi4();
  const res = new FibResult();
  fl4.daddr = ip4("127.0.0.5");
  assert.equal(fib_lookup(net, fl4, res, 0), 0);
  assert.equal(res.type, 1);
  const before = ip(net, "route show table all");
  add(net, "rule add pref 100 lookup main");
  assert.equal(fib_lookup(net, fl4, res, 0), 0);
  assert.equal(res.type, 2);
  assert.equal(res.rule_pref, 0);
  assert.deepEqual(ip(net, "route show table all"), before);
  // The local table alone still follows its addresses.
  add(net, "addr del 10.0.0.1/24 dev v0");
  assert.equal(ip(net, "route show table local").length, 3);
  assert_no_leaks(k);
});
