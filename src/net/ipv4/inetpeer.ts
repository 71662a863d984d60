// What is remembered of single hosts: token buckets for what we send them unasked. Mirrors net/ipv4/inetpeer.c.
// Shared, as in Linux, by ICMP's rate limit, the errors of unreachable routes and redirects. Way in: inet_getpeer_v4().
// DIFF: a bounded table in order of creation instead of a tree with garbage collection by age.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";

/** Hosts remembered per namespace; beyond it the oldest is forgotten. */
const INET_PEER_MAX = 16384;
/** A host may save up this many messages. */
const XRLIM_BURST_FACTOR = 6;

export class InetPeer {
  rate_tokens = 0;
  /** jiffies. */
  rate_last: number;
  n_redirects = 0;
  /** Fragments received, of all its datagrams: how far apart those of one are (ipfrag_max_dist). */
  rid = 0;

  constructor(now: number) {
    // As if silent for a minute: a new host has its whole burst.
    this.rate_last = now - 60000;
  }
}

declare module "../core/net_namespace.ts" {
  interface Net {
    ipv4_peers: Map<number, InetPeer>;
  }
}

export function inet_getpeer_v4(net: Net, daddr: number): InetPeer {
  const peers = net.ipv4_peers;
  let peer = peers.get(daddr);
  if (peer === undefined) {
    if (peers.size >= INET_PEER_MAX) peers.delete(peers.keys().next().value!);
    peer = new InetPeer(jiffies(net.kernel));
    peers.set(daddr, peer);
  }
  return peer;
}

/** Takes one message of `timeout` jiffies from the bucket. False when there is none left. */
export function inet_peer_xrlim_allow(net: Net, peer: InetPeer, timeout: number): boolean {
  const now = jiffies(net.kernel);
  const token = Math.min(peer.rate_tokens + now - peer.rate_last, XRLIM_BURST_FACTOR * timeout);
  peer.rate_last = now;
  const allow = token >= timeout;
  peer.rate_tokens = allow ? token - timeout : token;
  return allow;
}

export function inet_peer_init(k: Kernel): void {
  register_pernet_subsys(k, {
    init: (net) => {
      net.ipv4_peers = new Map();
    },
    exit: (net) => net.ipv4_peers.clear(),
  });
}
