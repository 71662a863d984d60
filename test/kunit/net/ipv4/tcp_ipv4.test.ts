// TCP without a connection, against Linux 6.18: what a closed port and a listener answer to single segments (recorded with
// raw sockets), SYN cookies, MD5 that nobody has a key for, which ICMP errors end a connection attempt (RFC 5927 section 4.1).

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskSys } from "../../../../src/init/sys.ts";
import { csum_fold, csum_partial_dv, csum_tcpudp_nofold } from "../../../../src/lib/checksum.ts";
import type { Net } from "../../../../src/net/core/net_namespace.ts";
import { inet_ehash_entries } from "../../../../src/net/ipv4/inet_hashtables.ts";
import { tcp4_seq_show } from "../../../../src/net/ipv4/tcp_proc.ts";
import type { TcpSock } from "../../../../src/net/ipv4/tcp_sock.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;
const STREAM = 1 | 0o4000;
const RAW = 3 | 0o4000;
const A = 0x0a000001;
const B = 0x0a000002;

interface Seg {
  tos?: number;
  flags: number;
  sport: number;
  dport: number;
  seq?: number;
  ack?: number;
  opts?: string;
  data?: string;
  bad_csum?: boolean;
}

/** An IP packet from A to B. */
function packet(s: Seg): Uint8Array {
  const opts = Buffer.from(s.opts ?? "", "hex");
  const data = Buffer.from(s.data ?? "");
  const thlen = 20 + opts.length;
  const p = new Uint8Array(20 + thlen + data.length);
  const dv = new DataView(p.buffer);
  dv.setUint16(0, 0x4500 | (s.tos ?? 0));
  dv.setUint16(2, p.length);
  dv.setUint16(4, 0x1234);
  dv.setUint16(8, 0x4006);
  dv.setInt32(12, A);
  dv.setInt32(16, B);
  dv.setUint16(20, s.sport);
  dv.setUint16(22, s.dport);
  dv.setInt32(24, s.seq ?? 1000);
  dv.setInt32(28, s.ack ?? 0);
  dv.setUint16(32, ((thlen << 2) << 8) | s.flags);
  dv.setUint16(34, 1000);
  p.set(opts, 40);
  p.set(data, 20 + thlen);
  const len = thlen + data.length;
  const sum = csum_fold(csum_tcpudp_nofold(A, B, len, 6, csum_partial_dv(dv, 20, len, 0)));
  dv.setUint16(36, s.bad_csum ? sum ^ 1 : sum);
  return p;
}

class Prober {
  readonly rig = new KernelRig();
  readonly a: Net;
  readonly b: Net;
  readonly sys: TaskSys;
  readonly server: TaskSys;
  private readonly tx: number;
  private readonly rx: number;

  constructor() {
    const { a, b } = this.rig.pair();
    this.a = a;
    this.b = b;
    this.sys = this.rig.task(a);
    this.server = this.rig.task(b);
    this.tx = this.sys.socket(2, 3, 255);
    this.rx = this.sys.socket(2, RAW, 6);
  }

  listen(port: number, backlog = 5): number {
    const l = this.server.socket(2, STREAM, 0);
    assert.equal(this.server.bind(l, sockaddr("0.0.0.0", port)), 0);
    assert.equal(this.server.listen(l, backlog), 0);
    return l;
  }

  /** Sends one segment to B and returns what B answers. */
  send(s: Seg): string[] {
    const p = packet(s);
    assert.equal(now(this.sys.sendto(this.tx, p, 0, sockaddr("10.0.0.2", 0))), p.length);
    this.rig.run(2);
    const got: string[] = [];
    const buf = new Uint8Array(2000);
    for (;;) {
      const n = now(this.sys.recvfrom(this.rx, buf, 0x40, null));
      if (typeof n !== "number" || n < 0) return got;
      const dv = new DataView(buf.buffer);
      this.last = buf.slice(0, n);
      got.push(
        `tos ${dv.getUint8(1).toString(16)} id ${dv.getUint16(4)} df ${dv.getUint16(6) >> 14} ` +
          `fl ${dv.getUint8(33).toString(16)} seq ${dv.getUint32(24)} ack ${dv.getUint32(28)} win ${dv.getUint16(34)}`,
      );
      const len = n - 20;
      // A SYN-ACK comes over veth with its checksum still to be made; a RST has it.
      if ((dv.getUint8(33) & RST) !== 0)
        assert.equal(csum_fold(csum_tcpudp_nofold(B, A, len, 6, csum_partial_dv(dv, 20, len, 0))), 0, "checksum");
    }
  }
  last: Uint8Array = new Uint8Array(0);
}

test("a closed port answers with the RST that Linux sends: TOS without ECN, DF, ID 0", () => {
  const p = new Prober();
  assert.deepEqual(p.send({ tos: 0xff, flags: SYN, sport: 5555, dport: 7 }), [
    "tos fc id 0 df 1 fl 14 seq 0 ack 1001 win 0",
  ]);
  assert.deepEqual(p.send({ tos: 0x1f, flags: ACK, sport: 5555, dport: 7, ack: 777 }), [
    "tos 1c id 0 df 1 fl 4 seq 777 ack 0 win 0",
  ]);
  assert.deepEqual(p.send({ flags: 1, sport: 5555, dport: 7, data: "abc" }), [
    "tos 0 id 0 df 1 fl 14 seq 0 ack 1004 win 0",
  ]);
  assert.deepEqual(p.send({ flags: RST, sport: 5555, dport: 7 }), []);
  assert.equal(p.b.mib.tcp[13], 3);
  // A bad checksum is counted, and never answered.
  assert.deepEqual(p.send({ flags: SYN, sport: 5555, dport: 7, bad_csum: true }), []);
  assert.equal(p.b.mib.tcp[14], 1);
  p.rig.end();
});

test("a listener answers an ACK and a SYN-ACK with RST, and FIN, RST and nothing at all with nothing", () => {
  const p = new Prober();
  p.listen(80);
  assert.deepEqual(p.send({ flags: ACK, sport: 6007, dport: 80, ack: 5 }), ["tos 0 id 0 df 1 fl 4 seq 5 ack 0 win 0"]);
  assert.deepEqual(p.send({ flags: SYN | ACK, sport: 6010, dport: 80, ack: 9 }), [
    "tos 0 id 0 df 1 fl 4 seq 9 ack 0 win 0",
  ]);
  assert.deepEqual(p.send({ flags: 1, sport: 6008, dport: 80 }), []);
  assert.deepEqual(p.send({ flags: 3, sport: 6009, dport: 80 }), []);
  assert.deepEqual(p.send({ flags: RST, sport: 6013, dport: 80 }), []);
  assert.deepEqual(p.send({ flags: 0, sport: 6014, dport: 80 }), []);
  p.rig.end();
});

test("a segment signed with MD5 is dropped and counted by a listener, and gets no RST from a closed port", () => {
  const p = new Prober();
  p.listen(80);
  const md5 = `1312${"01".repeat(16)}`;
  assert.deepEqual(p.send({ flags: SYN, sport: 6001, dport: 80, opts: `${md5}0101` }), []);
  assert.equal(p.b.mib.linux[67], 1);
  // Twice in one header is nothing that anybody sends: dropped, not counted.
  assert.deepEqual(p.send({ flags: SYN, sport: 6005, dport: 80, opts: md5 + md5 }), []);
  assert.deepEqual(p.send({ flags: SYN, sport: 6006, dport: 81, opts: `${md5}0101` }), []);
  assert.equal(p.b.mib.linux[67], 1);
  // Of another length it is an unknown option; TCP-AO is one as well.
  assert.equal(p.send({ flags: SYN, sport: 6004, dport: 80, opts: "13040101" }).length, 1);
  assert.equal(p.send({ flags: SYN, sport: 6002, dport: 80, opts: `1d10${"01".repeat(14)}` }).length, 1);
  p.rig.end();
});

test("a SYN cookie brings MSS, window scale, SACK and timestamps back; a wrong one is answered by RST", () => {
  const p = new Prober();
  p.b.ipv4.sysctl_tcp_syncookies = 2;
  p.listen(80);
  const opts = "020405b40402080a000010000000000001030307";
  assert.equal(p.send({ flags: SYN, sport: 7000, dport: 80, seq: 5000, opts }).length, 1);
  const dv = new DataView(p.last.buffer);
  const isn = dv.getUint32(24);
  const tsval = dv.getUint32(48);
  assert.equal(dv.getUint8(33), SYN | ACK);
  // Nothing is remembered.
  assert.equal([...inet_ehash_entries(p.b)].length, 0);
  const ts = (v: number): string => `0101080a00001001${(v >>> 0).toString(16).padStart(8, "0")}`;
  assert.deepEqual(p.send({ flags: ACK, sport: 7000, dport: 80, seq: 5001, ack: isn + 100, opts: ts(tsval) }), [
    `tos 0 id 0 df 1 fl 4 seq ${isn + 100} ack 0 win 0`,
  ]);
  assert.equal(p.b.mib.linux[2], 1);
  p.send({ flags: ACK, sport: 7000, dport: 80, seq: 5001, ack: isn + 1, opts: ts(tsval) });
  assert.equal(p.b.mib.linux[1], 1);
  const [child] = [...inet_ehash_entries(p.b)] as TcpSock[];
  assert.ok(child !== undefined);
  const rx = child.rx_opt;
  assert.deepEqual([rx.mss_clamp, rx.snd_wscale, rx.wscale_ok, rx.sack_ok & 1, rx.tstamp_ok], [1460, 7, true, 1, true]);
  p.rig.end();
});

test("without timestamps a cookie holds the MSS only; it is void after two minutes", () => {
  const p = new Prober();
  p.b.ipv4.sysctl_tcp_syncookies = 2;
  p.listen(80);
  // 1400: the next smaller one that a cookie can tell.
  p.send({ flags: SYN, sport: 7001, dport: 80, seq: 1, opts: "020405780402010301030307" });
  const isn = new DataView(p.last.buffer).getUint32(24);
  p.send({ flags: ACK, sport: 7001, dport: 80, seq: 2, ack: isn + 1 });
  const [child] = [...inet_ehash_entries(p.b)] as TcpSock[];
  assert.deepEqual([child!.rx_opt.mss_clamp, child!.rx_opt.wscale_ok, child!.rx_opt.sack_ok], [1300, false, 0]);
  p.send({ flags: SYN, sport: 7002, dport: 80, seq: 1, opts: "020405b4" });
  const old = new DataView(p.last.buffer).getUint32(24);
  p.rig.run(130_000);
  p.send({ flags: SYN, sport: 7003, dport: 80, seq: 1, opts: "020405b4" });
  const failed = p.b.mib.linux[2]!;
  assert.equal(p.send({ flags: ACK, sport: 7002, dport: 80, seq: 2, ack: old + 1 }).length, 1);
  assert.equal(p.b.mib.linux[2], failed + 1);
  p.rig.end();
});

test("connect(2) to a closed port is refused", () => {
  const p = new Prober();
  const fd = p.sys.socket(2, STREAM, 0);
  assert.equal(now(p.sys.connect(fd, sockaddr("10.0.0.2", 81))), -115);
  p.rig.run(5);
  assert.equal(now(p.sys.connect(fd, sockaddr("10.0.0.2", 81))), -111);
  assert.equal(p.a.mib.tcp[6], 1);
  p.rig.end();
});

test("/proc/net/tcp shows a listener as Linux does", () => {
  const p = new Prober();
  p.listen(80);
  const [head, line] = tcp4_seq_show(p.b).split("\n");
  assert.equal(
    head,
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode".padEnd(149),
  );
  assert.match(
    line!,
    /^ {3}0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {5}0 {8}0 \d+ 1 [0-9a-f]{16} 100 0 0 10 0 *$/,
  );
  assert.equal(line!.length, 149);
  p.rig.end();
});

/** An ICMP error from B about the SYN of `tp`, whose sequence number is shown as `seq`. */
function icmp_about(tp: TcpSock, type: number, code: number, info: number, seq: number): Uint8Array {
  const p = new Uint8Array(56);
  const dv = new DataView(p.buffer);
  dv.setUint16(0, 0x45c0);
  dv.setUint16(2, p.length);
  dv.setUint16(8, 0x4001);
  dv.setInt32(12, B);
  dv.setInt32(16, A);
  dv.setUint16(20, (type << 8) | code);
  dv.setUint32(24, info);
  dv.setUint16(28, 0x4500);
  dv.setUint16(30, 60);
  dv.setUint16(36, 0x4006);
  dv.setInt32(40, A);
  dv.setInt32(44, tp.inet_daddr);
  dv.setUint16(48, tp.inet_sport);
  dv.setUint16(50, tp.inet_dport);
  dv.setInt32(52, seq);
  dv.setUint16(22, csum_fold(csum_partial_dv(dv, 20, 36, 0)));
  return p;
}

for (const [name, type, code, info, shift, errno] of [
  ["net unreachable", 3, 0, 0, 0, 101],
  ["host unreachable", 3, 1, 0, 0, 113],
  ["port unreachable", 3, 3, 0, 0, 111],
  ["time exceeded", 11, 0, 0, 0, 113],
  ["parameter problem", 12, 0, 0, 0, 71],
  ["fragmentation needed", 3, 4, 1000, 0, 0],
  ["source quench", 4, 0, 0, 0, 0],
  ["an error about a sequence number that is not in flight", 3, 3, 0, 5, 0],
] as const) {
  test(`${name} ${errno !== 0 ? `ends a connection attempt with errno ${errno}` : "does not end a connection attempt"}`, () => {
    const p = new Prober();
    p.rig.ip("route add 192.168.9.0/24 via 10.0.0.2", p.a);
    const fd = p.sys.socket(2, STREAM, 0);
    assert.equal(now(p.sys.connect(fd, sockaddr("192.168.9.9", 81))), -115);
    p.rig.run(5);
    const [tp] = [...inet_ehash_entries(p.a)] as TcpSock[];
    const raw = p.server.socket(2, 3, 255);
    const icmp = icmp_about(tp!, type, code, info, (tp!.snd_una + shift) | 0);
    assert.equal(now(p.server.sendto(raw, icmp, 0, sockaddr("10.0.0.1", 0))), icmp.length);
    p.rig.run(5);
    assert.equal(now(p.sys.connect(fd, sockaddr("192.168.9.9", 81))), errno !== 0 ? -errno : -114);
    assert.equal(p.a.mib.linux[7], shift !== 0 ? 1 : 0);
    if (info !== 0) assert.equal(tp!.icsk_pmtu_cookie, info);
    p.rig.end();
  });
}

test("a full SYN queue is answered by cookies, and without them not at all", () => {
  for (const cookies of [1, 0]) {
    const p = new Prober();
    p.b.ipv4.sysctl_tcp_syncookies = cookies;
    p.listen(80, 3);
    // A RST of A's would empty the queue: A does not see the answers.
    p.rig.ip("route add 192.168.9.0/24 via 10.0.0.1", p.b);
    const answers: number[] = [];
    // The queue holds the backlog and one more (Linux 6.18: 129 of a listen(128)).
    for (let i = 0; i < 7; i++) {
      const s = packet({ flags: SYN, sport: 7100 + i, dport: 80, seq: 1, opts: "020405b4" });
      const dv = new DataView(s.buffer);
      // From a network behind A, which A does not forward to.
      dv.setInt32(12, 0xc0a80901 | 0);
      dv.setUint16(36, 0);
      dv.setUint16(36, csum_fold(csum_tcpudp_nofold(0xc0a80901 | 0, B, 24, 6, csum_partial_dv(dv, 20, 24, 0))));
      const sent = p.b.mib.tcp[10]!;
      assert.equal(now(p.sys.sendto(p.sys.socket(2, 3, 255), s, 0, sockaddr("10.0.0.2", 0))), s.length);
      p.rig.run(2);
      answers.push(p.b.mib.tcp[10]! - sent);
    }
    assert.deepEqual(answers, cookies !== 0 ? [1, 1, 1, 1, 1, 1, 1] : [1, 1, 1, 1, 0, 0, 0]);
    assert.equal([...inet_ehash_entries(p.b)].length, 4);
    assert.deepEqual(
      [p.b.mib.linux[0], p.b.mib.linux[78], p.b.mib.linux[79], p.b.mib.linux[23]],
      cookies !== 0 ? [3, 3, 0, 0] : [0, 0, 3, 3],
    );
    p.rig.end();
  }
});
