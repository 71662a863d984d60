// More of what tools.test.ts compares: the rarer options of ethtool and ip, and the files of /proc/net and /sys/class/net.

import type { Scenario } from "./compare.ts";
import { at, TWO_HOSTS } from "./scenario_parts.ts";

const TRIE = "cat /proc/net/fib_trie /proc/net/fib_triestat";

/** How the shell begins its complaints. */
const SHELL: [RegExp, string] = [/^(bash: line 1|sh): /gm, "shell: "];

const files: Scenario = {
  name: "/proc/net and /sys/class/net",
  ...TWO_HOSTS,
  commands: at(
    "h1",
    `
    ${TRIE}
    for i in $(seq 20 3 240); do ip route add 10.$i.0.0/16 via 10.0.0.2; ip route add 192.0.2.$i dev eth0; done; ${TRIE}
    ip route flush root 192.0.2.0/24; ${TRIE}
    ip addr add 10.0.0.77/24 dev eth0; ip addr add 10.0.5.1/25 brd + dev eth0; ${TRIE}
    ip rule add from 192.0.2.1 lookup 100; ip route add throw 10.0.0.0/8 table 100; ${TRIE}
    ip route add 10.0.0.0/8 tos 0x10 dev eth0 scope 77 table 100; ${TRIE}
    ip link set eth0 down; ${TRIE}
    ip netns add fresh; ip netns exec fresh ${TRIE}; ip -n fresh route; ip -n fresh route flush table main; ip -n fresh route show table 7
    cat /proc/net/rt_cache
    head -1 /proc/net/stat/rt_cache
    cat /proc/net/stat/arp_cache
    ls -d /proc/net/stat/rt_cache /proc/net/rt_cache /proc/self/net/dev
    cat /proc/self/net/dev
    cat /proc/$$/net/dev
    ls -l /sys/class/net | grep -o '[a-z0-9]* -> .*'
    readlink -f /sys/class/net/eth0; readlink /sys/class/net/eth0/subsystem; readlink -f /sys/class/net/lo/subsystem
    ls /sys/devices/virtual/net; cat /sys/devices/virtual/net/eth0/ifindex
    ls /sys/class/net/eth0/queues /sys/class/net/eth0/queues/tx-0 /sys/class/net/eth0/queues/rx-0 /sys/class/net/lo/queues/tx-0
    cd /sys/class/net/eth0/queues/tx-0; for f in *; do echo $f $(cat $f); done
    cd /sys/class/net/lo/queues/tx-0; for f in *; do echo $f $(cat $f); done
    cd /sys/class/net/eth0/queues/tx-0; for f in traffic_class tx_maxrate tx_timeout xps_cpus; do echo 1 > $f; done; cat xps_cpus; echo 0 > xps_cpus
    cd /sys/class/net/lo/queues/tx-0; for f in tx_maxrate xps_cpus xps_rxqs; do echo 1 > $f; done
    cd /sys/class/net/eth0/queues/rx-0; echo zz > rps_cpus; echo 3 > rps_cpus; cat rps_cpus; echo 100 > rps_flow_cnt; cat rps_flow_cnt; echo -1 > rps_flow_cnt; echo 0 > rps_flow_cnt; echo 0 > rps_cpus
    cd /sys/class/net/eth0; for f in addr_assign_type addr_len broadcast carrier carrier_changes carrier_down_count dev_id dev_port dormant duplex flags gro_flush_timeout ifalias link_mode name_assign_type napi_defer_hard_irqs netdev_group phys_port_id phys_port_name proto_down speed testing threaded type uevent; do echo $f $(cat $f); done
    cd /sys/class/net/lo; for f in addr_assign_type addr_len broadcast carrier carrier_changes dormant duplex flags ifalias link_mode mtu name_assign_type operstate phys_switch_id proto_down speed tx_queue_len type; do echo $f $(cat $f); done
    ip link add type veth; ip link add n0 type veth peer name n1; ip link set n0 down; ip link set n0 name n9; ip link set n1 address 02:00:00:00:00:77; cd /sys/class/net; cat veth0/name_assign_type n9/name_assign_type n1/name_assign_type n1/addr_assign_type n9/addr_assign_type; ip link del veth0; ip link del n9
    cd /sys/class/net/eth0; echo x > ifalias; cat ifalias; echo > ifalias; cat ifalias; echo 1400 > mtu; cat mtu; echo 10 > mtu; echo 1500 > mtu; echo 0 > carrier; echo 7 > netdev_group; cat netdev_group; echo 0 > netdev_group
    ls /sys/class/net/eth0/statistics
    readlink /proc/net
    ls -l /proc/net | cut -c1-10
    ls -ld /proc/net | sed 's/.* \\/proc/\\/proc/'
    readlink -f /proc/net/dev | sed 's/[0-9][0-9]*/N/'
    cd /proc/net; pwd; cat dev
    ls -ld /proc/self | cut -c1-10; test -L /proc/self; echo $?; test -h /proc/net/dev; echo $?; test -d /proc/net; echo $?
    readlink /proc/self | grep -c '^[0-9]*$'; readlink /proc/net/dev; echo $?; readlink /nothere; echo $?
    readlink /proc/self/ns/net | sed 's/[0-9][0-9]*/N/'; [ $(readlink /proc/self/ns/net) = $(readlink /proc/$$/ns/net) ]; echo $?
    ls /proc/net/stat | grep -E 'arp|rt'
    ls -F /proc/self/ns | grep net
    ls /proc/nothere/net
    `,
  ).map((c) => ({ ...c, also: [SHELL] })),
};

const eth: Scenario = {
  name: "ethtool, all options",
  ...TWO_HOSTS,
  commands: at(
    "h1",
    `
    ethtool -r eth0
    ethtool -r lo
    ethtool -r eth7
    ethtool -m eth0
    ethtool -m eth0 raw on
    ethtool -m eth0 hex on
    ethtool -m eth0 nonsense
    ethtool -m eth7
    ethtool -e eth0
    ethtool -e eth0 raw on
    ethtool -e eth0 offset 0 length 16
    ethtool -e eth0 nonsense
    ethtool -e eth7
    ethtool -E eth0 magic 1 offset 0 value 1
    ethtool -E eth0
    ethtool -E eth7
    ethtool -E eth0 value x
    ethtool --show-eee eth0
    ethtool --show-eee eth7
    ethtool --set-eee eth0 eee on
    ethtool --set-eee eth0 nonsense
    ethtool --set-eee eth0
    ethtool --show-priv-flags eth0
    ethtool --show-priv-flags lo
    ethtool --show-priv-flags eth7
    ethtool --set-priv-flags eth0 foo on
    ethtool --set-priv-flags eth0
    ethtool -d eth0
    ethtool -d eth0 raw on
    ethtool -d eth0 hex on
    ethtool -d eth0 file /nonexistent
    ethtool -d eth0 nonsense
    ethtool -d eth7
    ethtool -p eth0
    ethtool -p eth0 1
    ethtool -p eth0 x
    ethtool -p eth0 1 2
    ethtool -p eth7
    ethtool -t eth0
    ethtool -t eth0 offline
    ethtool -t eth0 nonsense
    ethtool -t eth7
    ethtool -P eth0
    ethtool -P lo
    ethtool -P eth7
    ethtool -T lo
    ethtool -T eth7
    ethtool --phy-statistics eth0
    ethtool --phy-statistics eth7
    ethtool -f eth0 nothere
    ethtool -f eth0
    ethtool -f eth7 nothere
    ethtool -w eth0
    ethtool -w eth0 data /tmp/x
    ethtool -w eth7
    ethtool -W eth0 1
    ethtool -W eth0
    ethtool -W eth0 x
    ethtool --set-phy-tunable eth0 downshift on
    ethtool --set-phy-tunable eth0
    ethtool --set-phy-tunable eth0 nonsense
    ethtool --get-phy-tunable eth0 downshift
    ethtool --get-phy-tunable eth0
    ethtool --get-phy-tunable eth0 fast-link-down
    ethtool --get-phy-tunable eth0 energy-detect-power-down
    ethtool --get-tunable eth0 rx-copybreak
    ethtool --get-tunable eth0 tx-copybreak
    ethtool --get-tunable eth0 tx-buf-size
    ethtool --get-tunable eth0
    ethtool --get-tunable eth0 nonsense
    ethtool --set-tunable eth0 rx-copybreak 100
    ethtool --set-tunable eth0
    ethtool --reset eth0 all
    ethtool --reset eth0 mac phy
    ethtool --reset eth0
    ethtool --reset eth0 nonsense
    ethtool --reset eth0 flags 0x10
    ethtool --show-fec eth0
    ethtool --show-fec eth7
    ethtool --set-fec eth0 encoding rs
    ethtool --set-fec eth0
    ethtool --set-fec eth0 encoding nonsense
    ethtool -Q eth0 --show-coalesce
    ethtool -Q eth0 queue_mask 0x1 --show-coalesce
    ethtool -Q eth0 queue_mask 0x1 --coalesce rx-usecs 10
    ethtool -Q eth0
    ethtool --cable-test eth0
    ethtool --cable-test eth7
    ethtool --cable-test-tdr eth0
    ethtool --show-tunnels eth0
    ethtool --show-tunnels eth7
    ethtool --show-module eth0
    ethtool --show-module eth7
    ethtool --set-module eth0 power-mode-policy auto
    ethtool --get-plca-cfg eth0
    ethtool --get-plca-status eth0
    ethtool --set-plca-cfg eth0 enable on
    ethtool --show-mm eth0
    ethtool -N eth0 rx-flow-hash udp4 sdfn
    ethtool -N eth0 flow-type tcp4 action 1
    ethtool -N eth0 delete 1
    ethtool -N eth0
    ethtool -n eth0
    ethtool -n eth0 rx-flow-hash udp4
    ethtool -n eth0 rule 1
    ethtool -U eth7 delete 1
    ethtool -X eth0 equal 1
    ethtool -s eth0 speed 100
    ethtool -s eth0 autoneg on
    ethtool -s eth0 duplex full speed 100
    ethtool -s eth0 wol g
    ethtool -s eth0 msglvl 7
    ethtool -s eth0 nonsense
    ethtool -s eth0
    ethtool -s eth7 speed 10
    ethtool -G eth0 rx 100
    ethtool -G eth0
    ethtool -L eth0 combined 2
    ethtool -L eth0 rx 1 tx 1
    ethtool -l eth0
    ethtool -C eth0 rx-usecs 1
    ethtool -A eth0 rx on
    ethtool -I -S eth0 --all-groups
    ethtool -S eth0 --groups rmon
    ethtool -S eth0 --groups nonsense
    ethtool -S lo
    ethtool --json -S eth0 --all-groups
    ethtool --json -a eth0
    ethtool --json -k lo | head -5
    ethtool --json -i eth0
    ethtool -I -a eth0
    ethtool --json eth0
    ethtool --debug 1 lo
    ethtool lo
    ethtool --json -S eth0 --all-groups
    ethtool --json -S eth0 --groups rmon eth-mac
    ethtool -S eth0 --groups
    ethtool -S eth0 nonsense
    ethtool -S eth0 --groups rmon nonsense
    ethtool -S eth0 --groups eth-mac rmon
    ethtool -S eth7 --all-groups
    ethtool -S lo --all-groups
    ethtool -m eth0 offset x
    ethtool -m eth0 raw
    ethtool -m eth0 raw maybe
    ethtool -m eth0 offset 5
    ethtool -m eth0 page 3
    ethtool -m eth0 raw off
    ethtool -m eth7 raw on
    ethtool --set-eee eth0 eee maybe
    ethtool --set-eee eth0 eee
    ethtool --set-eee eth7 eee on
    ethtool --set-eee eth0 tx-timer x
    ethtool --set-eee eth0 advertise 0x3 tx-lpi on tx-timer 5
    ethtool --set-priv-flags eth7 a on
    ethtool --set-priv-flags eth0 foo
    ethtool -d eth0 raw maybe
    ethtool -d eth0 file
    ethtool --set-fec eth0 encoding
    ethtool --set-fec eth0 nonsense x
    ethtool --set-fec eth7 encoding rs
    ethtool --set-fec eth0 encoding rs auto
    ethtool -Q eth7 --show-coalesce
    ethtool -Q eth0 nonsense
    ethtool -Q eth0 queue_mask 0x1
    ethtool -Q eth0 queue_mask x --show-coalesce
    ethtool -Q eth0 --coalesce
    ethtool -Q eth0 --coalesce nonsense 3
    ethtool --set-module eth0
    ethtool --set-module eth0 nonsense
    ethtool --set-module eth0 power-mode-policy nonsense
    ethtool --set-module eth0 power-mode-policy high
    ethtool --set-module eth7 power-mode-policy high
    ethtool --set-module eth0 power-mode-policy
    ethtool --show-module lo
    ethtool --cable-test eth0 x
    ethtool --cable-test-tdr eth0 first 1
    ethtool --cable-test-tdr eth7
    ethtool --cable-test-tdr eth0 nonsense
    ethtool --show-tunnels eth0 x
    ethtool --show-eee eth0 x
    ethtool --show-fec eth0 x
    ethtool --show-priv-flags eth0 x
    ethtool -E eth0 offset x
    ethtool --reset eth0 mac-shared irq
    ethtool --reset eth0 dedicated
    ethtool --reset eth0 flags x
    ethtool --reset eth0 flags
    ethtool --reset eth7 mac
    ethtool --get-tunable eth7 rx-copybreak
    ethtool --get-tunable eth0 rx-copybreak tx-copybreak
    ethtool --get-tunable eth0 pfc-prevention-tout
    ethtool --get-tunable eth0 rx-copybreak nonsense
    ethtool --set-tunable eth0 rx-copybreak
    ethtool --set-tunable eth0 rx-copybreak x
    ethtool --set-tunable eth0 nonsense 1
    ethtool --set-tunable eth7 rx-copybreak 1
    ethtool --set-tunable eth0 rx-copybreak 1 tx-copybreak 2
    ethtool --get-phy-tunable eth7 downshift
    ethtool --get-phy-tunable eth0 downshift fast-link-down
    ethtool --get-phy-tunable eth0 nonsense
    ethtool --set-phy-tunable eth0 downshift off
    ethtool --set-phy-tunable eth0 downshift on count 3
    ethtool --set-phy-tunable eth0 downshift on count x
    ethtool --set-phy-tunable eth0 downshift maybe
    ethtool --set-phy-tunable eth0 downshift
    ethtool --set-phy-tunable eth0 fast-link-down on msecs 5
    ethtool --set-phy-tunable eth0 fast-link-down off
    ethtool --set-phy-tunable eth0 energy-detect-power-down on
    ethtool --set-phy-tunable eth0 downshift off count 3
    ethtool -f eth0 a b
    ethtool -f eth0 a 3
    ethtool -f eth0 a 3 4
    ethtool -w eth0 x
    ethtool -w eth0 data
    ethtool -W eth7 1
    ethtool -W eth0 1 2
    ethtool -N eth7 rx-flow-hash udp4 sd
    ethtool -N eth0 rx-flow-hash udp4
    ethtool -N eth0 rx-flow-hash nonsense sd
    ethtool -N eth0 rx-flow-hash udp4 q
    ethtool -N eth0 delete
    ethtool -N eth0 delete x
    ethtool -N eth0 nonsense
    ethtool -N eth0 flow-type
    ethtool -N eth0 flow-type nonsense
    ethtool -N eth0 flow-type udp4 src-ip 1.2.3.4 action 0 loc 3
    ethtool -N eth7 flow-type udp4 action 0
    ethtool -n eth0 rx-flow-hash
    ethtool -n eth0 rx-flow-hash nonsense
    ethtool -n eth0 rule x
    ethtool -n eth0 rule
    ethtool -n eth0 nonsense
    ethtool -n eth7 rule 1
    ethtool -n eth7 rx-flow-hash tcp4
    ethtool -n eth7
    ethtool -r eth0 x
    ethtool -P eth0 x
    ethtool -T eth0 x
    ethtool -z
    ethtool -h | head -20
    ethtool --help | tail -40
    ethtool --version
    ethtool -i
    ethtool -c lo
    ethtool -g lo
    ethtool -l lo
    ethtool -a lo
    ethtool -x lo
    `,
  ),
};

const iproute: Scenario = {
  name: "ip, rarer objects and options",
  ...TWO_HOSTS,
  commands: at(
    "h1",
    `
    ip route save | wc -c
    ip route save | head -c 4
    ip route save table 255 | wc -c
    ip route add 192.0.2.0/24 via 10.0.0.2; ip route add throw 198.51.100.0/24; ip route save >$FILES/r; ip route flush dev eth0; ip route flush type throw; ip route
    ip route restore <$FILES/r; ip route; ip route del 192.0.2.0/24
    ip route showdump <$FILES/r
    ip -j route showdump <$FILES/r
    ip -d route showdump <$FILES/r
    ip route restore <$FILES/r; echo $?
    head -c 100 $FILES/r >$FILES/s; ip route showdump <$FILES/s; echo $?; ip route restore <$FILES/s; echo $?
    ip route save foo; ip route save via 10.0.0.2 | wc -c
    ip route flush type throw; ip route flush 192.0.2.0/24
    echo nonsense | ip route restore; echo $?
    echo nonsense | ip route showdump; echo $?
    ip route restore </dev/null; echo $?
    ip route showdump </dev/null; echo $?
    ip route save table 7
    ip rule add from 192.0.2.1 lookup 7; ip rule save >$FILES/u; ip rule flush; ip rule restore <$FILES/u; echo $?; ip rule; ip rule flush; ip rule add lookup main pref 32766
    ip rule save foo
    echo xxxx | ip rule restore; echo x | ip rule restore
    ip addr save >$FILES/a; wc -c <$FILES/a; ip addr save dev lo | wc -c; ip addr save dev nothere; ip addr save label lo | wc -c
    ip addr showdump <$FILES/a
    ip addr flush dev lo; ip addr restore <$FILES/a; echo $?; ip addr show lo
    echo xxxx | ip addr restore; echo xxx | ip addr showdump
    ip netns
    ip netns identify
    ip netns identify $$
    ip netns identify 999999
    ip netns identify x
    ip netns pids h1 > $FILES/pids; wc -l < $FILES/pids
    ip netns pids nothere
    ip netns pids
    ip netns exec h2 ip -br link show lo
    ip netns exec h2
    ip netns exec
    ip netns exec nothere true
    ip netns exec h2 nosuchprogram
    ip netns set h2 7; ip netns list-id
    ip netns list-id nsid 0
    ip -j netns list-id
    ip -n h2 netns list-id target-nsid 0
    ip netns list-id target-nsid 0
    ip netns set h2 8
    ip netns set h2 x
    ip netns set nothere 1
    ip netns set
    ip netns set h2
    ip netns list-id target-nsid 7
    ip netns list-id nsid 7
    ip netns add h2
    ip netns add a/b
    ip netns del nothere
    ip netns del
    ip netns add
    ip netns nosuch
    ip netns attach
    ip netns attach foo
    ip netns del a/b
    ip netns exec a/b true
    ip netns list-id nsid x
    ip netns list-id nsid
    ip netns list-id target-nsid x
    ip netns list-id nonsense
    ip netns identify 1 2
    ip netns help
    ip tunnel
    ip tunnel show
    ip tunnel help
    ip tunnel nonsense
    ip tunnel 6rd
    ip -6 tunnel show
    ip tunnel show nothere
    ip tunnel del nothere
    ip tunnel add
    ip tunnel add t0
    ip tunnel add t0 mode nonsense
    ip tunnel add t0 mode ipip
    ip tunnel add t0 mode vti
    ip tunnel add t0 mode isatap remote 1.2.3.4
    ip tunnel add t0 mode gre remote 1.2.3.4 local 4.5.6.7 ttl 5
    ip tunnel add t0 mode sit remote 1.2.3.4
    ip tunnel change t0 mode ipip remote 1.2.3.4
    ip tunnel del
    ip tunnel del lo
    ip tunnel prl
    ip tunnel prl dev x
    ip tunnel add t0 mode ipip remote x
    ip tunnel add t0 mode ipip foo
    ip link add t0 type ipip remote 1.2.3.4
    ip link add t0 type gre remote 1.2.3.4
    ip link add t0 type sit remote 1.2.3.4
    ip tuntap add
    ip tuntap add dev t0
    ip tuntap add mode nonsense
    ip mroute add
    ip mroute show nonsense
    ip tcp_metrics show x
    ip tcp_metrics show 1.2.3.0/24
    ip tcp_metrics flush 1.2.3.0/24
    ip -s tcp_metrics flush 1.2.3.4
    ip tcp_metrics show source 1.2.3.4
    ip tcp_metrics show source 1.0.0.0/8
    ip tcp_metrics show address 1.2.3.4 source 1.2.3.5
    ip tcp_metrics show 1.2.3.0/24 foo
    ip tcp_metrics show 1.2.3.4 foo
    ip tcp_metrics show dst 1.2.3.4
    ip tcp_metrics show any
    ip tcp_metrics delete 1.2.3.0/24
    ip tcp_metrics delete source 1.2.3.4
    ip -j tcp_metrics
    ip -6 tcp_metrics
    ip vrf exec
    ip vrf identify
    ip vrf pids
    ip vrf nonsense
    ip xfrm nonsense
    ip l2tp nonsense
    ip fou add port 5 gue
    ip ila list
    ip tuntap
    ip tuntap show
    ip tuntap help
    ip tuntap nonsense
    ip mroute
    ip mroute show
    ip mroute help
    ip mroute nonsense
    ip -6 mroute
    ip tcp_metrics
    ip tcp_metrics show
    ip tcp_metrics help
    ip tcp_metrics flush
    ip tcp_metrics nonsense
    ip tcpmetrics show 1.2.3.4
    ip tcp_metrics delete 1.2.3.4
    ip tcp_metrics delete
    ip token help
    ip addrlabel help
    ip l2tp
    ip l2tp help
    ip l2tp show tunnel
    ip fou
    ip fou show
    ip fou help
    ip ila
    ip ila help
    ip macsec
    ip macsec show
    ip macsec help
    ip xfrm
    ip xfrm help
    ip vrf
    ip vrf show
    ip vrf help
    ip sr help
    ip mptcp help
    ip ioam help
    ip netconf help
    ip -4 netconf
    ip -4 netconf show dev eth0
    ip -4 -j netconf show dev lo
    ip -4 -j netconf
    ip netconf show dev nothere
    ip -4 netconf show dev all
    sysctl -qw net.ipv4.conf.eth0.rp_filter=2 net.ipv4.conf.lo.rp_filter=1 net.ipv4.conf.eth0.proxy_arp=1 net.ipv4.conf.eth0.forwarding=1; ip -4 netconf; sysctl -qw net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.lo.rp_filter=0 net.ipv4.conf.eth0.proxy_arp=0 net.ipv4.conf.eth0.forwarding=0
    (sleep 0.4; sysctl -qw net.ipv4.conf.eth0.forwarding=1 net.ipv4.conf.lo.rp_filter=1; ip link add n0 type veth peer name n1; ip link del n0; sysctl -qw net.ipv4.conf.eth0.forwarding=0 net.ipv4.conf.lo.rp_filter=0) & timeout 3 ip -4 monitor netconf | grep '^\\(Deleted \\)*inet '; wait
    ip stats; ip stats show dev eth0; ip stats show dev lo group link; ip -s stats show dev lo group link
    ip -j -p stats show dev lo; ip -j stats show dev lo group link; ip -s -j stats show dev lo group link; ip -o stats show dev lo group link
    ip stats show group offload; ip stats show dev lo group offload subgroup cpu_hit; ip stats show dev lo group offload subgroup hw_stats_info
    ip stats show group xstats; ip stats show group xstats subgroup bridge suite stp dev lo; ip stats show group link dev lo group afstats
    ip stats set dev eth0 l3_stats on; ip stats show dev eth0 group offload; ip -j stats show dev eth0 group offload; ip stats set dev eth0 l3_stats on
    ip stats show dev eth0 group offload subgroup l3_stats; ip stats set dev eth0 l3_stats off; ip stats set dev eth0 l3_stats off
    ip stats show dev nosuch; ip stats show dev; ip stats show dev lo dev eth0; ip stats show group; ip stats show group bogus
    ip stats show group link subgroup foo; ip stats show group offload subgroup foo; ip stats show group xstats subgroup bridge suite foo
    ip stats show dev lo suite stp; ip stats show dev lo subgroup stp; ip stats show dev lo group afstats subgroup mpls suite x; ip stats show foo
    ip stats set; ip stats set dev lo; ip stats set dev lo l3_stats; ip stats set dev lo l3_stats maybe; ip stats set dev lo foo; ip stats set dev nosuch l3_stats on
    ip stats bogus; ip stats show group xstats subgroup bridge; ip stats show group xstats subgroup bridge suite stp suite mcast dev lo; ip stats show group xstats suite stp
    ip stats help
    ip -s -s link show lo
    ip -s -s addr show lo
    ip -s -s neigh
    ip -s -s route
    ip -c link show lo
    ip -c addr show eth0
    ip -c route
    ip -c neigh
    ip -c -br addr
    ip -c -br link
    ip -c=never link show lo
    ip -c=auto link show lo
    ip -c=sometimes link
    ip -c rule
    ip -br route
    ip -br neigh
    ip -br rule
    ip -4 link show lo
    ip -4 route
    ip -rc 100000 link show lo
    ip -rc x link show lo
    ip -rc
    ip -N route show table local
    ip -N rule
    ip -N addr show lo
    ip -a link
    ip -a netns exec ip -br link show lo
    ip -a netns
    ip -all netns exec
    printf 'link show lo\\nroute\\n' | ip -batch -
    printf 'link show lo\\nnonsense\\nroute\\n' | ip -b -
    printf 'link show lo\\nnonsense\\nroute\\n' | ip -force -b -
    printf '# comment\\n\\naddr show lo # more\\n' | ip -b -
    printf 'route add 192.0.2.0/24 \\\\\\n via 10.0.0.2\\nroute' | ip -b -
    printf 'link show "lo"\\n' | ip -b -
    ip -batch /nothere
    ip -batch
    ip -t link show lo
    ip -ts link show lo
    ip -l 5 addr flush dev lo
    ip -V
    ip -human link show lo
    ip -h -s link show lo
    ip -iec -s link show lo
    ip -r route
    ip -x
    ip -f nothing link
    ip -f inet addr show lo
    ip -f link link show lo
    ip -0 addr show lo
    ip -B link show lo
    ip -M route
    ip -M addr show lo
    ip -6 route
    ip -6 neigh
    ip -n nothere link
    ip -n h2 -br link show lo
    ip -p link show lo
    ip -p -j addr show lo
    ip -o -s link show lo
    ip -o -d addr show lo
    ip monitor help
    ip monitor nonsense
    timeout 1 ip monitor file /nothere
    (sleep 0.4; ip link set eth0 down; ip link set eth0 up; ip route add 192.0.9.0/24 dev eth0; ip addr add 10.9.9.9/32 dev eth0; ip neigh add 10.0.0.44 lladdr 02:00:00:00:00:44 dev eth0) & timeout 1.2 ip monitor route; wait
    (sleep 0.4; ip route del 192.0.9.0/24 dev eth0; ip addr del 10.9.9.9/32 dev eth0; ip neigh del 10.0.0.44 dev eth0) & timeout 1.2 ip monitor all; wait
    (sleep 0.4; ip addr add 10.9.9.9/32 dev eth0) & timeout 1.2 ip monitor address label; wait
    (sleep 0.4; ip addr del 10.9.9.9/32 dev eth0; ip rule add pref 77 lookup 5; ip rule del pref 77) & timeout 1.2 ip -o monitor address rule; wait
    (sleep 0.4; ip addr add 10.9.9.9/32 dev eth0) & timeout 1.2 ip -t monitor address | sed 's/Timestamp.*/T/'; wait
    (sleep 0.4; ip addr del 10.9.9.9/32 dev eth0) & timeout 1.2 ip -ts monitor address | sed 's/^.[0-9T:.-]*./[T]/'; wait
    (sleep 0.4; ip netns set h2 33) & timeout 1.2 ip monitor nsid; wait
    (sleep 0.4; ip nexthop add id 5 dev eth0; ip nexthop del id 5) & timeout 1.2 ip monitor nexthop; wait
    (sleep 0.4; ip link set eth0 mtu 1400) & timeout 1.2 ip -br monitor link; wait
    (sleep 0.4; ip link set eth0 mtu 1500) & timeout 1.2 ip -j monitor link | head -c 200; wait
    (sleep 0.4; ip link set eth0 mtu 1400) & timeout 1.2 ip monitor dev eth0 link | sed 's/@if[0-9]*//'; wait
    ip link help
    ip addr help
    ip route help
    ip neigh help
    ip rule help
    ip maddr help
    ip nexthop help
    ip ntable help
    ping -N
    ping -N help
    ping -N help 10.0.0.2
    ping -N foo
    ping -N subject-name=x
    ping -h
    `,
  ),
};

const owners: Scenario = {
  name: "who has the socket",
  ...TWO_HOSTS,
  commands: [
    { at: "h2", run: "nc -u -l -k 10.0.0.2 5000", background: true },
    { at: "h2", run: "nc -u -l -p 5001", background: true },
    ...at(
      "h2",
      `
      netstat -unlp | sed 's/[0-9][0-9]*\\/nc */N\\/nc/'
      netstat -uanp | sed 's/[0-9][0-9]*\\/nc */N\\/nc/'
      netstat -p -u -a -n -e | sed 's/[0-9][0-9]*\\/nc */N\\/nc/; s/[0-9][0-9]* *N/I N/'
      netstat -lp --raw
      netstat -anp --raw | sed 's/[0-9][0-9]*\\//N\\//'
      netstat -np --tcp
      netstat -o -u -a -n
      netstat -C
      netstat -h
      ss -ulnp | sed 's/pid=[0-9]*/pid=N/; s/ *$//'
      ss -ulpn sport = :5001 | sed 's/pid=[0-9]*/pid=N/; s/ *$//'
      ss -h
      `,
    ),
  ],
};

export const networkScenarios: readonly Scenario[] = [files, eth, iproute, owners];
