// ARP's ioctls (arp(8)) and /proc/net/arp. Mirrors the ioctl and seq_file parts of net/ipv4/arp.c.
// Read first: arp(7). Way in: arp_ioctl(), arp_seq_show().

import { EINVAL, ENETUNREACH, ENOBUFS, ENODEV, ENXIO, EPFNOSUPPORT } from "../../uapi/errno.ts";
import { ATF_COM, ATF_DONTPUB, ATF_NETMASK, ATF_PERM, ATF_PUBL, SIOCDARP, SIOCGARP, SIOCSARP } from "../../uapi/if.ts";
import { NUD_NOARP, NUD_PERMANENT, NUD_STALE } from "../../uapi/neighbour.ts";
import { RT_SCOPE_LINK } from "../../uapi/rtnetlink.ts";
import { AF_INET } from "../../uapi/socket.ts";
import { dst_release } from "../core/dst.ts";
import { pneigh_entries } from "../core/neigh_admin.ts";
import {
  __neigh_lookup,
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_OVERRIDE,
  type Neighbour,
  NUD_VALID,
  neigh_lookup,
  neigh_release,
  neigh_update,
  pneigh_delete,
  pneigh_lookup,
} from "../core/neighbour.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import { mac_text } from "../ethernet/eth.ts";
import { arp_invalidate } from "./arp.ts";
import { __in_dev_get } from "./netns_ipv4.ts";
import { ip_route_output } from "./route.ts";

/** struct arpreq: arp_pa, arp_ha (sockaddr, 16 each), arp_flags (int), arp_netmask (sockaddr), arp_dev (char[16]). */
export const ARPREQ_LEN = 68;
const ARP_PA = 0;
const ARP_HA = 16;
const ARP_FLAGS = 32;
const ARP_NETMASK = 36;
const ARP_DEV = 52;

function dev_name(arg: Uint8Array): string {
  let s = "";
  for (let i = ARP_DEV; i < ARP_DEV + 16 && arg[i] !== 0; i++) s += String.fromCharCode(arg[i]!);
  return s;
}

const arp_state_to_flags = (n: Neighbour): number =>
  (n.nud_state & NUD_PERMANENT) !== 0 ? ATF_PERM | ATF_COM : (n.nud_state & NUD_VALID) !== 0 ? ATF_COM : 0;

/** The device by which `ip` is on the link. */
function dev_by_route(net: Net, ip: number): NetDevice | null {
  const rt = ip_route_output(net, ip, 0, 0, 0, RT_SCOPE_LINK);
  if (rt === null) return null;
  const dev = rt.dev;
  dst_release(rt);
  return dev;
}

/** proxy_arp for a device, or for all. */
function arp_req_set_proxy(net: Net, dev: NetDevice | null, on: number): number {
  if (dev === null) {
    net.ipv4.devconf_all.proxy_arp = on;
    return 0;
  }
  const in_dev = __in_dev_get(dev);
  if (in_dev === null) return -ENXIO;
  in_dev.cnf.proxy_arp = on;
  return 0;
}

function arp_req_set_public(net: Net, dev: NetDevice | null, ip: number, mask: number): number {
  if (mask !== 0 && mask !== -1) return -EINVAL;
  if (mask === 0) return arp_req_set_proxy(net, dev, 1);
  return pneigh_lookup(net.kernel.arp_tbl, net, dev, true, ip) === null ? -ENOBUFS : 0;
}

function dev_getbyhwaddr(net: Net, type: number, ha: Uint8Array): NetDevice | null {
  for (const dev of net.dev_by_index.values()) {
    if (dev.type !== type) continue;
    let same = true;
    for (let i = 0; i < dev.addr_len; i++) if (dev.dev_addr[i] !== ha[i]) same = false;
    if (same) return dev;
  }
  return null;
}

function arp_req_set(
  net: Net,
  dev: NetDevice | null,
  ip: number,
  mask: number,
  flags: number,
  arg: Uint8Array,
): number {
  const family = arg[ARP_HA]! | (arg[ARP_HA + 1]! << 8);
  const ha = arg.slice(ARP_HA + 2, ARP_HA + 16);
  if ((flags & ATF_PUBL) !== 0) {
    if (dev === null && (flags & ATF_COM) !== 0) {
      dev = dev_getbyhwaddr(net, family, ha);
      if (dev === null) return -ENODEV;
    }
    return arp_req_set_public(net, dev, ip, mask);
  }
  if ((flags & ATF_PERM) !== 0) flags |= ATF_COM;
  if (dev === null) {
    dev = dev_by_route(net, ip);
    if (dev === null) return -ENETUNREACH;
    if (family !== dev.type) return -EINVAL;
  }
  const n = __neigh_lookup(net.kernel.arp_tbl, dev, true, ip);
  if (n === null) return net.kernel.arp_tbl.last_error;
  const err = neigh_update(
    n,
    (flags & ATF_COM) !== 0 ? ha : null,
    (flags & ATF_PERM) !== 0 ? NUD_PERMANENT : NUD_STALE,
    NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN,
  );
  neigh_release(n);
  return err;
}

function arp_req_delete(net: Net, dev: NetDevice | null, ip: number, mask: number, flags: number): number {
  if ((flags & ATF_PUBL) !== 0) {
    if (mask === -1) return pneigh_delete(net.kernel.arp_tbl, net, dev, ip);
    return mask !== 0 ? -EINVAL : arp_req_set_proxy(net, dev, 0);
  }
  if (dev === null) {
    dev = dev_by_route(net, ip);
    if (dev === null) return -ENETUNREACH;
  }
  return arp_invalidate(dev, ip, true);
}

function arp_req_get(dev: NetDevice, ip: number, arg: Uint8Array, dv: DataView): number {
  const n = neigh_lookup(dev.net.kernel.arp_tbl, dev, ip);
  if (n === null) return -ENXIO;
  let err = -ENXIO;
  if ((n.nud_state & NUD_NOARP) === 0) {
    arg.fill(0, ARP_HA, ARP_HA + 16);
    arg[ARP_HA] = dev.type & 0xff;
    arg[ARP_HA + 1] = dev.type >> 8;
    const len = Math.min(dev.addr_len, 14);
    for (let i = 0; i < len; i++) arg[ARP_HA + 2 + i] = n.ha[i]!;
    dv.setInt32(ARP_FLAGS, arp_state_to_flags(n), true);
    arg.fill(0, ARP_DEV, ARP_DEV + 16);
    for (let i = 0; i < dev.name.length && i < 15; i++) arg[ARP_DEV + i] = dev.name.charCodeAt(i);
    err = 0;
  }
  neigh_release(n);
  return err;
}

/** SIOCSARP, SIOCDARP and SIOCGARP on a struct arpreq, which SIOCGARP fills. Returns 0 or -errno. */
export function arp_ioctl(net: Net, cmd: number, arg: Uint8Array): number {
  if (cmd !== SIOCSARP && cmd !== SIOCDARP && cmd !== SIOCGARP) return -EINVAL;
  if (arg.length < ARPREQ_LEN) return -EINVAL;
  const dv = new DataView(arg.buffer, arg.byteOffset, ARPREQ_LEN);
  if (dv.getUint16(ARP_PA, true) !== AF_INET) return -EPFNOSUPPORT;
  const flags = dv.getInt32(ARP_FLAGS, true);
  if ((flags & ATF_PUBL) === 0 && (flags & (ATF_NETMASK | ATF_DONTPUB)) !== 0) return -EINVAL;
  const mask = (flags & ATF_NETMASK) !== 0 ? dv.getInt32(ARP_NETMASK + 4) : -1;
  const ip = dv.getInt32(ARP_PA + 4);
  const name = dev_name(arg);
  let dev: NetDevice | null = null;
  if (name !== "") {
    dev = net.dev_by_name.get(name) ?? null;
    if (dev === null) return -ENODEV;
    const family = dv.getUint16(ARP_HA, true);
    if (family !== 0 && (flags & ATF_COM) !== 0 && family !== dev.type) return -EINVAL;
  } else if (cmd === SIOCGARP) return -ENODEV;
  if (cmd === SIOCSARP) return arp_req_set(net, dev, ip, mask, flags, arg);
  if (cmd === SIOCDARP) return arp_req_delete(net, dev, ip, mask, flags);
  return arp_req_get(dev!, ip, arg, dv);
}

const ip_text = (a: number): string => `${a >>> 24}.${(a >> 16) & 255}.${(a >> 8) & 255}.${a & 255}`;

const row = (ip: number, type: number, flags: number, mac: string, dev: string): string =>
  `${ip_text(ip).padEnd(16)} 0x${type.toString(16).padEnd(10)}0x${flags.toString(16).padEnd(10)}${mac.padEnd(17)}     *        ${dev}\n`;

/** /proc/net/arp: entries that need no ARP, and those nobody asked for yet, are not shown. */
export function arp_seq_show(net: Net): string {
  const tbl = net.kernel.arp_tbl;
  let s = "IP address       HW type     Flags       HW address            Mask     Device\n";
  for (let n = tbl.all_first; n !== null; n = n.all_next) {
    if (n.dev.net !== net || (n.nud_state & ~NUD_NOARP) === 0) continue;
    s += row(n.primary_key, n.dev.type, arp_state_to_flags(n), mac_text(n.ha, n.dev.addr_len), n.dev.name);
  }
  for (const e of pneigh_entries(tbl, net)) {
    s += row(e.key, e.dev !== null ? e.dev.type : 0, ATF_PUBL | ATF_PERM, "00:00:00:00:00:00", e.dev?.name ?? "*");
  }
  return s;
}
