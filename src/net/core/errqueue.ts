// What a packet on a socket's error queue says: struct sock_exterr_skb. Mirrors include/linux/errqueue.h.
// Read first: ip(7), IP_RECVERR. Way in: skb.exterr of a packet given to sock_queue_err_skb().

/** Kept with the packet while it waits. */
export interface SockExterr {
  ee_errno: number;
  ee_origin: number;
  ee_type: number;
  ee_code: number;
  ee_info: number;
  /** struct sock_ee_data_rfc4884, with IP_RECVERR_RFC4884: where extensions begin in the payload; negative when broken. */
  rfc4884: number;
  /** ee_data of what is no ICMP error: the last of a range of MSG_ZEROCOPY sends, the number of a time stamp. */
  ee_data?: number;
  /** Whom the packet was for. */
  addr: number;
  port: number;
  /** Who reported it. */
  offender: number;
  /** SOF_TIMESTAMPING_OPT_STATS: the packet's payload is what goes into a control message. */
  opt_stats?: boolean;
  /** The device that a time stamp was taken on, for SOF_TIMESTAMPING_OPT_CMSG. */
  iif?: number;
}

declare module "./skbuff.ts" {
  interface SkBuff {
    /** SKB_EXT_ERR. */
    exterr: SockExterr | undefined;
  }
}
