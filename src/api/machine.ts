// A machine as a JavaScript program uses it: boot, plug in cards, run commands, open sockets.
// Way in: `createMachine({ host, … })`. Under virtual time nothing moves until the world runs; in real time it moves alone.

import type { Host } from "../arch/host.ts";
import { programs as builtin } from "../bin/index.ts";
import { igb_flush_watchdog } from "../drivers/net/ethernet/igb/igb_main.ts";
import { I82576 } from "../hw/82576.ts";
import { type HwClock, HwTimer, hw_arm } from "../hw/clock.ts";
import type { DmaSpace } from "../hw/dma.ts";
import type { FramePool } from "../hw/frame.ts";
import { pci_bus_free_slot, pci_bus_plug, pci_bus_unplug } from "../hw/pci.ts";
import type { WireEnd, WirePort } from "../hw/port.ts";
import { type VirtioBackend, VirtioNet } from "../hw/virtio_net.ts";
import { Wire, type WireOptions, wire_attach, wire_settle } from "../hw/wire.ts";
import { start_kernel } from "../init/main.ts";
import { spawn_task, TaskSys } from "../init/sys.ts";
import { syscall } from "../kernel/cpu.ts";
import { fd_install, fget } from "../kernel/fs/file.ts";
import { Tty } from "../kernel/fs/pipe.ts";
import { vfs_write_file } from "../kernel/fs/vfs.ts";
import { type Kernel, live_counts } from "../kernel/kernel.ts";
import { kill_something, type Task, wake_up_process } from "../kernel/sched.ts";
import { dev_change_name, dev_open } from "../net/core/dev_api.ts";
import { cleanup_net } from "../net/core/net_namespace.ts";
import { netif_carrier_ok } from "../net/core/netdevice.ts";
import { IfaRequest, inet_rtm_newaddr } from "../net/ipv4/devinet.ts";
import { inet_rtm_newroute } from "../net/ipv4/fib_frontend.ts";
import { FibConfig } from "../net/ipv4/fib_lookup.ts";
import { EINVAL } from "../uapi/errno.ts";
import { O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from "../uapi/fcntl.ts";
import { IFF_UP } from "../uapi/if.ts";
import { RTN_UNICAST } from "../uapi/rtnetlink.ts";
import type { Program } from "../uapi/sys.ts";
import { SystemError } from "./errors.ts";
import { type Activity, Loop } from "./loop.ts";
import { parseAddress } from "./sockaddr.ts";
import { WebApi } from "./web/index.ts";

/** What a machine needs of the hardware beside its Host; arch/sim and arch/node both offer it. */
export interface Platform {
  readonly host: Host;
  readonly clock: HwClock;
  readonly dma: DmaSpace;
  readonly frames: FramePool;
  /** What waits for JavaScript on all machines of a world; without one the machine runs in real time. */
  readonly activity?: Activity;
  /** From now on its timers alone do not keep Node alive: sockets and programs do. */
  background?(): void;
}

/** A card, what it is plugged into, and optionally its address. */
export interface NicOptions {
  /** "02:00:00:00:00:02"; default: a locally administered one from the host's randomness (of a world: from its seed). */
  mac?: string;
  /** The other end of its cable: a TAP of `skbuff/node`, another machine's card, or nothing yet. */
  port?: WirePort;
  /**
   * "virtio": a card that leaves sums and segmentation to the other side, which a TAP must be; "igb": the emulated 82576 on a
   * cable. Default: virtio for a TAP of a kernel that can, unless there are properties of a `cable`.
   */
  model?: "igb" | "virtio";
  /** Rate, delay, impairments of the cable; default: infinitely fast. */
  cable?: WireOptions;
  /**
   * "10.9.0.2/24": configured and brought up before createMachine() returns, with a carrier if there is a `port` and its cable does
   * not have to negotiate. On a cable that comes later the link takes a moment, and as on Linux a packet sent before there is a
   * carrier is lost: `await machine.ready()` first.
   */
  ip?: string;
  /** Default gateway by this card. */
  gateway?: string;
}

export interface MachineOptions {
  /** Time, randomness and memory: `new NodePlatform()` of `skbuff/node` (real time) or a world (virtual time). */
  host: Platform | { platform(): Platform };
  /** Cards: eth0, eth1, … */
  nics?: NicOptions[];
  /** Default "localhost". */
  hostname?: string;
  /** 1–31; default 1. */
  cpus?: number;
  /** Programs beside, or instead of, the built-in ones. */
  programs?: Map<string, Program>;
  /** igb module parameters: interrupt per packet instead of NAPI, copybreak in bytes, RSS queues. */
  igb?: { napi?: boolean; rx_copybreak?: number; rss?: number };
  /** Poisons freed packet memory; for tests. */
  debug?: boolean;
}

export interface SpawnOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Network namespace by name. */
  netns?: string;
  /** What the program writes to fd 1 and 2; the bytes are valid only during the call. */
  stdout?: (bytes: Uint8Array) => void;
  stderr?: (bytes: Uint8Array) => void;
  /** A terminal for all three instead. */
  tty?: Tty;
  /** Stands between the program and what runs: `strace` does. */
  wrap?: (program: Program) => Program;
}

/** A program that runs on the machine. */
export class Process {
  readonly pid: number;
  /** Input of the program; push an empty array for end of file. */
  readonly stdin: Tty;
  /** 0–255, or 128 + the signal that ended it; -1 while it runs. */
  exitCode = -1;
  /** Resolves with exitCode. */
  readonly exited: Promise<number>;
  private readonly task: Task;

  constructor(task: Task, stdin: Tty, loop: Loop) {
    this.task = task;
    this.pid = task.pid;
    this.stdin = stdin;
    loop.ref();
    this.exited = new Promise((resolve) => {
      task.on_exit = () => {
        loop.unref();
        const s = task.exit_status;
        this.exitCode = (s & 0x7f) !== 0 ? 128 + (s & 0x7f) : (s >> 8) & 0xff;
        resolve(this.exitCode);
      };
    });
  }

  get running(): boolean {
    return this.exitCode < 0;
  }

  /** Sends a signal to its process group. */
  kill(signal: number): void {
    syscall(this.task.kernel, () => kill_something(this.task.kernel, null, -this.task.pgid, signal));
  }

  /** Gives the program input. */
  write(bytes: Uint8Array): void {
    syscall(this.task.kernel, () => this.stdin.push(bytes));
  }
}

/** How often ready() looks. */
const LINK_POLL_NS = 250_000;

export class Machine {
  readonly kernel: Kernel;
  readonly platform: Platform;
  /** System calls in the name of pid 1. */
  readonly sys: TaskSys;
  /** Where what happens in the machine meets JavaScript's event loop. */
  readonly loop: Loop;
  private webApi: WebApi | null = null;
  readonly nics: I82576[] = [];
  readonly virtioNics: VirtioNet[] = [];
  readonly init: Task;

  constructor(options: MachineOptions) {
    this.platform = "platform" in options.host ? options.host.platform() : options.host;
    this.loop = new Loop(this.platform.clock, this.platform.activity);
    const all = builtin();
    if (options.programs) for (const [name, p] of options.programs) all.set(name, p);
    this.kernel = start_kernel(this.platform.host, {
      hostname: options.hostname ?? "localhost",
      cpus: options.cpus ?? 1,
      programs: all,
      ...(options.debug !== undefined && { debug: options.debug }),
      ...(options.igb !== undefined && { igb: options.igb }),
    });
    this.init = this.kernel.tasks.get(1)!;
    this.init.env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", USER: "root", TERM: "xterm" };
    this.sys = new TaskSys(this.init);
    this.writeFile("/etc/hostname", `${this.kernel.hostname}\n`);
    const own = this.kernel.hostname === "localhost" ? "" : `127.0.1.1\t${this.kernel.hostname}\n`;
    this.writeFile("/etc/hosts", `127.0.0.1\tlocalhost\n${own}`);
    for (const o of options.nics ?? []) this.plugNic(o);
  }

  /** connect() of the Sockets API, and TCPSocket, TCPServerSocket, UDPSocket of Direct Sockets: web/index.ts. */
  get web(): WebApi {
    if (this.webApi === null) {
      this.userland();
      this.webApi = new WebApi(this);
    }
    return this.webApi;
  }

  /** What a program that only knows sockets takes for granted: a loopback interface, and a process that ends with them. */
  protected userland(): void {
    this.platform.background?.();
    const lo = this.init.net_ns.loopback_dev;
    if ((lo.flags & IFF_UP) === 0) syscall(this.kernel, () => dev_open(lo));
  }

  private plugNic(o: NicOptions): void {
    const index = this.nics.length + this.virtioNics.length;
    const mac = o.mac !== undefined ? parseMac(o.mac) : randomMac(this.platform.host);
    const backend = vnetBackend(o.port);
    if (o.model === "virtio" && backend === null) throw new SystemError(-95, `card eth${index}: model "virtio"`);
    if (backend !== null && (o.model ?? (o.cable === undefined ? "virtio" : "igb")) === "virtio") {
      this.addVirtioNic(mac, backend);
      if (o.ip !== undefined) this.configure(`eth${index}`, o.ip, o.gateway);
      return;
    }
    const nic = this.addNic(mac);
    if (o.port !== undefined) {
      const wire = new Wire(this.platform.clock, o.cable ?? { rate: 0 });
      wire_attach(wire, 0, nic);
      wire_attach(wire, 1, o.port);
    }
    if (!this.platform.host.virtual_time) this.interruptAtOnce(`eth${index}`);
    if (o.ip === undefined) return;
    this.configure(`eth${index}`, o.ip, o.gateway);
    if (nic.end !== null) this.settleLink(`eth${index}`, nic.end);
  }

  /** A card that was on a cable before the machine booted has its link when the machine is there. */
  private settleLink(name: string, end: WireEnd): void {
    wire_settle(end);
    const dev = this.init.net_ns.dev_by_name.get(name);
    if (dev !== undefined) syscall(this.kernel, () => igb_flush_watchdog(dev));
  }

  /** `ethtool -C NAME rx-usecs 0`: what comes from outside comes in batches; to hold interrupts back only adds delay. */
  interruptAtOnce(name: string): void {
    const dev = this.init.net_ns.dev_by_name.get(name);
    const ops = dev?.ethtool_ops;
    if (!dev || !ops?.get_coalesce || !ops.set_coalesce) return;
    const { get_coalesce, set_coalesce } = ops;
    syscall(this.kernel, () => set_coalesce(dev, { ...get_coalesce(dev), rx_coalesce_usecs: 0 }));
  }

  /** `ip link set NAME up`, `ip address add CIDR dev NAME` and the default route, at once. Throws SystemError. */
  configure(name: string, cidr: string, gateway?: string): void {
    const m = /^(\d+\.\d+\.\d+\.\d+)\/(\d{1,2})$/.exec(cidr);
    if (!m || Number(m[2]) > 32) throw new SystemError(-22, `address "${cidr}"`);
    const addr = parseAddress(m[1]!);
    const k = this.kernel;
    const net = this.init.net_ns;
    const dev = net.dev_by_name.get(name);
    if (dev === undefined) throw new SystemError(-19, `device "${name}"`);
    const check = (err: number, what: string): void => {
      if (err < 0) throw new SystemError(err, what);
    };
    syscall(k, () => {
      check(dev_open(net.loopback_dev), "lo up");
      check(dev_open(dev), `${name} up`);
      const req = new IfaRequest();
      req.ifindex = dev.ifindex;
      req.prefixlen = Number(m[2]);
      req.local = addr;
      req.address = addr;
      check(inet_rtm_newaddr(net, req, null), `address ${cidr}`);
      if (gateway === undefined) return;
      const cfg = new FibConfig();
      cfg.fc_gw = parseAddress(gateway);
      cfg.fc_has_gw = true;
      cfg.fc_oif = dev.ifindex;
      cfg.fc_type = RTN_UNICAST;
      cfg.fc_protocol = 3;
      cfg.fc_nlflags = 0x400 | 0x200;
      check(inet_rtm_newroute(net, cfg, null), `gateway ${gateway}`);
    });
  }

  get hostname(): string {
    return this.kernel.hostname;
  }

  /** Plugs a card into the running machine; it appears as the next free ethN. Returns it, to be put on a cable. */
  addNic(mac: Uint8Array): I82576 {
    const { clock, dma, frames } = this.platform;
    const nic = new I82576({ clock, dma, pool: frames, mac, slot: pci_bus_free_slot(this.kernel.pci_bus) });
    this.nics.push(nic);
    syscall(this.kernel, () => pci_bus_plug(this.kernel.pci_bus, nic.pf));
    return nic;
  }

  /** Plugs a virtio card in, with `backend` (a TAP) at its other side. */
  addVirtioNic(mac: Uint8Array, backend: VirtioBackend): VirtioNet {
    const card = new VirtioNet({ mac, backend, slot: pci_bus_free_slot(this.kernel.pci_bus) });
    this.virtioNics.push(card);
    syscall(this.kernel, () => pci_bus_plug(this.kernel.pci_bus, card.pf));
    return card;
  }

  /** `ip link set FROM name TO`. Throws SystemError. */
  renameInterface(from: string, to: string): void {
    const dev = this.init.net_ns.dev_by_name.get(from);
    if (dev === undefined) throw new SystemError(-19, `device "${from}"`);
    const err = syscall(this.kernel, () => dev_change_name(dev, to));
    if (err < 0) throw new SystemError(err, `device "${from}" as "${to}"`);
  }

  /** Whether every interface that is up, and whose card is on a cable, has a carrier (`ip link` says LOWER_UP). */
  get linksUp(): boolean {
    const unplugged = this.nics.filter((nic) => nic.end === null).map((nic) => nic.perm_addr.join());
    return this.kernel.nets.every((net) =>
      [...net.dev_by_index.values()].every(
        (dev) =>
          (dev.flags & IFF_UP) === 0 ||
          netif_carrier_ok(dev) ||
          unplugged.includes(dev.perm_addr.subarray(0, 6).join()),
      ),
    );
  }

  /**
   * Resolves with true as soon as linksUp is, with false when `limit_ms` of this machine's time have passed. A packet sent
   * before is lost, as on Linux: its ARP request is asked again after a second. In virtual time the world must run meanwhile.
   */
  ready(limit_ms = 3000): Promise<boolean> {
    const { clock } = this.platform;
    const end = clock.now + limit_ms * 1e6;
    this.loop.ref();
    return new Promise((resolve) => {
      const timer = new HwTimer(() => {
        if (this.linksUp || clock.now >= end) {
          this.loop.unref();
          resolve(this.linksUp);
        } else hw_arm(clock, timer, clock.now + LINK_POLL_NS);
      });
      hw_arm(clock, timer, clock.now);
    });
  }

  /** `ip link set NAME up`. Throws SystemError. */
  openInterface(name: string): void {
    const dev = this.init.net_ns.dev_by_name.get(name);
    if (dev === undefined) throw new SystemError(-19, `device "${name}"`);
    const err = syscall(this.kernel, () => dev_open(dev));
    if (err < 0) throw new SystemError(err, `${name} up`);
  }

  removeNic(nic: I82576): void {
    const i = this.nics.indexOf(nic);
    if (i < 0) return;
    this.nics.splice(i, 1);
    syscall(this.kernel, () => pci_bus_unplug(this.kernel.pci_bus, nic.pf));
  }

  writeFile(path: string, content: string | Uint8Array): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const err = vfs_write_file(this.kernel, path, bytes);
    if (err < 0) throw new Error(`cannot write ${path} (error ${-err})`);
  }

  /** Writes a file that may be a generated one: `writeFileOrProc("/proc/sys/net/ipv4/ip_forward", "1")`. Errors as errno. */
  writeFileOrProc(path: string, text: string): number {
    const fd = this.sys.open(
      path,
      path.startsWith("/proc/") || path.startsWith("/sys/") ? O_WRONLY : O_WRONLY | O_CREAT | O_TRUNC,
    );
    if (fd < 0) return fd;
    const n = syscall(this.kernel, () =>
      fget(this.init, fd)!.f_op.write!(fget(this.init, fd)!, new TextEncoder().encode(text)),
    );
    this.sys.close(fd);
    return Math.min(n, 0);
  }

  /** The text of a file, generated ones included; -errno when it cannot be read. */
  readFile(path: string): string | number {
    const fd = this.sys.open(path, O_RDONLY);
    if (fd < 0) return fd;
    const out = new TextCollector();
    const buf = new Uint8Array(65536);
    const file = fget(this.init, fd)!;
    const read = (): number => syscall(this.kernel, () => file.f_op.read?.(file, buf) ?? -EINVAL);
    let n = read();
    for (; n > 0; n = read()) out.push(buf.subarray(0, n));
    this.sys.close(fd);
    return n < 0 ? n : out.text();
  }

  /** Starts a program; it runs when the machine's time moves on. */
  spawn(program: Program, argv: string[], options: SpawnOptions = {}): Process {
    const k = this.kernel;
    const net = options.netns !== undefined ? k.netns_by_name.get(options.netns) : this.init.net_ns;
    if (net === undefined) throw new Error(`no network namespace "${options.netns}"`);
    return syscall(k, () => {
      const task = spawn_task(k, this.init, options.wrap ? options.wrap(program) : program, argv);
      // setsid(2), and the terminal becomes the controlling one.
      task.pgid = task.pid;
      task.sid = task.pid;
      task.tty = options.tty ?? null;
      if (options.env) Object.assign(task.env, options.env);
      if (options.cwd !== undefined) task.cwd = options.cwd;
      task.net_ns = net;
      let stdin: Tty;
      if (options.tty) {
        stdin = options.tty;
        for (let fd = 0; fd < 3; fd++) fd_install(task, fd, options.tty.open());
      } else {
        const none = (): void => {};
        stdin = new Tty(k, false, none);
        const out = new Tty(k, false, options.stdout ?? none);
        const err = new Tty(k, false, options.stderr ?? options.stdout ?? none);
        fd_install(task, 0, stdin.open());
        fd_install(task, 1, out.open());
        fd_install(task, 2, err.open());
      }
      task.files.next_fd = 3;
      const process = new Process(task, stdin, this.loop);
      wake_up_process(task);
      return process;
    });
  }

  /** Runs a shell command; without input of its own it finds the end of file at once. */
  exec(command: string, options: SpawnOptions = {}): Process {
    const sh = this.kernel.programs.get("sh");
    if (sh === undefined) throw new Error("this machine has no shell");
    const p = this.spawn(sh, ["sh", "-c", command], options);
    if (!options.tty) p.write(new Uint8Array(0));
    return p;
  }

  /** Runs a shell command to its end and returns what it printed. Real time only: virtual time has to be run. */
  async run(command: string): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    const out = new TextCollector();
    const err = new TextCollector();
    const p = this.exec(command, { stdout: out.push, stderr: err.push });
    const exitCode = await p.exited;
    return { exitCode, stdout: out.text(), stderr: err.text() };
  }

  /** Counters that are zero on a machine at rest with its devices down. */
  live(): Record<string, number> {
    return live_counts(this.kernel);
  }

  /** Ends all programs, takes all devices down, and stops the clock of this machine. */
  poweroff(): void {
    const k = this.kernel;
    this.loop.shutdown();
    for (let pass = 0; pass < 2; pass++) syscall(k, () => kill_something(k, null, -1, 9));
    syscall(k, () => {
      for (const fd of this.init.files.fd.keys()) this.sys.close(fd);
      for (const net of [...k.nets]) for (const dev of [...net.dev_by_index.values()]) k.dev_close_hook(dev);
    });
    for (const nic of [...this.nics]) this.removeNic(nic);
    for (const card of this.virtioNics.splice(0)) syscall(k, () => pci_bus_unplug(k.pci_bus, card.pf));
    syscall(k, () => {
      for (const net of [...k.nets].reverse()) cleanup_net(net);
    });
    k.powered = false;
    k.host.set_next_event(Number.POSITIVE_INFINITY, () => {});
  }
}

/** Collects UTF-8 output as text. */
export class TextCollector {
  private readonly decoder: InstanceType<typeof TextDecoder> = new TextDecoder();
  private readonly parts: string[] = [];
  readonly push = (bytes: Uint8Array): void => {
    this.parts.push(this.decoder.decode(bytes, { stream: true }));
  };
  text(): string {
    return this.parts.join("");
  }
}

/** The port as the other side of a virtio card, where it can be one. */
function vnetBackend(port: WirePort | undefined): VirtioBackend | null {
  const b = port as Partial<VirtioBackend> | undefined;
  return b !== undefined && b.vnet_features !== undefined && b.vnet_features !== 0 ? (b as VirtioBackend) : null;
}

/** Unicast, locally administered (IEEE 802 section 8.4). */
function randomMac(host: Host): Uint8Array {
  const mac = new Uint8Array(6);
  host.random_bytes(mac);
  mac[0] = (mac[0]! & 0xfc) | 2;
  return mac;
}

function parseMac(text: string): Uint8Array {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) throw new SystemError(-22, `MAC address "${text}"`);
  return Uint8Array.from(text.split(":").map((b) => Number.parseInt(b, 16)));
}

/** Boots a machine. */
export function createMachine(options: MachineOptions): Machine {
  return new Machine(options);
}
