// TCP for the frame fuzzer: listeners, connections that programs of ours use, and the peer's side of their numbers.
// Way in: new TcpRig(), step() between bursts, sent() for what leaves, patch() for what comes.

import { type Rig, sockaddr_in } from "../../bench/lib/rig.ts";
import { close_fd } from "../../src/kernel/fs/file.ts";
import type { Task } from "../../src/kernel/sched.ts";
import type { Socket } from "../../src/net/core/sock.ts";
import { type TcpSock, tcp_sk } from "../../src/net/ipv4/tcp_sock.ts";
import {
  sockfd_lookup,
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_getsockopt,
  sys_listen,
  sys_recvfrom,
  sys_sendto,
  sys_setsockopt,
  sys_shutdown,
  sys_socket,
} from "../../src/net/socket.ts";
import { MSG_DONTWAIT } from "../../src/uapi/socket.ts";
import { OUR_IP, type Source, sum16 } from "./frame_gen.ts";
import { LISTEN_PORTS, OUR_PORT_COUNT, OUR_PORTS, TCP_PEER } from "./tcp_gen.ts";

const NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SOL_TCP = 6;
/** Accepted connections that are kept; beyond them the oldest is closed. */
const KEPT = 40;

/** What the machine last said in a connection. */
interface Flow {
  /** What it expects next, what it sends next. */
  ack: number;
  nxt: number;
  /** What the peer acknowledged last. */
  una: number;
  ts: number;
}

const key_of = (peer_port: number, our_port: number): number => peer_port * 65_536 + our_port;

/** Where the TCP header is in an Ethernet frame of a whole IPv4 packet between the two hosts; -1 if it is none. */
function tcp_at(b: Uint8Array, dv: DataView, from: number, to: number): number {
  if (b.length < 54 || dv.getUint16(12) !== 0x0800 || b[14]! >> 4 !== 4 || b[23] !== 6) return -1;
  if (dv.getUint32(26) !== from || dv.getUint32(30) !== to || (dv.getUint16(20) & 0x3fff) !== 0) return -1;
  const th = 14 + (b[14]! & 15) * 4;
  return th + 20 <= b.length ? th : -1;
}

/** Offset of an option's first byte, or -1. */
function option_at(b: Uint8Array, th: number, kind: number): number {
  const end = Math.min(b.length, th + (b[th + 12]! >> 4) * 4);
  for (let i = th + 20; i + 1 < end; ) {
    if (b[i] === 0) return -1;
    if (b[i] === 1) i++;
    else if (b[i] === kind) return i + b[i + 1]! <= end ? i : -1;
    else if (b[i + 1]! < 2) return -1;
    else i += b[i + 1]!;
  }
  return -1;
}

export class TcpRig {
  readonly rig: Rig;
  readonly task: Task;
  readonly listeners: number[] = [];
  /** Ours towards the peer, by port; -1: none. */
  readonly clients: number[] = new Array<number>(OUR_PORT_COUNT).fill(-1);
  readonly conns: number[] = [];
  readonly flows: Map<number, Flow> = new Map();
  private readonly buf: Uint8Array = new Uint8Array(65_536);
  private readonly opt: Uint8Array = new Uint8Array(512);

  constructor(rig: Rig, task: Task) {
    this.rig = rig;
    this.task = task;
    for (const [i, port] of LISTEN_PORTS.entries()) {
      const fd = rig.call(() => sys_socket(task, 2, 1 | NONBLOCK, 0));
      this.listeners.push(fd);
      rig.setsockopt_int(task, fd, SOL_SOCKET, 2, 1);
      if (i === 2) {
        rig.setsockopt_int(task, fd, SOL_TCP, 9, 3);
        rig.setsockopt_int(task, fd, SOL_TCP, 23, 4);
      }
      rig.call(() => sys_bind(task, fd, sockaddr_in("0.0.0.0", port)));
      rig.call(() => sys_listen(task, fd, i === 1 ? 2 : 64));
    }
  }

  /** A frame left the machine. */
  sent(frame: Uint8Array): void {
    const dv = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const th = tcp_at(frame, dv, OUR_IP, TCP_PEER);
    if (th < 0) return;
    const flags = frame[th + 13]!;
    const key = key_of(dv.getUint16(th + 2), dv.getUint16(th));
    const len = dv.getUint16(16) - (th - 14) - (frame[th + 12]! >> 4) * 4 + (flags & 1) + ((flags >> 1) & 1);
    const end = (dv.getInt32(th + 4) + len) | 0;
    if ((flags & 4) !== 0) {
      this.flows.delete(key);
      return;
    }
    let f = this.flows.get(key);
    if (f === undefined || (flags & 2) !== 0) {
      f = { ack: 0, nxt: end, una: end, ts: 0 };
      this.flows.set(key, f);
    }
    if (((end - f.nxt) | 0) > 0) f.nxt = end;
    if ((flags & 16) !== 0) f.ack = dv.getInt32(th + 8);
    const ts = option_at(frame, th, 8);
    if (ts >= 0 && frame[ts + 1] === 10) f.ts = dv.getInt32(ts + 2);
  }

  /** A frame comes: what it says relative to a connection becomes absolute. Its checksum stays as right or wrong as it was. */
  patch(frame: Uint8Array): Uint8Array {
    const probe = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const th = tcp_at(frame, probe, TCP_PEER, OUR_IP);
    if (th < 0) return this.patch_error(frame, probe);
    const f = this.flows.get(key_of(probe.getUint16(th), probe.getUint16(th + 2)));
    if (f === undefined) return frame;
    const b = frame.slice();
    const dv = new DataView(b.buffer);
    const add = (at: number, base: number): void => {
      if (at + 4 > b.length) return;
      const before = dv.getUint16(at) + dv.getUint16(at + 2);
      dv.setInt32(at, (dv.getInt32(at) + base) | 0);
      let delta = dv.getUint16(at) + dv.getUint16(at + 2) - before;
      // Fields at odd places count with their bytes swapped.
      if (((at - th) & 1) !== 0) delta = ((delta % 255) + 255) * 256;
      // RFC 1624.
      let sum = (~dv.getUint16(th + 16) & 0xffff) + (((delta % 65_535) + 65_535) % 65_535);
      sum = (sum & 0xffff) + (sum >>> 16);
      dv.setUint16(th + 16, ~sum & 0xffff);
    };
    // A SYN of the peer is where its numbers begin.
    if ((b[th + 13]! & 0x12) !== 2) add(th + 4, f.ack);
    const again = (dv.getUint16(th + 14) & 1) === 1;
    add(th + 8, again ? f.una : f.nxt);
    const acked = (dv.getInt32(th + 8) - f.una) | 0;
    if (acked > 0 && ((dv.getInt32(th + 8) - f.nxt) | 0) <= 0) f.una = dv.getInt32(th + 8);
    const ts = option_at(b, th, 8);
    if (ts >= 0 && b[ts + 1] === 10) {
      add(ts + 2, Math.floor(this.rig.k.now / 1e6) | 0);
      add(ts + 6, f.ts);
    }
    const sack = option_at(b, th, 5);
    if (sack >= 0) for (let i = sack + 2; i + 4 <= sack + b[sack + 1]!; i += 4) add(i, f.nxt);
    return b;
  }

  /** An ICMP error about a segment of ours: its sequence number is relative as well. */
  private patch_error(frame: Uint8Array, probe: DataView): Uint8Array {
    // Ethernet, IP and ICMP without options, then the segment's IP header and 8 bytes of it.
    if (frame.length < 70 || frame[14] !== 0x45 || frame[23] !== 1 || probe.getUint16(12) !== 0x0800) return frame;
    if (frame[42] !== 0x45 || frame[51] !== 6 || probe.getUint32(58) !== TCP_PEER) return frame;
    const f = this.flows.get(key_of(probe.getUint16(64), probe.getUint16(62)));
    if (f === undefined) return frame;
    const b = frame.slice();
    const dv = new DataView(b.buffer);
    dv.setInt32(66, (dv.getInt32(66) + f.nxt) | 0);
    dv.setUint16(36, 0);
    dv.setUint16(36, sum16(b, 34, Math.min(b.length, 14 + dv.getUint16(16))));
    return b;
  }

  /** Programs do something: accept, connect, read, write, set options, close in all ways. */
  step(s: Source): void {
    const { rig, task } = this;
    for (const l of this.listeners) {
      if (s.one_in(3)) continue;
      for (let n = s.below(6); n > 0; n--) {
        const fd = rig.call(() => sys_accept4(task, l, null, NONBLOCK));
        if (fd < 0) break;
        this.conns.push(fd);
      }
    }
    while (this.conns.length > KEPT) this.close(s, this.conns.shift()!);
    const c = s.below(OUR_PORT_COUNT);
    if (this.clients[c]! < 0) this.clients[c] = this.open(s, OUR_PORTS + c);
    else if (s.one_in(20)) {
      this.close(s, this.clients[c]!);
      this.clients[c] = -1;
    }
    const all = [...this.conns, ...this.clients.filter((fd) => fd >= 0)];
    for (let n = s.below(8); n > 0 && all.length > 0; n--) this.act(s, s.pick(all));
    if (s.one_in(8) && this.conns.length > 0) this.close(s, this.conns.splice(s.below(this.conns.length), 1)[0]!);
  }

  private open(s: Source, port: number): number {
    const { rig, task } = this;
    const fd = rig.call(() => sys_socket(task, 2, 1 | NONBLOCK, 0));
    if (fd < 0) return -1;
    rig.setsockopt_int(task, fd, SOL_SOCKET, 2, 1);
    // A buffer that shrinks later would be over its limit by what is in it.
    if (s.one_in(3)) rig.setsockopt_int(task, fd, SOL_SOCKET, 8, s.below(40_000));
    this.options(s, fd);
    const bound = rig.call(() => sys_bind(task, fd, sockaddr_in("10.0.0.1", port)));
    const to = sockaddr_in("10.0.0.8", 7);
    // MSG_FASTOPEN now and then.
    if (bound === 0 && s.one_in(6)) rig.call(() => sys_sendto(task, fd, this.buf.subarray(0, 500), 0x20000040, to));
    else if (bound === 0) rig.call(() => sys_connect(task, fd, to));
    return fd;
  }

  private options(s: Source, fd: number): void {
    for (let n = s.below(3); n > 0; n--) {
      const [level, name, value] = s.pick([
        [SOL_TCP, 1, s.below(2)],
        [SOL_TCP, 3, s.below(2)],
        [SOL_TCP, 2, s.below(1500)],
        [SOL_TCP, 4, 1 + s.below(10)],
        [SOL_TCP, 5, 1 + s.below(10)],
        [SOL_TCP, 10, s.below(4000)],
        [SOL_TCP, 12, s.below(2)],
        [SOL_TCP, 18, s.below(20_000)],
        [SOL_TCP, 8, s.below(60) - 2],
        [SOL_SOCKET, 9, 1],
        [SOL_SOCKET, 10, s.below(2)],
        [SOL_SOCKET, 7, s.below(40_000)],
        [0, 21, 1 + s.below(3)],
        [0, 11, 1],
      ]);
      this.rig.call(() =>
        sys_setsockopt(this.task, fd, level!, name!, Uint8Array.of(value!, value! >> 8, value! >> 16, value! >> 24)),
      );
    }
    if (s.one_in(4)) {
      const name = new TextEncoder().encode(s.pick(["reno", "cubic", "bbr", "dctcp"]));
      this.rig.call(() => sys_setsockopt(this.task, fd, SOL_TCP, 13, name));
    }
  }

  private act(s: Source, fd: number): void {
    const { rig, task } = this;
    switch (s.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const len = s.one_in(4) ? s.below(60_000) : s.below(3000);
        const flags = MSG_DONTWAIT | 0x4000 | s.pick([0, 0, 0, 1, 0x8000, 0x80]);
        rig.call(() => sys_sendto(task, fd, this.buf.subarray(0, len), flags, null));
        return;
      }
      case 4:
        this.options(s, fd);
        return;
      case 5:
        if (s.one_in(4)) rig.call(() => sys_shutdown(task, fd, s.below(3)));
        return;
      case 6:
        // TCP_INFO, SO_ERROR.
        rig.call(() => sys_getsockopt(task, fd, SOL_TCP, s.pick([11, 11, 26, 13, 23, 36]), this.opt));
        rig.call(() => sys_getsockopt(task, fd, SOL_SOCKET, 4, this.opt));
        return;
      default: {
        const flags = MSG_DONTWAIT | s.pick([0, 0, 0, 0, 1, 2, 0x20, 0x2000]);
        for (let n = 1 + s.below(4); n > 0; n--)
          if (rig.call(() => sys_recvfrom(task, fd, this.buf.subarray(0, 1 + s.below(20_000)), flags, null)) <= 0)
            return;
      }
    }
  }

  private close(s: Source, fd: number): void {
    // SO_LINGER of 0 s: a RST.
    if (s.one_in(4))
      this.rig.call(() => sys_setsockopt(this.task, fd, SOL_SOCKET, 13, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)));
    this.rig.call(() => close_fd(this.task, fd));
  }

  private sock(fd: number): TcpSock {
    return tcp_sk((sockfd_lookup(this.task, fd) as Socket).sk!);
  }

  /** What peers may make a connection keep. */
  check(limit: (name: string, value: number, max: number) => void): void {
    for (const fd of [...this.conns, ...this.clients.filter((c) => c >= 0)]) {
      const sk = this.sock(fd);
      limit("TCP rmem", sk.sk_rmem_alloc, Math.max(sk.sk_rcvbuf, 6_291_456) + 70_000);
      limit("TCP rmem over its buffer", sk.sk_rmem_alloc - sk.sk_rcvbuf, 70_000);
      limit("TCP wmem over its buffer", sk.sk_wmem_queued - sk.sk_sndbuf, 200_000);
    }
    limit("flows", this.flows.size, 2000);
  }

  end(): void {
    for (const fd of [...this.listeners, ...this.conns, ...this.clients.filter((c) => c >= 0)])
      this.rig.call(() => close_fd(this.task, fd));
  }
}
