// Everything IPv4 answers over netlink, registered at once: inet_init() calls it when the rest of IPv4 is there.

import type { Kernel } from "../../kernel/kernel.ts";
import { devinet_netlink_init } from "./devinet_netlink.ts";
import { fib_netlink_init } from "./fib_netlink.ts";
import { fib4_rules_netlink_init } from "./fib_rules_netlink.ts";
import { inet_diag_init } from "./inet_diag.ts";
import { nexthop_netlink_init } from "./nexthop_netlink.ts";
import { tcp_diag_init } from "./tcp_diag.ts";
import { raw_diag_init, udp_diag_init } from "./udp_diag.ts";

export function inet_netlink_init(k: Kernel): void {
  devinet_netlink_init(k);
  fib_netlink_init(k);
  fib4_rules_netlink_init(k);
  nexthop_netlink_init(k);
  inet_diag_init(k);
  tcp_diag_init(k);
  udp_diag_init(k);
  raw_diag_init(k);
}
