// Routes by ioctl (struct rtentry), as route(8) adds and deletes them; it lists them from /proc/net/route (fib_proc.ts).
// The old interface of net/ipv4/fib_frontend.c. Way in: ip_rt_ioctl().

import { EAFNOSUPPORT, EFAULT, EINVAL, ENODEV, ENOTTY, ESRCH } from "../../uapi/errno.ts";
import { IFNAMSIZ, SIOCADDRT, SIOCDELRT } from "../../uapi/if.ts";
import { NLM_F_CREATE } from "../../uapi/netlink.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RTAX_ADVMSS,
  RTAX_MAX,
  RTAX_RTT,
  RTAX_WINDOW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTPROT_BOOT,
} from "../../uapi/rtnetlink.ts";
import { AF_INET } from "../../uapi/socket.ts";
import type { Net } from "../core/net_namespace.ts";
import { bad_mask, get_cstr } from "./devinet_ioctl.ts";
import { fib_get_table, fib_new_table, inet_addr_type_table } from "./fib_frontend.ts";
import { FibConfig } from "./fib_lookup.ts";
import { fib_table_delete, fib_table_insert } from "./fib_trie.ts";

const RTF_GATEWAY = 0x2;
const RTF_HOST = 0x4;
const RTF_MTU = 0x40;
const RTF_WINDOW = 0x80;
const RTF_IRTT = 0x100;
const RTF_REJECT = 0x200;

// struct rtentry on x86-64; sockaddrs hold family (host order) and, 4 bytes in, the address.
const RT_DST = 8;
const RT_GATEWAY = 24;
const RT_GENMASK = 40;
const RT_FLAGS = 56;
const RT_METRIC = 80;
const RT_MTU = 96;
const RT_WINDOW = 104;
const RT_IRTT = 112;
/** sizeof(struct rtentry). The name that rt_dev points to follows here inline, as a pointer means nothing across machines. */
export const RTENTRY_LEN = 120;

function rtentry_to_fib_config(net: Net, cmd: number, arg: Uint8Array, cfg: FibConfig): number {
  const dv = new DataView(arg.buffer, arg.byteOffset, arg.byteLength);
  const flags = dv.getUint16(RT_FLAGS, true);
  if (dv.getUint16(RT_DST, true) !== AF_INET) return -EAFNOSUPPORT;
  cfg.fc_dst = dv.getInt32(RT_DST + 4);
  cfg.fc_dst_len = 32;
  if ((flags & RTF_HOST) === 0) {
    const mask = dv.getInt32(RT_GENMASK + 4);
    const family = dv.getUint16(RT_GENMASK, true);
    if (family !== AF_INET && (mask !== 0 || family !== 0)) return -EAFNOSUPPORT;
    if (bad_mask(mask, cfg.fc_dst)) return -EINVAL;
    cfg.fc_dst_len = Math.clz32(~mask);
  }
  if (cmd === SIOCADDRT) {
    cfg.fc_nlflags = NLM_F_CREATE;
    cfg.fc_protocol = RTPROT_BOOT;
  }
  const metric = dv.getInt16(RT_METRIC, true);
  if (metric !== 0) cfg.fc_priority = metric - 1;
  if ((flags & RTF_REJECT) !== 0) {
    cfg.fc_scope = RT_SCOPE_HOST;
    cfg.fc_type = RTN_UNREACHABLE;
    return 0;
  }
  cfg.fc_scope = RT_SCOPE_NOWHERE;
  cfg.fc_type = RTN_UNICAST;
  const name = get_cstr(arg, RTENTRY_LEN, IFNAMSIZ - 1);
  if (name !== "") {
    const colon = name.indexOf(":");
    const dev = net.dev_by_name.get(colon >= 0 ? name.slice(0, colon) : name);
    if (dev === undefined) return -ENODEV;
    cfg.fc_oif = dev.ifindex;
    if (colon >= 0) {
      // An alias means its address as source.
      const ifa = dev.ip_ptr?.ifa_list.find((i) => i.ifa_label === name);
      if (ifa === undefined) return -ENODEV;
      cfg.fc_prefsrc = ifa.ifa_local;
    }
  }
  const gw = dv.getInt32(RT_GATEWAY + 4);
  if (dv.getUint16(RT_GATEWAY, true) === AF_INET && gw !== 0) {
    cfg.fc_gw = gw;
    cfg.fc_has_gw = true;
    if ((flags & RTF_GATEWAY) !== 0 && inet_addr_type_table(net, gw, RT_TABLE_LOCAL) === RTN_UNICAST) {
      cfg.fc_scope = RT_SCOPE_UNIVERSE;
    }
  }
  if (cmd === SIOCDELRT) return 0;
  if ((flags & RTF_GATEWAY) !== 0 && !cfg.fc_has_gw) return -EINVAL;
  if (cfg.fc_scope === RT_SCOPE_NOWHERE) cfg.fc_scope = RT_SCOPE_LINK;
  if ((flags & (RTF_MTU | RTF_WINDOW | RTF_IRTT)) !== 0) {
    cfg.fc_mx = new Int32Array(RTAX_MAX + 1);
    // What route(8) calls mss arrives as an MTU.
    if ((flags & RTF_MTU) !== 0) cfg.fc_mx[RTAX_ADVMSS] = dv.getUint32(RT_MTU, true) - 40;
    if ((flags & RTF_WINDOW) !== 0) cfg.fc_mx[RTAX_WINDOW] = dv.getUint32(RT_WINDOW, true);
    if ((flags & RTF_IRTT) !== 0) cfg.fc_mx[RTAX_RTT] = dv.getUint16(RT_IRTT, true) << 3;
  }
  return 0;
}

/** SIOCADDRT and SIOCDELRT on a struct rtentry with the device's name behind it. 0 or -errno. */
export function ip_rt_ioctl(net: Net, cmd: number, arg: Uint8Array): number {
  if (cmd !== SIOCADDRT && cmd !== SIOCDELRT) return -ENOTTY;
  if (arg.length < RTENTRY_LEN) return -EFAULT;
  const cfg = new FibConfig();
  const err = rtentry_to_fib_config(net, cmd, arg, cfg);
  if (err < 0) return err;
  if (cmd === SIOCADDRT) return fib_table_insert(net, fib_new_table(net, cfg.fc_table), cfg, null);
  const tb = fib_get_table(net, cfg.fc_table);
  return tb !== null ? fib_table_delete(net, tb, cfg, null) : -ESRCH;
}
