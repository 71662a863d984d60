// Options of AF_PACKET sockets: memberships, statistics, switches. Mirrors the sockopt half of net/packet/af_packet.c.
// Read first: packet(7), "Socket options". Way in: packet_setsockopt(), packet_getsockopt().

import { EINVAL, ENODEV, ENOPROTOOPT } from "../../uapi/errno.ts";
import {
  PACKET_ADD_MEMBERSHIP,
  PACKET_AUXDATA,
  PACKET_COPY_THRESH,
  PACKET_DROP_MEMBERSHIP,
  PACKET_IGNORE_OUTGOING,
  PACKET_MR_ALLMULTI,
  PACKET_MR_MULTICAST,
  PACKET_MR_PROMISC,
  PACKET_MR_UNICAST,
  PACKET_ORIGDEV,
  PACKET_QDISC_BYPASS,
  PACKET_STATISTICS,
  PACKET_TIMESTAMP,
  SOL_PACKET,
} from "../../uapi/socket.ts";
import {
  dev_mc_add,
  dev_mc_del,
  dev_set_allmulti,
  dev_set_promiscuity,
  dev_uc_add,
  dev_uc_del,
} from "../core/dev_addr_lists.ts";
import type { NetDevice } from "../core/netdevice.ts";
import type { Socket } from "../core/sock.ts";
import { optval_int, put_int } from "../core/sock_opt.ts";
import { type PacketMclist, type PacketSock, packet_set_ignore_outgoing } from "./af_packet.ts";

const PACKET_VERSION = 10;
const PACKET_HDRLEN = 11;
const PACKET_RESERVE = 12;
const PACKET_LOSS = 14;
const PACKET_MREQ_LEN = 16;

/** Applies one membership to its device: `what` is 1 or -1. */
function packet_dev_mc(dev: NetDevice, m: PacketMclist, what: number): number {
  switch (m.type) {
    case PACKET_MR_MULTICAST:
      if (m.alen !== dev.addr_len) return -EINVAL;
      return what > 0 ? dev_mc_add(dev, m.addr) : dev_mc_del(dev, m.addr);
    case PACKET_MR_PROMISC:
      return dev_set_promiscuity(dev, what);
    case PACKET_MR_ALLMULTI:
      return dev_set_allmulti(dev, what);
    case PACKET_MR_UNICAST:
      if (m.alen !== dev.addr_len) return -EINVAL;
      return what > 0 ? dev_uc_add(dev, m.addr) : dev_uc_del(dev, m.addr);
    default:
      return 0;
  }
}

/** struct packet_mreq: ifindex i32, type u16, length u16, address[8]. */
function parse_mreq(v: Uint8Array): PacketMclist {
  const dv = new DataView(v.buffer, v.byteOffset, v.length);
  const alen = dv.getUint16(6, true);
  const addr = new Uint8Array(32);
  addr.set(v.subarray(8, Math.min(v.length, 8 + Math.min(alen, 32))));
  return { ifindex: dv.getInt32(0, true), type: dv.getUint16(4, true), alen, addr, count: 1 };
}

function same(a: PacketMclist, b: PacketMclist): boolean {
  if (a.ifindex !== b.ifindex || a.type !== b.type || a.alen !== b.alen) return false;
  for (let i = 0; i < a.alen; i++) if (a.addr[i] !== b.addr[i]) return false;
  return true;
}

function packet_mc_add(po: PacketSock, m: PacketMclist): number {
  const dev = po.net.dev_by_index.get(m.ifindex);
  if (dev === undefined) return -ENODEV;
  if (m.alen > dev.addr_len) return -EINVAL;
  for (const old of po.mclist) {
    if (same(old, m)) {
      old.count++;
      return 0;
    }
  }
  const err = packet_dev_mc(dev, m, 1);
  if (err < 0) return err;
  po.mclist.push(m);
  return 0;
}

/** Also 0 for a membership that was never there, as Linux answers. */
function packet_mc_drop(po: PacketSock, m: PacketMclist): number {
  const i = po.mclist.findIndex((old) => same(old, m));
  if (i < 0 || --po.mclist[i]!.count > 0) return 0;
  const old = po.mclist[i]!;
  po.mclist.splice(i, 1);
  const dev = po.net.dev_by_index.get(old.ifindex);
  if (dev !== undefined) packet_dev_mc(dev, old, -1);
  return 0;
}

/** The socket goes: the devices are as they were. */
export function packet_flush_mclist(po: PacketSock): void {
  for (const m of po.mclist) {
    const dev = po.net.dev_by_index.get(m.ifindex);
    if (dev !== undefined) packet_dev_mc(dev, m, -1);
  }
  po.mclist.length = 0;
}

/** The device goes. */
export function packet_dev_mclist_delete(dev: NetDevice, po: PacketSock): void {
  for (let i = po.mclist.length - 1; i >= 0; i--) {
    const m = po.mclist[i]!;
    if (m.ifindex !== dev.ifindex) continue;
    packet_dev_mc(dev, m, -1);
    po.mclist.splice(i, 1);
  }
}

export function packet_setsockopt(sock: Socket, level: number, optname: number, optval: Uint8Array): number {
  const po = sock.sk as PacketSock;
  if (level !== SOL_PACKET) return -ENOPROTOOPT;
  if (optname === PACKET_ADD_MEMBERSHIP || optname === PACKET_DROP_MEMBERSHIP) {
    if (optval.length < PACKET_MREQ_LEN) return -EINVAL;
    const m = parse_mreq(optval);
    if (optval.length < m.alen + 8) return -EINVAL;
    return optname === PACKET_ADD_MEMBERSHIP ? packet_mc_add(po, m) : packet_mc_drop(po, m);
  }
  const val = optval_int(optval);
  switch (optname) {
    case PACKET_COPY_THRESH:
    case PACKET_AUXDATA:
    case PACKET_ORIGDEV:
    case PACKET_TIMESTAMP:
    case PACKET_QDISC_BYPASS:
    case PACKET_IGNORE_OUTGOING:
    case PACKET_VERSION:
    case PACKET_RESERVE:
    case PACKET_LOSS:
      if (optval.length < 4) return -EINVAL;
      break;
    default:
      return -ENOPROTOOPT;
  }
  switch (optname) {
    case PACKET_COPY_THRESH:
      po.copy_thresh = val;
      return 0;
    case PACKET_AUXDATA:
      po.auxdata = val !== 0;
      return 0;
    case PACKET_ORIGDEV:
      po.origdev = val !== 0;
      return 0;
    case PACKET_TIMESTAMP:
      po.tp_tstamp = val;
      return 0;
    case PACKET_QDISC_BYPASS:
      po.qdisc_bypass = val !== 0;
      return 0;
    case PACKET_IGNORE_OUTGOING:
      if (val < 0 || val > 1) return -EINVAL;
      packet_set_ignore_outgoing(po, val !== 0);
      return 0;
    case PACKET_VERSION:
      if (val < 0 || val > 2) return -EINVAL;
      po.tp_version = val;
      return 0;
    case PACKET_RESERVE:
      if (val < 0) return -EINVAL;
      po.tp_reserve = val;
      return 0;
    default:
      po.tp_loss = val !== 0 ? 1 : 0;
      return 0;
  }
}

export function packet_getsockopt(sock: Socket, level: number, optname: number, optval: Uint8Array): number {
  const po = sock.sk as PacketSock;
  if (level !== SOL_PACKET) return -ENOPROTOOPT;
  switch (optname) {
    case PACKET_STATISTICS: {
      // struct tpacket_stats; reading clears, however little of it is read.
      const stats = new Uint8Array(8);
      const dv = new DataView(stats.buffer);
      dv.setUint32(0, po.tp_packets + po.tp_drops, true);
      dv.setUint32(4, po.tp_drops, true);
      po.tp_packets = 0;
      po.tp_drops = 0;
      const n = Math.min(8, optval.length);
      optval.set(stats.subarray(0, n));
      return n;
    }
    case PACKET_COPY_THRESH:
      return put_int(optval, po.copy_thresh);
    case PACKET_AUXDATA:
      return put_int(optval, po.auxdata ? 1 : 0);
    case PACKET_ORIGDEV:
      return put_int(optval, po.origdev ? 1 : 0);
    case PACKET_TIMESTAMP:
      return put_int(optval, po.tp_tstamp);
    case PACKET_QDISC_BYPASS:
      return put_int(optval, po.qdisc_bypass ? 1 : 0);
    case PACKET_IGNORE_OUTGOING:
      return put_int(optval, po.ignore_outgoing ? 1 : 0);
    case PACKET_VERSION:
      return put_int(optval, po.tp_version);
    case PACKET_RESERVE:
      return put_int(optval, po.tp_reserve);
    case PACKET_LOSS:
      return put_int(optval, po.tp_loss);
    case PACKET_HDRLEN: {
      // The version is read from the caller's buffer: sizes of struct tpacket_hdr, tpacket2_hdr, tpacket3_hdr.
      const size = [32, 32, 48][optval_int(optval)];
      return size === undefined ? -EINVAL : put_int(optval, size);
    }
    default:
      return -ENOPROTOOPT;
  }
}
