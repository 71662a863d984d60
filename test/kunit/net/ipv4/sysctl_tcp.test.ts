// net.ipv4.tcp_*: names, defaults and limits as found by reading and writing every one of them on Linux 6.18 (in a new
// namespace, and in the initial one for those that only it has).

import assert from "node:assert/strict";
import { test } from "node:test";
import { createWorld, type World } from "../../../../src/api/index.ts";
import { sysctl_read, sysctl_write } from "../../../../src/kernel/sysctl.ts";
import type { Net } from "../../../../src/net/core/net_namespace.ts";

/** name, default, least, greatest value that a write takes. */
const INTS = `
tcp_abort_on_overflow 0 0 255
tcp_adv_win_scale 1 -31 31
tcp_app_win 31 0 31
tcp_autocorking 1 0 1
tcp_backlog_ack_defer 1 0 1
tcp_base_mss 1024 -2147483648 2147483647
tcp_challenge_ack_limit 2147483647 -2147483648 2147483647
tcp_child_ehash_entries 0 0 16777216
tcp_comp_sack_delay_ns 1000000 0 4294967295
tcp_comp_sack_nr 44 0 255
tcp_comp_sack_slack_ns 100000 0 4294967295
tcp_dsack 1 0 255
tcp_early_demux 1 0 255
tcp_early_retrans 3 0 4
tcp_ecn 2 0 2
tcp_ecn_fallback 1 0 1
tcp_ecn_option 2 0 2
tcp_ecn_option_beacon 3 0 3
tcp_fack 0 0 255
tcp_fastopen 1 -2147483648 2147483647
tcp_fastopen_blackhole_timeout_sec 0 0 2147483647
tcp_fin_timeout 60 -2147483 2147483
tcp_frto 2 0 255
tcp_fwmark_accept 0 0 255
tcp_invalid_ratelimit 500 0 2147483647
tcp_keepalive_intvl 75 -2147483 2147483
tcp_keepalive_probes 9 0 255
tcp_keepalive_time 7200 -2147483 2147483
tcp_l3mdev_accept 0 0 1
tcp_limit_output_bytes 4194304 -2147483648 2147483647
tcp_max_reordering 300 1 2147483647
tcp_max_syn_backlog 2048 -2147483648 2147483647
tcp_max_tw_buckets 131072 -2147483648 2147483647
tcp_migrate_req 0 0 1
tcp_min_rtt_wlen 300 0 86400
tcp_min_snd_mss 48 48 65535
tcp_min_tso_segs 2 1 255
tcp_moderate_rcvbuf 1 0 255
tcp_mtu_probe_floor 48 48 65535
tcp_mtu_probing 0 0 255
tcp_no_metrics_save 0 0 255
tcp_no_ssthresh_metrics_save 1 0 1
tcp_notsent_lowat 4294967295 0 4294967295
tcp_orphan_retries 0 0 255
tcp_pacing_ca_ratio 120 0 1000
tcp_pacing_ss_ratio 200 0 1000
tcp_pingpong_thresh 1 1 255
tcp_plb_cong_thresh 128 0 256
tcp_plb_enabled 0 0 1
tcp_plb_idle_rehash_rounds 3 0 31
tcp_plb_rehash_rounds 12 0 31
tcp_plb_suspend_rto_sec 60 0 255
tcp_probe_interval 600 0 4294967
tcp_probe_threshold 8 -2147483648 2147483647
tcp_recovery 1 0 255
tcp_reflect_tos 0 0 1
tcp_reordering 3 1 300
tcp_retrans_collapse 1 0 255
tcp_retries1 3 0 255
tcp_retries2 15 0 255
tcp_rfc1337 0 0 255
tcp_rto_max_ms 120000 1000 120000
tcp_rto_min_us 200000 1 2147483647
tcp_sack 1 0 255
tcp_shrink_window 0 0 1
tcp_slow_start_after_idle 1 0 255
tcp_stdurg 0 0 255
tcp_syn_linear_timeouts 4 0 127
tcp_syn_retries 6 1 127
tcp_synack_retries 5 0 255
tcp_syncookies 1 0 255
tcp_thin_linear_timeouts 0 0 255
tcp_timestamps 1 0 255
tcp_tso_rtt_log 9 0 255
tcp_tso_win_divisor 3 0 255
tcp_tw_reuse 2 0 2
tcp_tw_reuse_delay 1000 1 60000
tcp_window_scaling 1 0 255
tcp_workaround_signed_windows 0 0 255`
  .trim()
  .split("\n")
  .map((l) => l.split(" "));

const P = "net/ipv4/";
const EINVAL = -22;
const ENOENT = -2;
const EPERM = -1;

function initial(): { world: World; net: Net } {
  const world = createWorld();
  const m = world.createMachine({ hostname: "a" });
  return { world, net: m.kernel.init_net };
}
const read = (net: Net, name: string): string | number => sysctl_read([net.sysctl_table], P + name);
const write = (net: Net, name: string, text: string): number => sysctl_write([net.sysctl_table], P + name, text);

test("integers: defaults, and what is refused", () => {
  const { net } = initial();
  for (const [name, value, min, max] of INTS) {
    assert.equal(read(net, name!), value, name!);
    assert.equal(write(net, name!, min!), 0, `${name} ${min}`);
    assert.equal(write(net, name!, max!), 0, `${name} ${max}`);
    assert.equal(write(net, name!, String(Number(min) - 1)), EINVAL, `${name} below ${min}`);
    assert.equal(write(net, name!, String(Number(max) + 1)), EINVAL, `${name} above ${max}`);
    assert.equal(read(net, name!), max, name!);
  }
});

test("seconds are kept in jiffies", () => {
  const { net } = initial();
  assert.equal(net.ipv4.sysctl_tcp_keepalive_time, 7_200_000);
  assert.equal(write(net, "tcp_fin_timeout", "30"), 0);
  assert.equal(net.ipv4.sysctl_tcp_fin_timeout, 30_000);
});

test("tcp_rmem and tcp_wmem: three sizes above 0, what is not written stays", () => {
  const { net } = initial();
  assert.equal(read(net, "tcp_rmem"), "4096\t131072\t33554432");
  assert.equal(read(net, "tcp_wmem"), "4096\t16384\t4194304");
  assert.equal(write(net, "tcp_rmem", "1 1"), 0);
  assert.equal(read(net, "tcp_rmem"), "1\t1\t33554432");
  assert.equal(write(net, "tcp_rmem", "0 1 2"), EINVAL);
  assert.equal(read(net, "tcp_rmem"), "1\t1\t33554432");
});

test("congestion control: cubic by default, in new namespaces what the initial one has", () => {
  const { net } = initial();
  assert.equal(read(net, "tcp_congestion_control"), "cubic");
  assert.equal(read(net, "tcp_available_congestion_control"), "reno cubic bbr dctcp");
  assert.equal(read(net, "tcp_allowed_congestion_control"), "reno cubic bbr");
  assert.equal(write(net, "tcp_congestion_control", "foo"), ENOENT);
  assert.equal(write(net, "tcp_available_congestion_control", "reno"), EPERM);
  assert.equal(write(net, "tcp_allowed_congestion_control", "reno foo"), ENOENT);
  assert.equal(write(net, "tcp_allowed_congestion_control", "reno dctcp"), 0);
  assert.equal(read(net, "tcp_allowed_congestion_control"), "reno dctcp");
  assert.equal(write(net, "tcp_congestion_control", "bbr\n"), 0);
  assert.equal(read(net, "tcp_allowed_congestion_control"), "reno bbr dctcp");
});

test("tcp_fastopen_key: zeros until one is needed; four numbers, and four more for the one before", () => {
  const { net } = initial();
  assert.equal(read(net, "tcp_fastopen_key"), "00000000-00000000-00000000-00000000");
  assert.equal(write(net, "tcp_fastopen_key", "1-2-3-4"), 0);
  assert.equal(read(net, "tcp_fastopen_key"), "00000001-00000002-00000003-00000004");
  assert.equal(write(net, "tcp_fastopen_key", "1-2-3-4,5-6-7-8\n"), 0);
  const both = "00000001-00000002-00000003-00000004,00000005-00000006-00000007-00000008";
  assert.equal(read(net, "tcp_fastopen_key"), both);
  assert.equal(write(net, "tcp_fastopen_key", "1-2-3"), EINVAL);
  assert.equal(read(net, "tcp_fastopen_key"), both);
});
