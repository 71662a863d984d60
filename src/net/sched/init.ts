// pktsched_init(): which queueing disciplines a machine has. Way in: subsys_initcall in init/main.ts.

import type { Kernel } from "../../kernel/kernel.ts";
import { tc_init } from "./sch_api.ts";
import { bfifo_qdisc_ops, pfifo_head_drop_qdisc_ops, pfifo_qdisc_ops } from "./sch_fifo.ts";
import { noop_qdisc_ops, noqueue_qdisc_ops, register_qdisc } from "./sch_generic.ts";
import { mq_qdisc_ops } from "./sch_mq.ts";
import { netem_qdisc_ops } from "./sch_netem.ts";
import { pfifo_fast_ops } from "./sch_pfifo_fast.ts";
import { prio_qdisc_ops } from "./sch_prio.ts";
import { tbf_qdisc_ops } from "./sch_tbf.ts";

/** After net_core_init() and rtnetlink_init(). */
export function sched_init(k: Kernel): void {
  register_qdisc(k, noop_qdisc_ops);
  register_qdisc(k, noqueue_qdisc_ops);
  register_qdisc(k, pfifo_fast_ops);
  register_qdisc(k, pfifo_qdisc_ops);
  register_qdisc(k, bfifo_qdisc_ops);
  register_qdisc(k, pfifo_head_drop_qdisc_ops);
  register_qdisc(k, mq_qdisc_ops);
  register_qdisc(k, prio_qdisc_ops);
  register_qdisc(k, tbf_qdisc_ops);
  register_qdisc(k, netem_qdisc_ops);
  tc_init(k);
}
