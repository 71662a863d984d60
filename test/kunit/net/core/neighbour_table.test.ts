// Neighbour tables: thresholds and garbage, devices that go, proxies, administration, sysctls.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sysctl_read, sysctl_write } from "../../../../src/kernel/sysctl.ts";
import { dev_change_name, unregister_netdevice } from "../../../../src/net/core/dev_api.ts";
import { SKB_DROP_REASON_NEIGH_DEAD, SKB_DROP_REASON_NEIGH_QUEUEFULL } from "../../../../src/net/core/dropreason.ts";
import {
  type NeighRequest,
  neigh_add,
  neigh_cacheinfo,
  neigh_delete,
  neigh_dump,
  pneigh_entries,
} from "../../../../src/net/core/neigh_admin.ts";
import { neigh_stat_seq_show } from "../../../../src/net/core/neigh_sysctl.ts";
import {
  __neigh_create,
  __neigh_lookup_noref,
  NDST_FORCED_GC_RUNS,
  NDST_HASH_GROWS,
  NDST_PERIODIC_GC_RUNS,
  NDST_TABLE_FULLS,
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_VAR_PROXY_DELAY,
  NEIGH_VAR_PROXY_QLEN,
  neigh_carrier_down,
  neigh_changeaddr,
  neigh_create,
  neigh_output,
  neigh_parms_lookup,
  neigh_release,
  neigh_update,
  pneigh_add,
  pneigh_delete,
  pneigh_enqueue,
  pneigh_lookup,
} from "../../../../src/net/core/neighbour.ts";
import type { NetDevice } from "../../../../src/net/core/netdevice.ts";
import {
  NTF_EXT_LEARNED,
  NTF_EXT_MANAGED,
  NTF_PROXY,
  NTF_USE,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_REACHABLE,
  NUD_STALE,
} from "../../../../src/uapi/neighbour.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../../../src/uapi/netlink.ts";
import { Rig } from "./neigh_rig.ts";

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x42);
const NET = 0x0a000000;

function req(dev: NetDevice | null, key: number, more: Partial<NeighRequest> = {}): NeighRequest {
  return {
    family: 2,
    dev,
    dst: [key],
    lladdr: MAC,
    state: NUD_PERMANENT,
    flags: 0,
    ext_flags: 0,
    protocol: 0,
    nlmsg_flags: NLM_F_CREATE | NLM_F_REPLACE,
    pid: 0,
    ...more,
  };
}

test("the hash finds each of a thousand entries on two devices, grows, and forgets those removed", () => {
  const r = new Rig();
  const a = r.dev("a", [2, 0, 0, 0, 0, 1]);
  const b = r.dev("b", [2, 0, 0, 0, 0, 2]);
  r.tbl.gc_thresh2 = 10000;
  r.tbl.gc_thresh3 = 10000;
  r.call(() => {
    for (let i = 0; i < 500; i++) for (const d of [a, b]) assert.ok(__neigh_create(r.tbl, d, false, NET + i));
  });
  assert.equal(r.tbl.entries, 1000);
  assert.ok(r.tbl.stats[0]![NDST_HASH_GROWS]! >= 6);
  for (let i = 0; i < 500; i++) {
    assert.equal(__neigh_lookup_noref(r.tbl, a, NET + i)!.dev, a);
    assert.equal(__neigh_lookup_noref(r.tbl, b, NET + i)!.primary_key, NET + i);
  }
  assert.equal(__neigh_lookup_noref(r.tbl, a, NET + 500), null);
  r.call(() => unregister_netdevice(a));
  r.call(() => neigh_changeaddr(r.tbl, a));
  assert.equal(r.tbl.entries, 500);
  assert.equal(__neigh_lookup_noref(r.tbl, a, NET), null);
  assert.equal(__neigh_lookup_noref(r.tbl, b, NET)!.dev, b);
  r.end();
});

test("gc_thresh3: a full table of fresh entries refuses, counts it, and says so", () => {
  const r = new Rig();
  const dev = r.dev();
  r.tbl.gc_thresh2 = 4;
  r.tbl.gc_thresh3 = 8;
  r.run(10_000);
  r.call(() => {
    for (let i = 0; i < 8; i++) assert.ok(__neigh_create(r.tbl, dev, false, NET + i));
    assert.equal(__neigh_create(r.tbl, dev, false, NET + 8), null);
    assert.equal(r.tbl.last_error, -105);
  });
  assert.equal(r.tbl.stats[0]![NDST_TABLE_FULLS], 1);
  assert.ok(r.tbl.stats[0]![NDST_FORCED_GC_RUNS]! >= 2);
  assert.equal(r.k.log.filter((l) => l.text === "neighbour: toy_cache: neighbor table overflow!").length, 1);
  // Permanent entries do not count.
  const err = r.call(() => neigh_add(r.net, req(dev, NET + 9), { msg: "" }));
  assert.equal(err, 0);
  // After 5 s untouched entries may go, down to gc_thresh2.
  r.run(6000);
  r.call(() => assert.ok(__neigh_create(r.tbl, dev, false, NET + 10)));
  assert.equal(r.tbl.gc_entries, 5);
  assert.ok(__neigh_lookup_noref(r.tbl, dev, NET + 9), "permanent stays");
  assert.equal(__neigh_lookup_noref(r.tbl, dev, NET), null, "the oldest went");
  // An entry in use is not taken.
  r.end();
});

test("the message is limited to ten in five seconds", () => {
  const r = new Rig();
  const dev = r.dev();
  r.tbl.gc_thresh3 = 1;
  r.tbl.gc_thresh2 = 1;
  r.call(() => {
    for (let i = 0; i < 50; i++) __neigh_create(r.tbl, dev, false, NET + i);
  });
  assert.equal(r.k.log.filter((l) => l.text.endsWith("overflow!")).length, 10);
  r.end();
});

test("periodic work: above gc_thresh1 what was not used for gc_stale_time goes; PERMANENT, learned and held stay", () => {
  const r = new Rig();
  const dev = r.dev();
  r.tbl.gc_thresh1 = 4;
  const admin = NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN;
  r.call(() => {
    for (let i = 0; i < 6; i++) {
      const n = __neigh_create(r.tbl, dev, false, NET + i)!;
      neigh_update(n, MAC, i === 0 ? NUD_PERMANENT : NUD_STALE, admin);
    }
    assert.equal(neigh_add(r.net, req(dev, NET + 6, { state: NUD_STALE, flags: NTF_EXT_LEARNED }), { msg: "" }), 0);
  });
  const held = r.call(() => neigh_create(r.tbl, dev, NET + 7))!;
  r.run(60_000);
  assert.equal(neigh_dump(r.net, 2).length, 8);
  r.run(30_000);
  assert.deepEqual(
    neigh_dump(r.net, 2).map((n) => n.primary_key - NET),
    [0, 6, 7],
  );
  r.call(() => neigh_release(held));
  assert.ok(r.tbl.stats[0]![NDST_PERIODIC_GC_RUNS]! >= 5);
  r.end();
});

test("below gc_thresh1 nothing is ever collected, as on Linux", () => {
  const r = new Rig();
  const dev = r.dev();
  r.call(() => neigh_update(__neigh_create(r.tbl, dev, false, NET)!, MAC, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE));
  r.run(600_000);
  assert.equal(neigh_dump(r.net, 0).length, 1);
  r.end();
});

test("carrier loss spares what an administrator entered; a new address of the device spares nothing", () => {
  const r = new Rig();
  const dev = r.dev();
  const other = r.dev("eth1", [2, 0, 0, 0, 0, 9]);
  r.call(() => {
    assert.equal(neigh_add(r.net, req(dev, NET), { msg: "" }), 0);
    assert.equal(neigh_add(r.net, req(other, NET), { msg: "" }), 0);
    neigh_update(__neigh_create(r.tbl, dev, false, NET + 1)!, MAC, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE);
    neigh_output(__neigh_create(r.tbl, dev, false, NET + 2)!, r.skb(dev), false);
    neigh_carrier_down(r.tbl, dev);
  });
  assert.deepEqual(
    neigh_dump(r.net, 2).map((n) => [n.dev.name, n.primary_key - NET]),
    [
      ["eth0", 0],
      ["eth1", 0],
    ],
  );
  r.call(() => neigh_changeaddr(r.tbl, dev));
  assert.deepEqual(
    neigh_dump(r.net, 2).map((n) => n.dev.name),
    ["eth1"],
  );
  assert.equal(r.k.live.get("timers")!(), 1, "the table's own");
  r.end();
});

test("who holds an entry of a device that went finds it useless", () => {
  const r = new Rig();
  const dev = r.dev();
  const n = r.call(() => neigh_create(r.tbl, dev, NET))!;
  r.call(() => {
    neigh_output(n, r.skb(dev), false);
    neigh_changeaddr(r.tbl, dev);
  });
  assert.equal(n.dead, true);
  assert.equal(n.arp_queue.qlen, 0);
  assert.equal(
    r.call(() => neigh_output(n, r.skb(dev), false)),
    -100,
  );
  assert.equal(r.k.drops[SKB_DROP_REASON_NEIGH_DEAD], 1);
  assert.equal(
    r.call(() => neigh_update(n, MAC, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE)),
    -22,
  );
  r.call(() => neigh_release(n));
  r.end();
});

test("ip neigh add, change, replace, del", () => {
  const r = new Rig();
  const dev = r.dev();
  const x = { msg: "" };
  const run = (f: typeof neigh_add, q: NeighRequest): number => {
    x.msg = "";
    return r.call(() => f(r.net, q, x));
  };
  assert.equal(run(neigh_add, req(dev, NET, { nlmsg_flags: NLM_F_REPLACE })), -2, "change of nothing");
  assert.equal(run(neigh_add, req(dev, NET, { nlmsg_flags: NLM_F_CREATE | NLM_F_EXCL })), 0);
  assert.equal(run(neigh_add, req(dev, NET, { nlmsg_flags: NLM_F_CREATE | NLM_F_EXCL })), -17);
  assert.equal(run(neigh_add, req(dev, NET, { state: NUD_REACHABLE })), 0);
  assert.equal(r.state(neigh_dump(r.net, 2)[0]!), "REACHABLE");
  assert.equal(run(neigh_add, { ...req(dev, NET), dst: null }), -22);
  assert.equal(x.msg, "Network address not specified");
  assert.equal(run(neigh_add, req(null, NET)), -22);
  assert.equal(x.msg, "Device not specified");
  assert.equal(run(neigh_add, req(dev, NET, { lladdr: new Uint8Array(3) })), -22);
  assert.equal(x.msg, "Invalid link address");
  assert.equal(run(neigh_add, req(dev, NET, { dst: [] })), -22);
  assert.equal(x.msg, "Invalid network address");
  assert.equal(run(neigh_add, req(dev, NET + 1, { lladdr: null, state: NUD_REACHABLE })), -22);
  assert.equal(x.msg, "No link layer address given");
  assert.equal(run(neigh_add, req(dev, NET, { family: 99 })), -97);
  assert.equal(run(neigh_delete, req(dev, NET + 77)), -2);
  assert.equal(run(neigh_delete, req(null, NET)), -22);
  assert.equal(run(neigh_delete, req(dev, NET)), 0);
  assert.equal(__neigh_lookup_noref(r.tbl, dev, NET), null);
  // "use" starts to ask.
  assert.equal(run(neigh_add, req(dev, NET + 2, { lladdr: null, state: 0, flags: NTF_USE })), 0);
  assert.equal(r.asked.length, 1);
  r.end();
});

test("a managed entry is kept fresh without traffic", () => {
  const r = new Rig();
  const dev = r.dev();
  r.call(() =>
    assert.equal(
      neigh_add(r.net, req(dev, NET, { lladdr: null, state: 0, ext_flags: NTF_EXT_MANAGED }), { msg: "" }),
      0,
    ),
  );
  const n = neigh_dump(r.net, 2)[0]!;
  assert.equal(r.state(n), "INCOMPLETE");
  r.run(3500);
  assert.equal(r.state(n), "FAILED");
  r.run(2000);
  assert.equal(r.state(n), "INCOMPLETE", "asked again by itself");
  r.call(() => neigh_update(n, MAC, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE));
  r.run(31_000);
  assert.equal(r.state(n), "DELAY", "looking after it counts as use");
  r.run(6000);
  assert.deepEqual([r.state(n), r.asked.at(-1)![1]], ["PROBE", "unicast"]);
  assert.equal(
    r.call(() => neigh_delete(r.net, req(dev, NET), { msg: "" })),
    0,
  );
  assert.equal(r.k.live.get("timers")!(), 0);
  r.end();
});

test("proxy entries: of a device or of all, in Linux's order", () => {
  const r = new Rig();
  const dev = r.dev();
  const other = r.dev("eth1", [2, 0, 0, 0, 0, 9]);
  const add = (d: NetDevice | null, last: number): number =>
    r.call(() => neigh_add(r.net, req(d, NET + last, { flags: NTF_PROXY, lladdr: null }), { msg: "" }));
  // The order that a real kernel lists these in.
  for (const i of [77, 78, 1, 2, 3, 4, 5, 6, 20, 21, 99, 200]) assert.equal(add(dev, i), 0);
  r.call(() => pneigh_add(r.tbl, r.net, dev, NTF_PROXY, 0, true, 0x0a090007));
  assert.deepEqual(
    pneigh_entries(r.tbl, r.net).map((e) => e.key & 0xff),
    [78, 77, 7, 2, 3, 1, 6, 200, 21, 4, 99, 20, 5],
  );
  assert.ok(pneigh_lookup(r.tbl, r.net, dev, false, NET + 77));
  assert.equal(pneigh_lookup(r.tbl, r.net, other, false, NET + 77), null);
  assert.equal(add(null, 123), 0);
  assert.ok(pneigh_lookup(r.tbl, r.net, other, false, NET + 123), "for all devices");
  assert.equal(pneigh_delete(r.tbl, r.net, dev, NET + 123), -2, "not this device's own");
  assert.equal(pneigh_delete(r.tbl, r.net, null, NET + 123), 0);
  assert.equal(
    r.call(() => neigh_delete(r.net, req(dev, NET + 1, { flags: NTF_PROXY }), { msg: "" })),
    0,
  );
  r.end();
  assert.equal(r.tbl.pneigh.length, 0);
});

test("the proxy queue: answers come within proxy_delay, no more than proxy_qlen wait", () => {
  const r = new Rig();
  const dev = r.dev();
  const p = neigh_parms_lookup(r.tbl, dev);
  p.data[NEIGH_VAR_PROXY_QLEN] = 4;
  p.data[NEIGH_VAR_PROXY_DELAY] = 100;
  r.call(() => {
    for (let i = 0; i < 8; i++) pneigh_enqueue(r.tbl, p, r.skb(dev));
  });
  // Linux tests before it adds: one more than the limit fits.
  assert.equal(r.tbl.proxy_queue.qlen, 5);
  assert.equal(r.k.drops[SKB_DROP_REASON_NEIGH_QUEUEFULL], 3);
  r.run(100);
  assert.equal(r.asked.length, 5);
  assert.equal(p.qlen, 0);
  // What still waits when the device goes is forgotten.
  r.call(() => pneigh_enqueue(r.tbl, p, r.skb(dev)));
  r.end();
});

test("sysctls: names, units and limits as Linux has them", () => {
  const r = new Rig();
  const dev = r.dev();
  const t = [r.net.sysctl_table];
  const get = (n: string): string | number => sysctl_read(t, `net/ipv4/neigh/${n}`);
  const set = (n: string, v: string): number => sysctl_write(t, `net/ipv4/neigh/${n}`, v);
  const names = (who: string): string[] =>
    [...r.net.sysctl_table.keys()]
      .filter((p) => p.startsWith(`net/ipv4/neigh/${who}/`))
      .map((p) => p.slice(`net/ipv4/neigh/${who}/`.length))
      .sort();
  // /proc/sys/net/ipv4/neigh/default of a Linux 6.18.
  const defaults: Record<string, string> = {
    anycast_delay: "100",
    app_solicit: "0",
    base_reachable_time: "30",
    base_reachable_time_ms: "30000",
    delay_first_probe_time: "5",
    gc_interval: "30",
    gc_stale_time: "60",
    gc_thresh1: "128",
    gc_thresh2: "512",
    gc_thresh3: "1024",
    interval_probe_time_ms: "5000",
    locktime: "100",
    mcast_resolicit: "0",
    mcast_solicit: "3",
    proxy_delay: "80",
    proxy_qlen: "64",
    retrans_time: "100",
    retrans_time_ms: "1000",
    ucast_solicit: "3",
    unres_qlen: "101",
    unres_qlen_bytes: "212992",
  };
  assert.deepEqual(names("default"), Object.keys(defaults));
  for (const [name, v] of Object.entries(defaults)) assert.equal(get(`default/${name}`), v, name);
  assert.deepEqual(
    names("eth0"),
    Object.keys(defaults).filter((n) => !/^gc_(thresh|interval)/.test(n)),
  );
  assert.equal(set("eth0/unres_qlen", "3"), 0);
  assert.equal(get("eth0/unres_qlen_bytes"), "6270");
  set("eth0/unres_qlen_bytes", "5000");
  assert.equal(get("eth0/unres_qlen"), "2");
  set("eth0/retrans_time_ms", "250");
  assert.equal(get("eth0/retrans_time"), "25");
  for (const [name, bad] of [
    ["ucast_solicit", "-1"],
    ["unres_qlen", "-5"],
    ["retrans_time_ms", "-1"],
    ["interval_probe_time_ms", "0"],
    ["gc_stale_time", "2147483647"],
    ["unres_qlen", "2147483647"],
    ["base_reachable_time_ms", "x"],
  ]) {
    assert.equal(set(`eth0/${name}`, bad!), -22, `${name} ${bad}`);
  }
  assert.equal(set("eth0/gc_stale_time", "-5"), 0, "Linux takes it");
  // A default reaches the devices where nobody set the value.
  set("default/mcast_solicit", "7");
  set("default/retrans_time_ms", "500");
  assert.equal(get("eth0/mcast_solicit"), "7");
  assert.equal(get("eth0/retrans_time_ms"), "250");
  set("eth0/base_reachable_time_ms", "1500");
  const rt = neigh_parms_lookup(r.tbl, dev).reachable_time;
  assert.ok(rt >= 750 && rt < 2250, `drawn anew: ${rt}`);
  r.call(() => dev_change_name(dev, "lan0"));
  assert.deepEqual(names("eth0"), []);
  assert.equal(get("lan0/retrans_time_ms"), "250");
  r.end();
  assert.deepEqual(names("lan0"), []);
});

test("/proc/net/stat/arp_cache, and ages in hundredths of a second", () => {
  const r = new Rig();
  const dev = r.dev();
  const n = r.call(() => __neigh_create(r.tbl, dev, false, NET))!;
  r.call(() => neigh_update(n, MAC, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE));
  assert.equal(
    neigh_stat_seq_show(r.tbl),
    "entries  allocs   destroys hash_grows lookups  hits     res_failed rcv_probes_mcast rcv_probes_ucast " +
      "periodic_gc_runs forced_gc_runs unresolved_discards table_fulls\n" +
      "00000001 00000001 00000000 00000000   00000000 00000000 00000000   00000000         00000000         " +
      "00000000         00000000       00000000            00000000\n",
  );
  r.run(1230);
  assert.deepEqual(
    r.call(() => neigh_cacheinfo(n)),
    { confirmed: 6123, used: 123, updated: 123, refcnt: 0 },
  );
  r.end();
});

test("an entry that needs no asking is what a full table gives up first", () => {
  const r = new Rig();
  const dev = r.dev();
  r.tbl.gc_thresh2 = 1;
  r.tbl.gc_thresh3 = 3;
  r.run(10_000);
  r.call(() => {
    for (let i = 0; i < 3; i++) {
      const n = __neigh_create(r.tbl, dev, false, NET + i)!;
      if (i === 1) neigh_update(n, MAC, NUD_NOARP, NEIGH_UPDATE_F_OVERRIDE);
    }
    assert.ok(__neigh_create(r.tbl, dev, false, NET + 3));
  });
  assert.deepEqual(
    neigh_dump(r.net, 2).map((n) => n.primary_key - NET),
    [0, 2, 3],
  );
  r.end();
});
