import type { Net } from "../core/net_namespace.ts";
import type { InDevice, InIfaddr } from "./netns_ipv4.ts";
export function ip_mc_autojoin_config(_net: Net, _join: boolean, _ifa: InIfaddr): number {
  return 0;
}
export function ip_mc_destroy_dev(_d: InDevice): void {}
export function ip_mc_down(_d: InDevice): void {}
export function ip_mc_init_dev(_d: InDevice): void {}
export function ip_mc_up(_d: InDevice): void {}
import type { Kernel } from "../../kernel/kernel.ts";
export function igmp_mc_init(_k: Kernel): void {}
