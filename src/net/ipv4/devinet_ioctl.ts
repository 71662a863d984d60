// Addresses by ioctl, as ifconfig sets and reads them. The ioctl part of net/ipv4/devinet.c. Read first: netdevice(7).
// Way in: devinet_ioctl() from inet_ioctl().

import { EADDRNOTAVAIL, EFAULT, EINVAL, ENOBUFS, ENODEV } from "../../uapi/errno.ts";
import {
  IFCONF_LEN,
  IFF_BROADCAST,
  IFF_POINTOPOINT,
  IFF_UP,
  IFNAMSIZ,
  IFREQ_DATA,
  IFREQ_LEN,
  SIOCGIFADDR,
  SIOCGIFBRDADDR,
  SIOCGIFCONF,
  SIOCGIFDSTADDR,
  SIOCGIFNETMASK,
  SIOCSIFADDR,
  SIOCSIFBRDADDR,
  SIOCSIFDSTADDR,
  SIOCSIFFLAGS,
  SIOCSIFNETMASK,
} from "../../uapi/if.ts";
import { INFINITY_LIFE_TIME } from "../../uapi/if_addr.ts";
import { AF_INET } from "../../uapi/socket.ts";
import { dev_change_flags, for_each_netdev } from "../core/dev_api.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import { inet_del_ifa, inet_insert_ifa, inet_set_ifa, set_ifa_lifetime } from "./devinet.ts";
import { InIfaddr, inet_make_mask } from "./netns_ipv4.ts";

/** sockaddr_in.sin_addr within struct ifreq. */
const IFR_ADDR = IFREQ_DATA + 4;

/** A C string of at most `max` bytes at `off`. */
export function get_cstr(b: Uint8Array, off: number, max: number): string {
  let s = "";
  for (let i = off; i < off + max && i < b.length && b[i] !== 0; i++) s += String.fromCharCode(b[i]!);
  return s;
}

function put_cstr(b: Uint8Array, off: number, max: number, text: string): void {
  b.fill(0, off, off + max);
  for (let i = 0; i < text.length && i < max - 1; i++) b[off + i] = text.charCodeAt(i);
}

/** The prefix length of an address's class (RFC 791): 8, 16, 24; 32 for 240/4 and 0 for 0.0.0.0; -1 for multicast. */
export function inet_abc_len(addr: number): number {
  if (addr === 0) return 0;
  const top = addr >>> 28;
  if (top < 8) return 8;
  if (top < 12) return 16;
  if (top < 14) return 24;
  return top === 15 ? 32 : -1;
}

/** A mask that is no run of ones from the left, or an address with bits outside of it. */
export function bad_mask(mask: number, addr: number): boolean {
  const host = ~mask;
  return (addr & host) !== 0 || (host & (host + 1)) !== 0;
}

/** Takes an address out and puts it back changed, as these ioctls do: routes follow. */
function reinsert(ifa: InIfaddr, change: () => void): number {
  inet_del_ifa(ifa.ifa_dev, ifa, null);
  change();
  return inet_insert_ifa(ifa, null, null);
}

function set_ifaddr(dev: NetDevice, ifa: InIfaddr | null, name: string, addr: number): number {
  const in_dev = dev.ip_ptr;
  if (inet_abc_len(addr) < 0) return -EINVAL;
  if (!in_dev) return -ENOBUFS;
  if (ifa === null) ifa = new InIfaddr(in_dev, name);
  else {
    if (ifa.ifa_local === addr) return 0;
    inet_del_ifa(in_dev, ifa, null);
    ifa.ifa_broadcast = 0;
    ifa.ifa_scope = 0;
  }
  ifa.ifa_address = addr;
  ifa.ifa_local = addr;
  if ((dev.flags & IFF_POINTOPOINT) === 0) {
    ifa.ifa_prefixlen = inet_abc_len(addr);
    ifa.ifa_mask = inet_make_mask(ifa.ifa_prefixlen);
    if ((dev.flags & IFF_BROADCAST) !== 0 && ifa.ifa_prefixlen < 31) ifa.ifa_broadcast = addr | ~ifa.ifa_mask;
  } else {
    ifa.ifa_prefixlen = 32;
    ifa.ifa_mask = -1;
  }
  set_ifa_lifetime(ifa, INFINITY_LIFE_TIME, INFINITY_LIFE_TIME);
  return inet_set_ifa(dev, ifa);
}

function set_netmask(dev: NetDevice, ifa: InIfaddr, mask: number): number {
  if (bad_mask(mask, 0)) return -EINVAL;
  if (ifa.ifa_mask === mask) return 0;
  const old = ifa.ifa_mask;
  return reinsert(ifa, () => {
    ifa.ifa_mask = mask;
    ifa.ifa_prefixlen = Math.clz32(~mask);
    // A broadcast address that followed the old mask follows the new one.
    const followed = ifa.ifa_broadcast === (ifa.ifa_local | ~old);
    if ((dev.flags & IFF_BROADCAST) !== 0 && ifa.ifa_prefixlen < 31 && followed) {
      ifa.ifa_broadcast = ifa.ifa_local | ~mask;
    }
  });
}

/** SIOCGIFCONF: length at 0, ifreqs from IFCONF_LEN on; without room for them only the length. */
function inet_gifconf(net: Net, arg: Uint8Array): number {
  if (arg.length < 4) return -EFAULT;
  const dv = new DataView(arg.buffer, arg.byteOffset, arg.byteLength);
  const room = Math.min(Math.max(0, dv.getInt32(0, true)), Math.max(0, arg.length - IFCONF_LEN));
  let need = 0;
  let done = 0;
  for (const dev of for_each_netdev(net)) {
    for (const ifa of dev.ip_ptr?.ifa_list ?? []) {
      need += IFREQ_LEN;
      if (done + IFREQ_LEN > room) continue;
      const at = IFCONF_LEN + done;
      arg.fill(0, at, at + IFREQ_LEN);
      put_cstr(arg, at, IFNAMSIZ, ifa.ifa_label);
      dv.setUint16(at + IFREQ_DATA, AF_INET, true);
      dv.setInt32(at + IFR_ADDR, ifa.ifa_local);
      done += IFREQ_LEN;
    }
  }
  dv.setInt32(0, arg.length <= IFCONF_LEN ? need : done, true);
  return 0;
}

/** The address that a name means: "eth0:1" by label; with an AF_INET address given, that one among several. */
function find_ifa(dev: NetDevice, name: string, wanted: number | null): InIfaddr | null {
  const list = dev.ip_ptr?.ifa_list ?? [];
  if (wanted !== null) {
    for (const ifa of list) if (ifa.ifa_label === name && ifa.ifa_local === wanted) return ifa;
  }
  for (const ifa of list) if (ifa.ifa_label === name) return ifa;
  return null;
}

/** SIOC[GS]IF{ADDR,DSTADDR,BRDADDR,NETMASK}, SIOCSIFFLAGS and SIOCGIFCONF on a struct ifreq or ifconf. 0 or -errno. */
export function devinet_ioctl(net: Net, cmd: number, arg: Uint8Array): number {
  if (cmd === SIOCGIFCONF) return inet_gifconf(net, arg);
  if (arg.length < IFREQ_DATA + 16) return -EFAULT;
  const dv = new DataView(arg.buffer, arg.byteOffset, arg.byteLength);
  const name = get_cstr(arg, 0, IFNAMSIZ - 1);
  const colon = name.indexOf(":");
  const family = dv.getUint16(IFREQ_DATA, true);
  const addr = dv.getInt32(IFR_ADDR);
  const reads = cmd === SIOCGIFADDR || cmd === SIOCGIFBRDADDR || cmd === SIOCGIFDSTADDR || cmd === SIOCGIFNETMASK;
  const writes = cmd === SIOCSIFADDR || cmd === SIOCSIFBRDADDR || cmd === SIOCSIFDSTADDR || cmd === SIOCSIFNETMASK;
  if (!reads && !writes && cmd !== SIOCSIFFLAGS) return -EINVAL;
  if (writes && family !== AF_INET) return -EINVAL;
  const dev = net.dev_by_name.get(colon >= 0 ? name.slice(0, colon) : name);
  if (dev === undefined) return -ENODEV;
  const ifa = find_ifa(dev, name, reads && family === AF_INET ? addr : null);
  if (cmd === SIOCSIFFLAGS) {
    const flags = dv.getUint16(IFREQ_DATA, true);
    if (colon < 0) return dev_change_flags(dev, flags);
    if (ifa === null) return -EADDRNOTAVAIL;
    // An alias is "down" when it is gone.
    if ((flags & IFF_UP) === 0) inet_del_ifa(ifa.ifa_dev, ifa, null);
    return 0;
  }
  if (cmd === SIOCSIFADDR) return set_ifaddr(dev, ifa, name, addr);
  if (ifa === null) return -EADDRNOTAVAIL;
  if (reads) {
    arg.fill(0, IFREQ_DATA, IFREQ_DATA + 16);
    dv.setUint16(IFREQ_DATA, AF_INET, true);
    const v = {
      [SIOCGIFADDR]: ifa.ifa_local,
      [SIOCGIFBRDADDR]: ifa.ifa_broadcast,
      [SIOCGIFDSTADDR]: ifa.ifa_address,
      [SIOCGIFNETMASK]: ifa.ifa_mask,
    }[cmd]!;
    dv.setInt32(IFR_ADDR, v);
    return 0;
  }
  if (cmd === SIOCSIFBRDADDR) {
    if (ifa.ifa_broadcast === addr) return 0;
    return reinsert(ifa, () => {
      ifa.ifa_broadcast = addr;
    });
  }
  if (cmd === SIOCSIFNETMASK) return set_netmask(dev, ifa, addr);
  if (ifa.ifa_address === addr) return 0;
  if (inet_abc_len(addr) < 0) return -EINVAL;
  return reinsert(ifa, () => {
    ifa.ifa_address = addr;
  });
}
