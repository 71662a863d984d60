// sock_diag for UDP, raw and packet sockets: what ss reads, and filters as the byte code that Linux's ss sends (sock_diag(7)).

import assert from "node:assert/strict";
import { test } from "node:test";
import { EINVAL, ENOENT } from "../../../../src/uapi/errno.ts";
import * as D from "../../../../src/uapi/inet_diag.ts";
import { NETLINK_SOCK_DIAG, NLM_F_ACK, NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR } from "../../../../src/uapi/netlink.ts";
import { type NlMsg, nla_data, nla_get_u8, nla_put, nlmsg_parse } from "../../../../src/uapi/nlattr.ts";
import type { NlSocket } from "../netlink/nl_rig.ts";
import { NlRig } from "../netlink/nl_rig.ts";

const sockaddr = (a: string, port: number): Uint8Array => {
  const b = new Uint8Array(16);
  b.set([2, 0, port >> 8, port & 255, ...a.split(".").map(Number)]);
  return b;
};

/** Two UDP sockets as in the recording: one bound, one connected; a raw and a packet socket. */
function scene(): { rig: NlRig; diag: NlSocket; fds: number[] } {
  const rig = new NlRig();
  rig.sh("ip link set lo up");
  const sys = rig.machine.sys;
  const bound = sys.socket(2, 2, 0);
  assert.equal(sys.bind(bound, sockaddr("127.0.0.1", 5353)), 0);
  const peer = sys.socket(2, 2, 0);
  assert.equal(sys.bind(peer, sockaddr("127.0.0.1", 40000)), 0);
  assert.equal(sys.connect(peer, sockaddr("127.0.0.1", 5353)).next().value, 0);
  const raw = sys.socket(2, 3, 1);
  const packet = sys.socket(17, 3, 0x0300);
  return { rig, diag: rig.open(NETLINK_SOCK_DIAG), fds: [bound, peer, raw, packet] };
}

interface Found {
  state: number;
  sport: number;
  dport: number;
  m: NlMsg;
}

function ask(
  s: NlSocket,
  family: number,
  protocol: number,
  o: { ext?: number; states?: number; bc?: number[] } = {},
): Found[] | number {
  s.request(D.SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, D.INET_DIAG_REQ_V2_LEN, (w, at) => {
    w.buf[at] = family;
    w.buf[at + 1] = protocol;
    w.buf[at + 2] = o.ext ?? 0;
    w.dv.setUint32(at + 4, o.states ?? 0xfff, true);
    if (o.bc) nla_put(w, D.INET_DIAG_REQ_BYTECODE, Uint8Array.from(o.bc));
  });
  const out: Found[] = [];
  for (const m of s.answers()) {
    if (m.type === NLMSG_DONE || m.type === NLMSG_ERROR) {
      const err = m.dv.getInt32(m.off, true);
      if (err !== 0) return err;
    } else
      out.push({ state: m.buf[m.off + 1]!, sport: m.dv.getUint16(m.off + 4), dport: m.dv.getUint16(m.off + 6), m });
  }
  return out;
}

const ports = (r: Found[] | number): number[] | number => (typeof r === "number" ? r : r.map((f) => f.sport));

test("UDP sockets with ports, state, queues and options", () => {
  const { rig, diag, fds } = scene();
  const all = ask(diag, 2, 17, { ext: 0x41 }) as Found[];
  assert.deepEqual(ports(all), [5353, 40000]);
  assert.deepEqual(
    all.map((f) => f.state),
    [7, 1],
  );
  assert.deepEqual(
    all.map((f) => f.dport),
    [0, 5353],
  );
  const m = all[0]!.m;
  const tb = nlmsg_parse(m, D.INET_DIAG_MSG_LEN);
  assert.deepEqual([...nla_data(tb[D.INET_DIAG_SOCKOPT]!)], [0x50, 0], "mc_loop and mc_all, as recorded");
  assert.equal(nla_data(tb[D.INET_DIAG_MEMINFO]!).length, 16);
  assert.equal(nla_data(tb[D.INET_DIAG_SKMEMINFO]!).length, 36);
  assert.equal(m.dv.getInt32(m.off + 8), 0x7f000001);
  assert.deepEqual(ports(ask(diag, 2, 17, { states: 1 << 1 })), [40000], "connected ones");
  assert.deepEqual(ask(diag, 10, 17), [], "none of them is IPv6");
  assert.equal(ask(diag, 2, 132), -ENOENT, "nobody serves SCTP");
  const raw = ask(diag, 2, 255) as Found[];
  assert.equal(raw.length, 1);
  assert.equal(nla_get_u8(nlmsg_parse(raw[0]!.m, D.INET_DIAG_MSG_LEN)[D.INET_DIAG_PROTOCOL]), 1);
  for (const fd of fds) rig.machine.sys.close(fd);
  diag.close();
  rig.done();
});

test("filters run as recorded from ss: src 127.0.0.1, sport = :5353, dst 127.0.0.0/8", () => {
  const { rig, diag, fds } = scene();
  const le16 = (v: number): number[] => [v & 255, v >> 8];
  const cond = (code: number, prefix: number, port: number, addr: number[]): number[] => {
    const len = 12 + addr.length;
    return [
      code,
      len,
      ...le16(len + 4),
      2,
      prefix,
      0,
      0,
      port & 255,
      (port >> 8) & 255,
      (port >> 16) & 255,
      (port >> 24) & 255,
      ...addr,
    ];
  };
  assert.deepEqual(ports(ask(diag, 2, 17, { bc: cond(7, 32, -1, [127, 0, 0, 1]) })), [5353, 40000]);
  assert.deepEqual(ports(ask(diag, 2, 17, { bc: cond(7, 0, 5353, [0, 0, 0, 0]) })), [5353]);
  assert.deepEqual(ports(ask(diag, 2, 17, { bc: cond(8, 8, -1, [127, 0, 0, 0]) })), [40000]);
  assert.deepEqual(ports(ask(diag, 2, 17, { bc: cond(8, 8, -1, [128, 0, 0, 0]) })), []);
  // s_ge 40000: the port stands in the operation behind.
  assert.deepEqual(ports(ask(diag, 2, 17, { bc: [2, 8, 12, 0, 0, 0, ...le16(40000)] })), [40000]);
  // not (sport = 5353): a jump over the jump that would reject.
  assert.deepEqual(ports(ask(diag, 2, 17, { bc: [11, 8, 12, 0, 0, 0, ...le16(5353), 1, 4, 8, 0] })), [40000]);
  for (const fd of fds) rig.machine.sys.close(fd);
  diag.close();
  rig.done();
});

test("byte code that leads backwards, into the middle or out is refused", () => {
  const { rig, diag, fds } = scene();
  for (const bc of [
    [],
    [0],
    [0, 4],
    [0, 0, 0, 0],
    [1, 4, 0, 0],
    [2, 8, 12, 0],
    [0, 3, 4, 0],
    [0, 12, 4, 0],
    [99, 4, 4, 0],
    [7, 20, 24, 0, 3, 0, 0, 0],
    [1, 4, 2, 0],
    [1, 4, 200, 0],
  ]) {
    assert.equal(ask(diag, 2, 17, { bc }), -EINVAL, `${bc}`);
  }
  diag.request(D.SOCK_DIAG_BY_FAMILY, NLM_F_ACK, 4);
  assert.equal(diag.answers()[0]!.dv.getInt32(diag.seq * 0 + 16, true), -ENOENT, "no family 0");
  for (const fd of fds) rig.machine.sys.close(fd);
  diag.close();
  rig.done();
});

test("packet sockets: number, device and memory, as recorded", () => {
  const { rig, diag, fds } = scene();
  diag.request(D.SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, 20, (w, at) => {
    w.buf[at] = 17;
    w.dv.setUint32(at + 8, 0x3d, true);
  });
  const m = diag.answers()[0]!;
  assert.equal(m.type, D.SOCK_DIAG_BY_FAMILY);
  assert.deepEqual([m.buf[m.off], m.buf[m.off + 1], m.dv.getUint16(m.off + 2, true)], [17, 3, 3]);
  const tb = nlmsg_parse(m, 16);
  assert.equal(tb[0]!.dv.getUint32(tb[0]!.off + 20, true), 1, "running");
  assert.equal(nla_data(tb[6]!).length, 36);
  for (const fd of fds) rig.machine.sys.close(fd);
  diag.close();
  rig.done();
});
