// Device ioctls: names, flags, MTU, hardware address, queue length. Mirrors net/core/dev_ioctl.c. Read first: netdevice(7).
// Way in: dev_ioctl() from sock_ioctl(). Addresses are in ipv4/devinet_ioctl.ts, SIOCETHTOOL in ethtool.ts.

import { EFAULT, EINVAL, ENODEV, ENOIOCTLCMD, EOPNOTSUPP } from "../../uapi/errno.ts";
import * as F from "../../uapi/if.ts";
import { utf8_encode } from "../../uapi/utf8.ts";
import { dev_mc_add_global, dev_mc_del_global } from "./dev_addr_lists.ts";
import {
  dev_change_flags,
  dev_change_name,
  dev_change_tx_queue_len,
  dev_get_flags,
  dev_set_mac_address,
  dev_set_mtu,
  dev_valid_name,
} from "./dev_api.ts";
import { dev_ethtool } from "./ethtool.ts";
import type { Net } from "./net_namespace.ts";
import { NETDEV_CHANGEADDR, type NetDevice, netif_device_present } from "./netdevice.ts";
import { call_netdevice_notifiers } from "./notifier.ts";

const D = F.IFREQ_DATA;
const AF_UNSPEC = 0;

function ifr_name(arg: Uint8Array): string {
  let s = "";
  for (let i = 0; i < F.IFNAMSIZ - 1 && arg[i] !== 0; i++) s += String.fromCharCode(arg[i]!);
  return s;
}

function put_name(arg: Uint8Array, off: number, name: string): void {
  arg.fill(0, off, off + F.IFNAMSIZ);
  arg.set(utf8_encode(name).subarray(0, F.IFNAMSIZ - 1), off);
}

/** "eth0:1" means eth0 to everything that is not about addresses. */
function find_dev(net: Net, name: string): NetDevice | null {
  const colon = name.indexOf(":");
  const base = colon < 0 ? name : name.slice(0, colon);
  const dev = net.dev_by_name.get(base);
  if (dev !== undefined) return dev;
  for (const d of net.dev_by_index.values()) if (d.altnames?.includes(base)) return d;
  return null;
}

/** struct sockaddr with a hardware address: type u16, then up to 14 bytes. */
function put_hwaddr(arg: Uint8Array, dv: DataView, dev: NetDevice): void {
  arg.fill(0, D, D + 16);
  dv.setUint16(D, dev.type, true);
  arg.set(dev.dev_addr.subarray(0, Math.min(14, dev.addr_len)), D + 2);
}

function put_map(arg: Uint8Array, dv: DataView, dev: NetDevice): void {
  arg.fill(0, D, D + 24);
  dv.setUint32(D, dev.mem_start, true);
  dv.setUint32(D + 8, dev.mem_end, true);
  dv.setUint16(D + 16, dev.base_addr, true);
  arg[D + 18] = dev.irq;
  arg[D + 19] = dev.dma;
  arg[D + 20] = dev.if_port;
}

/** What only reads. -ENOIOCTLCMD when it is none of these. */
function dev_ifsioc_read(dev: NetDevice, cmd: number, arg: Uint8Array, dv: DataView): number {
  switch (cmd) {
    case F.SIOCGIFFLAGS:
      dv.setInt16(D, dev_get_flags(dev), true);
      return 0;
    case F.SIOCGIFMETRIC:
      dv.setInt32(D, 0, true);
      return 0;
    case F.SIOCGIFMTU:
      dv.setInt32(D, dev.mtu, true);
      return 0;
    case F.SIOCGIFHWADDR:
      put_hwaddr(arg, dv, dev);
      return 0;
    case F.SIOCGIFSLAVE:
      return -EINVAL;
    case F.SIOCGIFMAP:
      put_map(arg, dv, dev);
      return 0;
    case F.SIOCGIFINDEX:
      dv.setInt32(D, dev.ifindex, true);
      return 0;
    case F.SIOCGIFTXQLEN:
      dv.setInt32(D, dev.tx_queue_len, true);
      return 0;
    default:
      return -ENOIOCTLCMD;
  }
}

function dev_ifsioc_multi(dev: NetDevice, cmd: number, arg: Uint8Array, dv: DataView): number {
  if (dv.getUint16(D, true) !== AF_UNSPEC) return -EINVAL;
  if (!netif_device_present(dev)) return -ENODEV;
  const addr = arg.slice(D + 2, D + 2 + dev.addr_len);
  return cmd === F.SIOCADDMULTI ? dev_mc_add_global(dev, addr) : dev_mc_del_global(dev, addr);
}

function dev_ifsioc(dev: NetDevice, cmd: number, arg: Uint8Array, dv: DataView): number {
  switch (cmd) {
    case F.SIOCSIFFLAGS:
      return dev_change_flags(dev, dv.getUint16(D, true));
    case F.SIOCSIFMETRIC:
      return -EOPNOTSUPP;
    case F.SIOCSIFMTU:
      return dev_set_mtu(dev, dv.getInt32(D, true));
    case F.SIOCSIFHWADDR:
      if (dv.getUint16(D, true) !== dev.type) return -EINVAL;
      return dev_set_mac_address(dev, arg.slice(D + 2, D + 2 + dev.addr_len));
    case F.SIOCSIFHWBROADCAST:
      if (dv.getUint16(D, true) !== dev.type) return -EINVAL;
      dev.broadcast = arg.slice(D + 2, D + 2 + dev.addr_len);
      call_netdevice_notifiers(NETDEV_CHANGEADDR, dev);
      return 0;
    case F.SIOCSIFMAP:
      return -EOPNOTSUPP;
    case F.SIOCADDMULTI:
    case F.SIOCDELMULTI:
      return dev_ifsioc_multi(dev, cmd, arg, dv);
    case F.SIOCSIFTXQLEN:
      return dev_change_tx_queue_len(dev, dv.getInt32(D, true));
    case F.SIOCSIFNAME: {
      let name = "";
      for (let i = 0; i < F.IFNAMSIZ - 1 && arg[D + i] !== 0; i++) name += String.fromCharCode(arg[D + i]!);
      if (!dev_valid_name(name.replace("%d", "0"))) return -EINVAL;
      return dev_change_name(dev, name);
    }
    default:
      // What a driver may have of its own, and none here does.
      return cmd >= F.SIOCDEVPRIVATE ? -EOPNOTSUPP : -ENOIOCTLCMD;
  }
}

/** An ioctl on a struct ifreq. 0, -errno, or -ENOIOCTLCMD when it is not ours. */
export function dev_ioctl(net: Net, cmd: number, arg: Uint8Array): number {
  if (cmd < F.SIOCGIFNAME || cmd > F.SIOCDEVPRIVATE + 15) return -ENOIOCTLCMD;
  if (cmd === F.SIOCETHTOOL) return dev_ethtool(net, arg);
  if (arg.length < F.IFREQ_LEN) return -EFAULT;
  const dv = new DataView(arg.buffer, arg.byteOffset, arg.byteLength);
  if (cmd === F.SIOCGIFNAME) {
    const dev = net.dev_by_index.get(dv.getInt32(D, true));
    if (dev === undefined) return -ENODEV;
    put_name(arg, 0, dev.name);
    return 0;
  }
  const dev = find_dev(net, ifr_name(arg));
  if (dev === null) {
    // What is no device ioctl at all is refused as such, whatever the name says.
    return known(cmd) ? -ENODEV : -ENOIOCTLCMD;
  }
  const err = dev_ifsioc_read(dev, cmd, arg, dv);
  return err !== -ENOIOCTLCMD ? err : dev_ifsioc(dev, cmd, arg, dv);
}

const KNOWN: readonly number[] = [
  F.SIOCGIFFLAGS,
  F.SIOCSIFFLAGS,
  F.SIOCGIFMETRIC,
  F.SIOCSIFMETRIC,
  F.SIOCGIFMTU,
  F.SIOCSIFMTU,
  F.SIOCSIFNAME,
  F.SIOCSIFHWADDR,
  F.SIOCGIFHWADDR,
  F.SIOCSIFHWBROADCAST,
  F.SIOCGIFSLAVE,
  F.SIOCADDMULTI,
  F.SIOCDELMULTI,
  F.SIOCGIFINDEX,
  F.SIOCGIFTXQLEN,
  F.SIOCSIFTXQLEN,
  F.SIOCGIFMAP,
  F.SIOCSIFMAP,
];
const known = (cmd: number): boolean => KNOWN.includes(cmd) || cmd >= F.SIOCDEVPRIVATE;
