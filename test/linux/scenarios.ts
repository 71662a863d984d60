// What tools.test.ts compares. A command is `[namespace, command]`, or an object with what is special about it.

import type { Scenario } from "./compare.ts";
import { at, LINE, TWO_HOSTS } from "./scenario_parts.ts";
import { networkScenarios } from "./scenarios_network.ts";
import { tcpScenarios } from "./scenarios_tcp.ts";

export const PROGRAMS = [
  "unshare",
  "ping",
  "traceroute",
  "arping",
  "tcpdump",
  "nc",
  "tc",
  "ss",
  "ifconfig",
  "route",
  "arp",
  "netstat",
  "hostname",
  "sysctl",
  "ethtool",
  "nslookup",
  "python3",
  "telnet",
  "wget",
];

const ip: Scenario = {
  name: "ip",
  ...TWO_HOSTS,
  commands: at(
    "h1",
    `
    ip link
    ip -d link show eth0
    ip -br link
    ip -o link show eth0
    ip -j link show eth0
    ip -j -p link show lo
    ip link show up
    ip link show type veth
    ip link show dev nothere
    ip addr
    ip -4 addr show dev eth0
    ip -br addr
    ip -o addr
    ip -j addr show eth0
    ip -d addr show eth0
    ip -6 addr
    ip route
    ip -d route
    ip -j route
    ip -o route
    ip route show table local
    ip route show table all
    ip route get 10.0.0.2
    ip route get 10.0.0.255
    ip route get 127.0.0.1
    ip route get 192.0.2.1
    ip -j route get 10.0.0.2
    ip route add 192.0.2.0/24 via 10.0.0.2 metric 5
    ip route add 192.0.2.0/24 via 10.0.0.2 metric 5
    ip route add 192.0.3.0/24 via 172.16.0.1
    ip route add 198.51.100.0/24 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.0.3 weight 1
    ip route add blackhole 203.0.113.0/24
    ip route add prohibit 203.0.114.0/24
    ip route add unreachable 203.0.115.0/24
    ip route add 100.64.0.0/10 dev eth0 scope link src 10.0.0.1 mtu 1400 advmss 1300 proto static
    ip route
    ip -d route show
    ip -j route show
    ip route get 203.0.113.1
    ip route get 203.0.114.1
    ip route get 203.0.115.1
    ip route get 192.0.2.7 from 10.0.0.1
    ip route del 192.0.9.0/24
    ip route del 192.0.2.0/24
    ip route replace 192.0.2.0/24 dev eth0
    ip route show 192.0.2.0/24
    ip route show root 192.0.0.0/8
    ip route show match 192.0.2.7
    ip route flush proto static
    ip rule
    ip rule add from 10.0.0.1 lookup 100 pref 1000
    ip rule add fwmark 7 table 101
    ip rule add to 192.0.2.0/24 iif eth0 blackhole
    ip rule
    ip -j rule
    ip route add default via 10.0.0.2 table 100
    ip route show table 100
    ip route get 8.8.8.8 from 10.0.0.1
    ip rule del pref 1000
    ip rule del pref 1000
    ip rule flush
    ip rule
    ip neigh
    ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0
    ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0
    ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev eth0 nud stale
    ip neigh add proxy 10.0.0.50 dev eth0
    ip neigh | sort
    ip -s neigh show nud permanent
    ip -j neigh show dev eth0 nud permanent
    ip neigh show proxy
    ip neigh del 10.0.0.9 dev eth0
    ip neigh del 10.0.0.77 dev eth0
    ip neigh flush dev eth0
    ip addr add 10.0.0.1/24 dev eth0
    ip addr add 10.0.0.11/24 dev eth0
    ip addr add 10.7.0.1/30 brd + dev eth0 label eth0:7
    ip addr add 10.8.0.1 peer 10.8.0.2 dev eth0
    ip addr add 300.0.0.1/24 dev eth0
    ip addr show dev eth0
    ip addr show label eth0:7
    ip addr show to 10.7.0.0/16
    ip addr show secondary
    ip addr del 10.7.0.1/30 dev eth0
    ip addr del 10.7.0.1/30 dev eth0
    ip addr flush dev eth0 label nothing
    ip link set eth0 mtu 1400
    ip link set eth0 mtu 10
    ip link set eth0 txqueuelen 500
    ip link set eth0 alias "to h2"
    ip link set eth0 multicast off
    ip link set eth0 promisc on
    ip link set eth0 arp off
    ip link show eth0
    ip link set eth0 promisc off arp on multicast on mtu 1500
    ip link set dev eth0 name eth9
    ip link set eth0 down
    ip link show eth0
    ip route
    ip link set eth0 address 02:00:00:00:00:99
    ip link set eth0 address zz
    ip link set eth0 name lan0
    ip link show lan0
    ip link set lan0 name eth0
    ip link set eth0 up
    ip link add x0 type nosuchtype
    ip link set d0 up
    ip link del d0
    ip link del eth0
    ip maddr show dev eth0
    ip netns list
    ip netns identify
    ip nexthop
    ip nexthop add id 1 via 10.0.0.2 dev eth0
    ip nexthop add id 2 group 1
    ip nexthop
    ip tunnel
    ip nosuchobject
    ip link nosuch
    ip route get
    ip addr add dev eth0
    ip -V
    `,
  ),
};

const traffic: Scenario = {
  name: "counters after traffic",
  ...TWO_HOSTS,
  commands: [
    ...at(
      "h1",
      `
      ping -c 3 -i 0.2 10.0.0.2
      ping -c 1 -s 4000 10.0.0.2
      ip neigh show 10.0.0.2
      ip -s link show eth0
      ip -s -s link show eth0
      ip -s -j link show eth0
      ip -s link show lo
      cat /proc/net/arp
      arp -n
      arp -a -n
      arp -n 10.0.0.2
      arp -n 10.0.0.77
      ifconfig eth0
      ifconfig -s
      netstat -i
      netstat -i -e
      netstat -s
      netstat -s -u
      nstat -asz IcmpInMsgs IpReasmOKs
      cat /proc/net/snmp
      cat /proc/net/dev
      cat /proc/net/netstat
      ping -c 1 -W 1 10.0.0.99
      ip neigh show 10.0.0.99
      arp -n 10.0.0.99
      sort /proc/net/arp
      ip -s link show eth0
      ping -c 2 -i 0.2 127.0.0.1
      ip -s link show lo
      ifconfig lo
      `,
    ),
    ...at("h2", "ip -s link show eth0\ncat /proc/net/snmp\nnetstat -s"),
  ],
};

const ping: Scenario = {
  name: "ping and traceroute",
  namespaces: ["h1", "r", "h2"],
  // Without the rate limit of ICMP errors, whose tokens depend on how fast a command runs. And where a hop is asked more than
  // once, -w says how long to wait: by default that is three times as long as its first answer took, too short on a busy computer.
  setup: `${LINE}
for n in r h2; do ip netns exec $n sh -c 'echo 0 > /proc/sys/net/ipv4/icmp_ratemask'; done
`,
  commands: at(
    "h1",
    `
    ping -c 3 -i 0.2 10.0.2.2
    ping -q -c 2 -i 0.2 10.0.2.2
    ping -c 2 -i 0.2 -n -D -O 10.0.2.2
    ping -c 1 -s 0 10.0.2.2
    ping -c 1 -s 15 10.0.2.2
    ping -c 1 -s 16 10.0.2.2
    ping -c 1 -s 3000 10.0.2.2
    ping -c 1 -s 65508 10.0.2.2
    ping -c 1 -t 1 10.0.2.2
    ping -c 1 -t 2 10.0.2.2
    ping -c 1 -t 300 10.0.2.2
    ping -c 1 -W 1 10.9.9.9
    ping -c 1 -W 1 -q 10.9.9.9
    ping -c 1 -W 4 10.0.2.99
    ping -c 1 -W 4 10.0.1.99
    ping -c 2 -w 1 10.0.2.2
    ping -c 1 -w 1 10.0.1.99
    ping -c 1 -I eth0 10.0.2.2
    ping -c 1 -I 10.0.1.2 10.0.2.2
    ping -c 1 -I 10.0.1.77 10.0.2.2
    ping -c 1 -I eth7 10.0.2.2
    ping -c 1 -R 10.0.2.2
    ping -c 1 -T tsonly 10.0.1.1 | head -2
    ping -c 1 -M do -s 1472 10.0.2.2
    ping -c 1 -M do -s 1473 10.0.2.2
    ping -c 1 -p ff00 -s 24 10.0.2.2
    ping -c 1 -p xyz 10.0.2.2
    ping -c 1 -Q 0x20 10.0.2.2
    ping -c 1 -b 10.0.1.255
    ping -c 1 10.0.1.255
    ping -c 1 -A -q 10.0.2.2
    ping -c 5 -f -q 10.0.2.2
    ping -c 3 -l 3 -q 10.0.2.2
    ping -c 0 10.0.2.2
    ping -i 0 -c 2 -q 10.0.2.2
    ping -c 1 -i x 10.0.2.2
    ping
    ping -c 1 no.such.host.invalid
    ping -c 1 300.1.1.1
    ping -V
    ping -Z
    ping -c 1 0
    ping -c 1 127.1
    traceroute -n -w 5 10.0.2.2
    traceroute -n -q 1 10.0.2.2
    traceroute -I -n -w 5 -q 2 10.0.2.2
    traceroute -n -m 1 -q 1 10.0.2.2
    traceroute -n -f 2 -q 1 10.0.2.2
    traceroute -n -q 1 -w 1 -m 3 10.0.1.99
    traceroute -n -q 1 -N 1 10.9.9.9
    traceroute -n -q 1 -F 10.0.2.2 1600
    traceroute -n --mtu -q 1 10.0.2.2
    traceroute -n -q 1 -s 10.0.1.2 10.0.2.2
    traceroute -n -q 1 -i eth7 10.0.2.2
    traceroute -n -w 5 -q 11 10.0.2.2
    traceroute -V
    traceroute
    ip -n r link set eth1 mtu 1000
    ping -c 1 -M do -s 1200 10.0.2.2
    ip route get 10.0.2.2
    ping -c 1 -M do -s 1200 10.0.2.2
    ping -c 1 -M dont -s 1200 10.0.2.2
    ping -c 1 -M want -s 1200 10.0.2.2
    traceroute -n --mtu -q 1 10.0.2.2
    ip -n r route add prohibit 10.9.0.0/16
    ping -c 1 -W 1 10.9.9.9
    ip -n r route add blackhole 10.8.0.0/16
    ping -c 1 -W 1 10.8.9.9
    `,
  ),
};

const sockets: Scenario = {
  name: "sockets",
  ...TWO_HOSTS,
  commands: [
    { at: "h2", run: "nc -u -l -k 10.0.0.2 5000", background: true },
    { at: "h2", run: "nc -u -l -p 5001", background: true },
    ...at(
      "h2",
      `
      ss -uan
      ss -uanp | sed 's/pid=[0-9]*/pid=N/; s/ *$//'
      ss -ua -n -H
      ss -uan sport = :5000
      ss -uane
      ss -uanm
      ss -uano
      ss -s
      ss -lnu
      ss -uy
      netstat -uan
      netstat -una -e | sed 's/[0-9]* *$/N/'
      netstat -ln --udp
      `,
    ),
    { at: "h1", run: "echo hello | nc -u -w 1 10.0.0.2 5000" },
    { at: "h1", run: "nc -u -z -v -n 10.0.0.2 5000" },
    { at: "h1", run: "nc -u -z -v -n 10.0.0.2 5999" },
    { at: "h1", run: "echo x | nc -u -w 1 -s 10.0.0.1 -p 4000 10.0.0.2 5000; echo $?" },
    { at: "h1", run: "nc -u -w 1 -p 99999 10.0.0.2 5000" },
    { at: "h1", run: "nc -u -w 1 10.0.0.2" },
    { at: "h1", run: "nc -u -s 10.0.0.77 -w 1 10.0.0.2 5000 </dev/null" },
    { at: "h1", run: "nc -u -l 10.0.0.77 5000" },
    { at: "h1", run: "nc -h 2>&1 | head -3" },
    ...at("h2", "cat /proc/net/snmp | grep Udp:\nnetstat -su"),
  ],
};

const names: Scenario = {
  name: "names",
  ...TWO_HOSTS,
  files: {
    "lab.example.zone": `$TTL 300
@ IN SOA ns.lab.example. admin.lab.example. 1 3600 600 86400 300
@ IN NS ns.lab.example.
@ IN MX 10 mail.lab.example.
ns IN A 10.0.0.2
www IN A 10.0.0.10
www IN A 10.0.0.11
web IN CNAME www
txt IN TXT "a text"
six IN AAAA 2001:db8::1
`,
    hosts: "10.0.0.2 h2\n10.0.0.1 h1.lab.example h1\n",
  },
  commands: [
    // The same server on both sides: it is nslookup that is compared.
    {
      at: "h2",
      run: "node --import tsx test/linux/run-program.ts dnsd -H $FILES/hosts $FILES/lab.example.zone",
      ours: "dnsd -H $FILES/hosts $FILES/lab.example.zone",
      background: true,
    },
    ...at(
      "h1",
      `
      nslookup www.lab.example 10.0.0.2
      nslookup web.lab.example. 10.0.0.2
      nslookup -type=mx lab.example 10.0.0.2
      nslookup -type=txt txt.lab.example 10.0.0.2
      nslookup -type=soa lab.example 10.0.0.2
      nslookup -type=ns lab.example 10.0.0.2
      nslookup -type=aaaa six.lab.example 10.0.0.2
      nslookup -type=a six.lab.example 10.0.0.2
      nslookup nothere.lab.example 10.0.0.2
      nslookup 10.0.0.1 10.0.0.2
      nslookup 10.0.0.99 10.0.0.2
      nslookup -debug -type=a ns.lab.example 10.0.0.2
      nslookup -timeout=1 -retry=0 www.lab.example 10.0.0.1
      ping -c 1 h2
      ping -c 1 nosuchhost
      traceroute -q 1 h2
      `,
    ),
  ],
};

const netTools: Scenario = {
  name: "net-tools, sysctl, ethtool, /proc",
  ...TWO_HOSTS,
  commands: at(
    "h1",
    `
    ifconfig
    ifconfig -a
    ifconfig lo
    ifconfig eth7
    ifconfig eth0 10.0.0.5 netmask 255.255.255.0
    ifconfig eth0
    ifconfig eth0:1 10.0.0.6
    ifconfig eth0:1
    ifconfig eth0:1 down
    ifconfig eth0 mtu 1300
    ifconfig eth0 mtu 10
    ifconfig eth0 down
    ifconfig
    ifconfig eth0 up
    ifconfig eth0 10.0.0.1/24
    ifconfig eth0 promisc
    ifconfig eth0 -promisc mtu 1500
    ifconfig eth0
    ifconfig -s
    ifconfig --version
    ifconfig eth0 nonsense
    route -n
    route
    route -e -n
    route -ee -n
    route add -net 192.0.2.0 netmask 255.255.255.0 gw 10.0.0.2
    route add -net 192.0.2.0 netmask 255.255.255.0 gw 10.0.0.2
    route add -host 192.0.3.1 dev eth0
    route add default gw 10.0.0.2
    route add -net 192.0.4.1/24 gw 10.0.0.2
    route add -net 192.0.5.0/24 reject
    route -n
    netstat -rn
    netstat -r -n -e
    route del -net 192.0.2.0/24
    route del -net 192.0.2.0/24
    route del default
    route -V
    arp -s 10.0.0.9 02:00:00:00:00:09
    arp -n
    arp -an
    arp -v -n
    arp -d 10.0.0.9
    arp -d 10.0.0.9
    arp -n
    netstat -i
    netstat -g -n | grep -v ff0
    netstat -V
    netstat -Q
    hostname
    hostname -s
    hostname -V
    hostname -x
    sysctl net.ipv4.ip_forward
    sysctl -n net.ipv4.ip_forward
    sysctl -w net.ipv4.ip_forward=1
    sysctl net/ipv4/conf/eth0/forwarding
    sysctl net.ipv4.ip_default_ttl net.ipv4.icmp_ratelimit net.ipv4.icmp_ratemask
    sysctl -q -w net.ipv4.ip_default_ttl=70
    sysctl net.ipv4.ip_default_ttl
    sysctl -w net.ipv4.ip_default_ttl=900
    sysctl net.ipv4.nosuch
    sysctl -e net.ipv4.nosuch
    sysctl net.ipv4.neigh.default.gc_thresh1 net.ipv4.neigh.eth0.base_reachable_time_ms net.ipv4.neigh.eth0.mcast_solicit
    sysctl -a -r net.ipv4.conf.eth0
    sysctl -a -r net.ipv4.neigh.eth0
    sysctl net.core.rmem_default net.core.wmem_default net.core.rmem_max net.core.netdev_max_backlog
    sysctl -w net.ipv4.ip_forward=abc
    sysctl
    ethtool -i eth0
    ethtool eth0
    ethtool -k eth0
    ethtool -S eth0
    ethtool -l eth0
    ethtool -g eth0
    ethtool -c eth0
    ethtool -a eth0
    ethtool -x eth0
    ethtool -P eth0
    ethtool -T eth0
    ethtool -K eth0 tx off
    ethtool -k eth0 | grep -v fixed
    ethtool -K eth0 nosuch on
    ethtool eth7
    ethtool -i lo
    ethtool -k lo
    ethtool
    cat /proc/net/dev
    cat /proc/net/arp
    cat /proc/net/route
    cat /proc/net/udp
    cat /proc/net/udplite
    cat /proc/net/raw
    cat /proc/net/igmp
    cat /proc/net/snmp
    cat /proc/net/netstat
    wc -l /proc/net/softnet_stat
    head -c 26 /proc/net/softnet_stat | wc -c
    grep -vE 'llc|ipv6' /proc/net/ptype
    grep -E '^(protocol|PACKET|UDP|UDP-Lite|RAW|PING|NETLINK) ' /proc/net/protocols
    cat /proc/net/packet
    cat /proc/net/sockstat
    grep -v 3333 /proc/net/dev_mcast
    cat /proc/net/icmp
    cat /proc/net/mcfilter
    ls /sys/class/net
    cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu /sys/class/net/eth0/operstate /sys/class/net/eth0/carrier /sys/class/net/eth0/flags /sys/class/net/eth0/type /sys/class/net/eth0/ifindex /sys/class/net/eth0/iflink /sys/class/net/eth0/tx_queue_len
    `,
  ),
};

const qdisc: Scenario = {
  name: "tc",
  ...TWO_HOSTS,
  commands: at(
    "h1",
    `
    tc qdisc
    tc qdisc show dev eth0
    tc qdisc add dev eth0 root pfifo limit 50
    tc qdisc show dev eth0
    ping -c 3 -i 0.2 -q 10.0.0.2
    tc -s qdisc show dev eth0
    tc -s -d qdisc show dev eth0
    tc -j -s qdisc show dev eth0
    tc qdisc add dev eth0 root pfifo limit 50
    tc qdisc replace dev eth0 root bfifo limit 20000
    ping -c 2 -i 0.2 -s 1000 -q 10.0.0.2
    tc -s qdisc show dev eth0
    tc qdisc replace dev eth0 root handle 1: tbf rate 1mbit burst 10kb latency 50ms
    tc qdisc show dev eth0
    ping -c 2 -i 0.2 -s 1000 -q 10.0.0.2
    tc -s qdisc show dev eth0
    tc -s -d qdisc show dev eth0
    tc qdisc change dev eth0 root handle 1: tbf rate 2mbit burst 10kb limit 30kb
    tc qdisc show dev eth0
    tc qdisc add dev eth0 root tbf rate 1mbit
    tc qdisc del dev eth0 root
    tc qdisc del dev eth0 root
    tc qdisc replace dev eth0 root pfifo_fast
    tc qdisc show dev eth0
    tc -s qdisc show dev eth0
    tc qdisc replace dev eth0 root noqueue
    tc qdisc show dev eth0
    tc qdisc add dev eth0 root nosuch
    tc qdisc add dev eth7 root pfifo
    tc qdisc add dev eth0 root pfifo limit x
    tc qdisc show dev eth7
    tc -V
    tc nosuch
    tc qdisc nosuch
    tc
    `,
  ),
};

const routing: Scenario = {
  name: "forwarding, ARP and addresses",
  namespaces: ["h1", "r", "h2"],
  setup: `${LINE}
for n in r h2; do ip netns exec $n sh -c 'echo 0 > /proc/sys/net/ipv4/icmp_ratemask'; done
`,
  commands: [
    ...at(
      "h1",
      `
      ping -c 2 -i 0.2 10.0.2.2
      ping -c 1 -R 10.0.2.2
      ping -c 1 -s 5000 10.0.2.2
      ping -c 1 10.0.2.1
      arping -c 2 -I eth0 10.0.1.1
      arping -c 1 -w 1 -I eth0 10.0.1.77
      arping -D -c 1 -w 1 -I eth0 10.0.1.1
      arping -D -c 1 -w 1 -I eth0 10.0.1.99
      arping -U -c 1 -I eth0 10.0.1.2
      arping -q -c 1 -f -I eth0 10.0.1.1
      arping -c 1 -I eth7 10.0.1.1
      arping -c 1 -I lo 10.0.1.1
      arping
      arping -V
      `,
    ),
    ...at(
      "r",
      `
      ip -s link show eth0
      ip -s link show eth1
      cat /proc/net/snmp
      cat /proc/net/dev
      netstat -s
      ip neigh | sort | sed 's/ [A-Z]*$//; s/ ref [0-9]*//'
      ip route
      route -n
      sysctl -w net.ipv4.conf.all.proxy_arp=1
      ip route get 10.0.2.2 from 10.0.1.2 iif eth0
      ip route get 10.0.1.2 from 10.0.2.2 iif eth1
      ip route get 10.0.1.2 from 10.0.1.3 iif eth1
      ip route get 10.0.1.1 from 10.0.1.2 iif eth0
      ip route get 10.0.1.255 from 10.0.1.2 iif eth0
      ip route get 224.0.0.5 from 10.0.1.2 iif eth0
      ip route get 10.0.2.2 from 127.0.0.1 iif eth0
      ip route get 255.255.255.255 from 10.0.1.2 iif eth0
      ip route add 10.5.0.0/16 via 10.0.2.2
      `,
    ),
    ...at(
      "h1",
      `
      ip route del default
      ip route add 10.0.2.0/24 dev eth0
      ping -c 1 -W 2 10.0.2.2
      ip neigh show 10.0.2.2
      ping -c 1 -t 1 -W 2 10.0.2.2
      ip route add 10.5.0.0/16 via 10.0.1.1
      ping -c 1 -t 5 -W 2 10.5.1.1
      ping -c 1 -W 2 10.6.1.1
      ping -c 2 -i 0.2 -I 10.0.1.2 10.0.1.1
      ip addr add 10.0.1.3/24 dev eth0
      ip addr show dev eth0
      ping -c 1 -I 10.0.1.3 10.0.1.1
      ip addr del 10.0.1.2/24 dev eth0
      ip addr show dev eth0
      ip route
      sysctl -w net.ipv4.conf.eth0.promote_secondaries=1
      ip addr add 10.0.1.4/24 dev eth0
      ip addr add 10.0.1.5/24 dev eth0
      ip addr del 10.0.1.4/24 dev eth0
      ip -br addr show dev eth0
      ip link set eth0 down
      ip route
      ip -br addr show dev eth0
      ping -c 1 -W 1 10.0.1.1
      ip link set eth0 up
      ip route
      ip addr add 10.0.9.1/24 dev eth0 valid_lft 100 preferred_lft 50
      ip addr show to 10.0.9.1
      ip addr change 10.0.9.1/24 dev eth0 valid_lft forever preferred_lft forever
      ip -o addr show to 10.0.9.1
      ip route add 10.77.0.0/16 via 10.0.1.1 onlink dev eth0
      ip route add 10.78.0.0/16 via 10.99.1.1 onlink dev eth0
      ip route append 10.77.0.0/16 via 10.0.1.7
      ip route prepend 10.77.0.0/16 via 10.0.1.8
      ip route change 10.77.0.0/16 via 10.0.1.9
      ip route
      ip route add throw 10.79.0.0/16
      ip route add local 10.80.0.0/16 dev lo
      ping -c 1 10.80.1.1
      ip route show type local table all
      ip route show scope link
      ip route show via 10.0.1.1
      ip route show proto kernel
      ip route show dev eth0
      ip -s route show cache
      ip -d -j -p route show 10.78.0.0/16
      ip route add 1.2.3.0/24 via 10.0.1.1 metric 1 table 7
      ip route add 1.2.3.0/24 via 10.0.1.1 tos 0x10
      ip route add 1.2.3.0/24 via 10.0.1.1 dev eth7
      ip route add 1.2.3.4/24 via 10.0.1.1
      ip route add 1.2.3.0/24 via 10.0.1.3
      ip route add 1.2.3.0/24 via 10.0.1.255
      ip route add multicast 224.9.9.9
      ip route add 1.2.3.0/24 nexthop via 10.0.1.1 nexthop via 10.99.0.1
      ip route add 1.2.3.0/24 mtu lock 1200 via 10.0.1.1
      ip route show 1.2.3.0/24
      ip route get 1.2.3.9
      ip route get fibmatch 1.2.3.9
      ip route get 1.2.3.9 oif eth7
      ip route get 1.2.3.9 tos 0x10
      ip route get 1.2.3.9 mark 7
      ip route get to 1.2.3.9 ipproto udp sport 5 dport 6
      `,
    ),
  ],
};

const sniff: Scenario = {
  name: "tcpdump",
  ...TWO_HOSTS,
  commands: [
    ...at(
      "h1",
      `
      (sleep 1; ping -c 2 -i 0.2 10.0.0.2 >/dev/null) & tcpdump -n -t -l -c 4 -i eth0 icmp 2>/dev/null | sed 's/id [0-9]*/id N/'; wait
      (sleep 1; ping -c 1 10.0.0.2 >/dev/null) & tcpdump -n -t -l -c 2 -e -i eth0 icmp 2>/dev/null | sed 's/id [0-9]*/id N/'; wait
      (sleep 1; echo hello | nc -u -w 1 -p 4000 10.0.0.2 5000) & tcpdump -n -t -l -c 2 -v -i eth0 udp or icmp 2>/dev/null | sed 's/id [0-9]*/id N/'; wait
      (sleep 1; echo hello | nc -u -w 1 -p 4001 10.0.0.2 5000) & tcpdump -n -t -l -c 1 -i any udp port 5000 2>/dev/null; wait
      (sleep 1; ip neigh flush dev eth0; ping -c 1 10.0.0.2 >/dev/null) & tcpdump -n -t -l -c 2 -e -i eth0 arp 2>/dev/null; wait
      (sleep 1; ping -c 1 -s 3000 10.0.0.2 >/dev/null) & tcpdump -n -t -l -c 3 -i eth0 src host 10.0.0.1 and ip 2>/dev/null | sed 's/id [0-9]*/id N/'; wait
      tcpdump -d icmp
      tcpdump -d 'udp port 53'
      tcpdump -dd 'host 10.0.0.1 and not port 22'
      tcpdump -d 'port'
      tcpdump -d -i lo icmp
      tcpdump -d -y EN10MB icmp
      tcpdump -d -i eth7 icmp
      tcpdump -i eth7 -c 1
      tcpdump -n -t -c 1 -i eth0 nosuchkeyword
      `,
    ),
  ],
};

export const scenarios: Scenario[] = [
  routing,
  sniff,
  ip,
  traffic,
  ping,
  sockets,
  names,
  netTools,
  qdisc,
  ...networkScenarios,
  ...tcpScenarios,
];
