// net.ipv4.tcp_*: names, units and ranges as Linux 6.18 has them. The TCP half of net/ipv4/sysctl_net_ipv4.c.
// Read first: Documentation/networking/ip-sysctl.rst of Linux. Way in: sysctl_tcp_net(), for each namespace.

import {
  type CtlTable,
  parse_sysctl_int,
  proc_dointvec,
  proc_dointvec_array,
  proc_dointvec_conv,
  proc_dostring,
  register_sysctl,
} from "../../kernel/sysctl.ts";
import { EINVAL } from "../../uapi/errno.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetnsIpv4 } from "./netns_ipv4.ts";
import type { NumberKey } from "./sysctl_net_ipv4.ts";
import {
  tcp_get_allowed_congestion_control,
  tcp_get_available_congestion_control,
  tcp_get_default_congestion_control,
  tcp_set_allowed_congestion_control,
  tcp_set_default_congestion_control,
} from "./tcp_cong.ts";
import { TCP_FASTOPEN_KEY_LENGTH, tcp_fastopen_reset_cipher, tfo_active_disable_reset } from "./tcp_fastopen.ts";

const P = "net/ipv4/";
const INT_MAX = 0x7fffffff;
const UINT_MAX = 0xffffffff;
const INT_MIN = -0x80000000;
const HZ = 1000;

/** Of the whole machine: what Linux computes from its memory at boot; these are those of a machine with 24 GiB. */
export class TcpSysctls {
  /** Pages (4 KiB): below the first nobody is bothered, above the second buffers shrink, above the third they fail. */
  sysctl_tcp_mem: [number, number, number] = [287901, 383868, 575802];
  sysctl_tcp_max_orphans = 131072;
  sysctl_tcp_low_latency = 0;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    tcp_sysctls: TcpSysctls;
  }
}

/** Size of the table of connections as Linux shows it: that of the same machine. */
const EHASH_ENTRIES = 262144;

/** name, field, least, greatest: found by writing to a 6.18 kernel. A byte there is why 255 is a limit so often. */
const ints: readonly (readonly [string, NumberKey, number?, number?])[] = [
  ["tcp_abort_on_overflow", "sysctl_tcp_abort_on_overflow", 0, 255],
  ["tcp_adv_win_scale", "sysctl_tcp_adv_win_scale", -31, 31],
  ["tcp_app_win", "sysctl_tcp_app_win", 0, 31],
  ["tcp_autocorking", "sysctl_tcp_autocorking", 0, 1],
  ["tcp_backlog_ack_defer", "sysctl_tcp_backlog_ack_defer", 0, 1],
  ["tcp_base_mss", "sysctl_tcp_base_mss"],
  ["tcp_challenge_ack_limit", "sysctl_tcp_challenge_ack_limit"],
  ["tcp_child_ehash_entries", "sysctl_tcp_child_ehash_entries", 0, 16777216],
  ["tcp_comp_sack_delay_ns", "sysctl_tcp_comp_sack_delay_ns", 0, UINT_MAX],
  ["tcp_comp_sack_nr", "sysctl_tcp_comp_sack_nr", 0, 255],
  ["tcp_comp_sack_slack_ns", "sysctl_tcp_comp_sack_slack_ns", 0, UINT_MAX],
  ["tcp_dsack", "sysctl_tcp_dsack", 0, 255],
  ["tcp_early_demux", "sysctl_tcp_early_demux", 0, 255],
  ["tcp_early_retrans", "sysctl_tcp_early_retrans", 0, 4],
  ["tcp_ecn", "sysctl_tcp_ecn", 0, 2],
  ["tcp_ecn_fallback", "sysctl_tcp_ecn_fallback", 0, 1],
  ["tcp_ecn_option", "sysctl_tcp_ecn_option", 0, 2],
  ["tcp_ecn_option_beacon", "sysctl_tcp_ecn_option_beacon", 0, 3],
  ["tcp_fack", "sysctl_tcp_fack", 0, 255],
  ["tcp_fastopen", "sysctl_tcp_fastopen"],
  ["tcp_frto", "sysctl_tcp_frto", 0, 255],
  ["tcp_fwmark_accept", "sysctl_tcp_fwmark_accept", 0, 255],
  ["tcp_invalid_ratelimit", "sysctl_tcp_invalid_ratelimit", 0, INT_MAX],
  ["tcp_keepalive_probes", "sysctl_tcp_keepalive_probes", 0, 255],
  ["tcp_l3mdev_accept", "sysctl_tcp_l3mdev_accept", 0, 1],
  ["tcp_limit_output_bytes", "sysctl_tcp_limit_output_bytes"],
  ["tcp_max_reordering", "sysctl_tcp_max_reordering", 1],
  ["tcp_max_syn_backlog", "sysctl_max_syn_backlog"],
  ["tcp_max_tw_buckets", "sysctl_max_tw_buckets"],
  ["tcp_migrate_req", "sysctl_tcp_migrate_req", 0, 1],
  ["tcp_min_rtt_wlen", "sysctl_tcp_min_rtt_wlen", 0, 86400],
  ["tcp_min_snd_mss", "sysctl_tcp_min_snd_mss", 48, 65535],
  ["tcp_min_tso_segs", "sysctl_tcp_min_tso_segs", 1, 255],
  ["tcp_moderate_rcvbuf", "sysctl_tcp_moderate_rcvbuf", 0, 255],
  ["tcp_mtu_probe_floor", "sysctl_tcp_mtu_probe_floor", 48, 65535],
  ["tcp_mtu_probing", "sysctl_tcp_mtu_probing", 0, 255],
  ["tcp_no_metrics_save", "sysctl_tcp_nometrics_save", 0, 255],
  ["tcp_no_ssthresh_metrics_save", "sysctl_tcp_no_ssthresh_metrics_save", 0, 1],
  ["tcp_notsent_lowat", "sysctl_tcp_notsent_lowat", 0, UINT_MAX],
  ["tcp_orphan_retries", "sysctl_tcp_orphan_retries", 0, 255],
  ["tcp_pacing_ca_ratio", "sysctl_tcp_pacing_ca_ratio", 0, 1000],
  ["tcp_pacing_ss_ratio", "sysctl_tcp_pacing_ss_ratio", 0, 1000],
  ["tcp_pingpong_thresh", "sysctl_tcp_pingpong_thresh", 1, 255],
  ["tcp_plb_cong_thresh", "sysctl_tcp_plb_cong_thresh", 0, 256],
  ["tcp_plb_enabled", "sysctl_tcp_plb_enabled", 0, 1],
  ["tcp_plb_idle_rehash_rounds", "sysctl_tcp_plb_idle_rehash_rounds", 0, 31],
  ["tcp_plb_rehash_rounds", "sysctl_tcp_plb_rehash_rounds", 0, 31],
  ["tcp_plb_suspend_rto_sec", "sysctl_tcp_plb_suspend_rto_sec", 0, 255],
  ["tcp_probe_interval", "sysctl_tcp_probe_interval", 0, Math.floor(2 ** 32 / HZ)],
  ["tcp_probe_threshold", "sysctl_tcp_probe_threshold"],
  ["tcp_recovery", "sysctl_tcp_recovery", 0, 255],
  ["tcp_reflect_tos", "sysctl_tcp_reflect_tos", 0, 1],
  ["tcp_reordering", "sysctl_tcp_reordering", 1, 300],
  ["tcp_retrans_collapse", "sysctl_tcp_retrans_collapse", 0, 255],
  ["tcp_retries1", "sysctl_tcp_retries1", 0, 255],
  ["tcp_retries2", "sysctl_tcp_retries2", 0, 255],
  ["tcp_rfc1337", "sysctl_tcp_rfc1337", 0, 255],
  ["tcp_rto_max_ms", "sysctl_tcp_rto_max_ms", 1000, 120000],
  ["tcp_rto_min_us", "sysctl_tcp_rto_min_us", 1],
  ["tcp_sack", "sysctl_tcp_sack", 0, 255],
  ["tcp_shrink_window", "sysctl_tcp_shrink_window", 0, 1],
  ["tcp_slow_start_after_idle", "sysctl_tcp_slow_start_after_idle", 0, 255],
  ["tcp_stdurg", "sysctl_tcp_stdurg", 0, 255],
  ["tcp_syn_linear_timeouts", "sysctl_tcp_syn_linear_timeouts", 0, 127],
  ["tcp_syn_retries", "sysctl_tcp_syn_retries", 1, 127],
  ["tcp_synack_retries", "sysctl_tcp_synack_retries", 0, 255],
  ["tcp_syncookies", "sysctl_tcp_syncookies", 0, 255],
  ["tcp_thin_linear_timeouts", "sysctl_tcp_thin_linear_timeouts", 0, 255],
  ["tcp_timestamps", "sysctl_tcp_timestamps", 0, 255],
  ["tcp_tso_rtt_log", "sysctl_tcp_tso_rtt_log", 0, 255],
  ["tcp_tso_win_divisor", "sysctl_tcp_tso_win_divisor", 0, 255],
  ["tcp_tw_reuse", "sysctl_tcp_tw_reuse", 0, 2],
  ["tcp_tw_reuse_delay", "sysctl_tcp_tw_reuse_delay", 1, 60000],
  ["tcp_window_scaling", "sysctl_tcp_window_scaling", 0, 255],
  ["tcp_workaround_signed_windows", "sysctl_tcp_workaround_signed_windows", 0, 255],
];

/** Shown in seconds, kept in jiffies. */
const seconds: readonly (readonly [string, NumberKey])[] = [
  ["tcp_fin_timeout", "sysctl_tcp_fin_timeout"],
  ["tcp_keepalive_intvl", "sysctl_tcp_keepalive_intvl"],
  ["tcp_keepalive_time", "sysctl_tcp_keepalive_time"],
];

/** Three sizes, none below 1; the ones not written stay. */
function three_sizes(path: string, get: () => readonly number[], set: (v: [number, number, number]) => void): CtlTable {
  return proc_dointvec_array(path, get, (v) => {
    for (const x of v) if (x < 1 || x > INT_MAX) return -EINVAL;
    set([v[0]!, v[1]!, v[2]!]);
    return 0;
  });
}

const hex8 = (v: number): string => (v >>> 0).toString(16).padStart(8, "0");

/** "xxxxxxxx-xxxxxxxx-xxxxxxxx-xxxxxxxx[,the same]": the key in use and, after a comma, the one before it. */
function fastopen_key(v4: NetnsIpv4): CtlTable {
  const show = (key: Uint8Array): string => {
    const dv = new DataView(key.buffer, key.byteOffset, key.byteLength);
    const parts: string[] = [];
    for (let at = 0; at < key.length; at += TCP_FASTOPEN_KEY_LENGTH) {
      parts.push([0, 4, 8, 12].map((i) => hex8(dv.getUint32(at + i, true))).join("-"));
    }
    return parts.join(",");
  };
  const parse = (text: string): Uint8Array | null => {
    const m = /^([0-9a-fA-F]{1,8})-([0-9a-fA-F]{1,8})-([0-9a-fA-F]{1,8})-([0-9a-fA-F]{1,8})$/.exec(text);
    if (m === null) return null;
    const key = new Uint8Array(TCP_FASTOPEN_KEY_LENGTH);
    const dv = new DataView(key.buffer);
    for (let i = 0; i < 4; i++) dv.setUint32(i * 4, Number.parseInt(m[i + 1]!, 16), true);
    return key;
  };
  return {
    path: `${P}tcp_fastopen_key`,
    mode: 0o600,
    read: () => show(v4.tcp_fastopen_key ?? new Uint8Array(TCP_FASTOPEN_KEY_LENGTH)),
    write: (text) => {
      const words = text.trim().split(",");
      if (words.length > 2) return -EINVAL;
      const primary = parse(words[0]!);
      const backup = words.length === 2 ? parse(words[1]!) : null;
      if (primary === null || (words.length === 2 && backup === null)) return -EINVAL;
      tcp_fastopen_reset_cipher(v4.net, primary, backup);
      return 0;
    },
  };
}

export function sysctl_tcp_net(net: Net): void {
  const v4 = net.ipv4;
  const k = net.kernel;
  const t = net.sysctl_table;
  const add = (e: CtlTable): void => register_sysctl(t, e);
  for (const [name, key, min = INT_MIN, max = INT_MAX] of ints) add(proc_dointvec(P + name, v4, key, { min, max }));
  for (const [name, key] of seconds) {
    const limit = Math.floor(INT_MAX / HZ);
    const set = (v: number): void => {
      v4[key] = v * HZ;
    };
    add(proc_dointvec_conv(P + name, () => Math.trunc(v4[key] / HZ), set, { min: -limit, max: limit }));
  }
  const blackhole = { min: 0, max: INT_MAX, changed: () => tfo_active_disable_reset(net) };
  add(proc_dointvec(`${P}tcp_fastopen_blackhole_timeout_sec`, v4, "sysctl_tcp_fastopen_blackhole_timeout", blackhole));
  add(
    three_sizes(
      `${P}tcp_rmem`,
      () => v4.sysctl_tcp_rmem,
      (v) => {
        v4.sysctl_tcp_rmem = v;
      },
    ),
  );
  add(
    three_sizes(
      `${P}tcp_wmem`,
      () => v4.sysctl_tcp_wmem,
      (v) => {
        v4.sysctl_tcp_wmem = v;
      },
    ),
  );
  add(fastopen_key(v4));
  const initial = net.id === 0;
  add(
    proc_dostring(
      `${P}tcp_congestion_control`,
      () => tcp_get_default_congestion_control(net),
      (v) => tcp_set_default_congestion_control(net, v.trim()),
    ),
  );
  add(proc_dostring(`${P}tcp_available_congestion_control`, () => tcp_get_available_congestion_control(k), null));
  add(
    proc_dostring(
      `${P}tcp_allowed_congestion_control`,
      () => tcp_get_allowed_congestion_control(k),
      initial ? (v) => tcp_set_allowed_congestion_control(k, v) : null,
    ),
  );
  // Other namespaces share the table of the initial one, which the minus sign says.
  const ehash = (): number => (initial ? EHASH_ENTRIES : -EHASH_ENTRIES);
  add(proc_dointvec_conv(`${P}tcp_ehash_entries`, ehash, () => {}, { mode: 0o444 }));
  if (!initial) return;
  k.tcp_sysctls = new TcpSysctls();
  const whole = k.tcp_sysctls;
  add(proc_dostring(`${P}tcp_available_ulp`, () => "", null));
  add(proc_dointvec(`${P}tcp_max_orphans`, whole, "sysctl_tcp_max_orphans"));
  add(proc_dointvec(`${P}tcp_low_latency`, whole, "sysctl_tcp_low_latency"));
  add({
    path: `${P}tcp_mem`,
    mode: 0o644,
    read: () => whole.sysctl_tcp_mem.join("\t"),
    write: (text) => {
      const words = text.trim().split(/\s+/);
      const now: [number, number, number] = [...whole.sysctl_tcp_mem];
      for (let i = 0; i < 3 && i < words.length; i++) {
        const v = parse_sysctl_int(words[i]!);
        if (Number.isNaN(v) || v < 0) return -EINVAL;
        now[i] = v;
      }
      whole.sysctl_tcp_mem = now;
      return 0;
    },
  });
}
