// Commands that run on a machine of ours and, when recorded, on Linux: `ip` over our kernel must print what Linux's prints.
// Recorded by tools/record-ip-live.mjs; replayed by ip_live.test.ts.

export interface Run {
  command: string;
  status: number;
  stdout: string;
  stderr: string;
}

const LINK = `ip link add veth0 address 02:00:00:00:00:01 type veth peer name veth1 address 02:00:00:00:00:02`;

export const SCENES: Record<string, string> = {
  addr_route: `
ip link
ip -d link show lo
ip addr
ip route
ip rule
ip neigh
ip link set lo up
ip addr
ip -d link show lo
ip route show table local
${LINK}
ip -d link
ip -d -j link show veth0
ip addr add 10.0.0.1/24 dev veth0
ip link set veth0 up
ip link
ip route
ip link set veth1 up
ip -br link
ip -br addr
ip addr
ip route
ip route show table all
ip route get 10.0.0.2
ip route get 127.0.0.1
ip route get 10.0.0.255
ip route get 10.0.0.1
ip route get 8.8.8.8
ip route add default via 10.0.0.2
ip route get 8.8.8.8
ip route get 8.8.8.8 from 10.0.0.1
ip route get fibmatch 8.8.8.8
ip route get 8.8.8.8 mark 5
ip route get 8.8.8.8 tos 0x10
ip route get 10.0.0.9 from 10.0.0.77 iif veth0
ip route add 10.1.0.0/16 via 10.0.0.3 metric 100 mtu 1400 advmss 1360
ip route add 10.2.0.0/16 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.0.3
ip route add unreachable 10.3.0.0/16
ip route add blackhole 10.4.0.0/16
ip route add prohibit 10.5.0.0/16 metric 9
ip route add throw 10.6.0.0/16
ip route add 10.7.0.0/16 via 10.0.0.4 table 100 proto static
ip route add 10.8.0.0/16 via 10.0.0.4 table 1000
ip route add 10.9.0.0/16 via 10.9.9.9
ip route add 10.9.0.0/16 via 10.9.9.9 dev veth0 onlink
ip route add 10.1.0.0/16 via 10.0.0.3 metric 100
ip route replace 10.1.0.0/16 via 10.0.0.5 metric 100
ip route append 10.1.0.0/16 via 10.0.0.6 metric 100
ip route change 10.55.0.0/16 via 10.0.0.6
ip route
ip -d route
ip -j -p route
ip route show table 100
ip route show table 1000
ip route show table 555
ip route show table all
ip route show proto static
ip route show type unreachable
ip route show dev veth0
ip route show via 10.0.0.4
ip route get 10.3.1.1
ip route get 10.4.1.1
ip route get 10.5.1.1
ip route get 10.6.1.1
ip route del 10.1.0.0/16
ip route del 10.99.0.0/16
ip route del 10.7.0.0/16 table 100
ip route del 10.7.0.0/16 table 101
ip route
ip addr add 10.0.0.1/24 dev veth0
ip addr add 10.0.0.5/24 dev veth0 label veth0:1
ip addr add 10.5.0.1/24 brd + dev veth0 scope link
ip addr add 10.6.0.1 peer 10.6.0.2/32 dev veth0
ip addr add 10.7.0.1/24 dev veth0 valid_lft 100 preferred_lft 50
ip addr add 10.8.0.1/24 dev veth0 metric 55 noprefixroute
ip addr show veth0
ip -j addr show veth0
ip addr del 10.0.0.77/24 dev veth0
ip addr del 10.6.0.1 peer 10.6.0.2/32 dev veth0
ip addr replace 10.7.0.1/24 dev veth0
ip addr change 10.7.0.1/24 dev veth0 valid_lft 500 preferred_lft 400
ip addr show dev veth0 to 10.7.0.0/16
ip addr add 10.0.9.1/24 dev nosuch
ip addr show scope link
ip addr show up
ip addr show type veth
ip route
`,
  link: `
ip link set lo up
${LINK}
ip link set veth1 up
ip addr add 10.0.0.1/24 dev veth0
ip link set veth0 up
ip route add default via 10.0.0.2
ip link set veth0 mtu 1400
ip link set veth0 mtu 12
ip link set veth0 alias "some words"
ip link set veth0 group 7
ip link set veth0 txqueuelen 55
ip link set veth0 address 02:00:00:00:00:11
ip link set veth0 arp off
ip link set veth0 promisc on
ip link set veth0 multicast off
ip link set veth0 allmulticast on
ip -d link show veth0
ip link set veth0 promisc off allmulticast off multicast on arp on
ip link set veth0 carrier on
ip link set veth0 protodown on
ip link set veth0 name vethx
ip addr show vethx
ip link show veth0
ip link set vethx name lo
ip link show group 7
ip link add foo type nosuch
ip link add averyveryverylongname type veth
ip link add veth1 type veth peer name veth6
ip link add veth7 type veth peer name veth1
ip link show veth7
ip link property add dev vethx altname first altname second
ip link show first
ip link property del dev vethx altname first
ip link show vethx
ip link del group 9
ip link del lo
ip addr show vethx
ip route
ip link set vethx up
ip route
ip link del vethx
ip link
ip addr
ip route show table all
`,
  neigh: `
ip link set lo up
${LINK}
ip link set veth0 up
ip link set veth1 up
ip addr add 10.0.0.1/24 dev veth0
ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:22 dev veth0
ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:22 dev veth0
ip neigh add 10.0.0.3 lladdr 02:00:00:00:00:33 dev veth0 nud stale
ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:24 dev veth0 nud reachable
ip neigh change 10.0.0.200 lladdr 02:00:00:00:00:24 dev veth0
ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:77 dev veth0 nud noarp
ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:88 dev veth0 router
ip neigh add 10.0.0.10 lladdr 02:00:00:00:00:aa dev veth0 protocol static
ip neigh add proxy 10.0.0.50 dev veth0
ip neigh | sort
ip -j neigh show 10.0.0.2
ip neigh show dev veth0 | sort
ip neigh show dev veth1
ip neigh show nud permanent | sort
ip neigh show proxy
ip neigh get 10.0.0.3 dev veth0
ip neigh get 10.0.0.222 dev veth0
ip neigh get proxy 10.0.0.50 dev veth0
ip neigh del 10.0.0.2 dev veth0
ip neigh del 10.0.0.2 dev veth0
ip neigh del proxy 10.0.0.50 dev veth0
ip neigh flush dev veth0
ip neigh | sort
ip neigh flush all nud permanent
ip neigh
`,
  rule: `
ip link set lo up
${LINK}
ip link set veth0 up
ip link set veth1 up
ip addr add 10.0.0.1/24 dev veth0
ip rule
ip rule add from 10.0.0.1 table 100
ip rule add to 10.1.0.0/16 lookup main pref 1000
ip rule add fwmark 5 table main pref 1001
ip rule add fwmark 5/0xff table 200 pref 1002
ip rule add iif lo table 200 pref 1003
ip rule add oif nosuch table 200 pref 1004
ip rule add not from 10.0.0.1 table 200 pref 1005
ip rule add tos 0x10 table 200 pref 1006
ip rule add from 10.9.0.0/16 prohibit pref 1007
ip rule add from 10.9.0.0/16 unreachable pref 1008
ip rule add from 10.9.0.0/16 blackhole pref 1009
ip rule add goto 1020 pref 1010
ip rule add nop pref 1011
ip rule add sport 53 dport 1000-2000 ipproto udp table 5 pref 1012
ip rule add uidrange 0-100 table 5 pref 1013
ip rule add suppress_prefixlength 0 table main pref 1014
ip rule add suppress_ifgroup 5 table 1000 pref 1015
ip rule add table 5 pref 1016 protocol static
ip rule add pref 1003 goto 1001
ip rule add pref 1000 to 10.1.0.0/16 lookup main
ip rule
ip -d rule
ip -j rule
ip rule show table 200
ip rule show pref 1003
ip rule del pref 1000
ip rule del pref 1000
ip rule del from 10.0.0.1 table 100
ip rule flush
ip rule
ip rule add from all lookup main pref 32766
ip rule add from all lookup default pref 32767
ip rule
`,
  nexthop: `
ip link set lo up
${LINK}
ip link set veth0 up
ip link set veth1 up
ip addr add 10.0.0.1/24 dev veth0
ip nexthop add id 1 via 10.0.0.2 dev veth0
ip nexthop add id 2 dev veth0
ip nexthop add id 3 blackhole
ip nexthop add id 4 group 1
ip nexthop add id 5 via 10.0.0.9
ip nexthop add id 6 group 1,3/2,5
ip nexthop add id 1 via 10.0.0.2 dev veth0
ip nexthop
ip -d nexthop
ip nexthop show dev veth0
ip nexthop get id 1
ip nexthop get id 99
ip nexthop show groups
ip nexthop replace id 2 dev veth1
ip nexthop
ip nexthop del id 3
ip nexthop del id 3
ip route add 10.77.0.0/16 nhid 1
ip route add 10.78.0.0/16 nhid 4
ip route add 10.79.0.0/16 nhid 44
ip route add 10.79.0.0/16 nhid 4 dev veth0
ip route
ip nexthop del id 1
ip nexthop
ip route
ip -s link show lo
ip -s -s link show veth1 | tail -n +3 | sed "s/[0-9]/x/g" | tr -s "x "
ip -o link show lo
ip -o addr show lo
ip -4 -o addr
ip -6 addr
ip -6 neigh
`,
  flush_and_types: `
ip link set lo up
${LINK}
ip link set veth0 up
ip link set veth1 up
ip addr add 10.0.0.1/24 dev veth0
ip link set nosuch up
ip addr flush dev veth0
ip addr show veth0
ip route flush table main
ip route
ip route flush cache
ip addr add 10.0.0.1/24 dev veth0
ip addr add 10.0.0.2/24 dev veth0
ip addr add 10.0.0.3/24 dev veth0
ip addr show veth0
ip addr del 10.0.0.1/24 dev veth0
ip addr show veth0
ip addr add 10.0.0.1/24 dev veth0 broadcast 10.0.0.255
ip route show table local
ip route add 1.2.3.5 dev veth0 congctl reno
ip route add 1.2.3.6 dev veth0 congctl nosuch
ip route add 1.2.3.7 dev veth0 features ecn
ip route add 1.2.3.8 dev veth0 mtu lock 1300 hoplimit 9 rtt 1s
ip route add 1.2.3.9 dev veth0 src 9.9.9.9
ip route add 1.2.3.11/16 dev veth0
ip route add local 1.2.3.12 dev lo
ip route add broadcast 1.2.3.13 dev veth0
ip route add multicast 225.1.1.1 dev veth0
ip route add nat 1.2.3.14 via 1.2.3.4
ip route add 1.2.3.15 dev veth0 scope host
ip route add 1.2.3.15 dev veth0 tos 0x10
ip route add 1.2.3.15 dev veth0 tos 3
ip route show table all
`,
  netns: `
ip netns add other
ip link set lo up
ip link add veth0 address 02:00:00:00:00:01 type veth peer name veth1 address 02:00:00:00:00:02 netns other
ip link
ip -d link show veth0
ip -n other link
ip link set veth0 netns other
ip -n other link
ip link
ip link add a0 address 02:00:00:00:00:0a type veth peer name a1 address 02:00:00:00:00:0b
ip link set a1 netns other
ip link set a1 netns nosuch
ip link set a0 netns 999999
ip -br -n other link | cut -d" " -f1
ip link set lo netns other
ip link set a0 up
ip -n other link set a1 up
ip link show a0
ip addr add 10.0.0.1/24 dev a0
ip -n other addr add 10.0.0.2/24 dev a1
ping -c1 -W1 -q 10.0.0.2 | head -3
ip neigh | grep -v FAILED | sed "s/lladdr [0-9a-f:]*//;s/REACHABLE//;s/DELAY//"
ip -n other route
ip -o link show a0
ip link del a0
ip -n other -br link | cut -d" " -f1
ip netns del other
ip netns del other
ip -n other link
ip addr show label nosuch
ip link help 2>&1 | head -1
ip monitor help 2>&1 | head -3
`,
  filters: `
ip link set lo up
ip link add v0 address 02:00:00:00:00:0a type veth peer name v1 address 02:00:00:00:00:0b
ip addr add 10.0.0.1/24 dev v0
ip addr show label foo
ip addr show label v0
ip addr show label "v*"
ip addr show scope link
ip addr show to 10.0.0.0/8
ip addr show permanent
ip addr show dynamic
ip addr show secondary
ip -4 addr show scope link
ip link set v1 up
ip addr show dev v1 scope global
`,
};

/** What differs by nature: IPv6's part of a link, queues per CPU, names of namespaces outside. */
export const normalize = (s: string): string =>
  s
    .replace(/ addrgenmode \w+/g, "")
    .replace(/"inet6_addr_gen_mode":"\w+",/g, "")
    .replace(/numtxqueues \d+ numrxqueues \d+/g, "numtxqueues N numrxqueues N")
    .replace(/"num_tx_queues":\d+,"num_rx_queues":\d+/g, '"num_tx_queues":N,"num_rx_queues":N')
    .replace(/link-netns \S+/g, "link-netns NAME")
    .replace(/link-netnsid \d+/g, "link-netns NAME")
    .replace(/reachable \d+/g, "reachable N")
    .replace(/bash: line 1:/g, "sh: line 1:");
