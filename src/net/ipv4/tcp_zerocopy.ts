// MSG_ZEROCOPY: the notifications that a buffer may be used again. Mirrors net/core/skbuff.c, sock_zerocopy_*().
// Read first: Documentation/networking/msg_zerocopy.rst of Linux. Way in: tcp_zerocopy_done(), after a send took its bytes.
// DIFF: a program's memory is never lent to the network here: the data is copied, which the notification says
// (SO_EE_CODE_ZEROCOPY_COPIED, as Linux does where it has to copy), and so it is complete at once.

import { SO_EE_CODE_ZEROCOPY_COPIED, SO_EE_ORIGIN_ZEROCOPY } from "../../uapi/socket.ts";
import { alloc_skb } from "../core/skbuff.ts";
import { sock_queue_err_skb } from "../core/sock.ts";
import type {} from "./ip_sockglue.ts";
import type { TcpSock } from "./tcp_sock.ts";

/** One more send is complete. Numbers that follow each other share one notification. */
export function tcp_zerocopy_done(tp: TcpSock): void {
  const id = tp.zckey;
  tp.zckey = (id + 1) >>> 0;
  const last = tp.sk_error_queue.prev?.exterr;
  if (last !== undefined && last.ee_origin === SO_EE_ORIGIN_ZEROCOPY && (last.ee_data! + 1) >>> 0 === id) {
    last.ee_data = id;
    tp.sk_error_report(tp);
    return;
  }
  const skb = alloc_skb(tp.net.kernel, 0);
  if (skb === null) return;
  skb.exterr = {
    ee_errno: 0,
    ee_origin: SO_EE_ORIGIN_ZEROCOPY,
    ee_type: 0,
    ee_code: SO_EE_CODE_ZEROCOPY_COPIED,
    ee_info: id,
    ee_data: id,
    rfc4884: 0,
    addr: 0,
    port: 0,
    offender: 0,
  };
  sock_queue_err_skb(tp, skb);
}
