// Cost profiles: how many ns each function charges its CPU, so that rings overflow and budgets run out.
// Read first: docs/architecture.md, "Virtual time with a cost model". Way in: COST_PROFILES, applyCostProfile().

import type { Kernel } from "../kernel/kernel.ts";
import { trace_key_update } from "../kernel/trace.ts";
import { fn_names } from "../kernel/trace_fn.ts";

export interface CostProfile {
  name: string;
  /** ns of a function that the table does not name. */
  default: number;
  /** ns of a program's own work between two of its system calls: what `us` shows. */
  user: number;
  /** ns by function name. */
  functions: Readonly<Record<string, number>>;
}

/**
 * Orders of magnitude of a server CPU at 2.6 GHz: about 1 µs for a small packet through driver and stack, 1 µs for an
 * interrupt with its entry and exit, a few hundred ns for a system call. The sum counts, not the split.
 */
const calibrated: CostProfile = {
  name: "calibrated",
  default: 20,
  user: 100,
  functions: {
    igb_msix_ring: 900,
    net_rx_action: 120,
    __napi_poll: 60,
    igb_poll: 80,
    igb_clean_rx_irq: 250,
    igb_clean_tx_irq: 60,
    napi_gro_receive: 80,
    eth_type_trans: 20,
    __netif_receive_skb_core: 80,
    enqueue_to_backlog: 80,
    process_backlog: 60,
    ip_rcv: 30,
    ip_rcv_core: 40,
    ip_rcv_finish: 30,
    ip_route_input_noref: 30,
    ip_route_input_slow: 70,
    ip_forward: 40,
    ip_local_deliver: 20,
    ip_local_deliver_finish: 30,
    udp_rcv: 60,
    __udp4_lib_lookup_skb: 80,
    udp_queue_rcv_skb: 40,
    __udp_enqueue_schedule_skb: 110,
    icmp_rcv: 60,
    __sys_sendto: 250,
    sock_sendmsg: 20,
    inet_sendmsg: 15,
    ip_make_skb: 160,
    udp_send_skb: 60,
    ip_output: 20,
    ip_finish_output: 20,
    ip_finish_output2: 40,
    neigh_resolve_output: 40,
    __dev_queue_xmit: 60,
    __dev_xmit_skb: 60,
    sch_direct_xmit: 30,
    dev_hard_start_xmit: 40,
    igb_xmit_frame: 60,
    igb_tx_map: 90,
    veth_xmit: 60,
    netif_rx: 40,
    __sys_recvfrom: 250,
    sock_recvmsg: 20,
    inet_recvmsg: 120,
  },
};

/** What a lab file may name; fs_node.ts reads others from files. */
export const COST_PROFILES: Readonly<Record<string, CostProfile | null>> = { none: null, calibrated };

/** A profile from the text of a JSON file, or what is wrong with it. */
export function parseCostProfile(name: string, text: string): CostProfile | string {
  let o: Partial<CostProfile>;
  try {
    o = JSON.parse(text) as Partial<CostProfile>;
  } catch (e) {
    return `${name}: ${(e as Error).message}`;
  }
  if (typeof o !== "object" || o === null) return `${name}: not an object`;
  const functions = o.functions ?? {};
  for (const [fn, ns] of Object.entries(functions)) {
    if (!fn_names.includes(fn)) return `${name}: no traced function "${fn}"`;
    if (typeof ns !== "number" || !(ns >= 0)) return `${name}: ${fn}: not a number of ns`;
  }
  const ns = (v: unknown): number => (typeof v === "number" && v >= 0 ? v : 0);
  return { name, default: ns(o.default), user: ns(o.user), functions };
}

/** The machine's work costs time from now on. */
export function applyCostProfile(k: Kernel, profile: CostProfile): void {
  const table = new Float64Array(fn_names.length).fill(profile.default);
  for (const [fn, ns] of Object.entries(profile.functions)) {
    const id = fn_names.indexOf(fn);
    if (id > 0) table[id] = ns;
  }
  table[0] = profile.user;
  k.cost = table;
  trace_key_update(true);
}
