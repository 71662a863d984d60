import type { Net } from "../core/net_namespace.ts";
import type { Extack } from "./fib_lookup.ts";
import type { FibInfo } from "./ip_fib.ts";
export class Nexthop {
  id = 0;
}
export function nexthop_find_by_id(_net: Net, _id: number): Nexthop | null {
  return null;
}
export function nexthop_is_blackhole(_nh: Nexthop | null): boolean {
  return false;
}
export function nexthop_expand(_nh: Nexthop, _fi: FibInfo, _scope: number, _extack: Extack | null): number {
  return 0;
}
export function fib_info_attach_nh(_fi: FibInfo): void {}
export function fib_info_detach_nh(_fi: FibInfo): void {}
