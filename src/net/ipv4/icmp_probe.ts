// Extended echo: asking a node about one of its interfaces. Mirrors icmp_build_probe() of net/ipv4/icmp.c.
// Read first: RFC 8335. Way in: icmp_build_probe().

import { IFF_UP } from "../../uapi/if.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import { type SkBuff, skb_copy_bits } from "../core/skbuff.ts";
import { __ip_dev_find } from "./devinet.ts";

const ICMP_EXT_CODE_MAL_QUERY = 1;
const ICMP_EXT_CODE_NO_IF = 2;
const EXT_ECHOREPLY_ACTIVE = 4;
const EXT_ECHOREPLY_IPV4 = 2;
/** Extension header and the object header behind it (RFC 4884 section 7). */
const EXT_HDR = 4;
const OBJ_HDR = 4;
const IFNAMSIZ = 16;

/**
 * What to answer to an extended echo whose data begins at skb.data: code << 8 | status, or -1 for silence. `un` is the rest
 * of the ICMP header, whose lowest bit asks about this node's own interfaces.
 */
export function icmp_build_probe(net: Net, skb: SkBuff, code: number, un: number): number {
  if (net.ipv4.sysctl_icmp_echo_enable_probe === 0 || (un & 1) === 0) return -1;
  const malformed = ICMP_EXT_CODE_MAL_QUERY << 8;
  const b = new Uint8Array(EXT_HDR + OBJ_HDR + 24);
  if (skb.len < EXT_HDR + OBJ_HDR) return malformed;
  skb_copy_bits(skb, 0, b, 0, Math.min(skb.len, b.length));
  const len = (b[4]! << 8) | b[5]!;
  const ident = len - OBJ_HDR;
  if (ident < 0 || EXT_HDR + len > skb.len) return malformed;
  const at = EXT_HDR + OBJ_HDR;
  let dev: NetDevice | null | undefined;
  switch (b[7]) {
    case 1: {
      if (ident >= IFNAMSIZ) return malformed;
      let name = "";
      for (let i = 0; i < ident && b[at + i] !== 0; i++) name += String.fromCharCode(b[at + i]!);
      dev = net.dev_by_name.get(name);
      break;
    }
    case 2:
      if (ident !== 4) return malformed;
      dev = net.dev_by_index.get((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!);
      break;
    case 3: {
      const afi = (b[at]! << 8) | b[at + 1]!;
      const addrlen = b[at + 2]!;
      if (ident !== 4 + addrlen || afi !== 1 || addrlen !== 4) return malformed;
      dev = __ip_dev_find(net, (b[at + 4]! << 24) | (b[at + 5]! << 16) | (b[at + 6]! << 8) | b[at + 7]!);
      break;
    }
    default:
      return malformed;
  }
  if (dev === undefined || dev === null) return ICMP_EXT_CODE_NO_IF << 8;
  let status = 0;
  if ((dev.flags & IFF_UP) !== 0) status |= EXT_ECHOREPLY_ACTIVE;
  if (dev.ip_ptr !== null && dev.ip_ptr.ifa_list.length > 0) status |= EXT_ECHOREPLY_IPV4;
  return (code << 8) | status;
}
