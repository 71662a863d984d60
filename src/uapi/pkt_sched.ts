// Traffic control numbers and option structs (linux/pkt_sched.h, linux/gen_stats.h, TCA_* of linux/rtnetlink.h).
// Way in: RTM_NEWQDISC in rtnetlink.ts.

/** struct tcmsg: family u8, 3 pad, ifindex i32, handle u32, parent u32, info u32. */
export const TCMSG_LEN = 20;
export const TCMSG_FAMILY = 0;
export const TCMSG_IFINDEX = 4;
export const TCMSG_HANDLE = 8;
export const TCMSG_PARENT = 12;
export const TCMSG_INFO = 16;

export const TCM_IFINDEX_MAGIC_BLOCK = 0xffffffff;

export const TCA_UNSPEC = 0;
export const TCA_KIND = 1;
export const TCA_OPTIONS = 2;
export const TCA_STATS = 3;
export const TCA_XSTATS = 4;
export const TCA_RATE = 5;
export const TCA_FCNT = 6;
export const TCA_STATS2 = 7;
export const TCA_STAB = 8;
export const TCA_PAD = 9;
export const TCA_DUMP_INVISIBLE = 10;
export const TCA_CHAIN = 11;
export const TCA_HW_OFFLOAD = 12;
export const TCA_INGRESS_BLOCK = 13;
export const TCA_EGRESS_BLOCK = 14;
export const TCA_DUMP_FLAGS = 15;
export const TCA_MAX = 16;
export const TCA_DUMP_FLAGS_TERSE = 1;
export const TCA_ROOT_UNSPEC = 0;
export const TCA_ROOT_TAB = 1;
export const TCA_ROOT_FLAGS = 2;
export const TCA_ROOT_COUNT = 3;
export const TCA_ROOT_TIME_DELTA = 4;
export const TCA_ROOT_EXT_WARN_MSG = 5;
export const TCA_ROOT_MAX = 5;
export const TCA_FLAG_LARGE_DUMP_ON = 0x1;

export const TCA_STATS_UNSPEC = 0;
export const TCA_STATS_BASIC = 1;
export const TCA_STATS_RATE_EST = 2;
export const TCA_STATS_QUEUE = 3;
export const TCA_STATS_APP = 4;
export const TCA_STATS_RATE_EST64 = 5;
export const TCA_STATS_PAD = 6;
export const TCA_STATS_BASIC_HW = 7;
export const TCA_STATS_PKT64 = 8;
export const TCA_STATS_MAX = 8;

/** struct gnet_stats_basic: bytes u64, packets u32 (16 with padding; TCA_STATS_PKT64 has the u64). */
export const GNET_STATS_BASIC_LEN = 16;

/** struct gnet_stats_rate_est: bps u32, pps u32; the 64-bit one has u64 each. */
export const GNET_STATS_RATE_EST_LEN = 8;
export const GNET_STATS_RATE_EST64_LEN = 16;

/** struct gnet_stats_queue: qlen, backlog, drops, requeues, overlimits (u32 each). */
export const GNET_STATS_QUEUE_LEN = 20;

/** struct tc_stats: bytes u64; packets, drops, overlimits, bps, pps, qlen, backlog (u32 each). */
export const TC_STATS_LEN = 40;

/** struct tc_ratespec: cell_log u8, linklayer u8, overhead u16, cell_align i16, mpu u16, rate u32. */
export const TC_RATESPEC_LEN = 12;

/** struct tc_fifo_qopt: limit u32. */
export const TC_FIFO_QOPT_LEN = 4;

/** struct tc_prio_qopt: bands i32, priomap u8[16]. */
export const TC_PRIO_QOPT_LEN = 20;

/** struct tc_tbf_qopt: rate tc_ratespec, peakrate tc_ratespec, limit u32, buffer u32, mtu u32 (ticks of 64 ns). */
export const TC_TBF_QOPT_LEN = 36;
export const TC_TBF_QOPT_RATE = 0;
export const TC_TBF_QOPT_PEAKRATE = 12;
export const TC_TBF_QOPT_LIMIT = 24;
export const TC_TBF_QOPT_BUFFER = 28;
export const TC_TBF_QOPT_MTU = 32;

/** struct tc_netem_qopt: latency, limit, loss, gap, duplicate, jitter (u32 each; times in ticks, chances of 2^32). */
export const TC_NETEM_QOPT_LEN = 24;

/** struct tc_netem_corr: delay, loss, dup (u32); tc_netem_reorder and tc_netem_corrupt: probability, correlation (u32). */
export const TC_NETEM_CORR_LEN = 12;
export const TC_NETEM_REORDER_LEN = 8;
export const TC_NETEM_CORRUPT_LEN = 8;

/** struct tc_netem_rate: rate u32, packet_overhead i32, cell_size u32, cell_overhead i32. */
export const TC_NETEM_RATE_LEN = 16;

/** struct tc_netem_slot: min_delay, max_delay i64, max_packets, max_bytes i32, dist_delay, dist_jitter i64. */
export const TC_NETEM_SLOT_LEN = 40;

/** struct tc_netem_gimodel: p13, p31, p32, p14, p23 (u32); tc_netem_gemodel: p, r, h, k1 (u32). */
export const TC_NETEM_GIMODEL_LEN = 20;
export const TC_NETEM_GEMODEL_LEN = 16;

/** Ticks of the packet scheduler clock: /proc/net/psched says 3e8 40 f4240 3b9aca00, so a tick is 64 ns. */
export const PSCHED_TICK_NS = 64;

export const TC_PRIO_BESTEFFORT = 0;
export const TC_PRIO_FILLER = 1;
export const TC_PRIO_BULK = 2;
export const TC_PRIO_INTERACTIVE_BULK = 4;
export const TC_PRIO_INTERACTIVE = 6;
export const TC_PRIO_CONTROL = 7;
export const TC_PRIO_MAX = 15;
export const TC_H_UNSPEC = 0x0;
export const TC_H_ROOT = 0xffffffff;
export const TC_H_INGRESS = 0xfffffff1;
export const TC_H_CLSACT = 0xfffffff1;
export const TC_LINKLAYER_UNAWARE = 0;
export const TC_LINKLAYER_ETHERNET = 1;
export const TC_LINKLAYER_ATM = 2;
export const TC_LINKLAYER_MASK = 15;

export const TCA_STAB_UNSPEC = 0;
export const TCA_STAB_BASE = 1;
export const TCA_STAB_DATA = 2;
export const TCA_STAB_MAX = 2;

export const TCQ_PRIO_BANDS = 16;

export const TCA_TBF_UNSPEC = 0;
export const TCA_TBF_PARMS = 1;
export const TCA_TBF_RTAB = 2;
export const TCA_TBF_PTAB = 3;
export const TCA_TBF_RATE64 = 4;
export const TCA_TBF_PRATE64 = 5;
export const TCA_TBF_BURST = 6;
export const TCA_TBF_PBURST = 7;
export const TCA_TBF_PAD = 8;
export const TCA_TBF_MAX = 8;
export const TCA_HTB_UNSPEC = 0;
export const TCA_HTB_PARMS = 1;
export const TCA_HTB_INIT = 2;
export const TCA_HTB_CTAB = 3;
export const TCA_HTB_RTAB = 4;
export const TCA_HTB_DIRECT_QLEN = 5;
export const TCA_HTB_RATE64 = 6;
export const TCA_HTB_CEIL64 = 7;
export const TCA_HTB_PAD = 8;
export const TCA_HTB_OFFLOAD = 9;
export const TCA_HTB_MAX = 9;
export const TCA_NETEM_UNSPEC = 0;
export const TCA_NETEM_CORR = 1;
export const TCA_NETEM_DELAY_DIST = 2;
export const TCA_NETEM_REORDER = 3;
export const TCA_NETEM_CORRUPT = 4;
export const TCA_NETEM_LOSS = 5;
export const TCA_NETEM_RATE = 6;
export const TCA_NETEM_ECN = 7;
export const TCA_NETEM_RATE64 = 8;
export const TCA_NETEM_PAD = 9;
export const TCA_NETEM_LATENCY64 = 10;
export const TCA_NETEM_JITTER64 = 11;
export const TCA_NETEM_SLOT = 12;
export const TCA_NETEM_SLOT_DIST = 13;
export const TCA_NETEM_PRNG_SEED = 14;
export const TCA_NETEM_MAX = 14;

export const NETEM_LOSS_UNSPEC = 0;
export const NETEM_LOSS_GI = 1;
export const NETEM_LOSS_GE = 2;
export const NETEM_LOSS_MAX = 2;
export const NETEM_DIST_SCALE = 8192;
export const NETEM_DIST_MAX = 16384;

export const TCA_MQPRIO_MODE = 1;
export const TCA_CODEL_UNSPEC = 0;
export const TCA_CODEL_TARGET = 1;
export const TCA_CODEL_LIMIT = 2;
export const TCA_CODEL_INTERVAL = 3;
export const TCA_CODEL_ECN = 4;
export const TCA_CODEL_CE_THRESHOLD = 5;
export const TCA_CODEL_MAX = 5;
export const TCA_FQ_CODEL_UNSPEC = 0;
export const TCA_FQ_CODEL_TARGET = 1;
export const TCA_FQ_CODEL_LIMIT = 2;
export const TCA_FQ_CODEL_INTERVAL = 3;
export const TCA_FQ_CODEL_ECN = 4;
export const TCA_FQ_CODEL_FLOWS = 5;
export const TCA_FQ_CODEL_QUANTUM = 6;
export const TCA_FQ_CODEL_CE_THRESHOLD = 7;
export const TCA_FQ_CODEL_DROP_BATCH_SIZE = 8;
export const TCA_FQ_CODEL_MEMORY_LIMIT = 9;
export const TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR = 10;
export const TCA_FQ_CODEL_CE_THRESHOLD_MASK = 11;
export const TCA_FQ_CODEL_MAX = 11;
export const TCA_FQ_CODEL_XSTATS_QDISC = 0;
export const TCA_FQ_CODEL_XSTATS_CLASS = 1;
export const TCA_FQ_UNSPEC = 0;
export const TCA_FQ_PLIMIT = 1;
export const TCA_FQ_FLOW_PLIMIT = 2;
export const TCA_FQ_QUANTUM = 3;
export const TCA_FQ_INITIAL_QUANTUM = 4;
export const TCA_FQ_RATE_ENABLE = 5;
export const TCA_FQ_FLOW_DEFAULT_RATE = 6;
export const TCA_FQ_FLOW_MAX_RATE = 7;
export const TCA_FQ_BUCKETS_LOG = 8;
export const TCA_FQ_FLOW_REFILL_DELAY = 9;
export const TCA_FQ_ORPHAN_MASK = 10;
export const TCA_FQ_LOW_RATE_THRESHOLD = 11;
export const TCA_FQ_CE_THRESHOLD = 12;
export const TCA_FQ_TIMER_SLACK = 13;
export const TCA_FQ_HORIZON = 14;
export const TCA_FQ_HORIZON_DROP = 15;
export const TCA_FQ_MAX = 15;
