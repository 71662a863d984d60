// What scenarios are made of: lists of commands, the differences that stay, small networks. Way in: at(), TWO_HOSTS, LINE.

import type { Command, Scenario } from "./compare.ts";

/** Differences that stay, and why. */
const DIFFERS: Record<string, string> = {
  "ip -r route": "addresses are not looked up",
  "ethtool -k eth0 | grep -v fixed": "with AccECN's segmentation still on, Linux calls all of TSO on",
  "ss -uane": "there are no cgroups, which ss complains of",
  "tcpdump -dd 'host 10.0.0.1 and not port 22'":
    "libpcap's optimiser merges more of this one; both accept the same packets",
  "ethtool -T eth0": "packets are stamped on arrival only",
  "ethtool -T lo": "packets are stamped on arrival only",
};

/** Offloads for what a machine of ours does not have: tunnels, SCTP, 802.1ad, AccECN. */
const OFFLOADS: [RegExp, string] = [
  /^\t?tx-(gre|ipxip|udp_tnl|sctp|gso-list|tcp-mangleid|tcp-accecn|nocache|vlan-stag|.*-csum-).*\n|^rx-vlan-stag.*\n/gm,
  "",
];

/** One command a line, all in one namespace. */
export const at = (ns: string, text: string): Command[] =>
  text
    .split("\n")
    .map((l) => l.trim())
    .filter((l) => l !== "")
    .map((run) => ({
      at: ns,
      run,
      ...(DIFFERS[run] !== undefined && { differs: DIFFERS[run] }),
      ...(/^ethtool -[kK]/.test(run) && { also: [OFFLOADS] }),
    }));

/** h1 – h2, each with an `eth0` of a veth pair. */
const PAIR = `
ip link add eth0 netns h1 address 02:00:00:00:00:01 type veth peer name eth0 netns h2 address 02:00:00:00:00:02
ip -n h1 addr add 10.0.0.1/24 brd + dev eth0; ip -n h1 link set eth0 up
ip -n h2 addr add 10.0.0.2/24 brd + dev eth0; ip -n h2 link set eth0 up
`;

/** What most scenarios begin with. */
export const TWO_HOSTS: Pick<Scenario, "namespaces" | "setup"> = { namespaces: ["h1", "h2"], setup: PAIR };

/** h1 – r – h2. */
export const LINE = `
ip link add eth0 netns h1 address 02:00:00:00:00:01 type veth peer name eth0 netns r address 02:00:00:00:00:11
ip link add eth1 netns r address 02:00:00:00:00:12 type veth peer name eth0 netns h2 address 02:00:00:00:00:02
ip -n h1 addr add 10.0.1.2/24 brd + dev eth0; ip -n h1 link set eth0 up
ip -n r addr add 10.0.1.1/24 brd + dev eth0; ip -n r link set eth0 up
ip -n r addr add 10.0.2.1/24 brd + dev eth1; ip -n r link set eth1 up
ip -n h2 addr add 10.0.2.2/24 brd + dev eth0; ip -n h2 link set eth0 up
ip -n h1 route add default via 10.0.1.1
ip -n h2 route add default via 10.0.2.1
ip netns exec r sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
`;
