// SOL_SOCKET control messages of a send: what one call wants otherwise than its socket. Mirrors sock_cmsg_send() of
// net/core/sock.c. Read first: socket(7), timestamping.rst of Linux. Way in: sockcm_init(), then __sock_cmsg_send() for each.

import { EINVAL } from "../../uapi/errno.ts";
import * as S from "../../uapi/socket.ts";
import { SOCK_TXTIME, type Sock, sock_flag } from "./sock.ts";

/** struct sockcm_cookie. */
export class SockcmCookie {
  /** SCM_TXTIME: ns of the socket's clock; 0 for none. */
  transmit_time = 0;
  mark = 0;
  priority = 0;
  tsflags = 0;
  /** SCM_TS_OPT_ID: the number of this send's time stamps, when `has_ts_opt_id`. */
  ts_opt_id = 0;
  has_ts_opt_id = false;
}

export function sockcm_init(c: SockcmCookie, sk: Sock): void {
  c.transmit_time = 0;
  c.mark = sk.sk_mark;
  c.priority = sk.sk_priority;
  c.tsflags = sk.sk_tsflags;
  c.has_ts_opt_id = false;
}

/** One message of level SOL_SOCKET. 0 or -EINVAL. */
export function __sock_cmsg_send(sk: Sock, type: number, data: Uint8Array, c: SockcmCookie): number {
  const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (type) {
    case S.SO_MARK:
      if (data.length !== 4) return -EINVAL;
      c.mark = dv.getInt32(0, true);
      return 0;
    case S.SO_PRIORITY:
      if (data.length !== 4) return -EINVAL;
      c.priority = dv.getInt32(0, true);
      return 0;
    case S.SO_TIMESTAMPING:
    case S.SO_TIMESTAMPING_NEW: {
      if (data.length !== 4) return -EINVAL;
      const flags = dv.getInt32(0, true);
      if ((flags & ~S.SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0) return -EINVAL;
      c.tsflags = (c.tsflags & ~S.SOF_TIMESTAMPING_TX_RECORD_MASK) | flags;
      return 0;
    }
    case S.SCM_TXTIME:
      if (!sock_flag(sk, SOCK_TXTIME) || data.length !== 8) return -EINVAL;
      c.transmit_time = Number(dv.getBigUint64(0, true));
      return 0;
    case S.SCM_TS_OPT_ID:
      // Bytes number themselves.
      if (sk.sk_type === S.SOCK_STREAM || (c.tsflags & S.SOF_TIMESTAMPING_OPT_ID) === 0) return -EINVAL;
      if (data.length !== 4) return -EINVAL;
      c.ts_opt_id = dv.getUint32(0, true);
      c.has_ts_opt_id = true;
      return 0;
    case S.SCM_RIGHTS:
    case S.SCM_CREDENTIALS:
      // AF_UNIX has a use for them; others look away.
      return 0;
    default:
      return -EINVAL;
  }
}
