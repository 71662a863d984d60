// Packet sockets for ss. Mirrors net/packet/diag.c. Read first: sock_diag(7). Way in: packet_diag_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL, EOPNOTSUPP } from "../../uapi/errno.ts";
import { SOCK_DIAG_BY_FAMILY } from "../../uapi/inet_diag.ts";
import { NLM_F_DUMP, NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  type NlMsgWriter,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_put_u32,
  nla_reserve,
  nlmsg_end,
  nlmsg_put,
  nlmsg_put_raw,
} from "../../uapi/nlattr.ts";
import * as P from "../../uapi/packet_diag.ts";
import { AF_PACKET } from "../../uapi/socket.ts";
import { sock_diag_put_meminfo, sock_diag_register, sock_diag_save_cookie } from "../core/sock_diag.ts";
import { type NetlinkDump, type NlRequest, netlink_dump_start } from "../netlink/af_netlink.ts";
import type { PacketSock } from "./af_packet.ts";

const PDI_RUNNING = 1;
const PDI_AUXDATA = 2;
const PDI_ORIGDEV = 4;
const PDI_LOSS = 16;

/** struct packet_diag_mclist: index i32, count u32, type u16, alen u16, addr u8[32]. */
const PACKET_DIAG_MCLIST_LEN = 44;

function fill_mclist(w: NlMsgWriter, po: PacketSock): void {
  const nest = nla_nest_start_noflag(w, P.PACKET_DIAG_MCLIST);
  for (const ml of po.mclist) {
    const at = nlmsg_put_raw(w, PACKET_DIAG_MCLIST_LEN);
    w.dv.setInt32(at, ml.ifindex, true);
    w.dv.setUint32(at + 4, ml.count, true);
    w.dv.setUint16(at + 8, ml.type, true);
    w.dv.setUint16(at + 10, ml.alen, true);
    w.buf.set(ml.addr.subarray(0, Math.min(32, ml.alen)), at + 12);
  }
  nla_nest_end(w, nest);
}

function sk_diag_fill(w: NlMsgWriter, po: PacketSock, req: NlRequest, show: number): void {
  const at = nlmsg_put(w, SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, req.msg.seq, req.portid, P.PACKET_DIAG_MSG_LEN);
  w.buf[at] = AF_PACKET;
  w.buf[at + 1] = po.sk_type;
  w.dv.setUint16(at + 2, po.num, true);
  w.dv.setUint32(at + 4, po.sk_cookie >>> 0, true);
  sock_diag_save_cookie(w, at + 8, po);
  if ((show & P.PACKET_SHOW_INFO) !== 0) {
    const p = nla_reserve(w, P.PACKET_DIAG_INFO, P.PACKET_DIAG_INFO_LEN);
    const flags =
      (po.running ? PDI_RUNNING : 0) |
      (po.auxdata ? PDI_AUXDATA : 0) |
      (po.origdev ? PDI_ORIGDEV : 0) |
      (po.tp_loss !== 0 ? PDI_LOSS : 0);
    w.dv.setInt32(p, po.ifindex, true);
    w.dv.setUint32(p + 4, po.tp_version, true);
    w.dv.setUint32(p + 8, po.tp_reserve, true);
    w.dv.setUint32(p + 12, po.copy_thresh, true);
    w.dv.setUint32(p + 16, po.tp_tstamp, true);
    w.dv.setUint32(p + 20, flags, true);
    nla_put_u32(w, P.PACKET_DIAG_UID, po.sk_uid);
  }
  if ((show & P.PACKET_SHOW_MCLIST) !== 0) fill_mclist(w, po);
  if ((show & P.PACKET_SHOW_MEMINFO) !== 0) sock_diag_put_meminfo(w, P.PACKET_DIAG_MEMINFO, po);
  nlmsg_end(w);
}

function* packet_diag_dump(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const show = req.msg.dv.getUint32(req.msg.off + 8, true);
  for (const po of [...req.net.packet_sklist]) {
    if (!req.net.packet_sklist.includes(po)) continue;
    sk_diag_fill(w, po, req, show);
    yield;
  }
  return 0;
}

function packet_diag_handler_dump(req: NlRequest): number {
  const m = req.msg;
  if (m.len < P.PACKET_DIAG_REQ_LEN) return -EINVAL;
  // All protocols, or none: there is no filter.
  if (m.buf[m.off + 1] !== 0) return -EINVAL;
  return (m.flags & NLM_F_DUMP) !== 0 ? netlink_dump_start(req, packet_diag_dump) : -EOPNOTSUPP;
}

/** After sock_diag_init() and packet_init(). */
export function packet_diag_init(k: Kernel): void {
  sock_diag_register(k, AF_PACKET, packet_diag_handler_dump);
}
