// Machines for the benches, set up through the kernel's own control plane, without programs. Virtual time.
// Way in: new Rig(), netns(), veth(), addr(), route(); then tasks and sockets of the bench.

import { SimWorld, sim_host } from "../../src/arch/sim/world.ts";
import { veth_link_ops } from "../../src/drivers/net/veth.ts";
import { start_kernel } from "../../src/init/main.ts";
import { syscall } from "../../src/kernel/cpu.ts";
import { type Kernel, live_counts } from "../../src/kernel/kernel.ts";
import { type Task, task_create } from "../../src/kernel/sched.ts";
import { sysctl_write } from "../../src/kernel/sysctl.ts";
import { dev_change_flags } from "../../src/net/core/dev_api.ts";
import { neigh_add } from "../../src/net/core/neigh_admin.ts";
import { type Net, setup_net } from "../../src/net/core/net_namespace.ts";
import type { NetDevice, NewLinkAttrs } from "../../src/net/core/netdevice.ts";
import { IfaRequest, inet_rtm_newaddr } from "../../src/net/ipv4/devinet.ts";
import { inet_rtm_newroute } from "../../src/net/ipv4/fib_frontend.ts";
import { FibConfig } from "../../src/net/ipv4/fib_lookup.ts";
import { sys_bind, sys_setsockopt, sys_socket } from "../../src/net/socket.ts";

const RTN_UNICAST = 1;
const RTN_BLACKHOLE = 6;
const NLM_F_CREATE = 0x400;

export function ip4(text: string): number {
  const p = text.split(".").map(Number);
  return (p[0]! << 24) | (p[1]! << 16) | (p[2]! << 8) | p[3]!;
}

/** A sockaddr_in. */
export function sockaddr_in(addr: string, port: number): Uint8Array {
  const b = new Uint8Array(16);
  b[0] = 2;
  b[2] = port >> 8;
  b[3] = port;
  const a = ip4(addr);
  for (let i = 0; i < 4; i++) b[4 + i] = a >>> (24 - 8 * i);
  return b;
}

function check(err: number, what: string): number {
  if (err < 0) throw new Error(`${what}: error ${-err}`);
  return err;
}

const link_attrs = (net: Net, ifname: string): NewLinkAttrs => ({
  ifname,
  mtu: null,
  address: null,
  txqlen: null,
  num_tx_queues: 1,
  num_rx_queues: 1,
  up: false,
  data: new Map(),
  peer: null,
  net,
  link: null,
});

export class Rig {
  readonly world: SimWorld;
  readonly k: Kernel;

  constructor(options: { seed?: number; cpus?: number; debug?: boolean; igb?: { napi?: boolean; rss?: number } } = {}) {
    this.world = new SimWorld({ seed: options.seed ?? 1 });
    this.k = start_kernel(sim_host(this.world), {
      cpus: options.cpus ?? 1,
      igb: options.igb ?? {},
      debug: options.debug ?? false,
    });
    this.k.on_bug = (e) => {
      throw e;
    };
  }

  call<T>(fn: () => T): T {
    return syscall(this.k, fn);
  }

  netns(name: string): Net {
    return this.call(() => setup_net(this.k, name));
  }

  /** A pair of veth devices, both up. */
  veth(a: Net, name_a: string, b: Net, name_b: string): [NetDevice, NetDevice] {
    this.call(() =>
      check(veth_link_ops.newlink(a, { ...link_attrs(a, name_a), peer: link_attrs(b, name_b) }, { msg: "" }), "veth"),
    );
    const da = a.dev_by_name.get(name_a)!;
    const db = b.dev_by_name.get(name_b)!;
    this.up(da);
    this.up(db);
    return [da, db];
  }

  up(dev: NetDevice): void {
    this.call(() => check(dev_change_flags(dev, dev.flags | 1), `${dev.name} up`));
  }

  addr(dev: NetDevice, cidr: string): void {
    const [a, len] = cidr.split("/");
    const req = new IfaRequest();
    req.ifindex = dev.ifindex;
    req.local = ip4(a!);
    req.prefixlen = Number(len);
    req.broadcast = req.prefixlen < 31 ? req.local | (-1 >>> req.prefixlen) : 0;
    this.call(() => check(inet_rtm_newaddr(dev.net, req, null), `addr ${cidr}`));
  }

  /** `dst` as "10.0.0.0/8" or "default"; "blackhole" drops. */
  route(net: Net, dst: string, via: string): void {
    const cfg = new FibConfig();
    const [a, len] = dst === "default" ? ["0.0.0.0", "0"] : dst.split("/");
    cfg.fc_dst = ip4(a!);
    cfg.fc_dst_len = Number(len);
    cfg.fc_nlflags = NLM_F_CREATE;
    cfg.fc_protocol = 3;
    if (via === "blackhole") cfg.fc_type = RTN_BLACKHOLE;
    else {
      cfg.fc_type = RTN_UNICAST;
      cfg.fc_gw = ip4(via);
      cfg.fc_has_gw = true;
    }
    this.call(() => check(inet_rtm_newroute(net, cfg, null), `route ${dst} via ${via}`));
  }

  neigh(dev: NetDevice, addr: string, lladdr: Uint8Array): void {
    const req = {
      family: 2,
      dev,
      dst: [ip4(addr)],
      lladdr,
      state: 0x80,
      flags: 0,
      ext_flags: 0,
      protocol: 0,
      nlmsg_flags: 0x600,
      pid: 0,
    };
    this.call(() => check(neigh_add(dev.net, req, { msg: "" }), `neigh ${addr}`));
  }

  sysctl(net: Net, name: string, value: number | string): void {
    this.call(() => check(sysctl_write([net.sysctl_table, this.k.sysctl_table], name, String(value)), name));
  }

  task(name: string, net: Net): Task {
    const t = task_create(this.k, name, this.k.tasks.get(1) ?? null, null);
    t.net_ns = net;
    return t;
  }

  udp(task: Task, addr: string, port: number): number {
    return this.call(() => {
      const fd = check(sys_socket(task, 2, 2, 0), "socket");
      check(sys_bind(task, fd, sockaddr_in(addr, port)), `bind ${addr}:${port}`);
      return fd;
    });
  }

  tcp(task: Task, addr: string, port: number): number {
    return this.call(() => {
      const fd = check(sys_socket(task, 2, 1, 0), "socket");
      if (port !== 0) check(sys_bind(task, fd, sockaddr_in(addr, port)), `bind ${addr}:${port}`);
      return fd;
    });
  }

  /** Segments are cut and summed in software, and summed again where they arrive. */
  no_offloads(dev: NetDevice): void {
    this.call(() => {
      dev.hw_features = 0;
      dev.wanted_features = 0;
      dev.features = 0;
    });
  }

  setsockopt_int(task: Task, fd: number, level: number, name: number, value: number): void {
    const v = new Uint8Array(4);
    new DataView(v.buffer).setInt32(0, value, true);
    this.call(() => check(sys_setsockopt(task, fd, level, name, v), `setsockopt ${level} ${name}`));
  }

  /** Lets `ns` of virtual time pass. */
  run(ns: number): void {
    this.world.run(this.world.now + ns);
  }

  live(): Record<string, number> {
    return live_counts(this.k);
  }
}
