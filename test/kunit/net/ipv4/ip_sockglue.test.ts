// SOL_IP: every option with every value and length as recorded from Linux (golden/sockopt.json, tools/record-sockopt.py; live in
// test/linux/sockopt.test.ts); what the options do to a datagram; control messages; the error queue (ip(7)).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { MsgHdr } from "../../../../src/uapi/sys.ts";
import { KernelRig, now, sockaddr, sockaddr_text } from "../../../lib/kernel.ts";
import { differences, our_sockopts, type SockoptTable } from "./sockopt_table.ts";

const linux = JSON.parse(readFileSync(new URL("./golden/sockopt.json", import.meta.url), "utf8")) as SockoptTable;

test("set and get of each option: values, ranges, lengths and errors are Linux's", () => {
  assert.ok(Object.keys(linux.table.udp!).length > 40 && linux.values.length > 50);
  assert.deepEqual(differences(linux, our_sockopts(linux)), []);
});

const i32 = (v: number): Uint8Array => {
  const b = new Uint8Array(4);
  new DataView(b.buffer).setInt32(0, v, true);
  return b;
};
const hex = (b: Uint8Array): string => Buffer.from(b).toString("hex");

/** A struct cmsghdr with its data, padded. */
function cmsg(level: number, type: number, data: Uint8Array): Uint8Array {
  const b = new Uint8Array((16 + data.length + 7) & ~7);
  const dv = new DataView(b.buffer);
  dv.setUint32(0, 16 + data.length, true);
  dv.setInt32(8, level, true);
  dv.setInt32(12, type, true);
  b.set(data, 16);
  return b;
}

/** level:type=hex of each control message. */
function cmsgs(msg: MsgHdr): string[] {
  const out: string[] = [];
  const b = msg.msg_control!.subarray(0, msg.msg_controllen);
  const dv = new DataView(b.buffer, b.byteOffset, b.byteLength);
  for (let at = 0; at + 16 <= b.length; ) {
    const len = dv.getUint32(at, true);
    if (len < 16) break;
    out.push(`${dv.getInt32(at + 8, true)}:${dv.getInt32(at + 12, true)}=${hex(b.subarray(at + 16, at + len))}`);
    at += (len + 7) & ~7;
  }
  return out;
}

const message = (data: Uint8Array, control: Uint8Array | null, name: Uint8Array | null): MsgHdr => ({
  msg_name: name,
  msg_namelen: name?.length ?? 0,
  msg_iov: [data],
  msg_control: control,
  msg_controllen: control?.length ?? 0,
  msg_flags: 0,
});

/** Two hosts; the far one tells all there is to be told of a datagram. */
function hosts() {
  const rig = new KernelRig();
  const { a, b } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const d = sb.socket(2, 2, 0);
  assert.equal(sb.bind(d, sockaddr("0.0.0.0", 9)), 0);
  const u = sa.socket(2, 2, 0);
  const to = sockaddr("10.0.0.2", 9);
  const recv = (flags = 0x40): { n: number; cmsgs: string[]; from: string; flags: number } => {
    const msg = message(new Uint8Array(2000), new Uint8Array(512), new Uint8Array(16));
    const n = now(sb.recvmsg(d, msg, flags)) as number;
    return { n, cmsgs: n >= 0 ? cmsgs(msg) : [], from: sockaddr_text(msg.msg_name!), flags: msg.msg_flags };
  };
  return { rig, a, b, sa, sb, d, u, to, recv };
}

test("what is received says TTL, TOS, PKTINFO, ORIGDSTADDR as the sender's options set them", () => {
  const { rig, b, sa, sb, d, u, to, recv } = hosts();
  for (const opt of [8, 12, 13, 20]) assert.equal(sb.setsockopt(d, 0, opt, i32(1)), 0);
  assert.equal(sa.setsockopt(u, 0, 2, i32(33)), 0);
  assert.equal(sa.setsockopt(u, 0, 1, i32(0xb8)), 0);
  now(sa.sendto(u, new Uint8Array(5), 0, to));
  const pktinfo = `${hex(i32(rig.dev("vb", b).ifindex))}0a0000020a000002`;
  const origdst = "020000090a0000020000000000000000";
  assert.deepEqual(recv().cmsgs, [`0:8=${pktinfo}`, `0:2=${hex(i32(33))}`, "0:1=b8", `0:20=${origdst}`]);
  // A message's own words count for it alone.
  const control = Buffer.concat([cmsg(0, 2, i32(7)), cmsg(0, 1, i32(4))]);
  assert.equal(now(sa.sendmsg(u, message(new Uint8Array(5), control, to), 0)), 5);
  assert.deepEqual(recv().cmsgs.slice(1, 3), [`0:2=${hex(i32(7))}`, "0:1=04"]);
  now(sa.sendto(u, new Uint8Array(5), 0, to));
  assert.deepEqual(recv().cmsgs.slice(1, 3), [`0:2=${hex(i32(33))}`, "0:1=b8"]);
  // -1 gives the default back.
  assert.equal(sa.setsockopt(u, 0, 2, i32(-1)), 0);
  now(sa.sendto(u, new Uint8Array(5), 0, to));
  assert.equal(recv().cmsgs[1], `0:2=${hex(i32(64))}`);
  rig.end();
});

test("control messages of a send: lengths and ranges", () => {
  const { rig, sa, u, to } = hosts();
  const send = (...parts: Uint8Array[]): number =>
    now(sa.sendmsg(u, message(new Uint8Array(1), Buffer.concat(parts), to), 0)) as number;
  const cases: [string, Uint8Array[], number][] = [
    ["TTL 1", [cmsg(0, 2, i32(1))], 1],
    ["TTL 0", [cmsg(0, 2, i32(0))], -22],
    ["TTL 256", [cmsg(0, 2, i32(256))], -22],
    ["TTL of one byte", [cmsg(0, 2, Uint8Array.of(9))], -22],
    ["TOS of one byte", [cmsg(0, 1, Uint8Array.of(9))], 1],
    ["TOS of two bytes", [cmsg(0, 1, Uint8Array.of(9, 9))], -22],
    ["TOS 256", [cmsg(0, 1, i32(256))], -22],
    ["PKTINFO too short", [cmsg(0, 8, new Uint8Array(8))], -22],
    ["PKTINFO of nobody's address", [cmsg(0, 8, Uint8Array.of(0, 0, 0, 0, 10, 9, 9, 9, 0, 0, 0, 0))], -101],
    ["PKTINFO of a device that is not there", [cmsg(0, 8, Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))], -19],
    ["PKTINFO", [cmsg(0, 8, Uint8Array.of(0, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0))], 1],
    ["RETOPTS", [cmsg(0, 7, Uint8Array.of(1, 1, 1, 0))], 1],
    ["RETOPTS cut short", [cmsg(0, 7, Uint8Array.of(7, 3))], -22],
    ["MTU_DISCOVER is none", [cmsg(0, 10, i32(1))], -22],
    ["of another level", [cmsg(41, 2, i32(0))], 1],
    ["SO_MARK", [cmsg(1, 36, i32(5))], 1],
    ["SO_PRIORITY", [cmsg(1, 12, i32(5))], 1],
    ["UDP_SEGMENT of four bytes", [cmsg(17, 103, i32(5))], -22],
    ["UDP_SEGMENT", [cmsg(17, 103, Uint8Array.of(5, 0))], 1],
    ["several, the last wins", [cmsg(0, 2, i32(3)), cmsg(0, 2, i32(4))], 1],
  ];
  assert.deepEqual(
    cases.map(([name, parts]) => `${name}: ${send(...parts)}`),
    cases.map(([name, , want]) => `${name}: ${want}`),
  );
  rig.end();
});

test("the error queue: who, what, the payload; MSG_TRUNC; off empties it; without IP_RECVERR only a connected socket hears", () => {
  const { rig, sa, u } = hosts();
  const err = (): { n: number | string; cmsgs: string[]; name: string; flags: number } => {
    const msg = message(new Uint8Array(8), new Uint8Array(512), new Uint8Array(16));
    const n = now(sa.recvmsg(u, msg, 0x2000 | 0x40));
    return { n, cmsgs: cmsgs(msg), name: sockaddr_text(msg.msg_name!), flags: msg.msg_flags };
  };
  const closed = sockaddr("10.0.0.2", 99);
  now(sa.sendto(u, new Uint8Array(3), 0, closed));
  rig.run(1);
  assert.equal(err().n, -11);
  assert.equal(now(sa.sendto(u, new Uint8Array(3), 0, closed)), 3);
  rig.run(1);
  assert.equal(sa.setsockopt(u, 0, 11, i32(1)), 0);
  now(
    sa.sendto(
      u,
      Uint8Array.from({ length: 12 }, (_, i) => i),
      0,
      closed,
    ),
  );
  rig.run(1);
  // The pending error comes first, once.
  assert.equal(now(sa.recvfrom(u, new Uint8Array(9), 0x40, null)), -111);
  assert.equal(now(sa.recvfrom(u, new Uint8Array(9), 0x40, null)), -11);
  const e = err();
  // errno 111, ICMP 3/3 from 10.0.0.2; the datagram was for 10.0.0.2:99; MSG_ERRQUEUE | MSG_TRUNC.
  const ee = `6f00000002030300${"00".repeat(8)}020000000a000002${"00".repeat(8)}`;
  assert.deepEqual(e, { n: 8, cmsgs: [`0:11=${ee}`], name: "10.0.0.2:99", flags: 0x2020 });
  assert.equal(err().n, -11);
  now(sa.sendto(u, new Uint8Array(3), 0, closed));
  rig.run(1);
  assert.equal(sa.setsockopt(u, 0, 11, i32(0)), 0);
  assert.equal(err().n, -11);
  rig.end();
});

test("EMSGSIZE found here stands on the error queue with the MTU (SO_EE_ORIGIN_LOCAL); IP_MTU says it of a connected socket", () => {
  const { rig, sa, u, to } = hosts();
  assert.equal(sa.setsockopt(u, 0, 10, i32(2)), 0);
  assert.equal(sa.setsockopt(u, 0, 11, i32(1)), 0);
  assert.equal(sa.getsockopt(u, 0, 14, new Uint8Array(4)), -107);
  const ee = `5a00000001000000${hex(i32(1500))}${"00".repeat(4)}${"00".repeat(16)}`;
  const error = (): [number | string, string[], string] => {
    const msg = message(new Uint8Array(8), new Uint8Array(512), new Uint8Array(16));
    return [now(sa.recvmsg(u, msg, 0x2000)), cmsgs(msg), sockaddr_text(msg.msg_name!)];
  };
  assert.equal(now(sa.sendto(u, new Uint8Array(1473), 0, to)), -90);
  // The port is that of connect(): Linux does not say the one of the call.
  assert.deepEqual(error(), [0, [`0:11=${ee}`], "10.0.0.2:0"]);
  assert.equal(now(sa.connect(u, to)), 0);
  assert.equal(now(sa.sendto(u, new Uint8Array(1473), 0, null)), -90);
  assert.deepEqual(error(), [0, [`0:11=${ee}`], "10.0.0.2:9"]);
  const mtu = new Uint8Array(4);
  assert.equal(sa.getsockopt(u, 0, 14, mtu), 4);
  assert.equal(hex(mtu), hex(i32(1500)));
  rig.end();
});
