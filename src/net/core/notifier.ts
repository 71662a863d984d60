// The netdevice notifier chain: who wants to know when a device comes, goes or changes. Mirrors net/core/dev.c.
// Way in: register_netdevice_notifier(); call_netdevice_notifiers(NETDEV_UP, dev).

import type { Kernel } from "../../kernel/kernel.ts";
import type { NetDevice } from "./netdevice.ts";

export type NetdevNotifier = (event: number, dev: NetDevice, info?: unknown) => void;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    netdev_chain: NetdevNotifier[];
  }
}

export function notifier_init(k: Kernel): void {
  k.netdev_chain = [];
}

export function register_netdevice_notifier(k: Kernel, nb: NetdevNotifier): void {
  k.netdev_chain.push(nb);
}

export function call_netdevice_notifiers(event: number, dev: NetDevice, info?: unknown): void {
  for (const nb of dev.net.kernel.netdev_chain) nb(event, dev, info);
}
