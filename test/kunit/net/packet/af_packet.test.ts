// AF_PACKET: what a tap sees and sends, with the errors that Linux 6.18 gives (packet(7)).
import assert from "node:assert/strict";
import { test } from "node:test";
import { vfs_init } from "../../../../src/kernel/fs/vfs.ts";
import type { Kernel } from "../../../../src/kernel/kernel.ts";
import { dev_add_pack } from "../../../../src/net/core/dev.ts";
import { dev_mc_seq_show } from "../../../../src/net/core/dev_addr_lists.ts";
import { dev_close, dev_open, unregister_netdevice } from "../../../../src/net/core/dev_api.ts";
import { SKB_DROP_REASON_PACKET_SOCK_ERROR } from "../../../../src/net/core/dropreason.ts";
import { register_pernet_subsys } from "../../../../src/net/core/net_namespace.ts";
import { consume_skb, type SkBuff } from "../../../../src/net/core/skbuff.ts";
import { Socket, sock_core_init } from "../../../../src/net/core/sock.ts";
import { BpfSkb } from "../../../../src/net/core/sock_filter.ts";
import { sock_setsockopt } from "../../../../src/net/core/sock_opt.ts";
import { packet_init, packet_seq_show } from "../../../../src/net/packet/af_packet.ts";
import * as S from "../../../../src/uapi/socket.ts";
import type { MsgHdr } from "../../../../src/uapi/sys.ts";
import { Rig } from "../core/neigh_rig.ts";

const ETH_P_ALL = 3;
const htons = (v: number): number => ((v & 0xff) << 8) | (v >> 8);
const ME = [2, 0, 0, 0, 0, 1];
const PEER = [2, 0, 0, 0, 0, 9];

class PacketRig extends Rig {
  /** What the protocol behind ETH_P_IP got. */
  readonly ip: number[][] = [];
  constructor() {
    super((k: Kernel) => {
      vfs_init(k);
      sock_core_init(k);
      k.bpf_skb = new BpfSkb();
      k.rx_timestamps = 0;
      k.rx_timestamps_users = (d) => {
        k.rx_timestamps += d;
      };
      register_pernet_subsys(k, {
        init: (net) => {
          net.sysctl_rmem_default = 212992;
          net.sysctl_wmem_default = 212992;
          net.sysctl_rmem_max = 212992;
          net.sysctl_wmem_max = 212992;
        },
      });
      packet_init(k);
    });
    dev_add_pack(this.k, {
      type: 0x0800,
      dev: null,
      net: null,
      name: "ip_rcv",
      af_packet_priv: null,
      func: (skb: SkBuff) => {
        this.ip.push([...skb.head.u8.slice(skb.data, skb.tail)]);
        consume_skb(skb);
        return 0;
      },
    });
  }

  sock(type = S.SOCK_RAW, proto = ETH_P_ALL): Socket {
    const sock = new Socket(type);
    const err = this.call(() => this.k.net_families[17]!.create(this.net, sock, htons(proto), false));
    if (err < 0) throw new Error(`socket: ${err}`);
    return sock;
  }

  recv(
    sock: Socket,
    len = 2000,
    flags = S.MSG_DONTWAIT,
  ): { n: number; bytes: number[]; name: Uint8Array; msg: MsgHdr } {
    const buf = new Uint8Array(len);
    const name = new Uint8Array(20);
    const msg: MsgHdr = {
      msg_name: name,
      msg_namelen: 20,
      msg_iov: [buf],
      msg_control: new Uint8Array(256),
      msg_controllen: 0,
      msg_flags: 0,
    };
    const n = this.call(() => sock.ops.recvmsg(sock, msg, len, flags));
    return { n, bytes: [...buf.slice(0, Math.max(0, Math.min(n, len)))], name, msg };
  }

  send(sock: Socket, bytes: number[], name: Uint8Array | null = null): number {
    const msg: MsgHdr = {
      msg_name: name,
      msg_namelen: name?.length ?? 0,
      msg_iov: [Uint8Array.from(bytes)],
      msg_control: null,
      msg_controllen: 0,
      msg_flags: 0,
    };
    return this.call(() => sock.ops.sendmsg(sock, msg, bytes.length, 0));
  }

  bind(sock: Socket, ifindex: number, proto: number): number {
    return this.call(() => sock.ops.bind(sock, sll(ifindex, proto)));
  }

  opt(sock: Socket, name: number, val: number | Uint8Array): number {
    const v = typeof val === "number" ? int(val) : val;
    return this.call(() => sock.ops.setsockopt(sock, S.SOL_PACKET, name, v));
  }

  close(sock: Socket): void {
    this.call(() => sock.ops.release(sock));
  }
}

function int(v: number): Uint8Array {
  const b = new Uint8Array(4);
  new DataView(b.buffer).setInt32(0, v, true);
  return b;
}

function sll(ifindex: number, proto: number, addr: number[] = []): Uint8Array {
  const b = new Uint8Array(20);
  const dv = new DataView(b.buffer);
  dv.setUint16(0, 17, true);
  dv.setUint16(2, proto);
  dv.setInt32(4, ifindex, true);
  b[11] = addr.length;
  b.set(addr, 12);
  return b;
}

const frame = (to: number[], from: number[], proto: number, payload: number[]): number[] => [
  ...to,
  ...from,
  proto >> 8,
  proto & 0xff,
  ...payload,
];

/** [protocol, ifindex, hatype, pkttype, address] */
function parse(name: Uint8Array): [number, number, number, number, number[]] {
  const dv = new DataView(name.buffer);
  assert.equal(dv.getUint16(0, true), 17);
  const halen = name[11]!;
  return [dv.getUint16(2), dv.getInt32(4, true), dv.getUint16(8, true), name[10]!, [...name.slice(12, 12 + halen)]];
}

test("a RAW tap sees the whole frame and leaves it to the protocol as it was; a DGRAM tap sees the packet", () => {
  const r = new PacketRig();
  const dev = r.dev();
  const raw = r.sock();
  const cooked = r.sock(S.SOCK_DGRAM);
  const f = frame(ME, PEER, 0x0800, [0x45, 1, 2, 3]);
  r.receive(dev, f);
  assert.deepEqual(r.ip, [[0x45, 1, 2, 3]]);
  const a = r.recv(raw);
  assert.deepEqual(a.bytes, f);
  assert.deepEqual(parse(a.name), [0x0800, dev.ifindex, 1, 0, PEER]);
  assert.equal(a.msg.msg_namelen, 20);
  assert.deepEqual(r.recv(cooked).bytes, [0x45, 1, 2, 3]);
  assert.equal(r.recv(raw).n, -11);
  // Broadcast, multicast, and somebody else's.
  for (const [to, type] of [
    [[255, 255, 255, 255, 255, 255], 1],
    [[1, 0, 0x5e, 0, 0, 1], 2],
    [[2, 0, 0, 0, 0, 7], 3],
  ] as const) {
    r.receive(dev, frame([...to], PEER, 0x0800, [1]));
    assert.equal(parse(r.recv(raw).name)[3], type);
  }
  r.close(raw);
  r.close(cooked);
  r.end();
});

test("what is sent comes back to the other taps as PACKET_OUTGOING, not to its sender, unless they ignore it", () => {
  const r = new PacketRig();
  const dev = r.dev();
  const s = r.sock();
  const other = r.sock();
  const deaf = r.sock();
  const cooked = r.sock(S.SOCK_DGRAM);
  assert.equal(r.opt(deaf, S.PACKET_IGNORE_OUTGOING, 1), 0);
  assert.equal(r.opt(deaf, S.PACKET_IGNORE_OUTGOING, 2), -22);
  assert.equal(r.bind(s, dev.ifindex, ETH_P_ALL), 0);
  const f = frame(PEER, ME, 0x1234, [9, 9]);
  assert.equal(r.send(s, f), f.length);
  assert.deepEqual([...r.sent[0]!.bytes], f);
  const got = r.recv(other);
  assert.deepEqual(got.bytes, f);
  assert.deepEqual(parse(got.name), [0x1234, dev.ifindex, 1, 4, ME]);
  assert.deepEqual(r.recv(cooked).bytes, [9, 9]);
  assert.equal(r.recv(s).n, -11);
  assert.equal(r.recv(deaf).n, -11);
  for (const x of [s, other, deaf, cooked]) r.close(x);
  r.end();
});

test("bind: device and protocol choose; the errors of bind(2)", () => {
  const r = new PacketRig();
  const a = r.dev("a", ME);
  const b = r.dev("b", [2, 0, 0, 0, 0, 2]);
  const none = r.sock(S.SOCK_RAW, 0);
  const on_b = r.sock(S.SOCK_RAW, 0x0800);
  assert.equal(r.bind(on_b, 99, 0), -19);
  assert.equal(r.bind(on_b, b.ifindex, 0), 0, "protocol 0 keeps the one of socket(2)");
  const name = new Uint8Array(32);
  assert.equal(on_b.ops.getname(on_b, name, false), 18);
  assert.deepEqual(parse(name), [0x0800, b.ifindex, 1, 0, [2, 0, 0, 0, 0, 2]]);
  assert.equal(on_b.ops.getname(on_b, name, true), -95);
  r.receive(a, frame(ME, PEER, 0x0800, [1]));
  r.receive(b, frame([2, 0, 0, 0, 0, 2], PEER, 0x0806, [2]));
  r.receive(b, frame([2, 0, 0, 0, 0, 2], PEER, 0x0800, [3]));
  assert.equal(r.recv(on_b).bytes[14], 3);
  assert.equal(r.recv(on_b).n, -11);
  assert.equal(r.recv(none).n, -11, "protocol 0 receives nothing");
  assert.equal(
    r.call(() => on_b.ops.bind(on_b, new Uint8Array(19))),
    -22,
  );
  assert.equal(
    r.call(() => on_b.ops.bind(on_b, new Uint8Array(20))),
    -22,
  );
  assert.equal(on_b.ops.listen(on_b, 1), -95);
  assert.throws(() => r.sock(S.SOCK_STREAM), /-94/);
  assert.equal(
    packet_seq_show(r.net).split("\n")[0],
    "sk               RefCnt Type Proto  Iface R Rmem   User   Inode",
  );
  assert.match(packet_seq_show(r.net).split("\n")[2]!, /^[0-9a-f]{16} 3 {6}3 {4}0800 {3}2 {5}1 0 {6}0 {6}\d+ *$/);
  r.close(none);
  r.close(on_b);
  r.end();
});

test("sending: the limits and errors a real kernel was seen to give", () => {
  const r = new PacketRig();
  const dev = r.dev();
  const s = r.sock();
  r.bind(s, dev.ifindex, ETH_P_ALL);
  const zeros = (n: number): number[] => new Array<number>(n).fill(0);
  assert.equal(r.send(s, zeros(10)), -22);
  assert.equal(r.send(s, zeros(0)), -22);
  assert.equal(r.send(s, frame(PEER, ME, 0x1234, [])), 14);
  assert.equal(r.send(s, frame(PEER, ME, 0x1234, zeros(1500))), 1514);
  assert.equal(r.send(s, frame(PEER, ME, 0x1234, zeros(1501))), -90);
  assert.equal(r.send(s, frame(PEER, ME, 0x8100, zeros(1504))), 1518, "a tag may come on top");
  assert.equal(r.send(s, frame(PEER, ME, 0x8100, zeros(1505))), -90);
  const unbound = r.sock(S.SOCK_RAW, 0);
  assert.equal(r.send(unbound, frame(PEER, ME, 0x1234, [])), -6);
  const g = r.sock(S.SOCK_DGRAM, 0);
  r.sent.length = 0;
  assert.equal(r.send(g, [1, 2, 3], sll(dev.ifindex, 0x1234, PEER)), 3);
  assert.deepEqual([...r.sent[0]!.bytes], frame(PEER, ME, 0x1234, [1, 2, 3]));
  assert.equal(r.send(g, zeros(1500), sll(dev.ifindex, 0x1234, PEER)), 1500);
  assert.equal(r.send(g, zeros(1501), sll(dev.ifindex, 0x1234, PEER)), -90);
  assert.equal(r.send(g, [1], sll(dev.ifindex, 0x1234, PEER).slice(0, 19)), -22);
  const bad = sll(dev.ifindex, 0x1234, PEER);
  bad[11] = 9;
  assert.equal(r.send(g, [1], bad), -22, "the address does not fit the name");
  r.bind(g, dev.ifindex, 0x1234);
  assert.equal(r.send(g, [1]), -22, "nobody to send it to");
  r.call(() => dev_close(dev));
  assert.equal(r.send(s, frame(PEER, ME, 0x1234, [])), -100);
  for (const x of [s, unbound, g]) r.close(x);
  r.end();
});

test("the receive buffer bounds what waits; drops are counted and PACKET_STATISTICS clears", () => {
  const r = new PacketRig();
  const dev = r.dev();
  const s = r.sock();
  s.sk.sk_rcvbuf = 2000;
  for (let i = 0; i < 6; i++) r.receive(dev, frame(ME, PEER, 0x0800, [i]));
  const stats = new Uint8Array(8);
  const dv = new DataView(stats.buffer);
  assert.equal(s.ops.getsockopt(s, S.SOL_PACKET, S.PACKET_STATISTICS, stats), 8);
  const [packets, drops] = [dv.getUint32(0, true), dv.getUint32(4, true)];
  assert.equal(packets, 6, "drops are part of it");
  assert.ok(drops >= 3 && drops <= 4, `${drops} drops`);
  assert.equal(r.k.drops[SKB_DROP_REASON_PACKET_SOCK_ERROR], 0, "the packets lived on");
  assert.equal(r.ip.length, 6, "the protocol got them all");
  s.ops.getsockopt(s, S.SOL_PACKET, S.PACKET_STATISTICS, stats);
  assert.deepEqual([dv.getUint32(0, true), dv.getUint32(4, true)], [0, 0]);
  assert.equal(s.ops.getsockopt(s, S.SOL_PACKET, S.PACKET_STATISTICS, new Uint8Array(4)), 4);
  assert.equal(s.ops.getsockopt(s, S.SOL_PACKET, 99, stats), -92);
  for (let i = 0; i < 6 - drops; i++) assert.equal(r.recv(s).bytes[14], i);
  assert.equal(s.sk.sk_rmem_alloc, 0);
  r.receive(dev, frame(ME, PEER, 0x0800, [7]));
  assert.equal(r.recv(s).bytes[14], 7);
  r.close(s);
  r.end();
});

test("a filter keeps, cuts and refuses; MSG_TRUNC and MSG_PEEK", () => {
  const r = new PacketRig();
  const dev = r.dev();
  const s = r.sock();
  // ldb [14]; jeq #0x45 → ret 20 : ret 0
  const prog = new Uint8Array(32);
  const dv = new DataView(prog.buffer);
  for (const [i, [code, jt, jf, k]] of (
    [
      [0x30, 0, 0, 14],
      [0x15, 0, 1, 0x45],
      [0x06, 0, 0, 20],
      [0x06, 0, 0, 0],
    ] as const
  ).entries()) {
    dv.setUint16(i * 8, code, true);
    prog[i * 8 + 2] = jt;
    prog[i * 8 + 3] = jf;
    dv.setUint32(i * 8 + 4, k, true);
  }
  assert.equal(
    r.call(() => sock_setsockopt(s, S.SO_ATTACH_FILTER, prog)),
    0,
  );
  r.receive(dev, frame(ME, PEER, 0x0800, [0x46, ...new Array<number>(50).fill(1)]));
  r.receive(dev, frame(ME, PEER, 0x0800, [0x45, ...new Array<number>(50).fill(2)]));
  assert.equal(r.ip.length, 2);
  assert.equal(r.ip[1]!.length, 51, "the protocol's packet is not cut");
  assert.equal(r.recv(s, 10, S.MSG_DONTWAIT | S.MSG_PEEK | S.MSG_TRUNC).n, 20);
  const got = r.recv(s, 10);
  assert.equal(got.n, 10);
  assert.equal(got.msg.msg_flags & S.MSG_TRUNC, S.MSG_TRUNC);
  assert.equal(r.recv(s).n, -11);
  assert.equal(r.recv(s, 10, 0x10000).n, -22);
  r.close(s);
  r.end();
});

test("PACKET_AUXDATA: lengths before and after the cut, and where the network header is", () => {
  const r = new PacketRig();
  const dev = r.dev();
  const s = r.sock();
  r.opt(s, S.PACKET_AUXDATA, 1);
  r.receive(dev, frame(ME, PEER, 0x0800, new Array<number>(84).fill(0x45)));
  const { msg } = r.recv(s);
  assert.equal(msg.msg_controllen, 40);
  const c = msg.msg_control!;
  // As a real kernel answered to a ping of 98 bytes on veth.
  assert.deepEqual([...c.slice(0, 16)], [36, 0, 0, 0, 0, 0, 0, 0, 7, 1, 0, 0, 8, 0, 0, 0]);
  assert.deepEqual([...c.slice(16, 36)], [1, 0, 0, 0, 98, 0, 0, 0, 98, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0]);
  r.close(s);
  r.end();
});

test("SO_TIMESTAMPNS gives the wall clock of arrival", () => {
  const r = new PacketRig();
  const dev = r.dev();
  const s = r.sock();
  r.call(() => sock_setsockopt(s, S.SO_TIMESTAMPNS, int(1)));
  r.receive(dev, frame(ME, PEER, 0x0800, [1]));
  const wall = r.host.realtime_ms();
  r.run(5000);
  const { msg } = r.recv(s);
  const dv = new DataView(msg.msg_control!.buffer);
  const ns = Number(dv.getBigInt64(16, true)) * 1e3 + Number(dv.getBigInt64(24, true)) / 1e6;
  assert.ok(Math.abs(ns - wall) < 1, `${ns} ${wall}`);
  r.close(s);
  r.end();
});

test("memberships change the device and go with the socket, or with the device", () => {
  const r = new PacketRig();
  const dev = r.dev();
  const s = r.sock();
  const mreq = (type: number, addr: number[] = [], ifindex = dev.ifindex, alen = addr.length): Uint8Array => {
    const b = new Uint8Array(16);
    const dv = new DataView(b.buffer);
    dv.setInt32(0, ifindex, true);
    dv.setUint16(4, type, true);
    dv.setUint16(6, alen, true);
    b.set(addr.slice(0, 8), 8);
    return b;
  };
  const add = (m: Uint8Array): number => r.opt(s, S.PACKET_ADD_MEMBERSHIP, m);
  const drop = (m: Uint8Array): number => r.opt(s, S.PACKET_DROP_MEMBERSHIP, m);
  assert.equal(add(mreq(S.PACKET_MR_PROMISC)), 0);
  assert.equal(add(mreq(S.PACKET_MR_PROMISC)), 0);
  assert.equal(dev.promiscuity, 1, "asked for twice by one socket counts once");
  assert.equal(r.k.log.at(-1)!.text, "eth0: entered promiscuous mode");
  drop(mreq(S.PACKET_MR_PROMISC));
  assert.equal(dev.promiscuity, 1);
  drop(mreq(S.PACKET_MR_PROMISC));
  assert.equal(dev.promiscuity, 0);
  assert.equal(r.k.log.at(-1)!.text, "eth0: left promiscuous mode");
  assert.equal(drop(mreq(S.PACKET_MR_PROMISC)), 0, "one that is not there, too");
  const group = [1, 0, 0x5e, 1, 1, 1];
  assert.equal(add(mreq(S.PACKET_MR_MULTICAST, group)), 0);
  assert.equal(dev_mc_seq_show(r.net), "1    eth0            1     0     01005e010101\n");
  assert.equal(add(mreq(S.PACKET_MR_MULTICAST, group.slice(0, 5))), -22);
  assert.equal(add(mreq(S.PACKET_MR_MULTICAST, [...group, 0])), -22);
  assert.equal(add(mreq(S.PACKET_MR_ALLMULTI)), 0);
  assert.equal(dev.allmulti, 1);
  assert.equal(add(mreq(S.PACKET_MR_UNICAST, [2, 0, 0, 0, 0, 5])), 0);
  assert.equal(dev.uc.length, 1);
  assert.equal(dev.promiscuity, 1, "a device without a filter listens to everything");
  assert.equal(add(mreq(9)), 0);
  assert.equal(add(mreq(S.PACKET_MR_PROMISC, [], 99)), -19);
  assert.equal(add(new Uint8Array(12)), -22);
  r.close(s);
  assert.deepEqual([dev.promiscuity, dev.allmulti, dev.mc.length, dev.uc.length], [0, 0, 0, 0]);
  const t = r.sock();
  r.opt(t, S.PACKET_ADD_MEMBERSHIP, mreq(S.PACKET_MR_PROMISC));
  r.call(() => unregister_netdevice(dev));
  assert.equal(dev.promiscuity, 0);
  r.close(t);
  r.end();
});

test("a device that goes down: ENETDOWN once, and nothing until it is up again; one that goes for good", () => {
  const r = new PacketRig();
  const dev = r.dev();
  const s = r.sock();
  r.bind(s, dev.ifindex, ETH_P_ALL);
  r.call(() => dev_close(dev));
  assert.equal(s.ops.poll(s, null) & 8, 8);
  assert.equal(r.recv(s).n, -100);
  assert.equal(r.recv(s).n, -11);
  assert.match(packet_seq_show(r.net), / 2 {6}3 {4}0003 {3}1 {5}0 /);
  const late = r.sock();
  assert.equal(r.bind(late, dev.ifindex, ETH_P_ALL), 0, "bind succeeds");
  assert.equal(r.recv(late).n, -100);
  r.call(() => dev_open(dev));
  r.receive(dev, frame(ME, PEER, 0x0800, [1]));
  assert.equal(r.recv(s).bytes[14], 1);
  assert.equal(r.recv(late).bytes[14], 1);
  r.call(() => unregister_netdevice(dev));
  assert.equal(dev.refcnt, 0);
  assert.equal(r.recv(s).n, -100);
  assert.equal(r.send(s, frame(PEER, ME, 1, [])), -6);
  r.close(s);
  r.close(late);
  r.end();
});

test("closing with packets in the queue and one in flight leaves nothing", () => {
  const r = new PacketRig();
  const dev = r.dev("eth0", ME, {
    ndo_start_xmit: (skb) => {
      held.push(skb);
      return 0;
    },
  });
  const held: SkBuff[] = [];
  const s = r.sock();
  r.bind(s, dev.ifindex, ETH_P_ALL);
  r.receive(dev, frame(ME, PEER, 0x0800, [1]));
  assert.equal(r.send(s, frame(PEER, ME, 0x1234, [1])), 15);
  assert.ok(s.sk.sk_wmem_alloc > 0);
  r.close(s);
  assert.equal(r.k.live_socks, 1, "the frame in flight keeps the sock");
  r.call(() => consume_skb(held[0]!));
  assert.equal(r.k.live_socks, 0);
  r.end();
});
