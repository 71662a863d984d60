// The part of tcpdump that libpcap does: a packet socket, its filter, its counters, and the frames as captures have them.
// Read first: packet(7). Way in: openCapture(), receive().

import { DLT_EN10MB, DLT_LINUX_SLL2, DLT_RAW, SLL2_HDR_LEN } from "../../lib/pcap/dlt.ts";
import type { SockFilter } from "../../uapi/bpf.ts";
import { EAGAIN, ENETDOWN, strerror } from "../../uapi/errno.ts";
import * as IF from "../../uapi/if.ts";
import { ARPHRD_ETHER, ARPHRD_LOOPBACK, ETH_P_8021Q, ETH_P_ALL } from "../../uapi/ip.ts";
import * as S from "../../uapi/socket.ts";
import { SOCKADDR_LL_LEN } from "../../uapi/socket.ts";
import type { Blocking, MsgHdr, Sys } from "../../uapi/sys.ts";
import { cmsgs, cstring, getUint64, ifreq, int32, msghdr, resetMsghdr, view } from "../lib/inet.ts";
import { readFile } from "../lib/io.ts";

const TP_STATUS_VLAN_VALID = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID = 1 << 6;

export interface Capture {
  readonly sys: Sys;
  readonly fd: number;
  readonly name: string;
  readonly linktype: number;
  /** Index of the loopback device, whose sent frames are seen once only. */
  readonly lo: number;
  readonly cooked: boolean;
  readonly direction: "in" | "out" | "inout";
  readonly msg: MsgHdr;
  readonly buf: Uint8Array;
}

export interface Received {
  readonly data: Uint8Array;
  /** Length on the wire. */
  readonly len: number;
  readonly sec: number;
  readonly nsec: number;
}

export interface Device {
  readonly name: string;
  readonly ifindex: number;
  readonly flags: number;
}

const ioctlName = (sys: Sys, fd: number, request: number, name: string): Uint8Array | number => {
  const ifr = ifreq(name);
  const err = sys.ioctl(fd, request, ifr);
  return err < 0 ? err : ifr;
};

/** All devices of this namespace. */
export function* listDevices(sys: Sys): Blocking<Device[]> {
  const fd = sys.socket(S.AF_INET, S.SOCK_DGRAM, 0);
  if (fd < 0) return [];
  const out: Device[] = [];
  for (const name of yield* deviceNames(sys)) {
    const index = ioctlName(sys, fd, IF.SIOCGIFINDEX, name);
    const flags = ioctlName(sys, fd, IF.SIOCGIFFLAGS, name);
    if (typeof index === "number" || typeof flags === "number") continue;
    out.push({ name, ifindex: view(index).getInt32(16, true), flags: view(flags).getUint16(16, true) });
  }
  sys.close(fd);
  return out;
}

function* deviceNames(sys: Sys): Blocking<string[]> {
  const text = yield* readFile(sys, "/proc/net/dev");
  return typeof text === "number" ? [] : [...text.matchAll(/^\s*([^\s:|]+):/gm)].map((m) => m[1]);
}

/** As -D lists them: those that run first, the loopback after "any", those that are down last. */
export function listText(devices: readonly Device[]): string {
  const words = (d: Device): string => {
    const up = (d.flags & IF.IFF_UP) !== 0;
    const running = (d.flags & IF.IFF_RUNNING) !== 0;
    const list = [...(up ? ["Up"] : []), ...(running ? ["Running"] : [])];
    if (list.length === 0) list.push("none");
    if (d.flags & IF.IFF_LOOPBACK) list.push("Loopback");
    else list.push(running ? "Connected" : "Disconnected");
    return `${d.name} [${list.join(", ")}]`;
  };
  const up = (d: Device): boolean => (d.flags & (IF.IFF_UP | IF.IFF_RUNNING)) === (IF.IFF_UP | IF.IFF_RUNNING);
  const lines = [
    ...devices.filter((d) => up(d) && !(d.flags & IF.IFF_LOOPBACK)).map(words),
    "any (Pseudo-device that captures on all interfaces) [Up, Running]",
    ...devices.filter((d) => up(d) && d.flags & IF.IFF_LOOPBACK).map(words),
    ...devices.filter((d) => !up(d)).map(words),
  ];
  return lines.map((l, i) => `${i + 1}.${l}\n`).join("");
}

/** The device that is listened on when none is named. */
export function defaultDevice(devices: readonly Device[]): string {
  const up = IF.IFF_UP | IF.IFF_RUNNING;
  return devices.find((d) => (d.flags & up) === up && !(d.flags & IF.IFF_LOOPBACK))?.name ?? "any";
}

export interface OpenOptions {
  name: string;
  snaplen: number;
  promiscuous: boolean;
  direction: "in" | "out" | "inout";
}

/** What kind of frames the device has; a text when it cannot be listened on. */
export function linktypeOf(sys: Sys, name: string): number | string {
  if (name === "any") return DLT_LINUX_SLL2;
  const fd = sys.socket(S.AF_INET, S.SOCK_DGRAM, 0);
  if (fd < 0) return `socket: ${strerror(fd)}`;
  const hw = ioctlName(sys, fd, IF.SIOCGIFHWADDR, name);
  sys.close(fd);
  if (typeof hw === "number") return `${name}: No such device exists\n(No such device exists)`;
  const type = view(hw).getUint16(16, true);
  return type === ARPHRD_ETHER || type === ARPHRD_LOOPBACK ? DLT_EN10MB : DLT_RAW;
}

/** A socket with its filter that hears nothing else, not even before the filter is there. */
export function openCapture(sys: Sys, linktype: number, prog: readonly SockFilter[], o: OpenOptions): Capture | string {
  const cooked = o.name === "any";
  const fd = sys.socket(S.AF_PACKET, cooked ? S.SOCK_DGRAM : S.SOCK_RAW, 0);
  if (fd < 0) {
    return `${o.name}: You don't have permission to perform this capture on that device\n(socket: ${strerror(fd)})`;
  }
  let ifindex = 0;
  if (!cooked) {
    const ifr = ioctlName(sys, fd, IF.SIOCGIFINDEX, o.name);
    const flags = ioctlName(sys, fd, IF.SIOCGIFFLAGS, o.name);
    if (typeof ifr === "number" || typeof flags === "number") {
      sys.close(fd);
      return `${o.name}: No such device exists\n(No such device exists)`;
    }
    ifindex = view(ifr).getInt32(16, true);
    if (!(view(flags).getUint16(16, true) & IF.IFF_UP)) {
      sys.close(fd);
      return `${o.name}: That device is not up`;
    }
  }
  const lo = ioctlName(sys, fd, IF.SIOCGIFINDEX, "lo");
  sys.setsockopt(fd, S.SOL_SOCKET, S.SO_ATTACH_FILTER, filterBytes(prog));
  sys.setsockopt(fd, S.SOL_SOCKET, S.SO_TIMESTAMPNS, int32(1));
  sys.setsockopt(fd, S.SOL_PACKET, S.PACKET_AUXDATA, int32(1));
  if (!cooked && o.promiscuous) {
    const mreq = new Uint8Array(16);
    view(mreq).setInt32(0, ifindex, true);
    view(mreq).setUint16(4, S.PACKET_MR_PROMISC, true);
    sys.setsockopt(fd, S.SOL_PACKET, S.PACKET_ADD_MEMBERSHIP, mreq);
  }
  const sll = new Uint8Array(SOCKADDR_LL_LEN);
  view(sll).setUint16(0, S.AF_PACKET, true);
  view(sll).setUint16(2, ETH_P_ALL);
  view(sll).setInt32(4, ifindex, true);
  const err = sys.bind(fd, sll);
  if (err < 0) {
    sys.close(fd);
    return `${o.name}: ${strerror(err)}`;
  }
  // In front: room for a cooked header, or for a VLAN tag that the card took out.
  const buf = new Uint8Array(SLL2_HDR_LEN + o.snaplen);
  return {
    sys,
    fd,
    name: o.name,
    linktype,
    lo: typeof lo === "number" ? 0 : view(lo).getInt32(16, true),
    cooked,
    direction: o.direction,
    msg: msghdr(buf.subarray(SLL2_HDR_LEN), new Uint8Array(SOCKADDR_LL_LEN), 128),
    buf,
  };
}

function filterBytes(prog: readonly SockFilter[]): Uint8Array {
  const out = new Uint8Array(prog.length * 8);
  const dv = view(out);
  prog.forEach((i, n) => {
    dv.setUint16(n * 8, i.code, true);
    dv.setUint8(n * 8 + 2, i.jt);
    dv.setUint8(n * 8 + 3, i.jf);
    dv.setUint32(n * 8 + 4, i.k, true);
  });
  return out;
}

/** One frame; null when there is none now or it was not wanted; a text when the capture is over. */
export function* receive(c: Capture): Blocking<Received | null | string> {
  resetMsghdr(c.msg);
  const n = yield* c.sys.recvmsg(c.fd, c.msg, S.MSG_DONTWAIT | S.MSG_TRUNC);
  if (n === -ENETDOWN) {
    // A device that is down may come up again; one that is gone will not.
    const probe = ioctlName(c.sys, c.fd, IF.SIOCGIFINDEX, c.name);
    return typeof probe === "number" ? "The interface disappeared" : null;
  }
  if (n === -EAGAIN) return null;
  if (n < 0) return n === -4 ? null : strerror(n);
  const sll = view(c.msg.msg_name!);
  const type = sll.getUint8(10);
  const ifindex = sll.getInt32(4, true);
  // What goes out through the loopback device comes in again at once.
  if (type === S.PACKET_OUTGOING && (ifindex === c.lo || c.direction === "in")) return null;
  if (type !== S.PACKET_OUTGOING && c.direction === "out") return null;
  let caplen = Math.min(n, c.buf.length - SLL2_HDR_LEN);
  let len = n;
  let from = SLL2_HDR_LEN;
  let sec = 0;
  let nsec = 0;
  let stamped = false;
  for (const m of cmsgs(c.msg)) {
    if (m.level === S.SOL_SOCKET && m.type === S.SO_TIMESTAMPNS) {
      sec = getUint64(view(m.data), 0);
      nsec = getUint64(view(m.data), 8);
      stamped = true;
    } else if (m.level === S.SOL_PACKET && m.type === S.PACKET_AUXDATA && m.data.length >= 20) {
      const aux = view(m.data);
      len = aux.getUint32(4, true);
      caplen = Math.min(caplen, aux.getUint32(8, true));
      const status = aux.getUint32(0, true);
      if (status & TP_STATUS_VLAN_VALID && !c.cooked && caplen >= 12) {
        c.buf.copyWithin(from - 4, from, from + 12);
        from -= 4;
        const tag = view(c.buf.subarray(from + 12));
        tag.setUint16(0, status & TP_STATUS_VLAN_TPID_VALID ? aux.getUint16(18, true) : ETH_P_8021Q);
        tag.setUint16(2, aux.getUint16(16, true));
        caplen += 4;
        len += 4;
      }
    }
  }
  if (!stamped) {
    const now = c.sys.clock_gettime(0);
    sec = Math.floor(now / 1e9);
    nsec = now - sec * 1e9;
  }
  if (c.cooked) {
    from = 0;
    caplen += SLL2_HDR_LEN;
    len += SLL2_HDR_LEN;
    const h = view(c.buf);
    const name = c.msg.msg_name!;
    h.setUint16(0, sll.getUint16(2));
    h.setUint16(2, 0);
    h.setInt32(4, ifindex);
    h.setUint16(8, sll.getUint16(8, true));
    h.setUint8(10, type);
    h.setUint8(11, name[11]);
    c.buf.set(name.subarray(12, 20), 12);
  }
  return { data: c.buf.subarray(from, from + caplen), len, sec, nsec };
}

/** Packets that passed the filter, and those for which the socket had no room, since the last call. */
export function statistics(c: Capture): { received: number; dropped: number } {
  const st = new Uint8Array(8);
  if (c.sys.getsockopt(c.fd, S.SOL_PACKET, S.PACKET_STATISTICS, st) < 0) return { received: 0, dropped: 0 };
  return { received: view(st).getUint32(0, true), dropped: view(st).getUint32(4, true) };
}

/** The name of an interface, for SLL2 headers. */
export function ifName(sys: Sys, fd: number, ifindex: number): string | undefined {
  const ifr = ifreq("");
  view(ifr).setInt32(16, ifindex, true);
  return sys.ioctl(fd, IF.SIOCGIFNAME, ifr) < 0 ? undefined : cstring(ifr, 0, 16);
}
