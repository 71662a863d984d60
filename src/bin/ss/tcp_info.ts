// struct tcp_info (linux/tcp.h) as `ss -i` prints it.

import { INET_DIAG_BBRINFO, INET_DIAG_CONG, INET_DIAG_INFO } from "../../uapi/inet_diag.ts";
import type { NlAttrs } from "../../uapi/nlattr.ts";
import { nl_get_u64, nla_get_string } from "../../uapi/nlattr.ts";

const OPT_TIMESTAMPS = 1;
const OPT_SACK = 2;
const OPT_WSCALE = 4;
const OPT_ECN = 8;
const OPT_ECN_SEEN = 16;
const OPT_SYN_DATA = 32;

/** C's %g with six digits. */
export const g = (n: number): string => String(Number(n.toPrecision(6)));

/** `withOptions`: say which TCP options were negotiated (-e). In LISTEN, unacked and sacked hold the backlog instead. */
export function tcpInfoText(attrs: NlAttrs, withOptions: boolean, listening: boolean): string {
  const words: string[] = [];
  const a = attrs[INET_DIAG_INFO];
  const cong = nla_get_string(attrs[INET_DIAG_CONG]);
  if (a === undefined) return cong === "" ? "" : ` ${cong}`;
  const u8 = (at: number): number => (at + 1 <= a.len ? a.buf[a.off + at] : 0);
  const u32 = (at: number): number => (at + 4 <= a.len ? a.dv.getUint32(a.off + at, true) : 0);
  const u64 = (at: number): number => (at + 8 <= a.len ? nl_get_u64(a.dv, a.off + at) : 0);
  const options = u8(5);
  const put = (text: string): void => {
    words.push(text);
  };
  const nonzero = (label: string, n: number): void => {
    if (n !== 0) put(`${label}:${n}`);
  };
  if (withOptions && (options & OPT_TIMESTAMPS) !== 0) put("ts");
  if (withOptions && (options & OPT_SACK) !== 0) put("sack");
  if (withOptions && (options & OPT_ECN) !== 0) put("ecn");
  if (withOptions && (options & OPT_ECN_SEEN) !== 0) put("ecnseen");
  if (withOptions && (options & OPT_SYN_DATA) !== 0) put("fastopen");
  if (cong !== "") put(cong);
  if ((options & OPT_WSCALE) !== 0) put(`wscale:${u8(6) & 15},${u8(6) >> 4}`);
  const rto = u32(8);
  if (rto !== 0 && rto !== 3000000) put(`rto:${g(rto / 1000)}`);
  nonzero("backoff", u8(4));
  const rtt = u32(68);
  if (rtt !== 0) put(`rtt:${g(rtt / 1000)}/${g(u32(72) / 1000)}`);
  if (u32(12) !== 0) put(`ato:${g(u32(12) / 1000)}`);
  const mss = u32(16);
  nonzero("mss", mss);
  nonzero("pmtu", u32(60));
  nonzero("rcvmss", u32(20));
  nonzero("advmss", u32(84));
  const cwnd = u32(80);
  nonzero("cwnd", cwnd);
  const ssthresh = u32(76);
  if (ssthresh < 0xffff) nonzero("ssthresh", ssthresh);
  nonzero("bytes_sent", u64(200));
  nonzero("bytes_retrans", u64(208));
  nonzero("bytes_acked", u64(120));
  nonzero("bytes_received", u64(128));
  nonzero("segs_out", u32(136));
  nonzero("segs_in", u32(140));
  nonzero("data_segs_out", u32(156));
  nonzero("data_segs_in", u32(152));
  const bbr = attrs[INET_DIAG_BBRINFO];
  if (bbr !== undefined && bbr.len >= 20) {
    const b = (i: number): number => bbr.dv.getUint32(bbr.off + 4 * i, true);
    let text = `bbr:(bw:${(b(0) + b(1) * 0x100000000) * 8}bps,mrtt:${g(b(2) / 1000)}`;
    if (b(3) !== 0) text += `,pacing_gain:${g(b(3) / 256)}`;
    if (b(4) !== 0) text += `,cwnd_gain:${g(b(4) / 256)}`;
    put(`${text})`);
  }
  if (rtt > 0 && mss > 0 && cwnd > 0) put(`send ${Math.round((cwnd * mss * 8000000) / rtt)}bps`);
  nonzero("lastsnd", u32(44));
  nonzero("lastrcv", u32(52));
  nonzero("lastack", u32(56));
  const pacing = u64(104);
  if (pacing !== 0 && pacing < 1.8e19) {
    const max = u64(112);
    put(`pacing_rate ${pacing * 8}bps${max !== 0 && max < 1.8e19 ? `/${max * 8}bps` : ""}`);
  }
  if (u64(160) !== 0) put(`delivery_rate ${u64(160) * 8}bps`);
  nonzero("delivered", u32(192));
  nonzero("delivered_ce", u32(196));
  if ((u8(7) & 1) !== 0) put("app_limited");
  const busy = u64(168);
  if (busy !== 0) {
    put(`busy:${Math.floor(busy / 1000)}ms`);
    const share = (label: string, n: number): void => {
      if (n !== 0) put(`${label}:${Math.floor(n / 1000)}ms(${((100 * n) / busy).toFixed(1)}%)`);
    };
    share("rwnd_limited", u64(176));
    share("sndbuf_limited", u64(184));
  }
  if (!listening) nonzero("unacked", u32(24));
  if (u32(36) !== 0 || u32(100) !== 0) put(`retrans:${u32(36)}/${u32(100)}`);
  nonzero("lost", u32(32));
  if (!listening) nonzero("sacked", u32(28));
  nonzero("dsack_dups", u32(216));
  if (u32(88) !== 3) nonzero("reordering", u32(88));
  nonzero("reord_seen", u32(220));
  if (u32(92) !== 0) put(`rcv_rtt:${g(u32(92) / 1000)}`);
  nonzero("rcv_space", u32(96));
  nonzero("rcv_ssthresh", u32(64));
  nonzero("notsent", u32(144));
  if (u32(148) !== 0 && u32(148) !== 0xffffffff) put(`minrtt:${g(u32(148) / 1000)}`);
  nonzero("rcv_ooopack", u32(224));
  nonzero("snd_wnd", u32(228));
  return words.map((w) => ` ${w}`).join("");
}
