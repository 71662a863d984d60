// inet_protos: which function takes a packet of which IP protocol. Mirrors net/ipv4/protocol.c.
// Way in: inet_add_protocol(); ip_local_deliver_finish() dispatches.

import type { Kernel } from "../../kernel/kernel.ts";
import { EBUSY } from "../../uapi/errno.ts";
import { MAX_INET_PROTOS } from "../../uapi/socket.ts";
import type { SkBuff } from "../core/skbuff.ts";

/** struct net_protocol. */
export interface NetProtocol {
  /** Finds the socket before routing, so that its cached route serves. */
  early_demux?(skb: SkBuff): number;
  /** 0 when the packet is done with; a negative number resubmits it as protocol -n. */
  handler(skb: SkBuff): number;
  /** An ICMP error about a packet of this protocol; `skb.data` is at the inner IP header. */
  err_handler?(skb: SkBuff, info: number): number;
  readonly no_policy?: boolean;
  readonly icmp_strict_tag_validation?: boolean;
  readonly name: string;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    inet_protos: (NetProtocol | null)[];
  }
}

export function protocol_init(k: Kernel): void {
  k.inet_protos = new Array<NetProtocol | null>(MAX_INET_PROTOS).fill(null);
}

/** Returns 0, or -EBUSY when the number is taken. */
export function inet_add_protocol(k: Kernel, prot: NetProtocol, protocol: number): number {
  if (k.inet_protos[protocol] !== null) return -EBUSY;
  k.inet_protos[protocol] = prot;
  return 0;
}

export function inet_del_protocol(k: Kernel, protocol: number): void {
  k.inet_protos[protocol] = null;
}
