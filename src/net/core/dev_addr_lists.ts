// Which addresses a device receives beside its own: unicast and multicast lists, promiscuity. Mirrors
// net/core/dev_addr_lists.c. Read first: netdevice.ts (NetdevHwAddr). Way in: dev_mc_add(), dev_set_promiscuity().

import type { Kernel } from "../../kernel/kernel.ts";
import { KERN_INFO, printk } from "../../kernel/printk.ts";
import { EEXIST, ENOENT, EOVERFLOW } from "../../uapi/errno.ts";
import { IFF_ALLMULTI, IFF_PROMISC, IFF_UP } from "../../uapi/if.ts";
import { IFF_UNICAST_FLT } from "./dev_api.ts";
import type { Net } from "./net_namespace.ts";
import { type NetDevice, type NetdevHwAddr, netif_device_present } from "./netdevice.ts";

function find(list: readonly NetdevHwAddr[], addr: Uint8Array, len: number): number {
  for (let i = 0; i < list.length; i++) {
    const a = list[i]!.addr;
    let j = 0;
    while (j < len && a[j] === addr[j]) j++;
    if (j === len) return i;
  }
  return -1;
}

/** One more user. A global use (by ioctl) counts once however often it is asked for. */
function __hw_addr_add(list: NetdevHwAddr[], addr: Uint8Array, len: number, global: boolean, excl: boolean): number {
  const i = find(list, addr, len);
  if (i < 0) {
    list.push({ addr: addr.slice(0, len), refcount: 1, global_use: global });
    return 0;
  }
  if (excl) return -EEXIST;
  const ha = list[i]!;
  if (global) {
    if (ha.global_use) return 0;
    ha.global_use = true;
  }
  ha.refcount++;
  return 0;
}

function __hw_addr_del(list: NetdevHwAddr[], addr: Uint8Array, len: number, global: boolean): number {
  const i = find(list, addr, len);
  if (i < 0) return -ENOENT;
  const ha = list[i]!;
  if (global) {
    if (!ha.global_use) return -ENOENT;
    ha.global_use = false;
  }
  if (--ha.refcount === 0) list.splice(i, 1);
  return 0;
}

/** The lists or flags changed: a running device programs its filter, or listens to everything where it has none. */
function __dev_set_rx_mode(dev: NetDevice): void {
  if ((dev.flags & IFF_UP) === 0 || !netif_device_present(dev)) return;
  if ((dev.priv_flags & IFF_UNICAST_FLT) === 0) {
    if (dev.uc.length > 0 && !dev.uc_promisc) {
      __dev_set_promiscuity(dev, 1, false);
      dev.uc_promisc = true;
    } else if (dev.uc.length === 0 && dev.uc_promisc) {
      __dev_set_promiscuity(dev, -1, false);
      dev.uc_promisc = false;
    }
  }
  dev.ops.ndo_set_rx_mode?.(dev);
}

function update(dev: NetDevice, err: number): number {
  if (err === 0) __dev_set_rx_mode(dev);
  return err;
}

export const dev_uc_add = (dev: NetDevice, addr: Uint8Array): number =>
  update(dev, __hw_addr_add(dev.uc, addr, dev.addr_len, false, false));
export const dev_uc_del = (dev: NetDevice, addr: Uint8Array): number =>
  update(dev, __hw_addr_del(dev.uc, addr, dev.addr_len, false));
export const dev_mc_add = (dev: NetDevice, addr: Uint8Array): number =>
  update(dev, __hw_addr_add(dev.mc, addr, dev.addr_len, false, false));
/** SIOCADDMULTI. */
export const dev_mc_add_global = (dev: NetDevice, addr: Uint8Array): number =>
  update(dev, __hw_addr_add(dev.mc, addr, dev.addr_len, true, false));
export const dev_mc_del = (dev: NetDevice, addr: Uint8Array): number =>
  update(dev, __hw_addr_del(dev.mc, addr, dev.addr_len, false));
export const dev_mc_del_global = (dev: NetDevice, addr: Uint8Array): number =>
  update(dev, __hw_addr_del(dev.mc, addr, dev.addr_len, true));

// --- promiscuity --------------------------------------------------------------------------------------------------

/** One counter per kind: a flag is set while its counter is not zero. -EOVERFLOW when it cannot count further. */
function change_count(dev: NetDevice, flag: number, inc: number, notify: boolean): number {
  const old = dev.flags;
  const promisc = flag === IFF_PROMISC;
  const count = (promisc ? dev.promiscuity : dev.allmulti) + inc;
  if (count < 0 || count > 0xffffffff) return -EOVERFLOW;
  if (promisc) dev.promiscuity = count;
  else dev.allmulti = count;
  if (count > 0) dev.flags |= flag;
  else dev.flags &= ~flag;
  if (dev.flags === old) return 0;
  const k = dev.net.kernel;
  printk(
    k,
    KERN_INFO,
    `${dev.name}: ${count > 0 ? "entered" : "left"} ${promisc ? "promiscuous" : "allmulticast"} mode`,
  );
  dev.ops.ndo_change_rx_flags?.(dev, flag);
  if (notify) k.rtmsg_ifinfo?.(dev, flag);
  return 0;
}

const __dev_set_promiscuity = (dev: NetDevice, inc: number, notify: boolean): number =>
  change_count(dev, IFF_PROMISC, inc, notify);

/** One more (or fewer) wants every frame of the link. 0 or -EOVERFLOW. */
export function dev_set_promiscuity(dev: NetDevice, inc: number, notify = true): number {
  const old = dev.flags;
  const err = change_count(dev, IFF_PROMISC, inc, notify);
  if (err === 0 && dev.flags !== old) __dev_set_rx_mode(dev);
  return err;
}

/** One more (or fewer) wants all multicast frames. */
export function dev_set_allmulti(dev: NetDevice, inc: number, notify = true): number {
  const old = dev.flags;
  const err = change_count(dev, IFF_ALLMULTI, inc, notify);
  if (err === 0 && dev.flags !== old) __dev_set_rx_mode(dev);
  return err;
}

/** /proc/net/dev_mcast. */
export function dev_mc_seq_show(net: Net): string {
  let s = "";
  for (const dev of [...net.dev_by_index.values()].sort((a, b) => a.ifindex - b.ifindex)) {
    for (const ha of dev.mc) {
      let hex = "";
      for (const b of ha.addr) hex += b.toString(16).padStart(2, "0");
      s +=
        `${String(dev.ifindex).padEnd(4)} ${dev.name.padEnd(15)} ${String(ha.refcount).padEnd(5)} ` +
        `${String(ha.global_use ? 1 : 0).padEnd(5)} ${hex}\n`;
    }
  }
  return s;
}

/** Boot: dev_api.ts changes flags through these without importing this file. */
export function dev_addr_lists_init(k: Kernel): void {
  k.dev_set_promiscuity = (dev, inc) => {
    dev_set_promiscuity(dev, inc, false);
  };
  k.dev_set_allmulti = (dev, inc) => {
    dev_set_allmulti(dev, inc, false);
  };
}
