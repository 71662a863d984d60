// ARP against what Linux 6.18 did with the same frames (golden/arp.json, tools/gen-arp-golden.py), and its own timing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { start_kernel } from "../../../../src/init/main.ts";
import { jiffies } from "../../../../src/kernel/kernel.ts";
import { sysctl_read, sysctl_write } from "../../../../src/kernel/sysctl.ts";
import {
  dev_change_flags,
  dev_open,
  dev_set_mac_address,
  netif_carrier_off,
  netif_carrier_on,
} from "../../../../src/net/core/dev_api.ts";
import { type NeighRequest, neigh_add, neigh_delete, neigh_dump } from "../../../../src/net/core/neigh_admin.ts";
import { neigh_output, neigh_parms_lookup, nud_state_name } from "../../../../src/net/core/neighbour.ts";
import type { NetDevice } from "../../../../src/net/core/netdevice.ts";
import { call_netdevice_notifiers } from "../../../../src/net/core/notifier.ts";
import { consume_skb, type SkBuff } from "../../../../src/net/core/skbuff.ts";
import { eth_mac_addr, mac_text } from "../../../../src/net/ethernet/eth.ts";
import { arp_ioctl, arp_seq_show, ip_neigh_gw4, NETDEV_NOTIFY_PEERS } from "../../../../src/net/ipv4/arp.ts";
import { IfaRequest, inet_rtm_newaddr } from "../../../../src/net/ipv4/devinet.ts";
import { inet_rtm_newroute } from "../../../../src/net/ipv4/fib_frontend.ts";
import { FibConfig } from "../../../../src/net/ipv4/fib_lookup.ts";
import {
  NF_ACCEPT,
  NF_ARP_IN,
  NF_ARP_OUT,
  NF_DROP,
  NFPROTO_ARP,
  nf_register_net_hook,
} from "../../../../src/net/netfilter/core.ts";
import { SIOCDARP, SIOCGARP, SIOCSARP } from "../../../../src/uapi/if.ts";
import { Rig } from "../core/neigh_rig.ts";
import { NTF_PROXY, NUD_PERMANENT, nud_bits } from "./arp_names.ts";

interface Row {
  name: string;
  set: Record<string, number>;
  known: [string, string, string][];
  proxy: [string, string][];
  dev: string;
  frame: string;
  out: [string, string][];
  neigh: string[];
}
interface Golden {
  setup: string[];
  rows: Row[];
  questions: { announce: number; src: string; target: string; out: [string, string][] }[];
}
const golden = JSON.parse(readFileSync(new URL("./golden/arp.json", import.meta.url), "utf8")) as Golden;

const ip4 = (s: string): number => s.split(".").reduce((a, b) => (a << 8) | Number(b), 0);
const ip_text = (a: number): string => `${a >>> 24}.${(a >> 16) & 255}.${(a >> 8) & 255}.${a & 255}`;
const from_hex = (s: string): number[] => (s.match(/../g) ?? []).map((b) => Number.parseInt(b, 16));
const to_hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
const mac = (s: string): Uint8Array => Uint8Array.from(s.split(":").map((x) => Number.parseInt(x, 16)));

const PEER = "02:00:00:00:00:aa";
const ME = [2, 0, 0, 0, 0, 1];

/** hex of an ARP frame: destination, op, sender, target. */
function arp(op: number, sha: string, sip: string, tha: string, tip: string, dst = "ff:ff:ff:ff:ff:ff"): number[] {
  const be = (a: number): number[] => [a >>> 24, (a >> 16) & 255, (a >> 8) & 255, a & 255];
  return [
    ...mac(dst),
    ...mac(sha),
    8,
    6,
    ...[0, 1, 8, 0, 6, 4, 0, op],
    ...mac(sha),
    ...be(ip4(sip)),
    ...mac(tha),
    ...be(ip4(tip)),
  ];
}

class ArpRig extends Rig {
  readonly v0: NetDevice;
  readonly v1: NetDevice;

  constructor() {
    super(undefined, (host) => start_kernel(host, { debug: true }));
    this.tbl = this.k.arp_tbl;
    this.call(() => dev_open(this.net.loopback_dev));
    this.v0 = this.dev("v0", ME);
    this.v1 = this.dev("v1", [2, 0, 0, 0, 1, 1]);
  }

  addr(dev: NetDevice, text: string, scope = 0): void {
    const [a, len] = text.split("/");
    const req = new IfaRequest();
    req.ifindex = dev.ifindex;
    req.local = ip4(a!);
    req.address = req.local;
    req.prefixlen = Number(len);
    req.scope = scope;
    if (req.prefixlen < 31) req.broadcast = req.local | ~(-1 << (32 - req.prefixlen));
    assert.equal(
      this.call(() => inet_rtm_newaddr(this.net, req, null)),
      0,
      text,
    );
  }

  /** The addresses and routes of the golden file. */
  golden_setup(): void {
    for (const line of golden.setup) {
      const w = line.split(" ");
      if (w[0] === "addr") {
        const scope = { host: 254, link: 253 }[w[6] ?? ""] ?? 0;
        this.addr(this.net.dev_by_name.get(w[4]!)!, w[2]!, scope);
      } else {
        const cfg = new FibConfig();
        const [dst, len] = w[2]!.split("/");
        cfg.fc_dst = ip4(dst!);
        cfg.fc_dst_len = Number(len);
        cfg.fc_gw = ip4(w[4]!);
        cfg.fc_has_gw = true;
        cfg.fc_type = 1;
        cfg.fc_protocol = 3;
        cfg.fc_nlflags = 0x600;
        assert.equal(
          this.call(() => inet_rtm_newroute(this.net, cfg, null)),
          0,
          line,
        );
      }
    }
  }

  set(path: string, v: number | string): string {
    const t = [this.net.sysctl_table, this.k.sysctl_table];
    const old = sysctl_read(t, `net/ipv4/${path}`);
    assert.equal(typeof old, "string", path);
    assert.equal(
      this.call(() => sysctl_write(t, `net/ipv4/${path}`, String(v))),
      0,
      path,
    );
    return old as string;
  }

  /** ARP frames sent since the last call. */
  out(): [string, string][] {
    return this.sent
      .splice(0)
      .filter((s) => s.bytes[12] === 8 && s.bytes[13] === 6)
      .map((s) => [s.dev, to_hex(s.bytes)]);
  }

  neighbours(): string[] {
    return neigh_dump(this.net, 2)
      .filter((n) => n.dev === this.v0 || n.dev === this.v1)
      .map((n) => {
        const known = n.nud_state & 0xde;
        return `${n.dev.name} ${ip_text(n.primary_key)} ${nud_state_name(n.nud_state)} ${known !== 0 ? mac_text(n.ha) : "-"}`;
      })
      .sort();
  }

  request(dev: NetDevice | null, ip: string, more: Partial<NeighRequest> = {}): NeighRequest {
    return {
      family: 2,
      dev,
      dst: [ip4(ip)],
      lladdr: null,
      state: NUD_PERMANENT,
      flags: 0,
      ext_flags: 0,
      protocol: 0,
      nlmsg_flags: 0x500,
      pid: 0,
      ...more,
    };
  }

  neigh(dev: NetDevice | null, ip: string, more: Partial<NeighRequest> = {}): void {
    assert.equal(
      this.call(() => neigh_add(this.net, this.request(dev, ip, more), { msg: "" })),
      0,
    );
  }

  flush(): void {
    this.call(() => {
      for (const n of neigh_dump(this.net, 2)) {
        if (n.dev !== this.net.loopback_dev) {
          neigh_delete(this.net, this.request(n.dev, ip_text(n.primary_key)), { msg: "" });
        }
      }
    });
  }
}

test("every frame of the golden file: what Linux answered, and what it knew afterwards", () => {
  const r = new ArpRig();
  r.golden_setup();
  for (const p of ["neigh/v0/locktime", "neigh/v1/locktime", "neigh/v0/proxy_delay", "neigh/v1/proxy_delay"])
    r.set(p, 0);
  const wrong: string[] = [];
  for (const row of golden.rows) {
    const old = Object.entries(row.set).map(([k, v]) => [k, r.set(k, v)] as const);
    const dev = r.net.dev_by_name.get(row.dev)!;
    r.flush();
    r.run(10);
    for (const [ip, state, lladdr] of row.known) {
      r.neigh(dev, ip, { state: nud_bits(state), lladdr: lladdr === "" ? null : mac(lladdr) });
    }
    for (const [ip, d] of row.proxy) r.neigh(r.net.dev_by_name.get(d)!, ip, { flags: NTF_PROXY });
    r.run(12);
    r.out();
    r.receive(dev, from_hex(row.frame));
    const got = JSON.stringify([r.out(), r.neighbours()]);
    const want = JSON.stringify([row.out, row.neigh]);
    if (got !== want) {
      wrong.push(`${row.name} ${JSON.stringify(row.set)} ${row.known} ${row.frame}\n  Linux ${want}\n  ours  ${got}`);
    }
    for (const [ip, d] of row.proxy) {
      r.call(() => neigh_delete(r.net, r.request(r.net.dev_by_name.get(d)!, ip, { flags: NTF_PROXY }), { msg: "" }));
    }
    for (const [k, v] of old) r.set(k, v);
  }
  assert.equal(wrong.length, 0, `${wrong.length} of ${golden.rows.length} differ:\n${wrong.slice(0, 12).join("\n")}`);
  r.end();
});

/** An IPv4 packet from `src`, as far as the neighbour code looks at it. */
function packet(r: ArpRig, dev: NetDevice, src: string, fill = 0): SkBuff {
  const skb = r.skb(dev, 28, fill);
  skb.head.dv.setInt32(skb.network_header + 12, ip4(src));
  return skb;
}

test("arp_announce: the source of our questions, as Linux chose it", () => {
  const r = new ArpRig();
  r.golden_setup();
  const wrong: string[] = [];
  for (const q of golden.questions) {
    r.set("conf/v0/arp_announce", q.announce);
    r.flush();
    r.out();
    const hop = q.target === "10.4.0.9" ? "10.0.0.2" : q.target;
    r.call(() => {
      const n = ip_neigh_gw4(r.v0, ip4(hop))!;
      neigh_output(n, packet(r, r.v0, q.src), false);
    });
    const got = JSON.stringify(r.out());
    const want = JSON.stringify(q.out);
    if (got !== want) wrong.push(`${q.announce} ${q.src} ${q.target}\n  Linux ${want}\n  ours  ${got}`);
  }
  assert.equal(wrong.length, 0, wrong.join("\n"));
  r.end();
});

test("questions: broadcast three times, then by unicast when a known address is in doubt; FAILED tells the route", () => {
  const r = new ArpRig();
  r.addr(r.v0, "10.0.0.1/24");
  r.out();
  const t0 = jiffies(r.k);
  const n = r.call(() => ip_neigh_gw4(r.v0, ip4("10.0.0.2")))!;
  r.call(() => neigh_output(n, packet(r, r.v0, "10.0.0.1"), false));
  r.run(3100);
  const asked = r.sent.splice(0);
  assert.deepEqual(
    asked.map((s) => s.at - t0),
    [0, 1000, 2000],
  );
  for (const s of asked) {
    assert.deepEqual([...s.bytes], arp(1, "02:00:00:00:00:01", "10.0.0.1", "00:00:00:00:00:00", "10.0.0.2"));
  }
  assert.deepEqual(r.neighbours(), ["v0 10.0.0.2 FAILED -"]);
  r.receive(r.v0, arp(1, PEER, "10.0.0.2", "00:00:00:00:00:00", "10.0.0.1"));
  assert.deepEqual(r.neighbours(), [`v0 10.0.0.2 STALE ${PEER}`]);
  r.sent.length = 0;
  r.call(() => neigh_output(n, packet(r, r.v0, "10.0.0.1"), false));
  assert.equal(r.sent.length, 1, "the packet itself");
  r.run(7999);
  const probes = r.sent.splice(1);
  assert.equal(probes.length, 3);
  assert.equal(to_hex(probes[0]!.bytes.slice(0, 6)), "0200000000aa");
  assert.equal(to_hex(probes[0]!.bytes.slice(32, 38)), "000000000000", "the target address stays open (RFC 826)");
  r.receive(r.v0, arp(2, PEER, "10.0.0.2", "02:00:00:00:00:01", "10.0.0.1", "02:00:00:00:00:01"));
  assert.deepEqual(r.neighbours(), [`v0 10.0.0.2 REACHABLE ${PEER}`]);
  r.end();
});

test("who needs no ARP: loopback, multicast and broadcast addresses, devices with NOARP", () => {
  const r = new ArpRig();
  r.addr(r.v0, "10.0.0.1/24");
  const look = (dev: NetDevice, ip: string): string =>
    r.call(() => {
      const n = ip_neigh_gw4(dev, ip4(ip))!;
      return `${nud_state_name(n.nud_state)} ${ip_text(n.primary_key)} ${mac_text(n.ha)}`;
    });
  assert.equal(look(r.v0, "239.129.2.3"), "NOARP 239.129.2.3 01:00:5e:01:02:03");
  assert.equal(look(r.v0, "10.0.0.255"), "NOARP 10.0.0.255 ff:ff:ff:ff:ff:ff");
  assert.equal(look(r.net.loopback_dev, "127.0.0.1"), "NOARP 0.0.0.0 00:00:00:00:00:00");
  assert.equal(look(r.net.loopback_dev, "127.0.0.2"), "NOARP 0.0.0.0 00:00:00:00:00:00");
  assert.equal(neigh_dump(r.net, 2).filter((n) => n.dev === r.net.loopback_dev).length, 1);
  r.v1.flags |= 0x80;
  assert.equal(look(r.v1, "10.1.1.1"), "NOARP 10.1.1.1 02:00:00:00:01:01");
  r.out();
  r.receive(r.v1, arp(1, PEER, "10.0.0.2", "00:00:00:00:00:00", "10.0.0.1"));
  assert.deepEqual(r.out(), [], "and answers none");
  r.end();
});

test("proxy_delay: the answer to a broadcast waits, the one to a unicast question does not", () => {
  const r = new ArpRig();
  r.golden_setup();
  r.set("ip_forward", 1);
  r.set("conf/v0/proxy_arp", 1);
  r.out();
  r.receive(r.v0, arp(1, PEER, "10.0.0.2", "00:00:00:00:00:00", "10.1.0.50"));
  assert.equal(neigh_parms_lookup(r.tbl, r.v0).qlen, 1);
  r.run(800);
  assert.equal(r.out().length, 1);
  r.receive(r.v0, arp(1, PEER, "10.0.0.2", "00:00:00:00:00:00", "10.1.0.51", "02:00:00:00:00:01"));
  assert.equal(r.out().length, 1);
  r.end();
});

test("NF_ARP_IN and NF_ARP_OUT see each packet and may stop it", () => {
  const r = new ArpRig();
  r.addr(r.v0, "10.0.0.1/24");
  r.out();
  const seen: string[] = [];
  let verdict = NF_ACCEPT;
  for (const hooknum of [NF_ARP_IN, NF_ARP_OUT]) {
    nf_register_net_hook(r.net, {
      pf: NFPROTO_ARP,
      hooknum,
      priority: 0,
      priv: null,
      hook: (_p, _skb, state) => {
        seen.push(`${state.hook} ${state.in?.name ?? "-"} ${state.out?.name ?? "-"}`);
        return verdict;
      },
    });
  }
  const ask = arp(1, PEER, "10.0.0.2", "00:00:00:00:00:00", "10.0.0.1");
  r.receive(r.v0, ask);
  assert.deepEqual(seen, ["0 v0 -", "1 - v0"]);
  assert.equal(r.out().length, 1);
  verdict = NF_DROP;
  r.receive(r.v0, ask);
  assert.equal(r.out().length, 0);
  r.end();
});

test("announcements: arp_notify when the device comes up or has a new address, NETDEV_NOTIFY_PEERS always", () => {
  const r = new ArpRig();
  r.addr(r.v0, "10.0.0.1/24");
  r.addr(r.v0, "10.0.0.3/24");
  r.out();
  const bounce = (): void => {
    r.call(() => {
      dev_change_flags(r.v0, r.v0.flags & ~1);
      dev_change_flags(r.v0, r.v0.flags | 1);
    });
  };
  bounce();
  assert.equal(r.out().length, 0);
  r.set("conf/v0/arp_notify", 1);
  bounce();
  const garp = (ip: string): [string, string] => [
    "v0",
    to_hex(Uint8Array.from(arp(1, "02:00:00:00:00:01", ip, "00:00:00:00:00:00", ip))),
  ];
  assert.deepEqual(r.out(), [garp("10.0.0.1"), garp("10.0.0.3")]);
  r.set("conf/v0/arp_notify", 0);
  r.call(() => call_netdevice_notifiers(NETDEV_NOTIFY_PEERS, r.v0));
  assert.equal(r.out().length, 2);
  r.end();
});

test("what a device forgets: carrier loss (unless arp_evict_nocarrier is 0), a new address, NOARP, going down", () => {
  const r = new ArpRig();
  r.addr(r.v0, "10.0.0.1/24");
  r.v0.ops.ndo_set_mac_address = (dev, a) => {
    dev.state &= ~1;
    const err = eth_mac_addr(dev, a);
    dev.state |= 1;
    return err;
  };
  const fill = (): void => {
    r.neigh(r.v0, "10.0.0.2", { state: 4, lladdr: mac(PEER) });
    r.neigh(r.v0, "10.0.0.9", { lladdr: mac(PEER) });
  };
  const left = (): string[] => r.neighbours().map((s) => s.split(" ")[1]!);
  fill();
  r.call(() => netif_carrier_off(r.v0));
  assert.deepEqual(left(), ["10.0.0.9"]);
  r.call(() => netif_carrier_on(r.v0));
  r.set("conf/v0/arp_evict_nocarrier", 0);
  fill();
  r.call(() => netif_carrier_off(r.v0));
  assert.deepEqual(left(), ["10.0.0.2", "10.0.0.9"]);
  r.call(() => netif_carrier_on(r.v0));
  assert.equal(
    r.call(() => dev_set_mac_address(r.v0, Uint8Array.of(2, 0, 0, 0, 0, 7))),
    0,
  );
  assert.deepEqual(left(), []);
  fill();
  r.call(() => dev_change_flags(r.v0, r.v0.flags | 0x80));
  assert.deepEqual(left(), []);
  r.call(() => dev_change_flags(r.v0, r.v0.flags & ~0x80));
  fill();
  r.call(() => dev_change_flags(r.v0, r.v0.flags & ~1));
  assert.deepEqual(left(), []);
  r.end();
});

/** struct arpreq. */
function arpreq(
  ip: string,
  o: { ha?: string; flags?: number; mask?: number; dev?: string; family?: number; hafam?: number } = {},
) {
  const b = new Uint8Array(68);
  const dv = new DataView(b.buffer);
  dv.setUint16(0, o.family ?? 2, true);
  dv.setInt32(4, ip4(ip));
  dv.setUint16(16, o.hafam ?? 1, true);
  if (o.ha !== undefined) b.set(mac(o.ha), 18);
  dv.setInt32(32, o.flags ?? 0, true);
  dv.setInt32(40, o.mask ?? 0);
  for (let i = 0; i < (o.dev?.length ?? 0); i++) b[52 + i] = o.dev!.charCodeAt(i);
  return b;
}

test("ioctls: the results that a real kernel gave to the same requests", () => {
  const r = new ArpRig();
  r.addr(r.v0, "10.0.0.1/24");
  r.neigh(r.v0, "10.0.0.2", { state: 4, lladdr: mac(PEER) });
  const io = (cmd: number, b: Uint8Array): number => r.call(() => arp_ioctl(r.net, cmd, b));
  const M = "02:00:00:00:00:01";
  const dev = "v0";
  const get = arpreq("10.0.0.2", { dev });
  assert.equal(io(SIOCGARP, arpreq("10.0.0.2")), -19);
  assert.equal(io(SIOCGARP, get), 0);
  assert.equal(to_hex(get.slice(16, 36)), "01000200000000aa000000000000000002000000");
  assert.equal(io(SIOCGARP, arpreq("10.0.0.222", { dev })), -6);
  assert.equal(io(SIOCGARP, arpreq("10.0.0.222", { dev: "zz" })), -19);
  assert.equal(io(SIOCGARP, arpreq("10.0.0.2", { dev, family: 1 })), -96);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.70", { ha: M, flags: 2 | 32, dev })), -22);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.70", { ha: M, flags: 2, dev })), 0);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.71", { ha: M, flags: 0, dev })), -22);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.72", { ha: M, flags: 4, dev })), 0);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.73", { ha: M, flags: 2, dev, hafam: 6 })), -22);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.74", { ha: M, flags: 2, dev, hafam: 0 })), 0);
  const perm = arpreq("10.0.0.72", { dev });
  assert.equal(io(SIOCGARP, perm), 0);
  assert.equal(perm[32], 6);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.75", { ha: M, flags: 2 })), 0, "the route finds the device");
  assert.equal(io(SIOCSARP, arpreq("99.0.0.75", { ha: M, flags: 2 })), -101);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.1", { ha: M, flags: 2 })), -22);
  assert.equal(io(SIOCDARP, arpreq("10.0.0.70", { dev, flags: 2 })), 0);
  assert.equal(io(SIOCDARP, arpreq("10.0.0.70", { dev, flags: 2 })), -6);
  assert.equal(io(SIOCDARP, arpreq("10.0.0.75")), 0);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.76", { ha: M, flags: 2 | 8, dev })), 0);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.77", { ha: "02:09:09:09:09:09", flags: 2 | 8 })), -19);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.76", { ha: M, flags: 2 | 8 | 32, mask: 0xffffff00 | 0, dev })), -22);
  assert.equal(io(SIOCSARP, arpreq("0.0.0.0", { ha: M, flags: 8 | 32, dev })), 0);
  assert.equal(r.v0.ip_ptr!.cnf.proxy_arp, 1);
  assert.equal(io(SIOCDARP, arpreq("0.0.0.0", { flags: 8 | 32, dev })), 0);
  assert.equal(r.v0.ip_ptr!.cnf.proxy_arp, 0);
  assert.equal(
    arp_seq_show(r.net),
    "IP address       HW type     Flags       HW address            Mask     Device\n" +
      "10.0.0.2         0x1         0x2         02:00:00:00:00:aa     *        v0\n" +
      "10.0.0.72        0x1         0x6         02:00:00:00:00:01     *        v0\n" +
      "10.0.0.74        0x1         0x2         02:00:00:00:00:01     *        v0\n" +
      "10.0.0.76        0x1         0xc         00:00:00:00:00:00     *        v0\n",
  );
  assert.equal(io(SIOCDARP, arpreq("10.0.0.76", { flags: 8, dev })), 0);
  assert.equal(io(SIOCDARP, arpreq("10.0.0.76", { flags: 8, dev })), -2);
  assert.equal(io(SIOCSARP, arpreq("10.0.0.76", { flags: 64, dev })), -22);
  assert.equal(io(SIOCSARP, new Uint8Array(67)), -22);
  r.end();
});

test("random bytes as ARP frames: nothing throws, nothing leaks", () => {
  const r = new ArpRig();
  r.golden_setup();
  r.set("conf/v0/arp_accept", 1);
  let seed = 42;
  const rnd = (n: number): number => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8) % n;
  const good = arp(1, PEER, "10.0.0.2", "00:00:00:00:00:00", "10.0.0.1");
  for (let i = 0; i < 4000; i++) {
    const f = [...good];
    for (let j = rnd(8); j > 0; j--) f[14 + rnd(28)] = rnd(256);
    f.length = rnd(4) === 0 ? 14 + rnd(29) : f.length;
    r.receive(rnd(2) === 0 ? r.v0 : r.v1, f);
  }
  r.run(20_000);
  r.end();
});

test("a packet for an address that nobody has is dropped when the device goes", () => {
  const r = new ArpRig();
  r.addr(r.v0, "10.0.0.1/24");
  r.call(() => neigh_output(ip_neigh_gw4(r.v0, ip4("10.0.0.2"))!, packet(r, r.v0, "10.0.0.1"), false));
  const held: SkBuff = packet(r, r.v0, "10.0.0.1");
  consume_skb(held);
  r.end();
});
