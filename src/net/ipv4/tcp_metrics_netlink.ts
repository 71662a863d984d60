// What TCP remembers of peers, over generic netlink: `ip tcp_metrics`. The other half of net/ipv4/tcp_metrics.c.
// Read first: uapi/genetlink.ts, ip-tcp_metrics(8). Way in: tcp_metrics_genl_init().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { EAFNOSUPPORT, EINVAL, ESRCH } from "../../uapi/errno.ts";
import * as G from "../../uapi/genetlink.ts";
import { NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  type NlAttr,
  NlMsgWriter,
  nla_get_in_addr,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_put,
  nla_put_in_addr,
  nla_put_u16,
  nla_put_u32,
  nla_put_u64,
  nlmsg_end,
  nlmsg_parse,
} from "../../uapi/nlattr.ts";
import { type NetlinkDump, type NlRequest, nlmsg_unicast } from "../netlink/af_netlink.ts";
import { type GenlFamily, genl_register_family, genlmsg_put } from "../netlink/genetlink.ts";
import {
  type TcpMetricsBlock,
  tcp_metrics_del,
  tcp_metrics_find,
  tcp_metrics_flush_all,
  tcp_metrics_for_each,
} from "./tcp_metrics.ts";

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    tcp_metrics_nl_family: GenlFamily;
  }
}

function tcp_metrics_fill_info(w: NlMsgWriter, k: Kernel, tm: TcpMetricsBlock): void {
  const now = jiffies(k);
  nla_put_in_addr(w, G.TCP_METRICS_ATTR_ADDR_IPV4, tm.tcpm_daddr);
  nla_put_in_addr(w, G.TCP_METRICS_ATTR_SADDR_IPV4, tm.tcpm_saddr);
  nla_put_u64(w, G.TCP_METRICS_ATTR_AGE, now - tm.tcpm_stamp);
  const vals = nla_nest_start_noflag(w, G.TCP_METRICS_ATTR_VALS);
  tm.tcpm_vals.forEach((v, i) => {
    let val = Math.floor(v);
    if (val === 0) return;
    const us = i === G.TCP_METRIC_RTT ? G.TCP_METRIC_RTT_US : i === G.TCP_METRIC_RTTVAR ? G.TCP_METRIC_RTTVAR_US : -1;
    if (us >= 0) {
      nla_put_u32(w, us + 1, val);
      val = Math.max(Math.floor(val / 1000), 1);
    }
    nla_put_u32(w, i + 1, val);
  });
  nla_nest_end(w, vals);
  const tfo = tm.tcpm_fastopen;
  if (tfo === null) return;
  if (tfo.mss !== 0) nla_put_u16(w, G.TCP_METRICS_ATTR_FOPEN_MSS, tfo.mss);
  if (tfo.syn_loss !== 0) {
    nla_put_u16(w, G.TCP_METRICS_ATTR_FOPEN_SYN_DROPS, tfo.syn_loss);
    nla_put_u64(w, G.TCP_METRICS_ATTR_FOPEN_SYN_DROP_TS, now - tfo.last_syn_loss);
  }
  if (tfo.cookie !== null && tfo.cookie.len > 0) nla_put(w, G.TCP_METRICS_ATTR_FOPEN_COOKIE, tfo.cookie.val);
}

function* tcp_metrics_nl_dump(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const net = req.sk.net;
  const k = net.kernel;
  for (const tm of tcp_metrics_for_each(net)) {
    genlmsg_put(w, req, k.tcp_metrics_nl_family, NLM_F_MULTI, G.TCP_METRICS_CMD_GET);
    tcp_metrics_fill_info(w, k, tm);
    nlmsg_end(w);
    yield;
  }
  return 0;
}

interface Peer {
  daddr: number | null;
  saddr: number | null;
  /** -errno, 1 when there is no address, 0. */
  err: number;
}

/** The addresses that a request names. DIFF: of IPv6 peers nothing is remembered. */
function parse_nl_addr(req: NlRequest): Peer {
  const tb = nlmsg_parse(req.msg, G.GENL_HDRLEN);
  const addr = (a: NlAttr | undefined): number | null => (a !== undefined && a.len >= 4 ? nla_get_in_addr(a) : null);
  const a = tb[G.TCP_METRICS_ATTR_ADDR_IPV4];
  const s = tb[G.TCP_METRICS_ATTR_SADDR_IPV4];
  const peer: Peer = { daddr: addr(a), saddr: addr(s), err: 0 };
  if ((a !== undefined && peer.daddr === null) || (s !== undefined && peer.saddr === null)) peer.err = -EINVAL;
  else if (a === undefined) peer.err = tb[G.TCP_METRICS_ATTR_ADDR_IPV6] !== undefined ? -ESRCH : 1;
  return peer;
}

function tcp_metrics_nl_cmd_get(req: NlRequest): number {
  const net = req.sk.net;
  const peer = parse_nl_addr(req);
  if (peer.err !== 0) return peer.err < 0 ? peer.err : -EAFNOSUPPORT;
  const tm = tcp_metrics_find(net, peer.saddr, peer.daddr!);
  if (tm === null) return -ESRCH;
  const w = new NlMsgWriter(256);
  genlmsg_put(w, req, net.kernel.tcp_metrics_nl_family, 0, G.TCP_METRICS_CMD_GET);
  tcp_metrics_fill_info(w, net.kernel, tm);
  nlmsg_end(w);
  return nlmsg_unicast(req, w);
}

/** One peer, with all its sources unless one is named; without an address, everybody. */
function tcp_metrics_nl_cmd_del(req: NlRequest): number {
  const net = req.sk.net;
  const peer = parse_nl_addr(req);
  if (peer.err < 0) return peer.err;
  if (peer.err > 0) {
    tcp_metrics_flush_all(net);
    return 0;
  }
  return tcp_metrics_del(net, peer.saddr, peer.daddr!) ? 0 : -ESRCH;
}

export function tcp_metrics_genl_init(k: Kernel): void {
  const get = G.GENL_CMD_CAP_DO | G.GENL_CMD_CAP_DUMP | G.GENL_CMD_CAP_HASPOL;
  const del = G.GENL_ADMIN_PERM | G.GENL_CMD_CAP_DO | G.GENL_CMD_CAP_HASPOL;
  k.tcp_metrics_nl_family = genl_register_family(k, {
    name: G.TCP_METRICS_GENL_NAME,
    version: G.TCP_METRICS_GENL_VERSION,
    maxattr: G.TCP_METRICS_ATTR_PAD,
    ops: [
      { cmd: G.TCP_METRICS_CMD_GET, flags: get, doit: tcp_metrics_nl_cmd_get, dumpit: tcp_metrics_nl_dump },
      { cmd: G.TCP_METRICS_CMD_DEL, flags: del, doit: tcp_metrics_nl_cmd_del },
    ],
  });
}
