// Net: a network namespace. Subsystems add their part by module augmentation and register_pernet_subsys().
// Mirrors net/core/net_namespace.c. Way in: setup_net(), cleanup_net(); dev_net(), sock_net().

import type { Kernel } from "../../kernel/kernel.ts";
import type { Task } from "../../kernel/sched.ts";
import type { SysctlTable } from "../../kernel/sysctl.ts";
import type { NetDevice } from "./netdevice.ts";

export class Net {
  readonly kernel: Kernel;
  /** The name `ip netns` knows it by; "" for the initial one and for unnamed ones. */
  name: string;
  readonly id: number;
  readonly inum: number;
  readonly dev_by_index: Map<number, NetDevice> = new Map();
  readonly dev_by_name: Map<string, NetDevice> = new Map();
  next_ifindex = 1;
  loopback_dev: NetDevice = null as unknown as NetDevice;
  readonly sysctl_table: SysctlTable = new Map();
  /** nsid by which this namespace knows others (RTM_GETNSID). */
  readonly netns_ids: Map<Net, number> = new Map();
  dead = false;

  constructor(kernel: Kernel, name: string, id: number) {
    this.kernel = kernel;
    this.name = name;
    this.id = id;
    this.inum = 0xf0000000 + id;
  }
}

/** What a subsystem does for each new namespace, and undoes for each that goes. */
export interface PernetOperations {
  init?(net: Net): void;
  exit?(net: Net): void;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    init_net: Net;
    nets: Net[];
    netns_by_name: Map<string, Net>;
    pernet_list: PernetOperations[];
    next_net_id: number;
  }
}
declare module "../../kernel/sched.ts" {
  interface Task {
    /** nsproxy->net_ns. */
    net_ns: Net;
  }
}

export function net_ns_init(k: Kernel): void {
  k.nets = [];
  k.netns_by_name = new Map();
  k.pernet_list = [];
  k.next_net_id = 0;
  k.fork_hooks.push((task: Task, parent: Task | null) => {
    task.net_ns = parent !== null ? parent.net_ns : k.init_net;
  });
}

/** A process has left: a namespace without a name goes with its last one. */
export function put_net(net: Net, leaving: Task | null = null): void {
  const k = net.kernel;
  if (net === k.init_net || net.name !== "") return;
  for (const t of k.tasks.values()) if (t !== leaving && t.net_ns === net && t.state !== "Z") return;
  cleanup_net(net);
}

/** The name goes at once; the namespace stays while a process is in it. */
export function net_unlink_name(net: Net): void {
  net.kernel.netns_by_name.delete(net.name);
  net.name = "";
  put_net(net);
}

/** Registers for the namespaces to come, and runs `init` for those that exist. */
export function register_pernet_subsys(k: Kernel, ops: PernetOperations): void {
  k.pernet_list.push(ops);
  if (ops.init) for (const net of k.nets) ops.init(net);
}

export function setup_net(k: Kernel, name: string): Net {
  const net = new Net(k, name, k.next_net_id++);
  k.nets.push(net);
  if (name !== "") k.netns_by_name.set(name, net);
  for (const ops of k.pernet_list) ops.init?.(net);
  return net;
}

/** Takes a namespace down; what registered last goes first, devices before the protocols. */
export function cleanup_net(net: Net): void {
  const k = net.kernel;
  if (net.dead) return;
  net.dead = true;
  for (let i = k.pernet_list.length - 1; i >= 0; i--) k.pernet_list[i]!.exit?.(net);
  const at = k.nets.indexOf(net);
  if (at >= 0) k.nets.splice(at, 1);
  if (net.name !== "") k.netns_by_name.delete(net.name);
}
