ip link add t0 numtxqueues 1 numrxqueues 1 type veth peer name t1; ip link set t0 up; ip link set t1 up; ip addr add 10.7.0.1/24 dev t0
t() { echo "tc $*"; tc "$@" 2>&1; echo "rc=$?"; }
t qdisc add dev t0 root handle 1: tbf rate 1mbit burst 10kb latency 50ms
t -s qdisc show dev t0
t -s class show dev t0
t qdisc add dev t0 root pfifo
t qdisc add dev t0 root handle 1: tbf rate 2mbit burst 10kb latency 50ms
t qdisc replace dev t0 root tbf rate 2mbit burst 10kb latency 50ms
t qdisc show dev t0
t qdisc change dev t0 root handle 1: tbf rate 3mbit burst 10kb limit 9000
t qdisc change dev t0 root handle 2: pfifo limit 4
t qdisc change dev t0 root pfifo limit 4
t qdisc replace dev t0 root handle 5: pfifo limit 4
t qdisc show dev t0
t qdisc change dev t0 handle 5: root pfifo limit 6
t qdisc del dev t0 root handle 7:
t qdisc del dev t0 parent 9:1
t qdisc add dev t0 parent 9:1 pfifo
t qdisc add dev t0 parent 5:1 pfifo
t qdisc add dev t0 root foo
t qdisc del dev t0 root
t qdisc del dev t0 root
t qdisc show dev t0
t qdisc add dev t0 root tbf rate 1mbit burst 10kb latency 50ms peakrate 2mbit mtu 1600
t qdisc show dev t0
t qdisc del dev t0 root
t qdisc add dev t0 root handle 3: pfifo_fast
t qdisc show dev t0
t qdisc change dev t0 root handle 3: pfifo_fast
t qdisc del dev t0 root
t qdisc add dev t0 root mq
t qdisc add dev t0 handle 0 root pfifo
t qdisc add dev t0 root tbf rate 2mbit burst 10kb latency 50ms peakrate 1mbit mtu 1600
t qdisc add dev t0 root noqueue
t qdisc show dev t0
t qdisc replace dev t0 root handle 1: tbf rate 1mbit burst 10kb latency 50ms
t qdisc add dev t0 parent 1:7 handle 2: pfifo
t qdisc show dev t0
t qdisc add dev t0 parent 1:1 handle 3: pfifo limit 9
t qdisc replace dev t0 parent 1:1 handle 3: pfifo limit 10
t class show dev t0
t qdisc show dev t0
t qdisc del dev t0 parent 1:1
t qdisc show dev t0
t class show dev t0
t qdisc add dev t0 parent 1:1 noqueue
t qdisc add dev t0 parent 1:1 bfifo
t qdisc show dev t0
t qdisc show dev t0 invisible
t -s qdisc del dev t0 parent 1:1
t qdisc del dev t0 root
ip link del t0
ip link add t0 numtxqueues 4 numrxqueues 4 type veth peer name t1 numtxqueues 4 numrxqueues 4; ip link set t0 up; ip link set t1 up
t qdisc show dev t0
t qdisc add dev t0 root handle 1: mq
t -s class show dev t0
t qdisc show dev t0
t qdisc replace dev t0 parent 1:2 handle 20: pfifo limit 77
t qdisc show dev t0
t qdisc del dev t0 parent 1:2
t qdisc show dev t0
t qdisc replace dev t0 root pfifo
t qdisc show dev t0
t qdisc del dev t0 root
t qdisc replace dev t0 root handle 2: mq
t qdisc show dev t0
t qdisc del dev t0 parent 2:9
t qdisc replace dev t0 parent 2:9 pfifo
t qdisc del dev t0 root
ip link set t0 down
t qdisc show dev t0
t qdisc add dev t0 root pfifo limit 3
t qdisc show dev t0
ip link del t0
