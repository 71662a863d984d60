// iperf3's -J: keys and their order as iperf3 3.12 prints them. Way in: intervalJson(test), resultsJson(test, end).

import { type Json, JsonObject } from "./json.ts";
import { directions, receiverTotal, senderTotal, sum, sumTotals, type Total } from "./report.ts";
import type { Interval, Stream } from "./stream.ts";
import type { Test } from "./test.ts";

const bits = (bytes: number, seconds: number): number => (seconds > 0 ? (bytes * 8) / seconds : 0);
const percent = (part: number, whole: number): number => (whole > 0 ? (100 * part) / whole : 0);

/** `rated`: the seconds of the rate. */
function amounts(start: number, end: number, seconds: number, bytes: number, rated = seconds): [string, Json][] {
  return [
    ["start", start],
    ["end", end],
    ["seconds", seconds],
    ["bytes", bytes],
    ["bits_per_second", bits(bytes, rated)],
  ];
}

function object(...parts: readonly (readonly [string, Json][])[]): JsonObject {
  const o = new JsonObject();
  for (const [k, v] of parts.flat()) o.set(k, v);
  return o;
}

function interval(test: Test, i: Interval, sender: boolean, socket: number | undefined): JsonObject {
  const flow: [string, Json][] = [];
  if (test.settings.udp) {
    if (sender) flow.push(["packets", i.packets]);
    else {
      flow.push(["jitter_ms", i.jitter * 1000], ["lost_packets", i.lost], ["packets", i.packets]);
      flow.push(["lost_percent", percent(i.lost, i.packets)]);
    }
  } else if (sender) {
    flow.push(["retransmits", i.retransmits]);
    if (socket !== undefined)
      flow.push(["snd_cwnd", i.cwnd], ["snd_wnd", i.sndWnd], ["rtt", i.rtt], ["rttvar", i.rttvar], ["pmtu", i.pmtu]);
  }
  return object(socket === undefined ? [] : [["socket", socket]], amounts(i.start, i.end, i.seconds, i.bytes), flow, [
    ["omitted", i.omitted],
    ["sender", sender],
  ]);
}

/** Interval number `test.reported`. */
export function intervalJson(test: Test): JsonObject {
  const n = test.reported;
  const groups = directions(test);
  const o = new JsonObject().set(
    "streams",
    groups.flat().map((s) => interval(test, s.intervals[n], s.sender, s.fd)),
  );
  groups.forEach((g, k) => {
    o.set(
      k === 0 ? "sum" : "sum_bidir_reverse",
      interval(test, sum(g.map((s) => s.intervals[n])), g[0].sender, undefined),
    );
  });
  return o;
}

function tcpStream(test: Test, s: Stream): JsonObject {
  const sent = senderTotal(test, s);
  const got = receiverTotal(test, s);
  // "seconds" is the sender's time in both.
  const here = (t: Total): [string, Json][] => [
    ["socket", s.fd],
    ...amounts(0, t.seconds, sent.seconds, t.bytes, t.seconds),
  ];
  const info: [string, Json][] =
    sent.retransmits >= 0
      ? [
          ["retransmits", sent.retransmits],
          ["max_snd_cwnd", s.maxCwnd],
          ["max_snd_wnd", s.maxSndWnd],
          ["max_rtt", s.maxRtt],
          ["min_rtt", s.minRtt],
          ["mean_rtt", s.meanRtt],
        ]
      : [];
  return object([
    ["sender", object(here(sent), info, [["sender", s.sender]])],
    ["receiver", object(here(got), [["sender", s.sender]])],
  ]);
}

function datagrams(t: Total): [string, Json][] {
  return [
    ["jitter_ms", t.jitter * 1000],
    ["lost_packets", t.lost],
    ["packets", t.packets],
    ["lost_percent", percent(t.lost, t.packets)],
  ];
}

/** A UDP stream is what was sent, and what became of it. */
function udpStream(test: Test, s: Stream): JsonObject {
  const sent = senderTotal(test, s);
  const got = receiverTotal(test, s);
  const known = s.sender ? s.peer !== undefined : true;
  const t = { ...(known ? got : sent), bytes: sent.bytes, seconds: sent.seconds };
  return object([
    [
      "udp",
      object([["socket", s.fd]], amounts(0, t.seconds, t.seconds, t.bytes), datagrams(t), [
        ["out_of_order", s.testOutOfOrder],
        ["sender", s.sender],
      ]),
    ],
  ]);
}

export function resultsJson(test: Test, end: JsonObject): void {
  const { udp } = test.settings;
  const groups = directions(test);
  end.set(
    "streams",
    groups.flat().map((s) => (udp ? udpStream(test, s) : tcpStream(test, s))),
  );
  groups.forEach((g, k) => {
    const suffix = k === 0 ? "" : "_bidir_reverse";
    const sender = g[0].sender;
    const sent = sumTotals(g.map((s) => senderTotal(test, s)));
    const got = sumTotals(g.map((s) => receiverTotal(test, s)));
    const span = (t: Total): [string, Json][] => amounts(0, t.seconds, t.seconds, t.bytes);
    if (udp) {
      const all = amounts(0, got.seconds, got.seconds, sent.bytes, sent.seconds);
      end.set(`sum${suffix}`, object(all, datagrams(got), [["sender", sender]]));
      end.set(`sum_sent${suffix}`, object(span(sent), datagrams(sent), [["sender", true]]));
      end.set(`sum_received${suffix}`, object(span(got), datagrams(got), [["sender", false]]));
      return;
    }
    const retr: [string, Json][] = sent.retransmits >= 0 ? [["retransmits", sent.retransmits]] : [];
    end.set(`sum_sent${suffix}`, object(span(sent), retr, [["sender", sender]]));
    end.set(`sum_received${suffix}`, object(span(got), [["sender", sender]]));
  });
  const cpu = new JsonObject();
  for (const [who, c] of [
    ["host", test.localCpu],
    ["remote", test.peerCpu],
  ] as const)
    cpu.set(`${who}_total`, c.total).set(`${who}_user`, c.user).set(`${who}_system`, c.system);
  end.set("cpu_utilization_percent", cpu);
  const peer = test.client ? test.peerCongestion : "";
  const [sending, receiving] = test.streams[0]?.sender ? [test.congestion, peer] : [peer, test.congestion];
  if (sending !== "") end.set("sender_tcp_congestion", sending);
  if (receiving !== "") end.set("receiver_tcp_congestion", receiving);
  if (test.serverOutputJson !== undefined) test.out.json.set("server_output_json", test.serverOutputJson);
  if (test.serverOutputText !== undefined) test.out.json.set("server_output_text", test.serverOutputText);
}
