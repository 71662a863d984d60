// A walk as JSON lines, with the field names of pwru and some of our own. Way in: walkJson().

import { ctx_names } from "../../kernel/cpu.ts";
import { tupleOf } from "./headers.ts";
import { family, type Packet, type Step, type WalkResult } from "./model.ts";
import { decodePacket, hwName } from "./text.ts";

/** One object per step, in the order of time; pwru's fields first. */
export function* walkJson(w: WalkResult, packets: readonly Packet[], hosts: readonly string[] = []): Generator<string> {
  const all: { p: Packet; s: Step; i: number }[] = [];
  for (const root of packets) {
    for (const p of family(root)) {
      if (hosts.length > 0 && !hosts.includes(p.host)) continue;
      for (const [i, s] of p.steps.entries()) all.push({ p, s, i });
    }
  }
  all.sort((a, b) => a.s.seq - b.s.seq);
  for (const { p, s, i } of all) yield JSON.stringify(record(w, p, s, i));
}

function record(w: WalkResult, p: Packet, s: Step, i: number): object {
  const t = tupleOf(p.capture);
  const caller = s.via.at(-1)?.fn ?? [...p.steps.slice(0, i)].reverse().find((q) => q.enters && q.fn !== "")?.fn ?? "";
  const last = i === p.steps.length - 1;
  return {
    skb: `0x${p.skb.toString(16)}`,
    cpu: s.cpu,
    process: s.pid > 0 ? `${s.comm}:${s.pid}` : `${ctx_names[s.ctx]}:0`,
    func: s.fn !== "" ? s.fn : hwName(s),
    caller_func: caller,
    time: s.t - w.started,
    netns: s.netns,
    mark: s.mark,
    iface: s.dev !== "" ? `${s.dev}:${s.ifindex}` : "",
    proto: s.proto !== 0 ? s.proto : t.ethertype,
    mtu: s.mtu,
    len: s.len,
    tuple: { saddr: t.saddr, daddr: t.daddr, sport: t.sport, dport: t.dport, proto: t.proto, flags: "" },
    host: p.host,
    packet: p.root.number,
    context: ctx_names[s.ctx],
    ...(s.via.length > 0 && { via: s.via.map((c) => c.fn) }),
    ...(s.note !== null && { note: s.note }),
    ...(s.hw !== null && { hardware: { why: s.hw.why, counter: s.hw.counter, cable: s.hw.hop?.cable ?? "" } }),
    ...(i === 0 && {
      summary: decodePacket(p),
      ...(p.parent !== null && {
        parent: `0x${p.parent.skb.toString(16)}`,
        parent_host: p.parent.host,
        lineage: p.how,
      }),
      ...(p.cause !== null && p.cause.root.number > 0 && { because_of: p.cause.root.number }),
    }),
    ...(last && p.end !== null && { end: p.end }),
  };
}
