// NETLINK_SOCK_DIAG: which sockets there are, for ss. Mirrors net/core/sock_diag.c. Read first: sock_diag(7).
// Way in: sock_diag_init(); sock_diag_register(k, family, dump) by each family.

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL, ENOENT } from "../../uapi/errno.ts";
import { SK_MEMINFO_VARS, SKNLGRP_MAX, SOCK_DESTROY, SOCK_DIAG_BY_FAMILY } from "../../uapi/inet_diag.ts";
import { NETLINK_SOCK_DIAG } from "../../uapi/netlink.ts";
import { type NlMsgWriter, nla_reserve } from "../../uapi/nlattr.ts";
import { type NlRequest, netlink_kernel_create } from "../netlink/af_netlink.ts";
import { type Sock, sk_get_meminfo } from "./sock.ts";

/** A family's answer to one request: 0, -errno, or -EINTR when a dump answers. */
export type SockDiagHandler = (req: NlRequest) => number;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    sock_diag_handlers: Map<number, SockDiagHandler>;
  }
}

/** Families may register before sock_diag_init(). */
export function sock_diag_register(k: Kernel, family: number, handler: SockDiagHandler): void {
  k.sock_diag_handlers ??= new Map();
  k.sock_diag_handlers.set(family, handler);
}

function sock_diag_rcv_msg(req: NlRequest): number {
  const m = req.msg;
  if (m.type !== SOCK_DIAG_BY_FAMILY && m.type !== SOCK_DESTROY) return -EINVAL;
  if (m.len < 2) return -EINVAL;
  const handler = req.net.kernel.sock_diag_handlers.get(m.buf[m.off]!);
  return handler === undefined ? -ENOENT : handler(req);
}

/** SK_MEMINFO_*: an array of u32. */
export function sock_diag_put_meminfo(w: NlMsgWriter, type: number, sk: Sock): void {
  const at = nla_reserve(w, type, SK_MEMINFO_VARS * 4);
  sk_get_meminfo(sk).forEach((n, i) => {
    w.dv.setUint32(at + 4 * i, n, true);
  });
}

/** The cookie as two u32 at `at`. */
export function sock_diag_save_cookie(w: NlMsgWriter, at: number, sk: Sock): void {
  w.dv.setUint32(at, sk.sk_cookie >>> 0, true);
  w.dv.setUint32(at + 4, Math.floor(sk.sk_cookie / 0x100000000), true);
}

export function sock_diag_init(k: Kernel): void {
  k.sock_diag_handlers ??= new Map();
  netlink_kernel_create(k, NETLINK_SOCK_DIAG, { groups: SKNLGRP_MAX, input: sock_diag_rcv_msg });
}
