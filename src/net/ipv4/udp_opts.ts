// SOL_UDP and SOL_UDPLITE options and ioctl(2) of UDP sockets. Mirrors udp_lib_setsockopt(), udp_lib_getsockopt() and udp_ioctl() of net/ipv4/udp.c.
// Read first: udp(7). Way in: udp_setsockopt(), udp_getsockopt(), udp_ioctl(). What belongs to SOL_IP goes on to ip_setsockopt().

import { EFAULT, EINVAL, ENOIOCTLCMD, ENOPROTOOPT } from "../../uapi/errno.ts";
import * as S from "../../uapi/socket.ts";
import type { Sock } from "../core/sock.ts";
import { optval_int, put_int } from "../core/sock_opt.ts";
import { ip_getsockopt, ip_setsockopt } from "./ip_sockglue.ts";
import { udp_push_pending_frames, udp_set_gro } from "./udp.ts";
import type { UdpSock } from "./udp_table.ts";
import { udplite_set_cscov } from "./udplite.ts";

/** UDP_ENCAP: ESP (RFC 3948) and L2TP (RFC 2661) in UDP. DIFF: noted, but nobody here takes such packets out yet. */
const UDP_ENCAP_ESPINUDP = 2;
const UDP_ENCAP_L2TPINUDP = 3;

const UDP_HLEN = 8;
const udp_sk = (sk: Sock): UdpSock => sk as UdpSock;

/** UDP's own level; UDP-Lite's is as good, for sockets of both. */
const is_udp_level = (level: number): boolean => level === S.SOL_UDP || level === S.SOL_UDPLITE;

export function udp_setsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (!is_udp_level(level)) return ip_setsockopt(sk, level, optname, optval);
  if (optval.length < 4) return -EINVAL;
  const up = udp_sk(sk);
  const val = optval_int(optval);
  switch (optname) {
    case S.UDP_CORK:
      up.corkflag = val !== 0;
      if (val === 0 && up.pending !== 0) udp_push_pending_frames(up);
      return 0;
    case S.UDP_SEGMENT:
      if (val < 0 || val > 0xffff) return -EINVAL;
      up.gso_size = val;
      return 0;
    case S.UDP_GRO:
      udp_set_gro(up, val !== 0);
      return 0;
    case S.UDP_ENCAP:
      if (val !== 0 && val !== UDP_ENCAP_ESPINUDP && val !== UDP_ENCAP_L2TPINUDP) return -ENOPROTOOPT;
      up.encap_type = val;
      return 0;
    case S.UDP_NO_CHECK6_TX:
      up.no_check6_tx = val !== 0;
      return 0;
    case S.UDP_NO_CHECK6_RX:
      up.no_check6_rx = val !== 0;
      return 0;
    case S.UDPLITE_SEND_CSCOV:
    case S.UDPLITE_RECV_CSCOV:
      if (sk.sk_protocol !== S.IPPROTO_UDPLITE) return -ENOPROTOOPT;
      udplite_set_cscov(up, optname === S.UDPLITE_SEND_CSCOV, val);
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

function get_int(up: UdpSock, optname: number): number | null {
  switch (optname) {
    case S.UDP_CORK:
      return up.corkflag ? 1 : 0;
    case S.UDP_SEGMENT:
      return up.gso_size;
    case S.UDP_GRO:
      return up.gro_enabled ? 1 : 0;
    case S.UDP_ENCAP:
      return up.encap_type;
    case S.UDP_NO_CHECK6_TX:
      return up.no_check6_tx ? 1 : 0;
    case S.UDP_NO_CHECK6_RX:
      return up.no_check6_rx ? 1 : 0;
    case S.UDPLITE_SEND_CSCOV:
      return up.pcslen;
    case S.UDPLITE_RECV_CSCOV:
      return up.pcrlen;
    default:
      return null;
  }
}

export function udp_getsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (!is_udp_level(level)) return ip_getsockopt(sk, level, optname, optval);
  const val = get_int(udp_sk(sk), optname);
  return val === null ? -ENOPROTOOPT : put_int(optval, val);
}

export function udp_ioctl(sk: Sock, cmd: number, arg: Uint8Array): number {
  if (cmd !== S.SIOCOUTQ && cmd !== S.SIOCINQ) return -ENOIOCTLCMD;
  if (arg.length < 4) return -EFAULT;
  const dv = new DataView(arg.buffer, arg.byteOffset, arg.byteLength);
  if (cmd === S.SIOCOUTQ) dv.setInt32(0, sk.sk_wmem_alloc, true);
  else {
    // Bytes of the next datagram.
    const skb = sk.sk_receive_queue.next;
    dv.setInt32(0, skb !== null ? skb.len - (skb.transport_header - skb.data) - UDP_HLEN : 0, true);
  }
  return 0;
}
