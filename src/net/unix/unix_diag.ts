// Unix sockets for ss -x. Mirrors net/unix/diag.c. Read first: sock_diag(7). Way in: unix_diag_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL, EOPNOTSUPP } from "../../uapi/errno.ts";
import { SOCK_DIAG_BY_FAMILY } from "../../uapi/inet_diag.ts";
import { NLM_F_DUMP, NLM_F_MULTI } from "../../uapi/netlink.ts";
import { type NlMsgWriter, nla_put_u32, nla_reserve, nlmsg_end, nlmsg_put } from "../../uapi/nlattr.ts";
import { AF_UNIX } from "../../uapi/socket.ts";
import * as U from "../../uapi/unix_diag.ts";
import { TCP_LISTEN } from "../core/sock.ts";
import { sock_diag_put_meminfo, sock_diag_register, sock_diag_save_cookie } from "../core/sock_diag.ts";
import { type NetlinkDump, type NlRequest, netlink_dump_start } from "../netlink/af_netlink.ts";
import { type UnixSock, unix_inq_len } from "./af_unix.ts";

function sk_diag_fill(w: NlMsgWriter, u: UnixSock, req: NlRequest, show: number): void {
  const at = nlmsg_put(w, SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, req.msg.seq, req.portid, U.UNIX_DIAG_MSG_LEN);
  w.buf[at] = AF_UNIX;
  w.buf[at + 1] = u.sk_type;
  w.buf[at + 2] = u.sk_state;
  w.dv.setUint32(at + 4, u.sk_cookie >>> 0, true);
  sock_diag_save_cookie(w, at + 8, u);
  if ((show & U.UDIAG_SHOW_NAME) !== 0 && u.addr !== null) {
    const p = nla_reserve(w, U.UNIX_DIAG_NAME, u.addr.length);
    w.buf.set(u.addr, p);
  }
  if ((show & U.UDIAG_SHOW_VFS) !== 0 && u.inode !== null) {
    // struct unix_diag_vfs: inode, device.
    const p = nla_reserve(w, U.UNIX_DIAG_VFS, 8);
    w.dv.setUint32(p, u.inode.ino, true);
  }
  if ((show & U.UDIAG_SHOW_PEER) !== 0 && u.peer !== null)
    nla_put_u32(w, U.UNIX_DIAG_PEER, u.peer.sk_socket !== null ? u.peer.sk_cookie >>> 0 : 0);
  if ((show & U.UDIAG_SHOW_ICONS) !== 0 && u.sk_state === TCP_LISTEN) {
    const p = nla_reserve(w, U.UNIX_DIAG_ICONS, 4 * u.accept_queue.length);
    u.accept_queue.forEach((c, i) => {
      w.dv.setUint32(p + 4 * i, (c.peer?.sk_cookie ?? 0) >>> 0, true);
    });
  }
  if ((show & U.UDIAG_SHOW_RQLEN) !== 0) {
    // struct unix_diag_rqlen: of a listener its queue and how long it may get, else bytes to read and in flight.
    const listening = u.sk_state === TCP_LISTEN;
    const p = nla_reserve(w, U.UNIX_DIAG_RQLEN, 8);
    w.dv.setUint32(p, listening ? u.accept_queue.length : unix_inq_len(u), true);
    w.dv.setUint32(p + 4, listening ? u.sk_max_ack_backlog : u.sk_wmem_alloc, true);
  }
  if ((show & U.UDIAG_SHOW_MEMINFO) !== 0) sock_diag_put_meminfo(w, U.UNIX_DIAG_MEMINFO, u);
  const p = nla_reserve(w, U.UNIX_DIAG_SHUTDOWN, 1);
  w.buf[p] = u.sk_shutdown;
  if ((show & U.UDIAG_SHOW_UID) !== 0) nla_put_u32(w, U.UNIX_DIAG_UID, u.sk_uid);
  nlmsg_end(w);
}

function* unix_diag_dump(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const { dv, off } = req.msg;
  const states = dv.getUint32(off + 4, true);
  const show = dv.getUint32(off + 12, true);
  for (const u of [...req.net.unix_table]) {
    if (!req.net.unix_table.has(u) || (states & (1 << u.sk_state)) === 0) continue;
    sk_diag_fill(w, u, req, show);
    yield;
  }
  return 0;
}

function unix_diag_handler_dump(req: NlRequest): number {
  if (req.msg.len < U.UNIX_DIAG_REQ_LEN) return -EINVAL;
  // DIFF: no question about a single socket.
  return (req.msg.flags & NLM_F_DUMP) !== 0 ? netlink_dump_start(req, unix_diag_dump) : -EOPNOTSUPP;
}

/** After sock_diag_init() and unix_init(). */
export function unix_diag_init(k: Kernel): void {
  sock_diag_register(k, AF_UNIX, unix_diag_handler_dump);
}
