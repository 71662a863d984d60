// A kernel in virtual time for tests that call it directly: tasks for raw system calls, namespaces joined by veth, and the
// check that nothing is left. Way in: new KernelRig(), task(), pair(); end() takes it down and runs assert_no_leaks().

import assert from "node:assert/strict";
import { SimWorld, sim_host } from "../../src/arch/sim/world.ts";
import { type MachineConfig, start_kernel } from "../../src/init/main.ts";
import { spawn_task, TaskSys } from "../../src/init/sys.ts";
import { syscall } from "../../src/kernel/cpu.ts";
import { type Kernel, live_counts } from "../../src/kernel/kernel.ts";
import { do_exit, kill_something, type Task, task_create, wake_up_process } from "../../src/kernel/sched.ts";
import { dev_change_flags } from "../../src/net/core/dev_api.ts";
import { cleanup_net, type Net, setup_net } from "../../src/net/core/net_namespace.ts";
import type { NetDevice } from "../../src/net/core/netdevice.ts";
import { netstat_seq_show, snmp_seq_show } from "../../src/net/ipv4/proc.ts";
import type { Blocking, Sys } from "../../src/uapi/sys.ts";
import { ip } from "../kunit/net/ipv4/fib_ip.ts";

export const MS = 1e6;
/** What now() answers for a call that would sleep. */
export const BLOCKS = "blocks";

/** Everything that counts its objects stands at zero, and no exception was caught in the core. */
export function assert_no_leaks(k: Kernel): void {
  assert.deepEqual(
    k.bugs.map((b) => `${b.where}: ${(b.error as Error)?.stack ?? b.error}`),
    [],
  );
  const live = live_counts(k);
  assert.deepEqual(live, Object.fromEntries(Object.keys(live).map((name) => [name, 0])));
}

/** The result of a call that may sleep, made without a scheduler: BLOCKS when it would. */
export function now<T>(call: Blocking<T>): T | typeof BLOCKS {
  const r = call.next();
  if (r.done) return r.value;
  call.return(undefined as T);
  return BLOCKS;
}

/** A program of a test that runs under the scheduler. */
export interface Job<T> {
  readonly task: Task;
  done: boolean;
  value: T;
}

/** 127.0.0.1 and 9 → struct sockaddr_in. */
export function sockaddr(addr: string, port: number, family = 2): Uint8Array {
  const out = new Uint8Array(16);
  out[0] = family & 0xff;
  out[1] = family >> 8;
  out[2] = port >> 8;
  out[3] = port & 0xff;
  addr.split(".").forEach((s, i) => {
    out[4 + i] = Number(s);
  });
  return out;
}
/** struct sockaddr_in → "127.0.0.1:9". */
export const sockaddr_text = (a: Uint8Array): string => `${a[4]}.${a[5]}.${a[6]}.${a[7]}:${(a[2]! << 8) | a[3]!}`;

/** The text of /proc/net/snmp and netstat as counters by group and name: IpInReceives. */
export function parse_snmp(text: string): Record<string, number> {
  const r: Record<string, number> = {};
  const lines = text.trimEnd().split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [group, ...names] = lines[i]!.trim().split(/\s+/);
    const values = lines[i + 1]!.trim().split(/\s+/).slice(1);
    names.forEach((n, j) => {
      r[group!.slice(0, -1) + n] = Number(values[j]);
    });
  }
  return r;
}

/** The counters of a namespace. */
export const mib_of = (net: Net): Record<string, number> => parse_snmp(snmp_seq_show(net) + netstat_seq_show(net));

export class KernelRig {
  readonly world: SimWorld;
  readonly k: Kernel;
  readonly net: Net;
  private readonly tasks: Task[] = [];

  constructor(config: MachineConfig & { seed?: number } = {}) {
    const { seed = 1, ...rest } = config;
    this.world = new SimWorld({ seed });
    this.k = start_kernel(sim_host(this.world), { debug: true, ...rest });
    this.net = this.k.init_net;
  }

  call<T>(fn: () => T): T {
    return syscall(this.k, fn);
  }

  /** A task that only makes the calls a test makes for it. */
  task(net: Net = this.net): TaskSys {
    const task = task_create(this.k, "test", this.k.tasks.get(1)!, null);
    task.net_ns = net;
    this.tasks.push(task);
    return new TaskSys(task);
  }

  /** A program that the scheduler runs; it starts when time is run. */
  job<T>(fn: (sys: Sys) => Blocking<T>, net: Net = this.net): Job<T> {
    return this.call(() => {
      const job = { done: false } as { task: Task; done: boolean; value: T };
      job.task = spawn_task(
        this.k,
        this.k.tasks.get(1)!,
        function* (sys) {
          job.value = yield* fn(sys);
          job.done = true;
          return 0;
        },
        ["job"],
      );
      job.task.net_ns = net;
      wake_up_process(job.task);
      return job;
    });
  }

  /** Runs a program to its end. */
  wait<T>(fn: (sys: Sys) => Blocking<T>, net: Net = this.net): T {
    const job = this.job(fn, net);
    this.world.run_until(() => job.done, this.world.now + 600e9);
    assert.ok(job.done, "the program of the test does not end");
    return job.value;
  }

  run(ms: number): void {
    this.world.run(this.world.now + ms * MS);
  }

  netns(name: string): Net {
    return this.call(() => setup_net(this.k, name));
  }

  dev(name: string, net: Net = this.net): NetDevice {
    const dev = net.dev_by_name.get(name);
    assert.ok(dev, name);
    return dev;
  }

  up(...devs: NetDevice[]): void {
    for (const dev of devs) this.call(() => assert.equal(dev_change_flags(dev, dev.flags | 1), 0));
  }
  down(...devs: NetDevice[]): void {
    for (const dev of devs) this.call(() => assert.equal(dev_change_flags(dev, dev.flags & ~1), 0));
  }

  /** `ip` over the control plane (routes, addresses, rules, links up and down). */
  ip(line: string, net: Net = this.net): void {
    assert.deepEqual(
      this.call(() => ip(net, line)),
      [],
      line,
    );
  }

  /** `ip link add NAME type KIND [peer name PEER netns NET]`. */
  link(kind: string, ifname: string, peer: { ifname: string; net: Net } | null = null, net: Net = this.net): NetDevice {
    const ops = this.k.rtnl_link_ops.get(kind)!;
    const attrs = { mtu: null, txqlen: null, address: null, num_tx_queues: 1, num_rx_queues: 1 };
    const all = { ...attrs, ifname, peer: peer === null ? null : { ...attrs, ifname: peer.ifname, net: peer.net } };
    this.call(() => assert.equal(ops.newlink!(net, all as never, { msg: "" }), 0));
    return this.dev(ifname, net);
  }

  /** Namespaces a and b, joined by veth: va 10.0.0.1/24 and vb 10.0.0.2/24; lo is up in both. */
  pair(): { a: Net; b: Net; va: NetDevice; vb: NetDevice } {
    const a = this.netns("a");
    const b = this.netns("b");
    const va = this.link("veth", "va", { ifname: "vb", net: b }, a);
    const vb = this.dev("vb", b);
    this.up(a.loopback_dev, b.loopback_dev, va, vb);
    this.ip("addr add 10.0.0.1/24 dev va", a);
    this.ip("addr add 10.0.0.2/24 dev vb", b);
    // Long enough after boot for ICMP's rate limits to have filled up.
    this.run(2000);
    return { a, b, va, vb };
  }

  /** mib_of() this namespace: mib().UdpInErrors. */
  mib(net: Net = this.net): Record<string, number> {
    return mib_of(net);
  }

  /** Ends all programs and tasks, takes the devices down and the namespaces apart; nothing may be left. */
  end(): void {
    const k = this.k;
    for (let pass = 0; pass < 2; pass++) this.call(() => kill_something(k, null, -1, 9));
    this.call(() => {
      for (const task of this.tasks) do_exit(k, task, 0);
      for (const net of [...k.nets]) for (const dev of [...net.dev_by_index.values()]) k.dev_close_hook(dev);
    });
    this.call(() => {
      for (const net of [...k.nets].reverse()) cleanup_net(net);
    });
    this.run(2000);
    assert_no_leaks(k);
  }
}
