// /proc, /proc/net, /sys/class/net and net sysctls against what Linux 6.18 shows and refuses.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bitmap_parse, bitmap_parselist, bitmap_print, bitmap_print_list } from "../../../src/lib/bitmap_text.ts";
import { TwoHosts } from "../net/sched/lab.ts";

const EINVAL = /write error: Invalid argument/;

test("CPU sets as text", () => {
  assert.equal(bitmap_print(5, 2), "1");
  assert.equal(bitmap_print(0x83, 8), "83");
  assert.equal(bitmap_print_list(0b1011011, 8), "0-1,3-4,6");
  assert.equal(bitmap_parse("3\n", 2), 3);
  assert.equal(bitmap_parse("0,00000002", 2), 2);
  assert.equal(bitmap_parse("7", 2), -75);
  assert.equal(bitmap_parse("zz", 2), -22);
  assert.equal(bitmap_parselist("0-1,3\n", 4), 11);
  assert.equal(bitmap_parselist("4", 4), -34);
  assert.equal(bitmap_parselist("2-1", 4), -22);
});

test("/proc/net: layouts to the byte", () => {
  const h = new TwoHosts();
  const cat = (f: string): string => h.sh(h.a, `cat /proc/net/${f}`);
  h.sh(h.a, "ping -c 1 127.0.0.1; ip route add default via 10.0.0.2; ip route add unreachable 10.11.0.0/16 metric 5");
  const dev = cat("dev").split("\n");
  assert.equal(
    dev[1],
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed",
  );
  assert.equal(
    dev[2],
    "    lo:     168       2    0    0    0     0          0         0      168       2    0    0    0     0       0          0",
  );
  assert.match(cat("softnet_stat"), /^([0-9a-f]{8} ){14}[0-9a-f]{8}\n$/);
  assert.equal(cat("ptype"), "Type Device      Function\n0800          ip_rcv\n0806          arp_rcv\n");
  assert.equal(
    cat("route"),
    [
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
      "eth0\t00000000\t0200000A\t0003\t0\t0\t0\t00000000\t0\t0\t0",
      "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
      "*\t00000B0A\t00000000\t0201\t0\t0\t5\t0000FFFF\t0\t0\t0",
    ]
      .map((l) => `${l.padEnd(127)}\n`)
      .join(""),
  );
  const snmp = cat("snmp");
  assert.match(snmp, /^Ip: Forwarding DefaultTTL InReceives .*OutTransmits\nIp: 2 64 2 /);
  assert.match(snmp, /\nIcmpMsg: InType0 InType8 OutType0 OutType8\nIcmpMsg: 1 1 1 1\nTcp: RtoAlgorithm/);
  assert.match(snmp, /\nTcp: 1 200 120000 -1 0 0 0 0 0 0 0 0 0 0 0\n/);
  assert.match(cat("netstat"), /^TcpExt: SyncookiesSent .*\nTcpExt: (0 )+0\nIpExt: InNoRoutes .*\nIpExt: 0 0 /);
  assert.match(
    cat("sockstat"),
    /^sockets: used \d+\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n$/,
  );
  assert.match(
    cat("protocols"),
    /\nUDP {7}1344 {6}0 {7}0 {3}NI {7}0 {3}yes {2}kernel {6}y {2}y {2}y {2}n {2}y {2}y {2}y {2}n {2}y {2}y {2}y {2}y {2}n {2}n {2}y {2}y {2}y {2}n\n/,
  );
  h.program(h.a, function* (sys) {
    const fd = sys.socket(2, 2, 0);
    sys.bind(fd, Uint8Array.of(2, 0, 0x13, 0x88, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0));
    const file = sys.open("/proc/net/udp", 0);
    const buf = new Uint8Array(1000);
    const n = yield* sys.read(file, buf);
    const lines = new TextDecoder().decode(buf.subarray(0, n)).split("\n");
    assert.deepEqual(
      lines.map((l) => l.length),
      [127, 127, 0],
    );
    assert.match(
      lines[1]!,
      /^ {2}136: 0100000A:1388 00000000:0000 07 00000000:00000000 00:00000000 00000000 {5}0 {8}0 \d+ 2 [0-9a-f]{16} 0 +$/,
    );
    sys.close(file);
    sys.close(fd);
    return 0;
  });
  h.close();
});

test("/proc: interrupts, affinity, softirqs, stat, tasks", () => {
  const h = new TwoHosts({ cpus: 2 });
  h.sh(h.a, "ping -c 2 10.0.0.2");
  const sh = (c: string): string => h.sh(h.a, c);
  const irqs = sh("cat /proc/interrupts").split("\n");
  assert.equal(irqs[0], "           CPU0       CPU1       ");
  const line = irqs.find((l) => l.includes("eth0"))!;
  assert.match(line, /^ \d\d: +\d+ +\d+ PCI-MSIX-0000:..:..\.. +\d+-edge {6}eth0/);
  const irq = /^ *(\d+):/.exec(line)![1]!;
  assert.equal(sh(`echo 2 > /proc/irq/${irq}/smp_affinity; cat /proc/irq/${irq}/smp_affinity_list`), "1\n");
  assert.equal(sh(`cat /proc/irq/${irq}/effective_affinity`), "2\n");
  assert.match(sh(`echo 0 > /proc/irq/${irq}/smp_affinity`), EINVAL);
  assert.match(sh(`echo 8 > /proc/irq/${irq}/smp_affinity`), /Value too large for defined data type/);
  assert.equal(sh(`echo 0-1 > /proc/irq/${irq}/smp_affinity_list; cat /proc/irq/${irq}/smp_affinity`), "3\n");
  assert.match(sh("cat /proc/softirqs"), /^ {20}CPU0 {7}CPU1 {7}\n {10}HI: +0 +0\n/);
  assert.match(
    sh("cat /proc/stat"),
    /^cpu {2}\d+ 0 \d+ \d+ 0 \d+ \d+ 0 0 0\ncpu0 .*\ncpu1 .*\nintr \d+ [\d ]+\nctxt \d+\nbtime 1767225600\nprocesses \d+\nprocs_running 1\n/,
  );
  assert.match(sh("cat /proc/uptime"), /^\d+\.\d\d \d+\.\d\d\n$/);
  assert.match(sh("cat /proc/self/stat"), /^\d+ \(cat\) R( -?\d+){49}\n$/);
  assert.match(sh("cat /proc/1/status"), /^Name:\tinit\nUmask:\t0022\nState:\tS \(sleeping\)\n[\s\S]*Kthread:\t0\n/);
  assert.match(sh("cat /proc/self/cmdline"), /^cat\0\/proc\/self\/cmdline\0$/);
  assert.match(sh("cat /proc/99999/comm"), /No such file or directory/);
  h.close();
});

test("/sys/class/net: attributes, and writes that steer packets", () => {
  const h = new TwoHosts({ cpus: 2 });
  const k = h.a.kernel;
  const dev = k.init_net.dev_by_name.get("eth0")!;
  const sh = (c: string): string => h.sh(h.a, c);
  const sys = "/sys/class/net/eth0";
  assert.equal(
    sh(`cd ${sys}; cat address mtu ifindex operstate carrier flags type duplex`),
    "02:00:00:00:00:01\n1500\n2\nup\n1\n0x1003\n1\nfull\n",
  );
  assert.equal(sh(`cat ${sys}/speed ${sys}/statistics/collisions`), "1000\n0\n");
  assert.match(sh("cat /sys/class/net/lo/speed"), /Invalid argument/);
  assert.match(sh(`echo 60 > ${sys}/mtu`), EINVAL);
  assert.equal(sh(`echo 1400 > ${sys}/mtu; cat ${sys}/mtu`), "1400\n");
  assert.equal(k.rps_needed, false);
  sh(`echo 2 > ${sys}/queues/rx-0/rps_cpus`);
  assert.deepEqual([k.rps_needed, dev.rx[0]!.rps_map], [true, [1]]);
  assert.match(sh(`echo 4 > ${sys}/queues/rx-0/rps_cpus`), /Value too large/);
  sh(`echo 0 > ${sys}/queues/rx-0/rps_cpus`);
  assert.equal(k.rps_needed, false);
  assert.equal(sh(`echo 5 > ${sys}/queues/rx-0/rps_flow_cnt; cat ${sys}/queues/rx-0/rps_flow_cnt`), "8\n");
  sh("echo 100 > /proc/sys/net/core/rps_sock_flow_entries");
  assert.deepEqual([k.rps_needed, k.rps_sock_flow_table!.length], [true, 128]);
  sh(`echo 1 > ${sys}/queues/tx-1/xps_cpus`);
  assert.equal(dev.tx_global_xps, true);
  // Linux 6.18 on a device with a ring of its own (ifb); there is no such folder on lo, veth or tun.
  const bql = `${sys}/queues/tx-0/byte_queue_limits`;
  assert.equal(
    sh(`ls ${bql}; ls -d /sys/class/net/lo/queues/tx-0/byte_queue_limits`),
    "hold_time\ninflight\nlimit\nlimit_max\nlimit_min\nstall_cnt\nstall_max\nstall_thrs\n" +
      "ls: cannot access '/sys/class/net/lo/queues/tx-0/byte_queue_limits': No such file or directory\n",
  );
  sh("ping -c 1 10.0.0.2");
  assert.equal(
    sh(`cd ${bql}; cat hold_time inflight limit_max limit_min stall_cnt stall_max stall_thrs; test $(cat limit) -gt 0`),
    "1000\n0\n1879048192\n0\n0\n0\n0\n",
  );
  for (const text of ["-1", "0x100", "1879048193", "' 5'", "maxx"]) {
    assert.match(sh(`echo ${text} > ${bql}/limit`), EINVAL);
  }
  assert.match(sh(`echo 4294967296 > ${bql}/limit`), /Numerical result out of range/);
  assert.match(sh(`echo 3 > ${bql}/stall_thrs; echo 129 > ${bql}/stall_thrs`), /range\n.*range/);
  assert.equal(sh(`cd ${bql}; echo 5000 > limit_min; echo max > limit; cat limit_min limit`), "5000\n1879048192\n");
  assert.equal(sh(`cd ${bql}; echo 8 > stall_thrs; echo 77 > stall_max; cat stall_thrs stall_max`), "8\n0\n");
  assert.match(sh(`ls ${sys}/queues`), /^rx-0\n(rx-\d\n)*tx-0\n/);
  h.close();
});

test("RFS: packets of a connected socket go to the CPU on which it is read", () => {
  const h = new TwoHosts({ cpus: 2 });
  h.sh(h.b, "echo 3 > /sys/class/net/eth0/queues/rx-0/rps_cpus; echo 32 > /proc/sys/net/core/rps_sock_flow_entries");
  h.sh(h.b, "for q in /sys/class/net/eth0/queues/rx-*; do echo 32 > $q/rps_flow_cnt; done");
  const cpus: number[] = [];
  const k = h.b.kernel;
  const addr = (host: number, port: number): Uint8Array =>
    Uint8Array.of(2, 0, port >> 8, port & 255, 10, 0, 0, host, 0, 0, 0, 0, 0, 0, 0, 0);
  const rx = h.b.spawn(
    function* (sys) {
      sys.sched_setaffinity(0, 2);
      yield* sys.sched_yield();
      const fd = sys.socket(2, 2, 0);
      sys.bind(fd, addr(2, 7000));
      yield* sys.connect(fd, addr(1, 7001));
      for (let i = 0; i < 5; i++) {
        yield* sys.recvfrom(fd, new Uint8Array(64), 0, null);
        cpus.push(k.cpu.id);
      }
      sys.close(fd);
      return 0;
    },
    ["rx"],
  );
  const before = k.cpus[1]!.softnet_data.processed;
  const tx = h.a.spawn(
    function* (sys) {
      const fd = sys.socket(2, 2, 0);
      sys.bind(fd, addr(1, 7001));
      yield* sys.connect(fd, addr(2, 7000));
      for (let i = 0; i < 5; i++) {
        yield* sys.sendto(fd, new Uint8Array(10), 0, null);
        yield* sys.nanosleep(10e6);
      }
      sys.close(fd);
      return 0;
    },
    ["tx"],
  );
  assert.equal(h.world.wait(tx, 5e9), 0);
  assert.equal(h.world.wait(rx, 5e9), 0);
  assert.deepEqual([...new Set(cpus)], [1]);
  assert.ok(k.cpus[1]!.softnet_data.processed - before >= 3, "after the first reads the flow comes to CPU 1");
  h.close();
});

test("sysctls: text, ranges and refusals as Linux 6.18", () => {
  const h = new TwoHosts();
  const p = "/proc/sys/net/";
  const set = (name: string, v: string): string => h.sh(h.a, `printf '%s' '${v}' > ${p}${name}; cat ${p}${name}`);
  assert.equal(set("ipv4/ip_local_port_range", "20000 30000"), "20000\t30000\n");
  assert.match(set("ipv4/ip_local_port_range", "5 3"), /Invalid argument\n20000\t30000\n$/);
  assert.match(set("ipv4/ip_local_port_range", "100 90000"), EINVAL);
  assert.equal(set("ipv4/ping_group_range", "5 3"), "1\t0\n");
  assert.equal(set("ipv4/ping_group_range", "0x10"), "1\t0\n");
  assert.equal(set("ipv4/ip_local_reserved_ports", "9001,8080,9000,9002-9010"), "8080,9000-9010\n");
  assert.match(set("ipv4/ip_local_reserved_ports", "70000"), EINVAL);
  assert.match(set("ipv4/ip_default_ttl", "256"), EINVAL);
  assert.equal(set("ipv4/ip_default_ttl", " 7 "), "7\n");
  assert.match(set("ipv4/ip_default_ttl", "7abc"), EINVAL);
  assert.match(set("ipv4/fib_multipath_hash_policy", "4"), EINVAL);
  assert.match(set("ipv4/route/min_pmtu", "67"), EINVAL);
  assert.match(set("core/somaxconn", "-1"), EINVAL);
  assert.match(set("core/rmem_max", "100"), EINVAL);
  assert.equal(set("core/netdev_budget", "600"), "600\n");
  assert.equal(h.a.kernel.netdev_budget, 600);
  assert.equal(
    h.sh(h.a, `echo 1 > ${p}ipv4/route/flush; cat ${p}ipv4/route/flush`),
    `cat: ${p}ipv4/route/flush: Permission denied\n`,
  );
  // Another namespace does not see what is the machine's, and may not change the buffer limits.
  h.sh(h.a, "ip netns add x");
  assert.match(h.sh(h.a, `ip netns exec x cat ${p}core/netdev_budget`), /No such file/);
  assert.equal(h.sh(h.a, `ip netns exec x cat ${p}core/somaxconn`), "4096\n");
  assert.match(h.sh(h.a, `ip netns exec x sh -c 'echo 9999 > ${p}core/rmem_max'`), /Permission denied/);
  h.close();
});
