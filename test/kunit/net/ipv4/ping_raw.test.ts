// Ping and raw sockets: errno by errno as Linux 6.18 answered the same calls in a namespace; fragments, error queue.

import assert from "node:assert/strict";
import { test } from "node:test";
import { csum_fold, csum_partial_dv, ip_fast_csum } from "../../../../src/lib/checksum.ts";
import { Socket } from "../../../../src/net/core/sock.ts";
import { ping_seq_show } from "../../../../src/net/ipv4/ping.ts";
import { type RawSock, raw_seq_show } from "../../../../src/net/ipv4/raw.ts";
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAGAIN,
  ECONNREFUSED,
  EDESTADDRREQ,
  EFAULT,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENOPROTOOPT,
  EOPNOTSUPP,
} from "../../../../src/uapi/errno.ts";
import type { MsgHdr } from "../../../../src/uapi/sys.ts";
import { EdgeRig, to_hex } from "./edge_rig.ts";

const DGRAM = 2;
const RAW = 3;
const ICMP = 1;
const SOL_RAW = 255;

function rig(): EdgeRig {
  const r = new EdgeRig({ a0: "020000000001" });
  r.ip("addr add 127.0.0.1/8 dev lo");
  r.ip("link set lo up");
  r.ip("addr add 10.0.0.1/24 brd + dev a0");
  r.ip("link set a0 up");
  r.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 nud permanent dev a0");
  r.sysctl({ icmp_ratemask: 0 });
  r.run(10);
  r.take();
  return r;
}

const sockaddr = (a: string, port = 0): Uint8Array => {
  const b = new Uint8Array(16);
  b[0] = 2;
  b[2] = port >> 8;
  b[3] = port;
  b.set(a.split(".").map(Number), 4);
  return b;
};

class Sk {
  readonly r: EdgeRig;
  readonly sock: Socket;
  constructor(r: EdgeRig, type: number, protocol: number) {
    this.r = r;
    this.sock = new Socket(type);
    assert.equal(
      r.call(() => r.k.net_families[2]!.create(r.net, this.sock, protocol, false)),
      0,
    );
  }
  send(data: Uint8Array | number[] | string, to: string | null, flags = 0): number {
    const b = typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data);
    const msg: MsgHdr = {
      msg_name: to === null ? null : sockaddr(to),
      msg_namelen: to === null ? 0 : 16,
      msg_iov: [b],
      msg_control: null,
      msg_controllen: 0,
      msg_flags: 0,
    };
    return this.r.call(() => this.sock.ops.sendmsg(this.sock, msg, b.length, flags));
  }
  recv(flags = 0): { n: number; data: Uint8Array; from: string; control: Uint8Array; flags: number } {
    const buf = new Uint8Array(65536);
    const msg: MsgHdr = {
      msg_name: new Uint8Array(16),
      msg_namelen: 16,
      msg_iov: [buf],
      msg_control: new Uint8Array(256),
      msg_controllen: 0,
      msg_flags: 0,
    };
    const n = this.r.call(() => this.sock.ops.recvmsg(this.sock, msg, buf.length, flags));
    return {
      n,
      data: buf.slice(0, Math.max(0, n)),
      from: [...msg.msg_name!.subarray(4, 8)].join("."),
      control: msg.msg_control!.slice(0, msg.msg_controllen),
      flags: msg.msg_flags,
    };
  }
  bind(a: string, port = 0): number {
    return this.r.call(() => this.sock.ops.bind(this.sock, sockaddr(a, port)));
  }
  connect(a: string, port = 0): number {
    return this.r.call(() => this.sock.ops.connect(this.sock, sockaddr(a, port), 0));
  }
  disconnect(): number {
    return this.r.call(() => this.sock.ops.connect(this.sock, new Uint8Array(16), 0));
  }
  name(peer = false): string {
    const b = new Uint8Array(16);
    const n = this.sock.ops.getname(this.sock, b, peer);
    return n < 0 ? String(n) : `${[...b.subarray(4, 8)].join(".")}:${(b[2]! << 8) | b[3]!}`;
  }
  set(level: number, opt: number, v: number | Uint8Array): number {
    let b: Uint8Array;
    if (typeof v === "number") {
      b = new Uint8Array(4);
      new DataView(b.buffer).setInt32(0, v, true);
    } else b = v;
    return this.r.call(() => this.sock.ops.setsockopt(this.sock, level, opt, b));
  }
  get(level: number, opt: number, len = 4): number | string {
    const b = new Uint8Array(len);
    const n = this.sock.ops.getsockopt(this.sock, level, opt, b);
    return n < 0 ? n : to_hex(b.subarray(0, n));
  }
  close(): void {
    this.r.call(() => this.sock.ops.release(this.sock));
  }
}

const request = (seq: number, text: string): Uint8Array =>
  Uint8Array.from([8, 0, 0, 0, 0, 0, 0, seq, ...new TextEncoder().encode(text)]);

test("ping socket: a request over lo comes back with the socket's identifier", () => {
  const r = rig();
  const p = new Sk(r, DGRAM, ICMP);
  assert.equal(p.bind("127.0.0.1", 77), 0);
  assert.equal(p.connect("127.0.0.1", 5), 0);
  assert.equal(p.name(), "127.0.0.1:77");
  assert.equal(p.send(request(1, "hello"), null), 13);
  const got = p.recv();
  assert.equal(to_hex(got.data), "0000bbdf004d000168656c6c6f");
  assert.equal(got.from, "127.0.0.1");
  assert.equal(p.recv().n, -EAGAIN);
  const text = ping_seq_show(r.net).split("\n");
  assert.equal(text[1]!.length, 127);
  assert.match(text[1]!, /^ {2,}\d+: 0100007F:004D 0100007F:0005 01 00000000:00000000 00:00000000 00000000 {5}0 /);
  const m = r.mib();
  assert.equal(m.IcmpOutEchos, 1);
  assert.equal(m.IcmpOutEchoReps, 1);
  assert.equal(m.IcmpInEchoReps, 1);
  p.close();
  r.end();
});

test("ping socket: what it refuses", () => {
  const r = rig();
  const q = new Sk(r, DGRAM, ICMP);
  assert.equal(q.send([13, 0, 0, 0, 0, 0, 0, 1], "127.0.0.1"), -EINVAL);
  assert.equal(q.send([8, 1, 0, 0, 0, 0, 0, 1], "127.0.0.1"), -EINVAL);
  assert.equal(q.send([8, 0], "127.0.0.1"), -EINVAL);
  assert.equal(q.send(request(1, ""), null), -EDESTADDRREQ);
  const s = new Sk(r, DGRAM, ICMP);
  assert.equal(s.bind("1.2.3.4", 78), -EADDRNOTAVAIL);
  assert.equal(s.bind("127.0.0.1", 77), 0);
  assert.equal(s.bind("127.0.0.1", 79), -EINVAL);
  // Both may have one identifier: INET_PROTOSW_REUSE.
  const t = new Sk(r, DGRAM, ICMP);
  assert.equal(t.bind("127.0.0.1", 77), 0);
  const u = new Sk(r, DGRAM, ICMP);
  u.sock.sk.sk_reuse = 0;
  assert.equal(u.bind("127.0.0.1", 77), -EADDRINUSE);
  r.net.ipv4.ping_group_range = [1, 0];
  const none = new Socket(DGRAM);
  assert.equal(
    r.call(() => r.k.net_families[2]!.create(r.net, none, ICMP, false)),
    -13,
  );
  for (const x of [q, s, t, u]) x.close();
  r.end();
});

test("ping of 3000 bytes: two fragments out without a copy, two in, one reply", () => {
  const r = rig();
  const p = new Sk(r, DGRAM, ICMP);
  assert.equal(p.send(request(7, "x".repeat(3000)), "10.0.0.2"), 3008);
  const out = r.take();
  assert.deepEqual(
    out.map((f) => f.frame.length),
    [1514, 1514, 82],
  );
  const m = r.mib();
  assert.deepEqual([m.IpOutRequests, m.IpFragOKs, m.IpFragCreates, m.IpOutTransmits], [1, 1, 3, 3]);
  assert.equal(p.sock.sk.sk_wmem_alloc, 0);
  // The same frames turned round are the reply.
  const icmp: number[] = [];
  for (const { frame } of out) icmp.push(...frame.subarray(34));
  assert.equal(icmp.length, 3008);
  const msg = Uint8Array.from(icmp);
  const dv = new DataView(msg.buffer);
  assert.equal(csum_fold(csum_partial_dv(dv, 0, 3008, 0)), 0);
  msg[0] = 0;
  dv.setUint16(2, 0);
  dv.setUint16(2, csum_fold(csum_partial_dv(dv, 0, 3008, 0)));
  out[0]!.frame.set(msg.subarray(0, 8), 34);
  for (const { frame } of out.reverse()) {
    frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], 0);
    frame.copyWithin(26, 30, 34);
    frame.set([10, 0, 0, 2, 10, 0, 0, 1], 26);
    const v = new DataView(frame.buffer);
    v.setUint16(24, 0);
    v.setUint16(24, ip_fast_csum(v, 14, 5));
    r.rx("a0", frame);
  }
  const got = p.recv();
  assert.equal(got.n, 3008);
  assert.equal(got.data[7], 7);
  p.close();
  r.end();
});

/** An ICMP error from 10.0.0.2 about the last packet sent. */
function answer_error(r: EdgeRig, type: number, code: number, info = 0, extensions: number[] = []): void {
  const sent = r.take().at(-1)!.frame;
  let quote = sent.subarray(14, 14 + 28);
  if (extensions.length > 0) {
    const padded = new Uint8Array(128 + extensions.length);
    padded.set(quote);
    padded.set(extensions, 128);
    quote = padded;
  }
  const f = new Uint8Array(14 + 20 + 8 + quote.length);
  const dv = new DataView(f.buffer);
  f.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45]);
  dv.setUint16(16, f.length - 14);
  f[22] = 64;
  f[23] = 1;
  f.set([10, 0, 0, 2, 10, 0, 0, 1], 26);
  dv.setUint16(24, ip_fast_csum(dv, 14, 5));
  f[34] = type;
  f[35] = code;
  dv.setInt32(38, info);
  f.set(quote, 42);
  dv.setUint16(36, csum_fold(csum_partial_dv(dv, 34, f.length - 34, 0)));
  r.rx("a0", f);
}

test("ping socket: errors reach the error queue with IP_RECVERR, and a connected socket without it", () => {
  const r = rig();
  const p = new Sk(r, DGRAM, ICMP);
  assert.equal(p.set(0, 11, 1), 0);
  p.send(request(3, "abc"), "10.0.0.2");
  answer_error(r, 3, 1);
  assert.equal(p.recv().n, -EHOSTUNREACH);
  const e = p.recv(0x2000);
  assert.equal(e.flags & 0x2000, 0x2000);
  // The queued packet begins with our ICMP header: type 8, our sequence number.
  assert.equal(e.data[0], 8);
  assert.equal(e.data[7], 3);
  const dv = new DataView(e.control.buffer, e.control.byteOffset);
  assert.deepEqual([dv.getInt32(8, true), dv.getInt32(12, true)], [0, 11]);
  assert.deepEqual([dv.getUint32(16, true), e.control[20], e.control[21], e.control[22]], [EHOSTUNREACH, 2, 3, 1]);
  assert.equal(p.recv().n, -EAGAIN);

  const c = new Sk(r, DGRAM, ICMP);
  assert.equal(c.connect("10.0.0.2"), 0);
  c.send(request(4, "abc"), null);
  answer_error(r, 3, 3);
  assert.equal(c.recv().n, -ECONNREFUSED);
  c.send(request(5, "abc"), null);
  answer_error(r, 3, 1);
  // A host that is unreachable may come back: no hard error (RFC 1122 section 4.2.3.9).
  assert.equal(c.recv().n, -EAGAIN);
  p.close();
  c.close();
  r.end();
});

test("IP_RECVERR_RFC4884: where the extensions of an ICMP error begin, and whether they hold (RFC 4884 sections 5 and 7)", () => {
  const r = rig();
  const p = new Sk(r, DGRAM, ICMP);
  assert.equal(p.set(0, 11, 1), 0);
  const error = (extensions: number[]): [number, number] => {
    p.send(request(3, "abc"), "10.0.0.2");
    // The length field is the second byte of the word that codes 0 and 1 do not use: 32 words.
    answer_error(r, 3, 1, extensions.length > 0 ? 32 << 16 : 0, extensions);
    assert.equal(p.recv().n, -EHOSTUNREACH);
    const c = p.recv(0x2000).control;
    const dv = new DataView(c.buffer, c.byteOffset);
    return [dv.getUint16(16 + 12, true), c[16 + 14]!];
  };
  const mpls = [0x20, 0, 0, 0, 0, 8, 1, 1, 0, 1, 1, 1];
  assert.deepEqual(error(mpls), [0, 0]);
  assert.equal(p.set(0, 26, 1), 0);
  assert.deepEqual(error([]), [0, 0]);
  // A ping socket's queued packet begins at the quoted ICMP header.
  assert.deepEqual(error(mpls), [108, 0]);
  assert.deepEqual(error([0x10, ...mpls.slice(1)]), [108, 1]);
  assert.deepEqual(error([0x20, 0, 0x12, 0x34, ...mpls.slice(4)]), [108, 1]);
  assert.deepEqual(error([0x20, 0, 0, 0, 0, 9, 1, 1, 0, 1, 1, 1]), [108, 1]);
  assert.deepEqual(error([0x20, 0, 0, 0, 0, 0, 1, 1]), [108, 1]);
  assert.deepEqual(error([0x20, 0, 0, 0, 0, 8, 1, 1, 0, 1, 1, 1, 0]), [108, 1]);
  p.close();
  r.end();
});

test("raw ICMP socket: sees request and reply with their IP headers; the filter hides types", () => {
  const r = rig();
  const raw = new Sk(r, RAW, ICMP);
  const p = new Sk(r, DGRAM, ICMP);
  p.send(request(1, "hello"), "127.0.0.1");
  const a = raw.recv();
  const b = raw.recv();
  assert.equal(a.n, 33);
  assert.deepEqual([a.data[0], a.data[9], a.data[20]], [0x45, 1, 8]);
  assert.deepEqual([b.data[0], b.data[9], b.data[20]], [0x45, 1, 0]);
  assert.equal(raw.recv().n, -EAGAIN);
  assert.equal(raw.get(SOL_RAW, 1), "00000000");
  assert.equal(raw.set(SOL_RAW, 1, 1 << 8), 0);
  p.send(request(2, "hello"), "127.0.0.1");
  assert.equal(raw.recv().data[20], 0);
  assert.equal(raw.recv().n, -EAGAIN);
  assert.equal(raw.set(SOL_RAW, 1, Uint8Array.from([0x61, 0x62])), 0);
  assert.equal(raw.get(SOL_RAW, 1, 8), "61620000");
  assert.equal(raw.get(SOL_RAW, 2), -ENOPROTOOPT);
  const ospf = new Sk(r, RAW, 89);
  assert.equal(ospf.get(SOL_RAW, 1), -EOPNOTSUPP);
  assert.equal(ospf.bind("127.0.0.1"), 0);
  assert.equal(ospf.name(), "127.0.0.1:89");
  assert.match(raw_seq_show(r.net), /\n {3}1: 00000000:0001 00000000:0000 07 /);
  assert.match(raw_seq_show(r.net), /\n {2}89: 0100007F:0059 00000000:0000 07 /);
  for (const s of [raw, p, ospf]) s.close();
  assert.equal(r.net.ipv4_raw_users, 0);
  r.end();
});

test("raw sockets: what they refuse", () => {
  const r = rig();
  const s = new Sk(r, RAW, ICMP);
  assert.equal(s.send(new Uint8Array(65536), "127.0.0.1"), -EMSGSIZE);
  assert.equal(s.send("x", null), -EDESTADDRREQ);
  assert.equal(s.send("x", "127.0.0.1"), -EFAULT);
  assert.equal(s.send("", "127.0.0.1"), -EFAULT);
  assert.equal(s.bind("1.2.3.4"), -EADDRNOTAVAIL);
  assert.equal(s.bind("224.0.0.1"), 0);
  assert.equal(s.name(), "224.0.0.1:1");
  assert.equal(s.connect("127.0.0.1", 99), 0);
  assert.equal(s.name(true), "127.0.0.1:99");
  assert.equal(s.bind("127.0.0.1"), -EINVAL);
  const h = new Sk(r, RAW, 255);
  assert.equal(h.send(new Uint8Array(19), "127.0.0.1"), -EINVAL);
  assert.equal(h.send([0x4f, ...new Uint8Array(19)], "127.0.0.1"), -EINVAL);
  assert.equal(h.send([0x40, ...new Uint8Array(19)], "127.0.0.1"), -EINVAL);
  assert.equal(h.send([0x45, ...new Uint8Array(1500)], "10.0.0.2"), -EMSGSIZE);
  assert.equal(h.recv().n, -EAGAIN);
  // IP_ROUTER_ALERT
  assert.equal(s.set(0, 5, 1), 0);
  assert.equal(s.set(0, 5, 1), -EADDRINUSE);
  assert.equal(s.set(0, 5, 0), 0);
  assert.equal(s.set(0, 5, 0), -ENOBUFS);
  assert.equal(h.set(0, 5, 1), -EINVAL);
  s.close();
  h.close();
  r.end();
});

test("connect(AF_UNSPEC): a raw socket hears no more, even connected again; a ping socket gets a new identifier", () => {
  const r = rig();
  const raw = new Sk(r, RAW, ICMP);
  const other = new Sk(r, RAW, ICMP);
  const heard = (): boolean => {
    other.send([8, 0, 0xf7, 0xff, 0, 0, 0, 0], "127.0.0.1");
    while (other.recv().n >= 0);
    const n = raw.recv().n;
    while (raw.recv().n >= 0);
    return n > 0;
  };
  assert.equal(heard(), true);
  assert.equal(raw.connect("127.0.0.1", 0), 0);
  assert.equal(heard(), true);
  assert.equal(raw.disconnect(), 0);
  assert.equal(heard(), false);
  assert.deepEqual(
    raw_seq_show(r.net).match(/ 00000000:0001 00000000:0000 /g)?.length,
    1,
    "one line of /proc/net/raw is left",
  );
  assert.equal(raw.name(), "0.0.0.0:0");
  assert.equal(raw.connect("127.0.0.1", 0), 0);
  assert.equal(heard(), false);
  const ping = new Sk(r, DGRAM, ICMP);
  assert.equal(ping.connect("127.0.0.1", 0), 0);
  ping.send([8, 0, 0, 0, 0, 0, 0, 0], "127.0.0.1");
  const ident = Number(ping.name().split(":")[1]);
  assert.ok(ident > 0);
  assert.equal(ping.disconnect(), 0);
  assert.equal(ping.name(), "0.0.0.0:0");
  ping.send([8, 0, 0, 0, 0, 0, 0, 0], "127.0.0.1");
  assert.notEqual(Number(ping.name().split(":")[1]), 0);
  for (const s of [raw, other, ping]) s.close();
  r.end();
});

test("IP_HDRINCL: source, id, length and checksum are filled in, the rest is the program's", () => {
  const r = rig();
  const h = new Sk(r, RAW, 255);
  const p = [0x45, 0x10, 9, 9, 0, 0, 0x40, 0, 3, 200, 9, 9, 0, 0, 0, 0, 10, 0, 0, 2, 1, 2, 3];
  assert.equal(h.send(p, "10.0.0.2"), 23);
  const f = r.take()[0]!.frame;
  const dv = new DataView(f.buffer);
  assert.equal(to_hex(f.subarray(14, 16)), "4510");
  assert.equal(dv.getUint16(16), 23);
  assert.equal(to_hex(f.subarray(20, 24)), "400003c8");
  assert.equal(to_hex(f.subarray(26, 37)), "0a0000010a000002010203");
  assert.equal(ip_fast_csum(dv, 14, 5), 0);
  assert.equal(r.mib().IpOutRequests, 0);
  h.close();
  r.end();
});

test("raw socket: corking with MSG_MORE, and a datagram of many fragments to itself", () => {
  const r = rig();
  const s = new Sk(r, RAW, 200);
  assert.equal(s.send("one ", "127.0.0.1", 0x8000), 4);
  assert.equal(s.send("two", "127.0.0.1"), 3);
  assert.equal(new TextDecoder().decode(s.recv().data.subarray(20)), "one two");
  const big = Uint8Array.from({ length: 65000 }, (_, i) => i & 0xff);
  assert.equal(s.send(big, "10.0.0.2"), 65000);
  const out = r.take();
  assert.equal(out.length, 44);
  const back = new Sk(r, RAW, 201);
  assert.equal(back.connect("10.0.0.2"), 0);
  for (const { frame } of out) {
    frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], 0);
    frame[23] = 201;
    frame.set([10, 0, 0, 2, 10, 0, 0, 1], 26);
    const v = new DataView(frame.buffer);
    v.setUint16(24, 0);
    v.setUint16(24, ip_fast_csum(v, 14, 5));
    r.rx("a0", frame);
  }
  const got = back.recv();
  assert.equal(got.n, 65020);
  assert.deepEqual(got.data.slice(20), big);
  assert.equal((back.sock.sk as RawSock).sk_rmem_alloc, 0);
  s.close();
  back.close();
  r.end();
});

test("raw socket: the receive buffer bounds what waits; drops are counted", () => {
  const r = rig();
  const s = new Sk(r, RAW, 200);
  s.sock.sk.sk_rcvbuf = 5000;
  for (let i = 0; i < 50; i++) s.send("x".repeat(100), "127.0.0.1");
  let n = 0;
  while (s.recv().n > 0) n++;
  assert.ok(n > 2 && n < 12, String(n));
  assert.equal(s.sock.sk.sk_drops, 50 - n);
  s.close();
  r.end();
});
