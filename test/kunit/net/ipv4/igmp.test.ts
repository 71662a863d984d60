// Multicast membership and IGMP (RFC 3376, RFC 2236). Reports and errno are what Linux 6.18 sent and returned, by tcpdump.

import assert from "node:assert/strict";
import { test } from "node:test";
import { syscall } from "../../../../src/kernel/cpu.ts";
import type { Net } from "../../../../src/net/core/net_namespace.ts";
import type { NetDevice } from "../../../../src/net/core/netdevice.ts";
import { alloc_skb, skb_put, skb_reset_network_header } from "../../../../src/net/core/skbuff.ts";
import type { Sock } from "../../../../src/net/core/sock.ts";
import {
  igmp_mc_seq_show,
  igmp_mcf_seq_show,
  igmp_rcv,
  ip_check_mc_rcu,
  ip_mc_drop_socket,
  ip_mc_join_group,
  ip_mc_leave_group,
  ip_mc_msfget,
  ip_mc_msfilter_option,
  ip_mc_sf_allow,
  ip_mc_source_option,
} from "../../../../src/net/ipv4/igmp.ts";
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from "../../../../src/uapi/errno.ts";
import { assert_no_leaks, type FibEnv, fib_env, pass, sent } from "./fib_env.ts";
import { ip, ip4, ntoa } from "./fib_ip.ts";

const RECORDS = ["", "is_in", "is_ex", "to_in", "to_ex", "allow", "block"];

/** As tcpdump prints a report. */
function decode(frame: Uint8Array): string {
  const dv = new DataView(frame.buffer, frame.byteOffset);
  const mac = [...frame.subarray(0, 6)].map((b) => b.toString(16).padStart(2, "0")).join(":");
  const iph = 14;
  assert.equal(dv.getUint8(iph), 0x46);
  assert.equal(dv.getUint8(iph + 1), 0xc0);
  assert.equal(dv.getUint16(iph + 6), 0x4000);
  assert.equal(dv.getUint8(iph + 8), 1);
  assert.equal(dv.getUint32(iph + 20), 0x94040000);
  const len = dv.getUint16(iph + 2);
  let sum = 0;
  for (let i = iph + 24; i < iph + len; i += 2) sum += dv.getUint16(i);
  assert.equal(((sum & 0xffff) + (sum >>> 16)) & 0xffff, 0xffff);
  const who = `${ntoa(dv.getInt32(iph + 12))} > ${ntoa(dv.getInt32(iph + 16))}`;
  const type = dv.getUint8(iph + 24);
  if (type !== 0x22) return `${mac} ${who} type ${type.toString(16)} ${ntoa(dv.getInt32(iph + 28))}`;
  let out = `${mac} ${who}`;
  let at = iph + 32;
  for (let n = dv.getUint16(iph + 30); n > 0; n--) {
    const src: string[] = [];
    const count = dv.getUint16(at + 2);
    for (let i = 0; i < count; i++) src.push(ntoa(dv.getInt32(at + 8 + 4 * i)));
    out += ` [${ntoa(dv.getInt32(at + 4))} ${RECORDS[dv.getUint8(at)]} {${src.join(" ")}}]`;
    at += 8 + 4 * count;
  }
  assert.equal(at, iph + len);
  return out;
}
const TO_V3 = "01:00:5e:00:00:16 10.0.0.1 > 224.0.0.22";

function boot(): { env: FibEnv; net: Net; v0: NetDevice; reports: () => string[] } {
  const env = fib_env();
  const { net } = env;
  for (const line of [
    "link set lo up",
    "link add v0 type veth peer name v1",
    "link set v0 up",
    "link set v1 up",
    "addr add 10.0.0.1/24 dev v0",
  ]) {
    assert.deepEqual(ip(net, line), []);
  }
  const v0 = net.dev_by_name.get("v0")!;
  return { env, net, v0, reports: () => sent(v0).map(decode) };
}

/** What membership needs of a socket. */
const sock = (net: Net): Sock => ({ net, mc_list: [], mc_all: true }) as unknown as Sock;

const ADD_SOURCE = 39;
const DROP_SOURCE = 40;
const UNBLOCK = 37;
const BLOCK = 38;
function source(sk: Sock, opt: number, group: string, src: string, addr = "10.0.0.1"): number {
  const b = new Uint8Array(12);
  const dv = new DataView(b.buffer);
  for (const [i, a] of [group, addr, src].entries()) dv.setInt32(4 * i, ip4(a));
  return syscall(sk.net.kernel, () => ip_mc_source_option(sk, opt, b));
}
const join = (sk: Sock, group: string, addr: string, ifindex = 0): number =>
  syscall(sk.net.kernel, () => ip_mc_join_group(sk, ip4(group), ip4(addr), ifindex));
const leave = (sk: Sock, group: string, addr: string, ifindex = 0): number =>
  syscall(sk.net.kernel, () => ip_mc_leave_group(sk, ip4(group), ip4(addr), ifindex));

test("joining and leaving: errno, reports sent twice, /proc/net/igmp", () => {
  const { env, net, v0, reports } = boot();
  const s = sock(net);
  assert.equal(join(s, "239.1.2.3", "0.0.0.0", v0.ifindex), 0);
  assert.equal(join(s, "239.1.2.3", "0.0.0.0", v0.ifindex), -EADDRINUSE);
  assert.equal(join(s, "239.1.2.4", "10.0.0.1"), 0);
  assert.equal(join(s, "239.1.2.4", "10.9.0.1"), -ENODEV);
  assert.equal(join(s, "10.1.2.4", "10.0.0.1"), -EINVAL);
  assert.equal(join(s, "239.1.2.5", "0.0.0.0"), -ENODEV);
  assert.equal(join(s, "239.1.2.5", "0.0.0.0", 99), -ENODEV);
  assert.equal(
    igmp_mc_seq_show(net),
    "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n" +
      "1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n" +
      "2\tv1        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n" +
      "3\tv0        :     3      V3\n\t\t\t\t040201EF     1 0:00000000\t\t0\n" +
      "\t\t\t\t030201EF     1 0:00000000\t\t0\n\t\t\t\t010000E0     1 0:00000000\t\t0\n",
  );
  assert.deepEqual(v0.mc.map((m) => [...m.addr].map((b) => b.toString(16)).join(":")).sort(), [
    "1:0:5e:0:0:1",
    "1:0:5e:1:2:3",
    "1:0:5e:1:2:4",
  ]);
  pass(env, 3000);
  const to_ex = `${TO_V3} [239.1.2.4 to_ex {}] [239.1.2.3 to_ex {}]`;
  assert.deepEqual(reports(), [to_ex, to_ex]);
  assert.equal(leave(s, "239.1.2.9", "0.0.0.0", v0.ifindex), -EADDRNOTAVAIL);
  assert.equal(leave(s, "239.1.2.4", "10.0.0.1"), 0);
  assert.equal(source(s, ADD_SOURCE, "239.5.5.5", "1.1.1.1"), 0);
  assert.equal(source(s, ADD_SOURCE, "239.5.5.5", "1.1.1.1"), -EADDRNOTAVAIL);
  assert.equal(source(s, ADD_SOURCE, "239.5.5.5", "1.1.1.2"), 0);
  assert.equal(source(s, BLOCK, "239.5.5.5", "1.1.1.3"), -EINVAL);
  assert.equal(source(s, DROP_SOURCE, "239.5.5.5", "1.1.1.3"), -EADDRNOTAVAIL);
  pass(env, 3000);
  const ssm = `${TO_V3} [239.1.2.4 to_in {}] [239.5.5.5 allow {1.1.1.1 1.1.1.2}]`;
  assert.deepEqual(reports(), [ssm, ssm]);
  assert.equal(source(s, DROP_SOURCE, "239.5.5.5", "1.1.1.1"), 0);
  assert.equal(source(s, BLOCK, "239.1.2.3", "1.1.1.9"), 0);
  assert.equal(source(s, BLOCK, "239.1.2.3", "1.1.1.9"), -EADDRNOTAVAIL);
  assert.equal(source(s, UNBLOCK, "239.1.2.3", "1.1.1.8"), -EADDRNOTAVAIL);
  assert.equal(source(s, BLOCK, "239.1.2.99", "1.1.1.9"), -EINVAL);
  assert.equal(
    igmp_mcf_seq_show(net),
    "Idx Device        MCA        SRC    INC    EXC\n" +
      "  3     v0 0xef050505 0x01010102      1      0\n" +
      "  3     v0 0xef010203 0x01010109      0      1\n",
  );
  pass(env, 3000);
  const blocks = `${TO_V3} [239.5.5.5 block {1.1.1.1}] [239.1.2.3 block {1.1.1.9}]`;
  assert.deepEqual(reports(), [blocks, blocks]);
  assert.equal(source(s, DROP_SOURCE, "239.5.5.5", "1.1.1.2"), 0);
  assert.equal(source(s, UNBLOCK, "239.1.2.3", "1.1.1.9"), 0);
  const s2 = sock(net);
  assert.equal(join(s2, "239.1.2.3", "0.0.0.0", v0.ifindex), 0);
  const joined: string[] = [];
  for (let i = 0; i < 25; i++) {
    const err = join(s2, `239.7.0.${i}`, "0.0.0.0", v0.ifindex);
    if (err < 0) {
      assert.deepEqual([i, err], [19, -ENOBUFS]);
      break;
    }
    joined.push(`239.7.0.${i}`);
  }
  pass(env, 3000);
  const ex = [...joined]
    .reverse()
    .map((g) => ` [${g} to_ex {}]`)
    .join("");
  const big = `${TO_V3} [239.5.5.5 block {1.1.1.2}]${ex} [239.1.2.3 allow {1.1.1.9}]`;
  assert.deepEqual(reports(), [big, big]);
  syscall(env.k, () => ip_mc_drop_socket(s2));
  pass(env, 3000);
  const gone = `${TO_V3}${joined.map((g) => ` [${g} to_in {}]`).join("")}`;
  assert.deepEqual(reports(), [gone, gone]);
  syscall(env.k, () => ip_mc_drop_socket(s));
  pass(env, 3000);
  const last = `${TO_V3} [239.1.2.3 to_in {}]`;
  assert.deepEqual(reports(), [last, last]);
  assert_no_leaks(env.k);
});

test("what may be received: by device, and by a socket's source filter", () => {
  const { env, net, v0 } = boot();
  const in_dev = v0.ip_ptr!;
  const [a, b] = [sock(net), sock(net)];
  const group = ip4("239.1.1.1");
  const ok = (src: string): boolean => ip_check_mc_rcu(in_dev, group, ip4(src), 17);
  assert.equal(ip_check_mc_rcu(in_dev, ip4("224.0.0.1"), ip4("1.1.1.1"), 17), true);
  assert.equal(ok("1.1.1.1"), false);
  assert.equal(source(a, ADD_SOURCE, "239.1.1.1", "1.1.1.1"), 0);
  assert.equal(ok("1.1.1.1"), true);
  assert.equal(ok("1.1.1.2"), false);
  assert.equal(ip_check_mc_rcu(in_dev, group, ip4("1.1.1.2"), 2), true);
  assert.equal(join(b, "239.1.1.1", "10.0.0.1"), 0);
  assert.equal(ok("1.1.1.2"), true);
  assert.equal(source(b, BLOCK, "239.1.1.1", "1.1.1.2"), 0);
  assert.equal(ok("1.1.1.2"), false);
  assert.equal(ok("1.1.1.3"), true);
  assert.equal(ip_mc_sf_allow(a, group, ip4("1.1.1.1"), v0.ifindex), true);
  assert.equal(ip_mc_sf_allow(a, group, ip4("1.1.1.3"), v0.ifindex), false);
  assert.equal(ip_mc_sf_allow(b, group, ip4("1.1.1.3"), v0.ifindex), true);
  assert.equal(ip_mc_sf_allow(b, group, ip4("1.1.1.2"), v0.ifindex), false);
  // On a device where it did not join, mc_all decides (IP_MULTICAST_ALL).
  assert.equal(ip_mc_sf_allow(b, group, ip4("1.1.1.2"), 99), true);
  // IP_MSFILTER replaces the filter; reading it gives it back.
  const f = new Uint8Array(24);
  const dv = new DataView(f.buffer);
  dv.setInt32(0, group);
  dv.setInt32(4, ip4("10.0.0.1"));
  dv.setUint32(8, 1, true);
  dv.setUint32(12, 2, true);
  dv.setInt32(16, ip4("2.2.2.2"));
  dv.setInt32(20, ip4("3.3.3.3"));
  assert.equal(ip_mc_msfilter_option(b, f), 0);
  assert.equal(ok("3.3.3.3"), true);
  assert.equal(ok("1.1.1.3"), false);
  f.fill(0, 8, 12);
  f.fill(0, 16);
  assert.equal(ip_mc_msfget(b, f), 24);
  assert.equal(dv.getUint32(8, true), 1);
  assert.equal(ntoa(dv.getInt32(20)), "3.3.3.3");
  for (const s of [a, b]) syscall(env.k, () => ip_mc_drop_socket(s));
  assert.equal(in_dev.mc_list.size, 1);
  assert_no_leaks(env.k);
});

/** Receives an IGMP message by v0. */
function receive(env: FibEnv, v0: NetDevice, bytes: number[], from = "10.0.0.99"): void {
  syscall(env.k, () => {
    const skb = alloc_skb(env.k, 100)!;
    const at = skb_put(skb, bytes.length);
    let sum = 0;
    for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
    sum = (sum & 0xffff) + (sum >>> 16);
    sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
    bytes = [...bytes];
    bytes[2] = sum >> 8;
    bytes[3] = sum & 255;
    skb.head.u8.set(bytes, at);
    skb_reset_network_header(skb);
    skb.dev = v0;
    skb.pkt_type = 2;
    void from;
    igmp_rcv(skb);
  });
}
const be = (a: string): number[] => a.split(".").map(Number);

test("queries: general, of a group, of sources; malformed ones change nothing", () => {
  const { env, net, v0, reports } = boot();
  const s = sock(net);
  join(s, "239.1.1.1", "10.0.0.1");
  source(s, ADD_SOURCE, "239.2.2.2", "1.1.1.1");
  pass(env, 3000);
  reports();
  receive(env, v0, [0x11, 10, 0, 0, ...be("0.0.0.0"), 2, 125, 0, 0]);
  pass(env, 1100);
  assert.deepEqual(reports(), [`${TO_V3} [239.2.2.2 is_in {1.1.1.1}] [239.1.1.1 is_ex {}]`]);
  receive(env, v0, [0x11, 10, 0, 0, ...be("239.1.1.1"), 2, 125, 0, 0]);
  pass(env, 1100);
  assert.deepEqual(reports(), [`${TO_V3} [239.1.1.1 is_ex {}]`]);
  receive(env, v0, [0x11, 10, 0, 0, ...be("239.2.2.2"), 2, 125, 0, 2, ...be("1.1.1.1"), ...be("9.9.9.9")]);
  pass(env, 1100);
  assert.deepEqual(reports(), [`${TO_V3} [239.2.2.2 is_in {1.1.1.1}]`]);
  receive(env, v0, [0x11, 10, 0, 0, ...be("239.2.2.2"), 2, 125, 0, 1, ...be("9.9.9.9")]);
  receive(env, v0, [0x11, 10, 0, 0, ...be("239.2.2.2"), 2, 125, 0, 200]);
  receive(env, v0, [0x11, 10, 0, 0, 0, 0, 0, 0, 2]);
  receive(env, v0, [0x11, 10]);
  receive(env, v0, []);
  pass(env, 2000);
  assert.deepEqual(reports(), []);
  syscall(env.k, () => ip_mc_drop_socket(s));
  assert_no_leaks(env.k);
});

test("an old router: version 2 is spoken, reports of others suppress ours, the last reporter leaves", () => {
  const { env, net, v0, reports } = boot();
  const s = sock(net);
  join(s, "239.1.1.1", "10.0.0.1");
  pass(env, 3000);
  reports();
  receive(env, v0, [0x11, 10, 0, 0, 0, 0, 0, 0]);
  assert.match(igmp_mc_seq_show(net), /v0 +: +2 +V2/);
  pass(env, 1100);
  assert.deepEqual(reports(), ["01:00:5e:01:01:01 10.0.0.1 > 239.1.1.1 type 16 239.1.1.1"]);
  receive(env, v0, [0x11, 10, 0, 0, ...be("239.1.1.1")]);
  receive(env, v0, [0x16, 0, 0, 0, ...be("239.1.1.1")]);
  pass(env, 1100);
  assert.deepEqual(reports(), []);
  // Suppressed, so somebody else is the last reporter: we leave in silence.
  leave(s, "239.1.1.1", "10.0.0.1");
  assert.deepEqual(reports(), []);
  join(s, "239.1.1.2", "10.0.0.1");
  pass(env, 25_000);
  assert.deepEqual(reports(), Array(2).fill("01:00:5e:01:01:02 10.0.0.1 > 239.1.1.2 type 16 239.1.1.2"));
  leave(s, "239.1.1.2", "10.0.0.1");
  assert.deepEqual(reports(), ["01:00:5e:00:00:02 10.0.0.1 > 224.0.0.2 type 17 239.1.1.2"]);
  // Long after its last query the router counts as gone.
  pass(env, 300_000);
  assert.match(igmp_mc_seq_show(net), /v0 +: +1 +V3/);
  assert_no_leaks(env.k);
});

test("down and up: memberships stay, and are announced anew", () => {
  const { env, net, v0, reports } = boot();
  const s = sock(net);
  join(s, "239.1.1.1", "10.0.0.1");
  pass(env, 3000);
  reports();
  syscall(env.k, () => ip(net, "link set v0 down"));
  assert.equal(v0.mc.length, 0);
  assert.equal(ip_check_mc_rcu(v0.ip_ptr!, ip4("239.1.1.1"), 0, 17), true);
  pass(env, 3000);
  syscall(env.k, () => ip(net, "link set v0 up"));
  assert.equal(v0.mc.length, 2);
  pass(env, 3000);
  assert.deepEqual(reports(), Array(2).fill(`${TO_V3} [239.1.1.1 to_ex {}]`));
  syscall(env.k, () => ip_mc_drop_socket(s));
  assert_no_leaks(env.k);
});
