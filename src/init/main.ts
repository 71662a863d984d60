// start_kernel(): the one list of what registers, in boot order. Mirrors init/main.c and the initcall levels.
// Read first: docs/architecture.md. Way in: start_kernel(host, config); then spawn_task() and JavaScript's own init task.

import type { Host } from "../arch/host.ts";
import { dummy_init } from "../drivers/net/dummy.ts";
import { igb_init_module } from "../drivers/net/ethernet/igb/igb_main.ts";
import { loopback_init } from "../drivers/net/loopback.ts";
import { veth_init } from "../drivers/net/veth.ts";
import { virtio_net_init } from "../drivers/net/virtio_net.ts";
import { pci_driver_init } from "../drivers/pci/pci_driver.ts";
import { Cpu, cpu_kick, timer_interrupt } from "../kernel/cpu.ts";
import { files_init } from "../kernel/fs/file.ts";
import { chrdev_init } from "../kernel/fs/pipe.ts";
import { proc_sys_init } from "../kernel/fs/procfs.ts";
import { vfs_init } from "../kernel/fs/vfs.ts";
import { Kernel, type KernelConfig } from "../kernel/kernel.ts";
import { KERN_INFO, KERN_NOTICE, printk } from "../kernel/printk.ts";
import { proc_root_init } from "../kernel/proc.ts";
import { resched_gave_way, task_create } from "../kernel/sched.ts";
import { spawn_ksoftirqd } from "../kernel/softirq.ts";
import { sysctl_init } from "../kernel/sysctl.ts";
import { hrtimers_init } from "../kernel/time/hrtimer.ts";
import { init_timers } from "../kernel/time/timer.ts";
import { dev_addr_lists_init } from "../net/core/dev_addr_lists.ts";
import { default_device_exit_net, net_core_init, net_dev_init } from "../net/core/dev_api.ts";
import { dst_init } from "../net/core/dst.ts";
import { gro_init } from "../net/core/gro.ts";
import { neigh_init } from "../net/core/neigh_table.ts";
import { put_net, register_pernet_subsys, setup_net } from "../net/core/net_namespace.ts";
import { net_proc_init } from "../net/core/net-procfs.ts";
import { net_sysfs_init } from "../net/core/net-sysfs.ts";
import { rtnetlink_init } from "../net/core/rtnetlink.ts";
import { NetMib } from "../net/core/snmp.ts";
import { sock_core_init } from "../net/core/sock.ts";
import { sock_diag_init } from "../net/core/sock_diag.ts";
import { BpfSkb } from "../net/core/sock_filter.ts";
import { sysctl_core_init } from "../net/core/sysctl_net_core.ts";
import { inet_init } from "../net/ipv4/inet_init.ts";
import { sysctl_ipv4_init } from "../net/ipv4/sysctl_net_ipv4.ts";
import { inet6_init } from "../net/ipv6/inet6_init.ts";
import { netfilter_init } from "../net/netfilter/core.ts";
import { netlink_proto_init } from "../net/netlink/af_netlink.ts";
import { packet_init } from "../net/packet/af_packet.ts";
import { packet_diag_init } from "../net/packet/packet_diag.ts";
import { sched_init } from "../net/sched/init.ts";
import { sock_init } from "../net/socket.ts";
import { unix_init } from "../net/unix/af_unix.ts";
import { unix_diag_init } from "../net/unix/unix_diag.ts";
import type { Program } from "../uapi/sys.ts";

export interface MachineConfig extends KernelConfig {
  /** Built-in programs; the core has none of its own. */
  programs?: Map<string, Program>;
  /** igb module parameters. */
  igb?: { napi?: boolean; rx_copybreak?: number; rss?: number };
}

/** One initcall, named in the boot log as `initcall_debug` does. */
function initcall(k: Kernel, name: string, fn: (k: Kernel) => void): void {
  printk(k, KERN_INFO, `calling  ${name} @ 1`);
  fn(k);
  printk(k, KERN_INFO, `initcall ${name} returned 0 after 0 usecs`);
}

/** Boots a machine. It has `lo` (down) in its initial namespace, and what is plugged into its PCI bus later. */
export function start_kernel(host: Host, config: MachineConfig = {}): Kernel {
  const k = new Kernel(host, config);
  const ncpus = Math.max(1, Math.min(31, config.cpus ?? 1));
  k.exit_hooks = [];
  k.fork_hooks = [];
  for (let i = 0; i < ncpus; i++) k.cpus.push(new Cpu(k, i));
  k.cpu = k.cpus[0]!;
  k.clock_event = () => timer_interrupt(k);
  k.resched_posted = false;
  k.post_resched = () => {
    k.entry_depth++;
    resched_gave_way(k);
    k.entry_depth--;
    cpu_kick(k, k.cpus[0]!);
  };
  k.programs = config.programs ?? new Map();
  printk(k, KERN_NOTICE, "Linux version 6.18.0-skbuff (TypeScript) #1 SMP");
  printk(k, KERN_INFO, `smp: Brought up 1 node, ${ncpus} CPU${ncpus > 1 ? "s" : ""}`);
  hrtimers_init(k);
  init_timers(k);
  sysctl_init(k);
  vfs_init(k);
  files_init(k);
  chrdev_init(k);
  proc_sys_init(k);
  k.sysctl_tables_of = (task) => [task.net_ns.sysctl_table, k.sysctl_table];
  // What the subsystems below register with.
  net_core_init(k);
  dst_init(k);
  sock_core_init(k);
  k.bpf_skb = new BpfSkb();
  k.rps_sock_flow_table = null;
  k.rtnl_link_ops = new Map();
  k.rx_timestamps_users = (delta) => {
    k.rx_timestamps += delta;
  };
  register_pernet_subsys(k, {
    init: (net) => {
      net.mib = new NetMib();
    },
  });

  // pid 1 is driven from outside (api/, lab/): it owns what JavaScript opens, and adopts orphans.
  task_create(k, "init", null, null);

  // early_initcall
  spawn_ksoftirqd(k);
  // core_initcall
  initcall(k, "sock_init", sock_init);
  initcall(k, "netlink_proto_init", netlink_proto_init);
  // subsys_initcall
  net_dev_init(k);
  initcall(k, "dev_addr_lists_init", dev_addr_lists_init);
  initcall(k, "neigh_init", neigh_init);
  initcall(k, "netfilter_init", netfilter_init);
  initcall(k, "rtnetlink_init", rtnetlink_init);
  initcall(k, "pktsched_init", sched_init);
  initcall(k, "gro_init", gro_init);
  initcall(k, "sysctl_core_init", sysctl_core_init);
  // fs_initcall
  initcall(k, "af_unix_init", unix_init);
  initcall(k, "inet_init", inet_init);
  initcall(k, "sysctl_ipv4_init", sysctl_ipv4_init);
  initcall(k, "inet6_init", inet6_init);
  // The initial namespace; its lo comes first, as ifindex 1.
  initcall(k, "loopback_init", loopback_init);
  k.init_net = setup_net(k, "");
  // The tasks so far were made before there was a namespace to be in.
  for (const task of k.tasks.values()) task.net_ns = k.init_net;
  // device_initcall
  initcall(k, "packet_init", packet_init);
  initcall(k, "sock_diag_init", sock_diag_init);
  initcall(k, "packet_diag_init", packet_diag_init);
  initcall(k, "unix_diag_init", unix_diag_init);
  initcall(k, "veth_init", veth_init);
  initcall(k, "dummy_init_module", dummy_init);
  initcall(k, "pci_driver_init", pci_driver_init);
  initcall(k, "virtio_net_driver_init", virtio_net_init);
  initcall(k, "igb_init_module", (kk) => igb_init_module(kk, config.igb ?? {}));
  // late_initcall
  initcall(k, "net_proc_init", net_proc_init);
  initcall(k, "proc_root_init", proc_root_init);
  initcall(k, "net_sysfs_init", net_sysfs_init);
  // The last to register is the first to go: devices leave a namespace while its protocols still work.
  register_pernet_subsys(k, { exit: default_device_exit_net });
  k.exit_hooks.push((task) => put_net(task.net_ns, task));
  printk(k, KERN_INFO, "Run /sbin/init as init process");
  return k;
}
