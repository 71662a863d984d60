// Steering packets to CPUs: what sysfs and sysctl set up (RPS), and where readers leave their CPU (RFS).
// Mirrors include/net/rps.h; the choice itself is get_rps_cpu() in flow_dissector.ts. Way in: sock_rps_record_flow().

import type { Kernel } from "../../kernel/kernel.ts";
import type { Sock } from "./sock.ts";

/** Does any queue steer? The static key of the receive path. */
export function rps_update_needed(k: Kernel): void {
  let needed = false;
  for (const net of k.nets) {
    for (const dev of net.dev_by_index.values()) {
      for (const rxq of dev.rx) {
        if (rxq.rps_map.length > 0 || (rxq.rps_flow_table !== null && k.rps_sock_flow_table !== null)) needed = true;
      }
    }
  }
  k.rps_needed = needed;
}

/** recvmsg(2) runs on this CPU: packets of the flow that the socket saw last shall come here. */
export function sock_rps_record_flow(sk: Sock): void {
  const k = sk.net.kernel;
  const table = k.rps_sock_flow_table;
  const hash = sk.sk_rxhash;
  if (table === null || hash === 0) return;
  table[hash & (table.length - 1)] = (hash & ~0xff) | k.cpu.id;
}
