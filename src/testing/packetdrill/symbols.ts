// Linux's constants by name, as scripts use them. Way in: symbol_value(), symbol_name().

import * as errno from "../../uapi/errno.ts";
import * as fcntl from "../../uapi/fcntl.ts";
import * as in6 from "../../uapi/in6.ts";
import * as socket from "../../uapi/socket.ts";
import * as tcp from "../../uapi/tcp.ts";
import { LINUX_NAMES } from "./linux_names.ts";

/** What no room of uapi/ needs otherwise. */
const MORE: Readonly<Record<string, number>> = {
  NULL: 0,
  AF_INET6: 10,
  PF_INET: 2,
  IPPROTO_IP: 0,
  IPPROTO_UDP: 17,
  IPPROTO_ICMP: 1,
  SOL_UDP: 17,
  FIONREAD: 0x541b,
  SCM_TIMESTAMPING: 37,
  SCM_TIMESTAMP: 29,
  SCM_TSTAMP_SND: 0,
  SCM_TSTAMP_SCHED: 1,
  SCM_TSTAMP_ACK: 2,
  SOF_TIMESTAMPING_TX_HARDWARE: 1,
  SOF_TIMESTAMPING_TX_SOFTWARE: 2,
  SOF_TIMESTAMPING_RX_HARDWARE: 4,
  SOF_TIMESTAMPING_RX_SOFTWARE: 8,
  SOF_TIMESTAMPING_SOFTWARE: 16,
  SOF_TIMESTAMPING_SYS_HARDWARE: 32,
  SOF_TIMESTAMPING_RAW_HARDWARE: 64,
  SOF_TIMESTAMPING_OPT_ID: 128,
  SOF_TIMESTAMPING_TX_SCHED: 256,
  SOF_TIMESTAMPING_TX_ACK: 512,
  SOF_TIMESTAMPING_OPT_CMSG: 1024,
  SOF_TIMESTAMPING_OPT_TSONLY: 2048,
  SOF_TIMESTAMPING_OPT_STATS: 4096,
  SO_EE_ORIGIN_TIMESTAMPING: 4,
  IPV6_RECVERR: 25,
  SO_EE_ORIGIN_ZEROCOPY: 5,
  SO_EE_CODE_ZEROCOPY_COPIED: 1,
  EWOULDBLOCK: 11,
  EPOLLRDHUP: 0x2000,
  EPOLLPRI: 2,
  POLLRDNORM: 0x40,
  POLLRDBAND: 0x80,
  POLLWRNORM: 0x100,
  POLLWRBAND: 0x200,
  MSG_FASTOPEN: 0x20000000,
  SOMAXCONN: 4096,
};

const tables: readonly Readonly<Record<string, unknown>>[] = [MORE, errno, fcntl, socket, tcp, in6, LINUX_NAMES];

export function symbol_value(name: string): number | null {
  for (const t of tables) {
    const v = Object.hasOwn(t, name) ? t[name] : undefined;
    if (typeof v === "number") return v;
  }
  return null;
}

/** Flags as names: MSG_EOR|MSG_TRUNC; null when some bit has no name. */
export function symbol_name(prefix: RegExp, value: number): string | null {
  const names: string[] = [];
  let left = value >>> 0;
  for (const t of tables) {
    for (const [name, v] of Object.entries(t)) {
      if (typeof v !== "number" || v === 0 || !prefix.test(name)) continue;
      const bits = v >>> 0;
      if ((bits & (bits - 1)) !== 0 || (left & bits) === 0) continue;
      names.push(name);
      left = (left & ~bits) >>> 0;
    }
  }
  if (left !== 0) return null;
  return names.length > 0 ? names.join("|") : "0";
}
