// Decisions in words: what a note of the trace says, for a person. Way in: noteWords().

import type { TraceNote } from "../../kernel/trace.ts";
import { errno_name } from "../../uapi/errno.ts";

const TABLES: Readonly<Record<number, string>> = { 253: "default", 254: "main", 255: "local" };
const ROUTE_TYPES: Readonly<Record<number, string>> = {
  2: "an address of this machine",
  3: "broadcast",
  4: "anycast",
  5: "multicast",
  6: "blackhole",
  7: "unreachable",
  8: "prohibit",
};

const table = (n: string | number | undefined): string => TABLES[Number(n)] ?? String(n);

/** The names of the types of ICMP errors, with those codes that say more. */
export function icmpName(type: number, code: number): string {
  if (type === 3) {
    return (
      [
        "network unreachable",
        "host unreachable",
        "protocol unreachable",
        "port unreachable",
        "fragmentation needed",
        "source route failed",
        "network unknown",
        "host unknown",
        "source isolated",
        "network prohibited",
        "host prohibited",
        "network unreachable for TOS",
        "host unreachable for TOS",
        "administratively filtered",
      ][code] ?? `unreachable, code ${code}`
    );
  }
  if (type === 11) return code === 0 ? "time exceeded in transit" : "reassembly time exceeded";
  if (type === 5) return "redirect";
  if (type === 12) return "parameter problem";
  if (type === 4) return "source quench";
  return `type ${type} code ${code}`;
}

function fib(n: TraceNote): string {
  if (n.error !== undefined) return `no route to ${n.daddr} (${errno_name(-Number(n.error)) ?? n.error})`;
  const type = ROUTE_TYPES[Number(n.type)];
  const how = type !== undefined ? `: ${type}` : `${n.via ? ` via ${n.via}` : ""} dev ${n.dev}`;
  return `${n.daddr} matches ${n.prefix}${how} (table ${table(n.table)})`;
}

function neigh(n: TraceNote): string {
  if (n.probe !== undefined) return `asks by ARP, ${n.how}`;
  const known = n.lladdr !== "" && n.lladdr !== undefined;
  if (known) return `${n.to} on ${n.dev} is ${n.lladdr} (${n.state})`;
  const queued = Number(n.queued) > 0 ? `, behind ${n.queued} other${n.queued === 1 ? "" : "s"}` : "";
  return `${n.to} on ${n.dev}: no MAC address yet (${n.state}); waits for ARP${queued}`;
}

/** " of nc[12]", or nothing. */
export const ownerOf = (n: TraceNote): string => (Number(n.pid) > 0 ? ` of ${n.comm || "pid"}[${n.pid}]` : "");

const handle = (h: number): string => (h !== 0 ? ` ${(h >>> 16).toString(16)}:` : "");

/** By TCP_ESTABLISHED and so on. */
const TCP_STATES: readonly string[] = [
  ...["", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT"],
  ...["LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"],
];

function sock(n: TraceNote): string {
  if (n.family === "packet") return "copy for a packet socket (AF_PACKET)";
  if (n.found === "none") return `no socket on port ${n.dport}`;
  const state = TCP_STATES[Number(n.state)];
  return `socket found: ${n.found}${state !== undefined ? ` (${state})` : ""}${ownerOf(n)}`;
}

/** Short ones stand behind the name of their function. */
export const isAside = (n: TraceNote): boolean => n.kind === "rx" || n.kind === "xmit" || n.kind === "arp";

/** "" for notes that the walk shows in other ways. */
export function noteWords(n: TraceNote): string {
  switch (n.kind) {
    case "fib":
      return fib(n);
    case "route":
      return `route${n.via ? ` via ${n.via}` : ": on the link,"} dev ${n.dev}`;
    case "neigh":
      return neigh(n);
    case "arp":
      return `verdict: ${n.verdict}`;
    case "sock":
      return sock(n);
    case "nf":
      return `${n.hook}, ${n.by} (priority ${n.priority}): ${n.verdict}`;
    case "xmit":
      return `${n.dev} queue ${n.queue}, ${n.len} bytes`;
    case "rx":
      return `${n.dev} queue ${n.queue}`;
    case "qdisc":
      return `${n.qdisc}${handle(Number(n.handle))} holds ${n.qlen} (${n.backlog} bytes)`;
    case "gro":
      return `GRO puts it behind skb ${n.parent}`;
    case "fragment":
      return `fragment at offset ${n.offset}`;
    case "segment":
      return "segment";
    case "reassembled":
      return "takes in a fragment";
    case "icmp":
      return `answers with ICMP ${icmpName(Number(n.type), Number(n.code))}`;
    case "otherhost":
      return "for another MAC address (PACKET_OTHERHOST)";
    case "clone":
    case "copy":
    case "tx":
    case "drop":
      return "";
    default:
      return Object.entries(n)
        .map(([k, v]) => (k === "kind" ? String(v) : `${k} ${v}`))
        .join(" ");
  }
}
