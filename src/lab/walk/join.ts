// From lives of packets to trees with an end: who is whose child, what the command caused, how each one ended and why.
// Way in: joinWalk().

import * as HW from "../../hw/trace.ts";
import { innerTuple, isIcmpError, tupleOf } from "./headers.ts";
import { explain, explainHardware, type Facts } from "./hints.ts";
import { family, type Packet, type PacketEnd, type Step } from "./model.ts";
import { isWireLoss, type Recorder } from "./recorder.ts";
import { icmpName, ownerOf } from "./words.ts";

const PREFIX = "SKB_DROP_REASON_";

const AFTERWARDS: ReadonlySet<string> = new Set(["kfree_skb_reason", "__icmp_send"]);

const lastFn = (p: Packet): string => {
  for (let i = p.steps.length - 1; i >= 0; i--) if (p.steps[i]!.fn !== "") return p.steps[i]!.fn;
  return "";
};

/** Roots in the order of time, numbered, without what has nothing to do with the command. */
export function joinWalk(r: Recorder, facts: Facts): Packet[] {
  const roots = r.packets.filter((p) => p.parent === null && p.steps.length > 0 && !isBackground(p));
  roots.sort((a, b) => a.steps[0]!.seq - b.steps[0]!.seq);
  roots.forEach((p, i) => {
    p.number = i + 1;
  });
  // What TCP queues is payload; only the copies that leave get headers. By them it has a name.
  for (const root of roots) root.capture ??= family(root).find((p) => p.capture !== null)?.capture ?? null;
  const answers = new Map<Packet, Packet[]>();
  for (const p of r.packets) {
    if (p.cause === null) continue;
    const list = answers.get(p.cause);
    if (list !== undefined) list.push(p);
    else answers.set(p.cause, [p]);
  }
  const freed = new Map<Packet, Packet>();
  for (const root of roots) {
    for (const p of family(root)) {
      for (const s of p.steps.slice(1)) if (s.during !== null && s.during.root !== root) freed.set(s.during, root);
    }
  }
  for (const root of roots) {
    for (const p of family(root)) p.end = endOf(p, answers.get(p) ?? [], freed.get(p) ?? null, facts);
  }
  return roots;
}

/** What machines say to themselves from time to time. */
function isBackground(p: Packet): boolean {
  const t = tupleOf(p.capture);
  return p.cause === null && t.proto === 2 && p.steps.every((s) => s.pid === 0);
}

function endOf(p: Packet, answers: readonly Packet[], freed: Packet | null, facts: Facts): PacketEnd {
  if (p.into !== null && !p.steps.some((s) => s.note?.kind === "drop")) {
    return done("joined", `joined with others into skb ${p.into.skb}`);
  }
  for (let i = p.steps.length - 1; i >= 0; i--) {
    const s = p.steps[i]!;
    if (s.note?.kind === "drop") return dropped(p, s, facts);
  }
  const hw = p.steps.filter((s) => s.hw !== null);
  const tx = hw.filter((s) => s.hw!.what === HW.HW_TX);
  const lossIndex = hw.findLastIndex((s) => s.hw!.what !== HW.HW_TX && (p.skb === 0 || isWireLoss(s.hw!.what)));
  if (lossIndex >= 0) {
    const s = hw[lossIndex]!;
    const hop = s.hw!.hop;
    // A hub's other ports may have had it all the same.
    if (p.skb === 0 || hop === null || hop.arrivals.length === 0) return lostInHardware(p, s);
  }
  if (tx.length > 0) return sent(tx);
  return ended(p, answers, freed);
}

const done = (kind: PacketEnd["kind"], text: string): PacketEnd => ({
  kind,
  text,
  reason: "",
  where: "",
  why: "",
  look: [],
});

function sent(tx: readonly Step[]): PacketEnd {
  const to = new Set<string>();
  for (const s of tx) for (const a of s.hw!.hop!.arrivals) to.add(`${a.host}:${a.dev}`);
  const hop = tx[0]!.hw!.hop!;
  const frames = tx.length > 1 ? `${tx.length} frames ` : "";
  const where = to.size > 0 ? [...to].join(", ") : "nobody yet";
  return done("sent", `${frames}sent on cable ${hop.cable} to ${where}`);
}

function lostInHardware(p: Packet, s: Step): PacketEnd {
  const hw = s.hw!;
  const cable = hw.hop?.cable ?? "";
  const onWire = isWireLoss(hw.what);
  const e = explainHardware(s.host, s.dev, hw.why, hw.counter, cable);
  // On a hub every card but one refuses a frame. Between two cards nobody else has it: it is lost.
  const alone =
    hw.hop !== null && hw.hop.ends === 2 && hw.hop.arrivals.length === 1 && hw.why === "for another MAC address";
  const ordinary = hw.what === HW.HW_RX_FILTER && hw.counter === "" && !alone;
  const where = onWire ? `on cable ${cable}` : `in the card ${s.dev} of ${s.host}`;
  return {
    kind: ordinary ? "consumed" : "dropped",
    text: ordinary ? `not taken by ${s.host}:${s.dev}: ${hw.why}` : `lost ${where}: ${hw.why}`,
    reason: hw.counter || hw.why,
    where,
    why: e.why,
    look: e.look,
  };
}

function dropped(p: Packet, s: Step, facts: Facts): PacketEnd {
  const reason = String(s.note!.reason).replace(PREFIX, "");
  const fns: string[] = [];
  // Telling the sender comes before the drop, and is not where it was decided.
  for (const q of p.steps) if (q.enters && q.fn !== "" && !AFTERWARDS.has(q.fn)) fns.push(q.fn);
  const tuple = tupleOf(p.capture);
  const rx = p.steps.find((q) => q.fn === "__netif_receive_skb_core" || q.fn === "eth_type_trans");
  const e = explain({
    packet: p,
    tuple,
    host: p.host,
    dev: s.dev,
    in_dev: rx !== undefined ? rx.dev : "",
    fns: fns.slice(-8),
    reason,
    mtu: s.mtu,
    facts,
  });
  // A closed program's unread packets did arrive; the reason says so.
  const where = fns.at(-1) ?? "kfree_skb_reason";
  return {
    kind: "dropped",
    text: `dropped on ${p.host} after ${where}(): ${PREFIX}${reason}`,
    reason,
    where,
    why: e.why,
    look: e.look,
  };
}

function ended(p: Packet, answers: readonly Packet[], freed: Packet | null): PacketEnd {
  const own = lastFn(p);
  const bare = own === "skb_clone" && p.parent !== null;
  const fn = bare ? madeIn(p) : own;
  const cloned = !bare && p.children.some((c) => c.how === "clone");
  const reply = answers.find((a) => a.number > 0 || a.root.number > 0);
  const with_reply =
    (reply !== undefined ? `, answered by #${reply.root.number}` : "") +
    (freed !== null ? `; #${freed.number} can go on` : "");
  const sock =
    [...p.steps].reverse().find((s) => s.note?.kind === "sock" && s.note.found !== "none")?.note ?? undefined;
  const t = tupleOf(p.capture);
  if (isIcmpError(t) && p.how === "wire") return icmpError(p);
  if (fn === "packet_rcv") {
    return sock?.family === "packet"
      ? done("delivered", "delivered to a packet socket (AF_PACKET)")
      : done("consumed", "not wanted by the packet socket's filter");
  }
  if (
    sock !== undefined &&
    (fn.startsWith("__udp") || fn.startsWith("udp_") || fn === "raw_rcv" || fn === "ping_rcv")
  ) {
    return done("delivered", `delivered to the socket on ${sock.found}${ownerOf(sock)}`);
  }
  if (cloned && (fn === "ping_rcv" || fn === "icmp_socket_deliver")) return done("consumed", "taken in by ICMP");
  if (fn === "raw_rcv" || fn === "raw_local_deliver") return done("delivered", "delivered to a raw socket");
  if (fn === "ping_rcv" || fn === "icmp_socket_deliver") return done("delivered", "delivered to a ping socket");
  if (p.steps.some((s) => s.fn === "arp_rcv")) {
    const asked = p.capture !== null && p.capture.bytes[21] === 1;
    if (asked && reply === undefined) {
      const why = p.steps.some((s) => s.note?.kind === "fib" && s.note.type === 2)
        ? `there is no way back to ${t.saddr} through ${p.steps.at(-1)!.dev} (rp_filter), or arp_ignore forbids it`
        : `${t.daddr} is not an address of ${p.host}`;
      return done("consumed", `taken in by ARP, not answered: ${why}`);
    }
    return done("consumed", `taken in by ARP${with_reply}`);
  }
  if (p.steps.some((s) => s.fn === "tcp_v4_rcv")) {
    if (sock === undefined) return done("consumed", `taken in by TCP${with_reply}`);
    return done("delivered", `taken in by TCP, the socket on ${sock.found}${ownerOf(sock)}${with_reply}`);
  }
  if (cloned && fn.startsWith("tcp_"))
    return done("consumed", "stays in the socket until it is acknowledged; its copies leave");
  if (fn.startsWith("icmp_")) return done("consumed", `taken in by ICMP${with_reply}`);
  if (fn.startsWith("igmp_")) return done("consumed", `taken in by IGMP${with_reply}`);
  if (fn === "neigh_resolve_output" || fn === "__neigh_event_send") {
    return done("waiting", "still waits for an answer to ARP");
  }
  if (fn === "__dev_xmit_skb" || fn === "__qdisc_run" || p.steps.at(-1)!.note?.kind === "qdisc")
    return done("waiting", "still in the qdisc");
  if (fn === "igb_tx_map") return done("waiting", "still in the transmit ring");
  if (fn === "ip_defrag") return done("waiting", "still waits for the other fragments");
  if (fn === "napi_gro_receive") return done("joined", "merged by GRO with a packet before it");
  if (fn === "ip_fragment" || fn === "ip_do_fragment") return done("consumed", "cut into fragments");
  if (p.children.length > 0) return done("consumed", "went on as its copies");
  return done("consumed", `ended in ${fn}()${with_reply}`);
}

/** The function of the parent in which a clone was made. */
function madeIn(p: Packet): string {
  const at = p.steps[0]!.seq;
  return p.parent!.steps.findLast((s) => s.seq < at && s.fn !== "")?.fn ?? "";
}

function icmpError(p: Packet): PacketEnd {
  const t = tupleOf(p.capture);
  const inner = innerTuple(p.capture);
  const by = p.root.host;
  const about =
    inner.saddr !== "" ? ` about ${inner.saddr} > ${inner.daddr}${inner.dport > 0 ? ` port ${inner.dport}` : ""}` : "";
  return done(
    "delivered",
    `tells ${p.host} that ${by} (${t.saddr}) says "${icmpName(t.icmp_type, t.icmp_code)}"${about}`,
  );
}
