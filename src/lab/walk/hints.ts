// Why a packet was dropped, in a sentence, and what to look at. One entry per SKB_DROP_REASON_* and per counter of the hardware.
// Way in: explain(). What only the machine knows (a sysctl, a route) is asked of it through Facts.

import type { Tuple } from "./headers.ts";
import type { Packet } from "./model.ts";

/** What the walk may ask a machine afterwards. */
export interface Facts {
  /** The text of a file there, without the newline; "" when there is none. */
  read(host: string, path: string): string;
}

export interface DropContext {
  readonly packet: Packet;
  readonly tuple: Tuple;
  readonly host: string;
  readonly dev: string;
  /** Device it came in by; "" when it was made here. */
  readonly in_dev: string;
  /** The last functions before the drop, latest last. */
  readonly fns: readonly string[];
  readonly reason: string;
  readonly mtu: number;
  readonly facts: Facts;
}

export interface Explanation {
  readonly why: string;
  readonly look: readonly string[];
}

type Rule = (c: DropContext) => Explanation;

const sysctl = (c: DropContext, name: string): string => c.facts.read(c.host, `/proc/sys/${name.replaceAll(".", "/")}`);
const on = (c: DropContext, command: string): string => `${c.host}: ${command}`;
const protoName = (p: number): string => (p === 17 ? "UDP" : p === 6 ? "TCP" : p === 1 ? "ICMP" : `protocol ${p}`);

function notForwarding(c: DropContext): Explanation {
  const all = sysctl(c, "net.ipv4.ip_forward");
  if (all === "0" || sysctl(c, `net.ipv4.conf.${c.in_dev}.forwarding`) === "0") {
    const name = all === "0" ? "net.ipv4.ip_forward" : `net.ipv4.conf.${c.in_dev}.forwarding`;
    return {
      why: `${c.tuple.daddr} is not an address of ${c.host}, and ${c.host} does not forward: sysctl ${name} is 0 on ${c.host}`,
      look: [on(c, `sysctl ${name}`), on(c, `sysctl -w ${name}=1`)],
    };
  }
  return { why: `${c.tuple.daddr} is not an address of ${c.host}`, look: [on(c, "ip address")] };
}

function noRoute(c: DropContext): Explanation {
  const t = c.tuple;
  return {
    why: `${c.host} has no route to ${t.daddr}: ip route get ${t.daddr} on ${c.host} finds none`,
    look: [on(c, `ip route get ${t.daddr}`), on(c, "ip route")],
  };
}

function noSocket(c: DropContext): Explanation {
  const t = c.tuple;
  const flag = t.proto === 17 ? "u" : "t";
  return {
    why: `nothing listens on ${protoName(t.proto)} port ${t.dport} of ${c.host} (${t.daddr})`,
    look: [on(c, `ss -${flag}ln`)],
  };
}

function neighFailed(c: DropContext): Explanation {
  const asked = [...c.packet.steps].reverse().find((s) => s.note?.kind === "neigh" && s.note.to !== undefined)?.note;
  const to = String(asked?.to ?? c.tuple.daddr);
  const dev = String(asked?.dev ?? c.dev);
  return {
    why: `no ARP answer for ${to} on ${dev}: is it there?`,
    look: [on(c, `ip neigh show ${to}`), on(c, `ip -br link show ${dev}`)],
  };
}

function tooBig(c: DropContext): Explanation {
  const t = c.tuple;
  const route = [...c.packet.steps].reverse().find((s) => s.note?.kind === "fib" || s.note?.kind === "route")?.note;
  const dev = String(route?.dev ?? c.dev);
  const mtu = c.facts.read(c.host, `/sys/class/net/${dev}/mtu`) || String(c.mtu);
  return {
    why: `${t.tot_len} bytes do not fit through ${dev} of ${c.host} (mtu ${mtu})${t.df ? ", and DF forbids to cut it" : ""}`,
    look: [on(c, `ip link show ${dev}`), "send less, or let it be cut: ping -M dont; the sender learns by ICMP"],
  };
}

function rpFilter(c: DropContext): Explanation {
  const all = sysctl(c, "net.ipv4.conf.all.rp_filter");
  const dev = sysctl(c, `net.ipv4.conf.${c.in_dev}.rp_filter`);
  const name = Number(all) >= Number(dev) ? "net.ipv4.conf.all.rp_filter" : `net.ipv4.conf.${c.in_dev}.rp_filter`;
  const mode = Math.max(Number(all) || 0, Number(dev) || 0) === 2 ? "loose" : "strict";
  return {
    why:
      mode === "strict"
        ? `the way back to ${c.tuple.saddr} is not through ${c.in_dev}, where it came in: sysctl ${name} is ${name.includes("all") ? all : dev} (strict)`
        : `there is no way back to ${c.tuple.saddr} at all: sysctl ${name} is 2 (loose)`,
    look: [on(c, `ip route get ${c.tuple.saddr}`), on(c, `sysctl ${name}`)],
  };
}

function badHeader(c: DropContext): Explanation {
  if (c.fns.includes("ip_forward")) {
    return {
      why: `its TTL ran out here: it came with ${Math.min(c.tuple.ttl, 1)}, and each router takes one off`,
      look: ["a loop? follow the way: traceroute", on(c, `ip route get ${c.tuple.daddr}`)],
    };
  }
  return {
    why: "the IP header is not sound: version, header length or total length",
    look: [on(c, "nstat IpInHdrErrors")],
  };
}

function receiveBuffer(c: DropContext): Explanation {
  if (c.tuple.proto === 6) return tcpReceiveBuffer(c);
  return {
    why: `the receive buffer of the socket on port ${c.tuple.dport || "?"} of ${c.host} is full: the program reads too slowly`,
    look: [on(c, "ss -uanm"), on(c, "sysctl net.core.rmem_default net.core.rmem_max"), on(c, "nstat UdpRcvbufErrors")],
  };
}

function tcpReceiveBuffer(c: DropContext): Explanation {
  return {
    why: `the receive buffer of the connection to port ${c.tuple.dport} of ${c.host} is full: the program reads too slowly`,
    look: [on(c, "ss -tnm"), on(c, "sysctl net.ipv4.tcp_rmem net.ipv4.tcp_mem"), on(c, "nstat TcpExtTCPRcvQDrop")],
  };
}

function qdisc(c: DropContext): Explanation {
  return {
    why: `the qdisc of ${c.dev} refused it: its queue is full, or it drops on purpose`,
    look: [on(c, `tc -s qdisc show dev ${c.dev}`)],
  };
}

function devReady(c: DropContext): Explanation {
  if (c.fns.some((f) => f === "veth_xmit")) {
    return { why: `the other end of ${c.dev} is down or gone`, look: [on(c, `ip link show ${c.dev}`)] };
  }
  return {
    why: `${c.dev || "the device"} was not ready: down, or without memory`,
    look: [on(c, `ip link show ${c.dev}`)],
  };
}

function notSpecified(c: DropContext): Explanation {
  const f = c.fns;
  if (f.includes("arp_process") || f.includes("arp_rcv")) {
    return {
      why: `ARP did not accept it or had nothing to answer: ${c.tuple.daddr} is not an address of ${c.host}`,
      look: [on(c, "ip address"), on(c, "sysctl net.ipv4.conf.all.arp_ignore")],
    };
  }
  if (f.includes("ip_forward")) {
    return {
      why: `not to be forwarded: not for this machine's MAC address, or a strict source route`,
      look: [on(c, "nstat")],
    };
  }
  if (f.includes("ip_error")) {
    return {
      why: `the route of ${c.host} to ${c.tuple.daddr} refuses it: blackhole, unreachable or prohibit (Linux names no reason)`,
      look: [on(c, `ip route get ${c.tuple.daddr}`), on(c, "ip route"), on(c, "ip rule")],
    };
  }
  return { why: "Linux names no reason here either; the function says where", look: [on(c, "nstat")] };
}

const csum =
  (what: string, counter: string): Rule =>
  (c) => ({
    why: `the ${what} checksum is wrong`,
    look: [on(c, `nstat ${counter}`), on(c, `tcpdump -i ${c.in_dev || c.dev} -vv`)],
  });

/** What is wrong with a segment, and the counters that tell how often. TCP answers most of them: the connection goes on. */
const segment =
  (why: string, ...look: string[]): Rule =>
  (c) => ({ why, look: [...look, "ss -tni"].map((command) => on(c, command)) });

const RULES: Readonly<Record<string, Rule>> = {
  NOT_SPECIFIED: notSpecified,
  NO_SOCKET: noSocket,
  SOCKET_FILTER: (c) => ({
    why: "the socket's filter (SO_ATTACH_FILTER, or ICMP_FILTER) refused it",
    look: [on(c, "ss -b")],
  }),
  SOCKET_RCVBUFF: receiveBuffer,
  PROTO_MEM: receiveBuffer,
  PKT_TOO_SMALL: () => ({ why: "shorter than its headers say", look: [] }),
  TCP_OLD_DATA: segment(
    "its bytes are here already: sent again, because their ACK was lost or late",
    "nstat TcpExtDelayedACKLost",
  ),
  TCP_OFOMERGE: segment("its bytes wait here already, behind a hole in the stream", "nstat TcpExtTCPOFOMerge"),
  TCP_OFO_QUEUE_PRUNE: segment(
    "what waited behind a hole was given up: no memory, or the stream ended",
    "nstat TcpExtOfoPruned",
  ),
  TCP_OVERWINDOW: segment("it begins behind the window that was offered", "sysctl net.ipv4.tcp_rmem"),
  TCP_ZEROWINDOW: segment(
    "the window is closed: the program does not read",
    "nstat TcpExtTCPZeroWindowDrop",
    "ss -tnm",
  ),
  TCP_FLAGS: segment("no segment of this state has such flags or such a length", "nstat TcpInErrs"),
  TCP_ABORT_ON_DATA: segment(
    "the program has closed, and data still came: a RST is the answer",
    "nstat TcpExtTCPAbortOnData",
  ),
  TCP_CLOSE: segment("the connection is closed, or closing: nothing more is taken in"),
  TCP_INVALID_SEQUENCE: segment(
    "its sequence numbers are outside of the window (RFC 9293 section 3.10.7.4)",
    "nstat TcpExtTCPACKSkippedSeq",
  ),
  TCP_INVALID_END_SEQUENCE: segment(
    "it reaches beyond the window while data waits to be read: the peer sends more than it was offered",
    "nstat TcpExtBeyondWindow",
  ),
  TCP_INVALID_ACK_SEQUENCE: segment(
    "it acknowledges what was never sent here (RFC 9293 section 3.10.7)",
    "nstat TcpOutRsts",
  ),
  TCP_INVALID_SYN: segment(
    "a SYN in a connection: it is challenged by an ACK (RFC 5961 section 4.2)",
    "nstat TcpExtTCPSYNChallenge",
  ),
  TCP_OLD_ACK: segment("its acknowledgement is older or newer than anything on the way", "nstat TcpExtTCPChallengeACK"),
  TCP_RESET: segment(
    "a RST: it did its work, or was challenged by an ACK (RFC 5961 section 3.2)",
    "nstat TcpEstabResets",
  ),
  TCP_RFC7323_PAWS: segment(
    "its time stamp is older than one that came before (RFC 7323 section 5, PAWS)",
    "nstat TcpExtPAWSEstab TcpExtPAWSActive",
  ),
  TCP_RFC7323_PAWS_ACK: segment(
    "an ACK that was overtaken on its way: its time stamp is older than one that came before (RFC 7323 section 5)",
    "nstat TcpExtPAWSOldAck",
  ),
  TCP_MD5UNEXPECTED: segment("it is signed (TCP-MD5), and nobody here asked for that", "nstat TcpExtTCPMD5Unexpected"),
  TCP_MINTTL: segment("its TTL is below what the socket asks for (IP_MINTTL, RFC 5082)", "nstat TcpExtTCPMinTTLDrop"),
  UDP_CSUM: csum("UDP", "UdpInCsumErrors"),
  TCP_CSUM: csum("TCP", "TcpInCsumErrors"),
  IP_CSUM: csum("IP header", "IpExtInCsumErrors"),
  ICMP_CSUM: csum("ICMP", "IcmpInCsumErrors"),
  SKB_CSUM: csum("transport", "UdpInCsumErrors"),
  SKB_GSO_SEG: (c) => ({ why: "it could not be cut into segments", look: [on(c, `ethtool -k ${c.dev}`)] }),
  SOCKET_CLOSE: () => ({ why: "the socket was being closed", look: [] }),
  NETFILTER_DROP: (c) => {
    const nf = [...c.packet.steps].reverse().find((s) => s.note?.kind === "nf")?.note;
    return {
      why: `a rule at hook ${nf?.hook ?? "?"} (${nf?.by ?? "?"}) dropped it`,
      look: [on(c, "nft list ruleset"), on(c, "iptables -vnL")],
    };
  },
  OTHERHOST: (c) => ({
    why: `the frame is for another MAC address; ${c.dev} hears it because it is promiscuous or on a hub`,
    look: [on(c, `ip -d link show ${c.dev}`)],
  }),
  IP_INHDR: badHeader,
  IP_RPFILTER: rpFilter,
  IP_LOCAL_SOURCE: (c) => ({
    why: `it claims to come from ${c.tuple.saddr}, which is an address of ${c.host} itself`,
    look: [on(c, "sysctl net.ipv4.conf.all.accept_local"), "the same address twice in the network?"],
  }),
  IP_INVALID_SOURCE: (c) => ({
    why: `${c.tuple.saddr} cannot be a source (martian)`,
    look: [on(c, "sysctl net.ipv4.conf.all.log_martians")],
  }),
  IP_INVALID_DEST: (c) => ({
    why: `${c.tuple.daddr} cannot be a destination here (martian)`,
    look: [on(c, "ip route show table local")],
  }),
  IP_LOCALNET: (c) => ({
    why: "127.0.0.0/8 came from a cable",
    look: [on(c, "sysctl net.ipv4.conf.all.route_localnet")],
  }),
  UNICAST_IN_L2_MULTICAST: (c) => ({
    why: "a unicast IP packet in a broadcast or multicast frame",
    look: [on(c, "sysctl net.ipv4.conf.all.drop_unicast_in_l2_multicast")],
  }),
  IP_NOPROTO: (c) => ({
    why: `${c.host} has nothing for IP protocol ${c.tuple.proto}`,
    look: [on(c, "cat /proc/net/protocols"), on(c, "ss -wln")],
  }),
  IP_INADDRERRORS: notForwarding,
  IP_INNOROUTES: noRoute,
  IP_OUTNOROUTES: noRoute,
  IP_TTL_EXCEEDED: badHeader,
  NEIGH_FAILED: neighFailed,
  NEIGH_QUEUEFULL: (c) => ({
    why: "too many packets wait for the same ARP answer",
    look: [on(c, "ip neigh"), on(c, `sysctl net.ipv4.neigh.${c.dev || "default"}.unres_qlen_bytes`)],
  }),
  NEIGH_DEAD: neighFailed,
  NEIGH_HH_FILLFAIL: (c) => ({ why: "the link header could not be written", look: [on(c, "ip neigh")] }),
  NEIGH_CREATEFAIL: (c) => ({
    why: "the neighbour table is full",
    look: [on(c, "ip -s neigh"), on(c, "sysctl net.ipv4.neigh.default.gc_thresh3")],
  }),
  QDISC_DROP: qdisc,
  QDISC_OVERLIMIT: qdisc,
  CPU_BACKLOG: (c) => ({
    why: "the backlog of the CPU is full",
    look: [on(c, "cat /proc/net/softnet_stat"), on(c, "sysctl net.core.netdev_max_backlog")],
  }),
  UNHANDLED_PROTO: (c) => ({
    why: `no protocol of ${c.host} takes ethertype 0x${c.tuple.ethertype.toString(16).padStart(4, "0")}`,
    look: [on(c, "cat /proc/net/ptype")],
  }),
  DEV_READY: devReady,
  DEV_HDR: (c) => ({
    why: "what came with the frame about its checksum and segments (struct virtio_net_hdr) cannot be",
    look: [on(c, `ip -s -s link show ${c.dev}`)],
  }),
  FULL_RING: (c) => ({ why: "the ring is full", look: [on(c, `ethtool -g ${c.dev}`)] }),
  PKT_TOO_BIG: tooBig,
  DUP_FRAG: (c) => ({ why: "the same fragment came twice, or two overlap", look: [on(c, "nstat IpReasmFails")] }),
  FRAG_REASM_TIMEOUT: (c) => ({
    why: "the other fragments did not come in time",
    look: [on(c, "nstat IpReasmTimeout"), on(c, "sysctl net.ipv4.ipfrag_time")],
  }),
  FRAG_TOO_FAR: (c) => ({
    why: "too many other packets of this sender came between the fragments",
    look: [on(c, "sysctl net.ipv4.ipfrag_max_dist")],
  }),
  NOMEM: (c) => ({ why: "no memory, or a limit on it is reached", look: [on(c, "cat /proc/net/sockstat")] }),
  QUEUE_PURGE: () => ({ why: "the socket was closed while the packet waited in it to be read", look: [] }),
  PACKET_SOCK_ERROR: (c) => ({ why: "the packet socket's buffer is full", look: [on(c, "ss -0anm"), "tcpdump -B"] }),
  UNHANDLED_ICMP: (c) => ({ why: `${c.host} does nothing with this type of ICMP`, look: [on(c, "nstat")] }),
  LINK_DOWN: (c) => ({
    why: `${c.dev} has no link`,
    look: [on(c, `ip link show ${c.dev}`), on(c, `ethtool ${c.dev}`)],
  }),
};

export function explain(c: DropContext): Explanation {
  const rule = RULES[c.reason];
  return rule !== undefined ? rule(c) : { why: "", look: [on(c, "nstat")] };
}

/** Losses in a card or on a cable, by the counter that counted them. */
export function explainHardware(host: string, dev: string, why: string, counter: string, cable: string): Explanation {
  const stats = `${host}: ethtool -S ${dev}${counter !== "" ? ` | grep ${counter}` : ""}`;
  switch (counter) {
    case "rx_missed_errors":
    case "rx_queue_drops":
      return { why: `frames come faster than ${host} takes them`, look: [`${host}: ethtool -g ${dev}`, stats] };
    case "rx_crc_errors":
      return { why: "damaged on the way", look: [stats, `the cable ${cable}`] };
    case "rx_long_length_errors":
      return { why, look: [`${host}: ip link show ${dev} (mtu)`, stats] };
    case "lost":
    case "corrupted":
    case "queue_drops":
      return { why, look: [`the properties of cable ${cable} in the lab file`] };
    case "no_link":
      return {
        why: `${dev} of ${host} waits for its cable`,
        look: [`${host}: ethtool ${dev}`, `${host}: ip link show ${dev}`],
      };
    default:
      if (why === "for another MAC address")
        return {
          why: "the card's filter is not promiscuous",
          look: [`${host}: ip link show ${dev} (its address)`, "the sender: ip neigh"],
        };
      return { why, look: counter !== "" ? [stats] : [`${host}: ip link show ${dev}`] };
  }
}

/** Every reason that the kernel can name has an entry here; a test holds the two together. */
export const explained: readonly string[] = Object.keys(RULES);
