// iperf3's tables. Layout and roundings as iperf3 3.12 prints them. Way in: intervalText(test), resultsText(test).

import type { Interval, Stream } from "./stream.ts";
import type { CpuUse, Test } from "./test.ts";
import { formatBytes, formatG, formatRate } from "./units.ts";

const RULE = "- - - - - - - - - - - - - - - - - - - - - - - - -\n";
const HEAD = "Interval           Transfer     Bitrate";

/** "[  5]", "[SUM]", with its role where both ends send. */
function label(test: Test, id: string, sender: boolean): string {
  const role = test.settings.bidir ? `[${sender ? "TX" : "RX"}-${test.client ? "C" : "S"}]` : "";
  return `[${id.padStart(3)}]${role} `;
}

function span(start: number, end: number): string {
  return `${start.toFixed(2).padStart(6)}-${end.toFixed(2).padEnd(6)} sec  `;
}

/** Transfer and bitrate of `bytes` in so many seconds. */
function amounts(test: Test, bytes: number, seconds: number): string {
  return `${formatBytes(bytes)}  ${formatRate(seconds > 0 ? bytes / seconds : 0, test.settings.format)}/sec`;
}

function lost(errors: number, packets: number): string {
  return `${errors}/${packets} (${formatG(packets > 0 ? (100 * errors) / packets : 0, 2)}%)`;
}

function headLabel(test: Test): string {
  return `[ ID]${test.settings.bidir ? "[Role]" : ""} `;
}

/** The streams that send and those that receive, in the order of their first. */
export function directions(test: Test): Stream[][] {
  const first = test.streams[0]?.sender ?? true;
  return [first, !first].map((d) => test.streams.filter((s) => s.sender === d)).filter((g) => g.length > 0);
}

function intervalHead(test: Test): string {
  const { udp, bidir } = test.settings;
  let rest = "";
  if (udp) rest = bidir || !test.sends ? "         Jitter    Lost/Total Datagrams" : "         Total Datagrams";
  else if (bidir || test.senderHasRetransmits === 1) rest = "         Retr  Cwnd";
  return `${headLabel(test)}${HEAD}${rest}\n`;
}

/** The lines of interval number `test.reported`. */
export function intervalText(test: Test): string[] {
  const lines: string[] = [];
  const n = test.reported;
  if (n === 0) lines.push(intervalHead(test));
  else if (test.settings.parallel > 1) lines.push(RULE);
  for (const group of directions(test)) {
    for (const s of group) lines.push(intervalLine(test, String(s.fd), s.sender, s.intervals[n], false));
    if (test.settings.parallel > 1)
      lines.push(intervalLine(test, "SUM", group[0].sender, sum(group.map((s) => s.intervals[n])), true));
  }
  return lines;
}

export function sum(list: readonly Interval[]): Interval {
  const total: Interval = { ...list[0] };
  for (const i of list.slice(1)) {
    total.bytes += i.bytes;
    total.retransmits += i.retransmits;
    total.packets += i.packets;
    total.lost += i.lost;
    total.jitter += i.jitter;
  }
  total.jitter /= list.length;
  return total;
}

function intervalLine(test: Test, id: string, sender: boolean, i: Interval, isSum: boolean): string {
  const omitted = i.omitted ? "(omitted)" : "";
  const front = `${label(test, id, sender)}${span(i.start, i.end)}${amounts(test, i.bytes, i.seconds)}`;
  if (test.settings.udp) {
    if (!sender) return `${front}  ${(i.jitter * 1000).toFixed(3)} ms  ${lost(i.lost, i.packets)}  ${omitted}\n`;
    return `${front}${test.settings.bidir ? " ".repeat(12) : "  "}${i.packets}  ${omitted}\n`;
  }
  if (!sender) return `${front}${" ".repeat(18)}${omitted}\n`;
  const retr = `  ${String(i.retransmits).padStart(3)}`;
  return isSum
    ? `${front}${retr}${" ".repeat(13)}${omitted}\n`
    : `${front}${retr}   ${formatBytes(i.cwnd)}       ${omitted}\n`;
}

/** One stream, or all of a direction, from the start to the end. */
export interface Total {
  bytes: number;
  seconds: number;
  retransmits: number;
  jitter: number;
  lost: number;
  packets: number;
}

/** As its sender saw a stream: ourselves, or the other end, which told us, or did not. */
export function senderTotal(test: Test, s: Stream): Total {
  const own = { bytes: s.bytes, seconds: test.endTime, retransmits: s.retransmits, jitter: 0, lost: 0 };
  if (s.sender) return { ...own, packets: s.testPackets };
  const p = s.peer;
  return {
    ...own,
    bytes: p?.bytes ?? 0,
    seconds: p?.endTime || test.endTime,
    retransmits: p?.retransmits ?? -1,
    packets: p?.packets ?? 0,
  };
}

export function receiverTotal(test: Test, s: Stream): Total {
  const own = { retransmits: -1, seconds: test.endTime };
  if (!s.sender) return { ...own, bytes: s.bytes, jitter: s.jitter, lost: s.testErrors, packets: s.testPackets };
  const p = s.peer;
  return {
    ...own,
    bytes: p?.bytes ?? 0,
    seconds: p?.endTime || test.endTime,
    jitter: p?.jitter ?? 0,
    lost: p?.errors ?? 0,
    packets: p?.packets ?? 0,
  };
}

export function sumTotals(list: readonly Total[]): Total {
  const total = { ...list[0] };
  for (const t of list.slice(1)) {
    total.bytes += t.bytes;
    total.retransmits += t.retransmits;
    total.lost += t.lost;
    total.packets += t.packets;
    total.jitter += t.jitter;
  }
  total.jitter /= Math.max(1, list.length);
  return total;
}

function totalLine(test: Test, id: string, direction: boolean, t: Total, who: "sender" | "receiver"): string {
  const front = `${label(test, id, direction)}${span(0, t.seconds)}${amounts(test, t.bytes, t.seconds)}`;
  if (test.settings.udp) return `${front}  ${(t.jitter * 1000).toFixed(3)} ms  ${lost(t.lost, t.packets)}  ${who}\n`;
  if (who === "sender" && t.retransmits >= 0)
    return `${front}  ${String(t.retransmits).padStart(3)}${" ".repeat(13)}${who}\n`;
  return `${front}${" ".repeat(18)}${who}\n`;
}

export function resultsText(test: Test): string[] {
  const { udp, verbose, bidir, parallel } = test.settings;
  const lines = [RULE];
  if (verbose) lines.push("Test Complete. Summary Results:\n");
  const retr = !udp && (bidir || test.senderHasRetransmits === 1);
  const rest = udp ? "         Jitter    Lost/Total Datagrams" : retr ? "         Retr" : "";
  lines.push(`${headLabel(test)}${HEAD}${rest}\n`);
  for (const group of directions(test)) {
    const sends = group[0].sender;
    const showSender = test.client || sends;
    const showReceiver = test.client || !sends;
    for (const s of group) {
      if (showSender) lines.push(totalLine(test, String(s.fd), sends, senderTotal(test, s), "sender"));
      else if (verbose) lines.push(`[${String(s.fd).padStart(3)}] (sender statistics not available)\n`);
      if (showReceiver) lines.push(totalLine(test, String(s.fd), sends, receiverTotal(test, s), "receiver"));
      else if (verbose) lines.push(`[${String(s.fd).padStart(3)}] (receiver statistics not available)\n`);
    }
    if (parallel > 1) {
      const senders = sumTotals(group.map((s) => senderTotal(test, s)));
      const receivers = sumTotals(group.map((s) => receiverTotal(test, s)));
      if (showSender) lines.push(totalLine(test, "SUM", sends, senders, "sender"));
      if (showReceiver) lines.push(totalLine(test, "SUM", sends, receivers, "receiver"));
    }
    if (!verbose) continue;
    // Who only receives says nothing of its CPU.
    if (sends) lines.push(...(bidir ? [true, false] : [true]).map((x) => cpuLine(test, x)));
    const [sending, receiving] = sends
      ? [test.congestion, test.client ? test.peerCongestion : ""]
      : [test.client ? test.peerCongestion : "", test.congestion];
    if (sending !== "") lines.push(`snd_tcp_congestion ${sending}\n`);
    if (receiving !== "") lines.push(`rcv_tcp_congestion ${receiving}\n`);
  }
  if (test.serverOutputText !== undefined) lines.push("\nServer output:\n", test.serverOutputText);
  return lines;
}

function cpuLine(test: Test, sends: boolean): string {
  const use = (c: CpuUse): string => `${c.total.toFixed(1)}% (${c.user.toFixed(1)}%u/${c.system.toFixed(1)}%s)`;
  const [local, remote] = sends ? ["sender", "receiver"] : ["receiver", "sender"];
  return `CPU Utilization: local/${local} ${use(test.localCpu)}, remote/${remote} ${use(test.peerCpu)}\n`;
}
