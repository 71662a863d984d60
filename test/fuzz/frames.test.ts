// Hostile frames, the short run of each build: what once failed, then fresh cases. The long run is tools/fuzz.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { corpus } from "./corpus.ts";
import { entered } from "./entered.ts";
import { fuzz_frames, replay } from "./frames.ts";

for (const { name, found, seed, steps } of corpus()) {
  test(`corpus ${name} stays mended (${found})`, () => {
    assert.equal(replay(steps, seed), null);
  });
}

for (const seed of [1, 20_261]) {
  test(`25,000 hostile frames, seed ${seed}: no exception, no leak, no queue without a bound`, () => {
    const r = fuzz_frames(25_000, seed);
    assert.equal(r.failure, null);
    // A machine that answers nothing was not reached.
    assert.ok(r.answers > 1000, `${r.answers} answers`);
    assert.ok(r.peaks.frag_queues! > 50, "no fragments were queued");
    assert.ok(r.peaks.neighbours! > 50, "no neighbours were learnt");
  });
}

/** What is hard to get to: each was once out of the fuzzer's reach. */
const REACHED: readonly string[] = [
  "src/net/core/gso.ts skb_segment",
  "src/net/core/gro.ts skb_gro_receive",
  "src/net/core/skb_checksum.ts skb_checksum_help",
  "src/net/core/skb_data.ts frag_unshare",
  "src/net/core/skb_data.ts skb_linearize",
  "src/net/core/sock_filter.ts sk_filter",
  "src/net/core/neighbour.ts trace_neigh",
  "src/net/ipv4/ip_fragment.ts trace_fragments",
  "src/net/core/dev.ts net_tx_action",
  "src/net/core/dev.ts netif_tx_wake_queue",
  "src/net/ipv4/gro.ts inet_gso_segment",
  "src/net/ipv4/ip_output.ts ip_finish_output_gso",
  "src/net/ipv4/udp_offload.ts __udp_gso_segment",
  "src/net/ipv4/udp_offload.ts udp_rcv_segment",
  "src/net/ipv4/tcp_offload.ts tcp4_gro_complete",
  "src/net/ipv4/tcp_sack.ts tcp_sacktag_one",
  "src/net/ipv4/tcp_cwnd.ts tcp_enter_loss",
  "src/net/ipv4/tcp_retrans.ts tcp_xmit_retransmit_queue",
  "src/net/ipv4/tcp_data.ts tcp_ofo_queue",
  "src/net/ipv4/tcp_minisocks.ts tcp_timewait_state_process",
  "src/net/ipv4/tcp_timer.ts tcp_probe_timer",
  "src/net/ipv4/tcp_fastopen.ts tcp_fastopen_create_child",
  "src/net/ipv4/syncookies.ts cookie_v4_check",
  "src/net/ipv4/tcp_v4_err.ts tcp_v4_mtu_reduced",
  "src/net/ipv4/udp.ts udp_cmsg_recv",
  "src/net/ipv4/ip_sockglue.ts ip_icmp_error",
  "src/net/sched/sch_generic.ts dev_requeue_skb",
  "src/net/sched/sch_generic.ts qdisc_drop",
  "src/hw/82576_flow.ts flow_receive",
  "src/net/core/dev.ts dev_kfree_skb_irq",
  "src/drivers/net/ethernet/igb/igb_main.ts igb_intr_per_packet",
  "src/drivers/net/ethernet/igb/igb_rx.ts igb_construct_skb",
  "src/drivers/net/ethernet/igb/igb_rx.ts igb_add_rx_frag",
  "src/drivers/net/ethernet/igb/igb_tx.ts igb_tso",
  "src/drivers/net/ethernet/igb/igb_tx.ts __igb_maybe_stop_tx",
];

test("machines of each kind (frame_rig.ts): segmentation, sums in software, full queues and rings, the trace are reached", () => {
  const calls = entered();
  for (const seed of [2, 4, 7, 8, 14, 20, 33]) assert.equal(fuzz_frames(12_000, seed).failure, null, `seed ${seed}`);
  const counts = calls(/^src\//);
  assert.deepEqual(
    REACHED.filter((fn) => !(counts.get(fn)! > 0)),
    [],
  );
});
