// AF_PACKET: sockets that see and send frames beside the protocols. Mirrors net/packet/af_packet.c.
// Read first: packet(7). Way in: packet_init(); packet_rcv() for each frame, packet_snd() for each send.

import type { PollTable } from "../../kernel/fs/file.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F_packet_rcv, F_packet_snd } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import {
  EAGAIN,
  EINVAL,
  EMSGSIZE,
  ENETDOWN,
  ENODEV,
  ENOIOCTLCMD,
  ENOTCONN,
  ENXIO,
  EOPNOTSUPP,
  ESOCKTNOSUPPORT,
} from "../../uapi/errno.ts";
import { IFF_UP } from "../../uapi/if.ts";
import { ETH_P_8021Q, ETH_P_ALL } from "../../uapi/ip.ts";
import {
  AF_PACKET,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_PEEK,
  MSG_TRUNC,
  PACKET_AUXDATA,
  PACKET_LOOPBACK,
  PACKET_OUTGOING,
  SIOCINQ,
  SIOCOUTQ,
  SO_MARK,
  SO_PRIORITY,
  SOCK_DGRAM,
  SOCK_PACKET,
  SOCK_RAW,
  SOCKADDR_LL_LEN,
  SOCKADDR_PKT_LEN,
  SOL_PACKET,
  SOL_SOCKET,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import {
  for_each_cmsg,
  memcpy_from_msg,
  put_cmsg,
  skb_copy_datagram_msg,
  skb_recv_datagram,
} from "../core/datagram.ts";
import { dev_add_pack, dev_direct_xmit, dev_queue_xmit, dev_remove_pack } from "../core/dev.ts";
import { dev_hard_header, dev_parse_header } from "../core/dev_header.ts";
import { SKB_DROP_REASON_PACKET_SOCK_ERROR, SKB_DROP_REASON_QUEUE_PURGE } from "../core/dropreason.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { proc_create_net } from "../core/net-procfs.ts";
import {
  LL_RESERVED_SPACE,
  NETDEV_DOWN,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  type NetDevice,
  net_xmit_errno,
  type PacketType,
} from "../core/netdevice.ts";
import { register_netdevice_notifier } from "../core/notifier.ts";
import { VLAN_HLEN } from "../core/skb_vlan.ts";
import {
  __skb_queue_tail,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  pskb_trim,
  SKB_GSO_TCPV4,
  SKB_GSO_TCPV6,
  type SkBuff,
  skb_clone,
  skb_dst_drop,
  skb_pull,
  skb_push,
  skb_put,
  skb_queue_purge_reason,
  skb_reserve,
} from "../core/skbuff.ts";
import {
  datagram_poll,
  type Proto,
  type ProtoOps,
  proto_register,
  Sock,
  type Socket,
  SS_UNCONNECTED,
  sk_alloc,
  skb_set_owner_r,
  sock_alloc_send_skb,
  sock_hold,
  sock_init_data,
  sock_orphan,
  sock_put,
  sock_register,
} from "../core/sock.ts";
import { bpf_prog_run_skb } from "../core/sock_filter.ts";
import { sock_recv_cmsgs } from "../core/sock_opt.ts";
import { packet_dev_mclist_delete, packet_flush_mclist, packet_getsockopt, packet_setsockopt } from "./packet_opt.ts";

const SLL_PROTOCOL = 2;
const SLL_IFINDEX = 4;
const SLL_HATYPE = 8;
const SLL_PKTTYPE = 10;
const SLL_HALEN = 11;
const SLL_ADDR = 12;

/** A membership that goes with the socket (PACKET_ADD_MEMBERSHIP). */
export interface PacketMclist {
  ifindex: number;
  type: number;
  alen: number;
  addr: Uint8Array;
  count: number;
}

export class PacketSock extends Sock {
  /** Ethertype in host order; 0 receives nothing. */
  num = 0;
  /** 0: every device; -1: the one it was bound to is gone. */
  ifindex = 0;
  prot_hook: PacketType | null = null;
  /** The device that the hook is for, with a reference. */
  bound_dev: NetDevice | null = null;
  running = false;
  origdev = false;
  auxdata = false;
  ignore_outgoing = false;
  qdisc_bypass = false;
  copy_thresh = 0;
  tp_tstamp = 0;
  tp_version = 0;
  tp_reserve = 0;
  tp_loss = 0;
  tp_packets = 0;
  tp_drops = 0;
  readonly mclist: PacketMclist[] = [];
}

declare module "../core/net_namespace.ts" {
  interface Net {
    /** Newest last, as /proc/net/packet lists them. */
    packet_sklist: PacketSock[];
  }
}
declare module "../../kernel/kernel.ts" {
  interface Kernel {
    packet_haddr: Uint8Array;
    packet_err: Int32Array;
  }
}

const swab16 = (v: number): number => ((v & 0xff) << 8) | ((v >> 8) & 0xff);

// --- the hook into the receive path -------------------------------------------------------------------------------

function register_prot_hook(po: PacketSock): void {
  if (po.running || po.num === 0) return;
  po.prot_hook = {
    type: po.num,
    dev: po.bound_dev,
    net: po.net,
    func: packet_rcv,
    name: "packet_rcv",
    af_packet_priv: po,
    ignore_outgoing: po.ignore_outgoing,
  };
  dev_add_pack(po.net.kernel, po.prot_hook);
  sock_hold(po);
  po.running = true;
}

function unregister_prot_hook(po: PacketSock): void {
  if (!po.running) return;
  dev_remove_pack(po.net.kernel, po.prot_hook!);
  po.running = false;
  po.prot_hook = null;
  sock_put(po);
}

/** The flag lives in the hook, which may be registered already. */
export function packet_set_ignore_outgoing(po: PacketSock, on: boolean): void {
  po.ignore_outgoing = on;
  if (po.prot_hook !== null) po.prot_hook.ignore_outgoing = on;
}

function set_bound_dev(po: PacketSock, dev: NetDevice | null): void {
  if (po.bound_dev !== null) po.bound_dev.refcnt--;
  po.bound_dev = dev;
  if (dev !== null) dev.refcnt++;
}

function packet_do_bind(po: PacketSock, ifindex: number, proto: number): number {
  let dev: NetDevice | null = null;
  if (ifindex !== 0) {
    dev = po.net.dev_by_index.get(ifindex) ?? null;
    if (dev === null) return -ENODEV;
  }
  const rehook = po.num !== proto || po.bound_dev !== dev;
  if (rehook) {
    unregister_prot_hook(po);
    po.num = proto;
    set_bound_dev(po, dev);
    po.ifindex = dev !== null ? dev.ifindex : 0;
  }
  if (proto === 0 || !rehook) return 0;
  if (dev === null || (dev.flags & IFF_UP) !== 0) register_prot_hook(po);
  else packet_error(po, ENETDOWN);
  return 0;
}

function packet_error(po: PacketSock, err: number): void {
  po.sk_err = err;
  po.sk_error_report(po);
}

/**
 * A frame, from the receive path or on its way out. Others may look at it at the same time: what is changed for the
 * filter is put back, and what is kept is a clone.
 */
export function packet_rcv(skb: SkBuff, dev: NetDevice, pt: PacketType, orig_dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_packet_rcv, skb);
  const po = pt.af_packet_priv as PacketSock;
  if (skb.pkt_type === PACKET_LOOPBACK || dev.net !== po.net) {
    consume_skb(skb);
    return 0;
  }
  skb.dev = dev;
  const data = skb.data;
  const len = skb.len;
  if (dev.header_ops !== null) {
    if (po.sk_type !== SOCK_DGRAM) skb_push(skb, skb.data - skb.mac_header);
    else if (skb.pkt_type === PACKET_OUTGOING) skb_pull(skb, skb.network_header - skb.data);
  }
  let snaplen = skb.len;
  const prog = po.sk_filter;
  if (prog !== null) {
    const keep = bpf_prog_run_skb(prog, skb);
    if (keep === 0) {
      restore(skb, data, len);
      consume_skb(skb);
      return 0;
    }
    if (keep < snaplen) snaplen = keep;
  }
  if (po.sk_rmem_alloc >= po.sk_rcvbuf) {
    po.tp_drops++;
    po.sk_drops++;
    restore(skb, data, len);
    kfree_skb_reason(skb, SKB_DROP_REASON_PACKET_SOCK_ERROR);
    return 0;
  }
  if (skb.users !== 1) {
    const n = skb_clone(skb);
    restore(skb, data, len);
    consume_skb(skb);
    skb = n;
  }
  packet_set_cb(skb, dev, po.origdev ? orig_dev : dev);
  pskb_trim(skb, snaplen);
  skb_set_owner_r(skb, po);
  skb.dev = null;
  skb_dst_drop(skb);
  skb.nfct = null;
  po.tp_packets++;
  skb.dropcount = po.sk_drops;
  __skb_queue_tail(po.sk_receive_queue, skb);
  if (trace_key.on && trace_detail(skb.kernel)) {
    trace_note(F_packet_rcv, skb, { kind: "sock", family: "packet", cookie: po.sk_cookie, queued: po.sk_rmem_alloc });
  }
  po.sk_data_ready(po);
  return 0;
}

function restore(skb: SkBuff, data: number, len: number): void {
  if (skb.data === data || skb.users === 1) return;
  skb.data = data;
  skb.len = len;
}

/**
 * PACKET_SKB_CB in the control buffer of the packet: ifindex in ipcb_iif, address length and hardware type in ipcb_flags,
 * length on the wire in pkt_len, and up to six bytes of address, as one integer below 2^48, in time_to_send.
 */
function packet_set_cb(skb: SkBuff, dev: NetDevice, shown: NetDevice): void {
  const haddr = skb.kernel.packet_haddr;
  skb.dev = dev;
  const halen = dev_parse_header(skb, haddr);
  let addr = 0;
  for (let i = 0; i < halen && i < 6; i++) addr = addr * 256 + haddr[i]!;
  skb.time_to_send = addr;
  skb.ipcb_iif = shown.ifindex;
  skb.ipcb_flags = halen | (dev.type << 8);
  skb.pkt_len = skb.len;
}

/** struct sockaddr_ll of a received packet. */
function put_sockaddr_ll(skb: SkBuff, name: Uint8Array): void {
  const sll = new Uint8Array(SOCKADDR_LL_LEN);
  const dv = new DataView(sll.buffer);
  dv.setUint16(0, AF_PACKET, true);
  dv.setUint16(SLL_PROTOCOL, skb.protocol);
  dv.setInt32(SLL_IFINDEX, skb.ipcb_iif, true);
  dv.setUint16(SLL_HATYPE, skb.ipcb_flags >>> 8, true);
  sll[SLL_PKTTYPE] = skb.pkt_type;
  const halen = skb.ipcb_flags & 0xff;
  sll[SLL_HALEN] = halen;
  let addr = skb.time_to_send;
  for (let i = Math.min(halen, 6) - 1; i >= 0; i--) {
    sll[SLL_ADDR + i] = addr % 256;
    addr = Math.floor(addr / 256);
  }
  name.set(sll.subarray(0, Math.min(name.length, SOCKADDR_LL_LEN)));
}

// TP_STATUS_* of struct tpacket_auxdata.
const TP_STATUS_USER = 1 << 0;
const TP_STATUS_CSUMNOTREADY = 1 << 3;
const TP_STATUS_VLAN_VALID = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID = 1 << 6;
const TP_STATUS_CSUM_VALID = 1 << 7;
const TP_STATUS_GSO_TCP = 1 << 8;

function put_auxdata(msg: MsgHdr, skb: SkBuff): void {
  const aux = new Uint8Array(20);
  const dv = new DataView(aux.buffer);
  let status = TP_STATUS_USER;
  if (skb.ip_summed === CHECKSUM_PARTIAL) status |= TP_STATUS_CSUMNOTREADY;
  else if (skb.pkt_type !== PACKET_OUTGOING && (skb.ip_summed === CHECKSUM_UNNECESSARY || skb.csum_valid)) {
    status |= TP_STATUS_CSUM_VALID;
  }
  if ((skb.head.gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) !== 0 && skb.head.gso_size !== 0)
    status |= TP_STATUS_GSO_TCP;
  dv.setUint32(4, skb.pkt_len, true);
  dv.setUint32(8, skb.len, true);
  dv.setUint16(14, Math.max(0, skb.network_header - skb.data), true);
  if (skb.vlan_present) {
    dv.setUint16(16, skb.vlan_tci, true);
    dv.setUint16(18, skb.vlan_proto, true);
    status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
  }
  dv.setUint32(0, status, true);
  put_cmsg(msg, SOL_PACKET, PACKET_AUXDATA, aux);
}

function packet_recvmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number {
  const po = sock.sk as PacketSock;
  if ((flags & ~(MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE | MSG_CMSG_CLOEXEC)) !== 0) return -EINVAL;
  if ((flags & MSG_ERRQUEUE) !== 0) return -EAGAIN;
  const err = po.net.kernel.packet_err;
  const skb = skb_recv_datagram(po, flags, err);
  if (skb === null) return err[0]!;
  let copied = skb.len;
  if (copied > len) {
    copied = len;
    msg.msg_flags |= MSG_TRUNC;
  }
  let ret = skb_copy_datagram_msg(skb, 0, msg, copied);
  if (ret === 0) {
    ret = (flags & MSG_TRUNC) !== 0 ? skb.len : copied;
    sock_recv_cmsgs(msg, po, skb);
    if (msg.msg_name !== null) {
      if (sock.type === SOCK_PACKET) put_sockaddr_pkt(po.net, skb, msg.msg_name);
      else put_sockaddr_ll(skb, msg.msg_name);
      msg.msg_namelen = sock.type === SOCK_PACKET ? SOCKADDR_PKT_LEN : SOCKADDR_LL_LEN;
    }
    if (po.auxdata) put_auxdata(msg, skb);
  }
  consume_skb(skb);
  return ret;
}

// --- sending ------------------------------------------------------------------------------------------------------

/**
 * Sends one frame (SOCK_RAW), or one packet to which the device's header is added (SOCK_DGRAM). Returns `len`; -ENXIO
 * without a device, -ENETDOWN when it is down, -EMSGSIZE above its MTU, -EINVAL for a header that is not whole.
 */
export function packet_snd(sock: Socket, msg: MsgHdr, len: number): number {
  const po = sock.sk as PacketSock;
  const net = po.net;
  const name = msg.msg_name;
  const dgram = sock.type === SOCK_DGRAM;
  let dev: NetDevice | null = po.bound_dev;
  let proto = po.num;
  let addr: Uint8Array | null = null;
  if (name !== null && msg.msg_namelen > 0) {
    const namelen = Math.min(name.length, msg.msg_namelen);
    if (namelen < SOCKADDR_LL_LEN || namelen < name[SLL_HALEN]! + SLL_ADDR) return -EINVAL;
    const dv = new DataView(name.buffer, name.byteOffset, namelen);
    proto = dv.getUint16(SLL_PROTOCOL);
    dev = net.dev_by_index.get(dv.getInt32(SLL_IFINDEX, true)) ?? null;
    if (dgram) {
      if (dev !== null && namelen < dev.addr_len + SLL_ADDR) return -EINVAL;
      addr = name.subarray(SLL_ADDR, namelen);
    }
  }
  if (dev === null) return -ENXIO;
  if ((dev.flags & IFF_UP) === 0) return -ENETDOWN;
  const reserve = dgram ? 0 : dev.hard_header_len;
  if (len > dev.mtu + reserve + VLAN_HLEN) return -EMSGSIZE;
  let mark = po.sk_mark;
  let priority = po.sk_priority;
  if (msg.msg_control !== null && msg.msg_controllen > 0) {
    for (const [level, type, data] of for_each_cmsg(msg)) {
      if (level !== SOL_SOCKET || data.length < 4) continue;
      const v = data[0]! | (data[1]! << 8) | (data[2]! << 16) | (data[3]! << 24);
      if (type === SO_MARK) mark = v;
      else if (type === SO_PRIORITY) priority = v;
    }
  }

  const hlen = LL_RESERVED_SPACE(dev);
  const err = net.kernel.packet_err;
  const skb = sock_alloc_send_skb(po, hlen + len + dev.needed_tailroom, err);
  if (skb === null) return err[0]!;
  skb_reserve(skb, hlen - reserve);
  const at = skb_put(skb, len);
  skb.network_header = at + (len >= reserve ? reserve : 0);
  skb.dev = dev;
  skb.protocol = proto;
  skb.priority = priority;
  skb.mark = mark;
  memcpy_from_msg(skb.head.u8, at, msg, 0, len);
  let fault = 0;
  if (dgram) {
    if (dev_hard_header(skb, dev, proto, addr, null, len) < 0) fault = -EINVAL;
  } else if (len < dev.min_header_len) {
    fault = -EINVAL;
  }
  if (fault === 0 && len > dev.mtu + reserve && !extra_vlan_len_allowed(dev, skb)) fault = -EMSGSIZE;
  if (fault !== 0) {
    consume_skb(skb);
    return fault;
  }
  skb.mac_header = skb.data;
  skb.transport_header = skb.network_header;
  if (!dgram && (proto === 0 || proto === ETH_P_ALL) && dev.header_ops !== null && dev.hard_header_len >= 14) {
    skb.protocol = skb.head.dv.getUint16(skb.data + 12);
  }
  if (trace_key.on) trace_fn(F_packet_snd, skb);
  let rc = po.qdisc_bypass ? dev_direct_xmit(skb, 0) : dev_queue_xmit(skb);
  if (rc > 0) rc = net_xmit_errno(rc);
  return rc !== 0 ? rc : len;
}

/** A frame with an 802.1Q tag may be four bytes longer than others. */
const extra_vlan_len_allowed = (dev: NetDevice, skb: SkBuff): boolean =>
  skb.len <= dev.mtu + dev.hard_header_len + VLAN_HLEN &&
  dev.hard_header_len === 14 &&
  skb.head.dv.getUint16(skb.data + 12) === ETH_P_8021Q;

// --- the calls ----------------------------------------------------------------------------------------------------

function packet_release(sock: Socket): void {
  const po = sock.sk as PacketSock | null;
  if (po === null) return;
  const list = po.net.packet_sklist;
  const i = list.indexOf(po);
  if (i >= 0) {
    list.splice(i, 1);
    sock_put(po);
  }
  unregister_prot_hook(po);
  set_bound_dev(po, null);
  packet_flush_mclist(po);
  sock_orphan(po);
  sock.sk = null as unknown as Sock;
  skb_queue_purge_reason(po.sk_receive_queue, SKB_DROP_REASON_QUEUE_PURGE);
  sock_put(po);
}

function packet_bind(sock: Socket, addr: Uint8Array): number {
  const po = sock.sk as PacketSock;
  if (addr.length < SOCKADDR_LL_LEN) return -EINVAL;
  const dv = new DataView(addr.buffer, addr.byteOffset, addr.length);
  if (dv.getUint16(0, true) !== AF_PACKET) return -EINVAL;
  const proto = dv.getUint16(SLL_PROTOCOL);
  return packet_do_bind(po, dv.getInt32(SLL_IFINDEX, true), proto !== 0 ? proto : po.num);
}

function packet_getname(sock: Socket, addr: Uint8Array, peer: boolean): number {
  if (peer) return -EOPNOTSUPP;
  const po = sock.sk as PacketSock;
  const sll = new Uint8Array(SLL_ADDR + 32);
  const dv = new DataView(sll.buffer);
  dv.setUint16(0, AF_PACKET, true);
  dv.setUint16(SLL_PROTOCOL, po.num);
  dv.setInt32(SLL_IFINDEX, po.ifindex, true);
  const dev = po.ifindex > 0 ? (po.net.dev_by_index.get(po.ifindex) ?? null) : null;
  let halen = 0;
  if (dev !== null) {
    dv.setUint16(SLL_HATYPE, dev.type, true);
    halen = dev.addr_len;
    sll[SLL_HALEN] = halen;
    for (let i = 0; i < halen; i++) sll[SLL_ADDR + i] = dev.dev_addr[i]!;
  }
  const len = SLL_ADDR + halen;
  addr.set(sll.subarray(0, Math.min(addr.length, len)));
  return len;
}

function packet_ioctl(sock: Socket, cmd: number, arg: Uint8Array): number {
  const sk = sock.sk;
  if (cmd !== SIOCINQ && cmd !== SIOCOUTQ) return -ENOIOCTLCMD;
  if (arg.length < 4) return -EINVAL;
  const first = sk.sk_receive_queue.next;
  const v = cmd === SIOCOUTQ ? sk.sk_wmem_alloc : first !== null ? first.len : 0;
  new DataView(arg.buffer, arg.byteOffset, 4).setInt32(0, v, true);
  return 0;
}

const unsupported = (): number => -EOPNOTSUPP;

const packet_ops: ProtoOps = {
  family: AF_PACKET,
  release: packet_release,
  bind: packet_bind,
  connect: unsupported,
  accept: unsupported,
  getname: packet_getname,
  poll: (sock: Socket, wait: PollTable | null): number => datagram_poll(sock, wait),
  ioctl: packet_ioctl,
  listen: unsupported,
  shutdown: unsupported,
  setsockopt: packet_setsockopt,
  getsockopt: packet_getsockopt,
  sendmsg: (sock, msg, len) => packet_snd(sock, msg, len),
  recvmsg: packet_recvmsg,
};

// --- SOCK_PACKET: devices by name, frames with their header (packet(7), "Compatibility") ----------------------------

/** struct sockaddr_pkt of a received packet: the family is the device's type. */
function put_sockaddr_pkt(net: Net, skb: SkBuff, name: Uint8Array): void {
  const pkt = new Uint8Array(SOCKADDR_PKT_LEN);
  const dv = new DataView(pkt.buffer);
  dv.setUint16(0, skb.ipcb_flags >>> 8, true);
  put_dev_name(pkt, net.dev_by_index.get(skb.ipcb_iif) ?? null);
  dv.setUint16(16, skb.protocol);
  name.set(pkt.subarray(0, Math.min(name.length, SOCKADDR_PKT_LEN)));
}

/** 14 bytes of name behind the family; the last one is zero. */
function put_dev_name(addr: Uint8Array, dev: NetDevice | null): void {
  if (dev !== null) for (let i = 0; i < 13 && i < dev.name.length; i++) addr[2 + i] = dev.name.charCodeAt(i);
}

function dev_of_name(net: Net, addr: Uint8Array): NetDevice | null {
  let name = "";
  for (let i = 2; i < 15 && addr[i] !== 0; i++) name += String.fromCharCode(addr[i]!);
  return net.dev_by_name.get(name) ?? null;
}

function packet_bind_spkt(sock: Socket, addr: Uint8Array): number {
  const po = sock.sk as PacketSock;
  if (addr.length !== 16) return -EINVAL;
  const dev = dev_of_name(po.net, addr);
  return dev === null ? -ENODEV : packet_do_bind(po, dev.ifindex, po.num);
}

function packet_getname_spkt(sock: Socket, addr: Uint8Array, peer: boolean): number {
  if (peer) return -EOPNOTSUPP;
  const po = sock.sk as PacketSock;
  const sa = new Uint8Array(16);
  sa[0] = AF_PACKET;
  put_dev_name(sa, po.ifindex > 0 ? (po.net.dev_by_index.get(po.ifindex) ?? null) : null);
  addr.set(sa.subarray(0, Math.min(addr.length, 16)));
  return 16;
}

function packet_sendmsg_spkt(sock: Socket, msg: MsgHdr, len: number): number {
  const name = msg.msg_name;
  if (name === null || msg.msg_namelen === 0) return -ENOTCONN;
  const namelen = Math.min(name.length, msg.msg_namelen);
  if (namelen < 16) return -EINVAL;
  const dev = dev_of_name(sock.sk.net, name);
  if (dev === null) return -ENODEV;
  const sll = new Uint8Array(SOCKADDR_LL_LEN);
  const dv = new DataView(sll.buffer);
  if (namelen === SOCKADDR_PKT_LEN) sll.set(name.subarray(16, 18), SLL_PROTOCOL);
  dv.setInt32(SLL_IFINDEX, dev.ifindex, true);
  return packet_snd(sock, { ...msg, msg_name: sll, msg_namelen: SOCKADDR_LL_LEN }, len);
}

const packet_ops_spkt: ProtoOps = {
  ...packet_ops,
  bind: packet_bind_spkt,
  getname: packet_getname_spkt,
  sendmsg: packet_sendmsg_spkt,
  setsockopt: unsupported,
  getsockopt: unsupported,
};

const packet_proto: Proto = {
  name: "PACKET",
  obj_size: 1600,
  alloc: (net, family, prot) => new PacketSock(net, family, prot),
  close: () => {},
  setsockopt: unsupported,
  getsockopt: unsupported,
  sendmsg: unsupported,
  recvmsg: unsupported,
};

/** socket(AF_PACKET, …): the protocol comes in network order, as programs pass htons(ETH_P_ALL). */
function packet_create(net: Net, sock: Socket, protocol: number, _kern: boolean): number {
  if (sock.type !== SOCK_DGRAM && sock.type !== SOCK_RAW && sock.type !== SOCK_PACKET) return -ESOCKTNOSUPPORT;
  sock.state = SS_UNCONNECTED;
  const po = sk_alloc(net, AF_PACKET, packet_proto) as PacketSock;
  sock.ops = sock.type === SOCK_PACKET ? packet_ops_spkt : packet_ops;
  sock_init_data(sock, po);
  po.num = swab16(protocol);
  register_prot_hook(po);
  sock_hold(po);
  net.packet_sklist.push(po);
  return 0;
}

function packet_notifier(event: number, dev: NetDevice): void {
  if (event !== NETDEV_UP && event !== NETDEV_DOWN && event !== NETDEV_UNREGISTER) return;
  for (const po of [...dev.net.packet_sklist]) {
    if (event === NETDEV_UP) {
      if (po.ifindex === dev.ifindex) register_prot_hook(po);
      continue;
    }
    if (event === NETDEV_UNREGISTER) packet_dev_mclist_delete(dev, po);
    if (po.ifindex !== dev.ifindex) continue;
    if (po.running) {
      unregister_prot_hook(po);
      packet_error(po, ENETDOWN);
    }
    if (event === NETDEV_UNREGISTER) {
      po.ifindex = -1;
      set_bound_dev(po, null);
    }
  }
}

/** /proc/net/packet. */
export function packet_seq_show(net: Net): string {
  let s = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n";
  for (const po of net.packet_sklist) {
    s +=
      `${po.sk_cookie.toString(16).padStart(16, "0")} ${String(po.sk_refcnt).padEnd(6)} ${String(po.sk_type).padEnd(4)} ` +
      `${po.num.toString(16).padStart(4, "0")}   ${String(po.ifindex).padEnd(5)} ${po.running ? 1 : 0} ` +
      `${String(po.sk_rmem_alloc).padEnd(6)} ${String(po.sk_uid).padEnd(6)} ${String(po.sk_cookie).padEnd(6)}\n`;
  }
  return s;
}

/** module_init(packet_init). */
export function packet_init(k: Kernel): void {
  k.packet_haddr = new Uint8Array(32);
  k.packet_err = new Int32Array(1);
  proto_register(k, packet_proto);
  sock_register(k, { family: AF_PACKET, create: packet_create });
  register_pernet_subsys(k, {
    init: (net) => {
      net.packet_sklist = [];
    },
  });
  register_netdevice_notifier(k, packet_notifier);
  proc_create_net(k, "packet", packet_seq_show);
}
