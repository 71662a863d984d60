// Random programs: system calls on sockets of every family with arguments that are right, nearly right and wrong; netlink messages
// that know their headers; ioctls; sysctl texts. No call may throw, and the machine must come down clean. Way in: fuzz_calls().

import { Rig } from "../../bench/lib/rig.ts";
import { I82576 } from "../../src/hw/82576.ts";
import { pci_bus_free_slot, pci_bus_plug, pci_bus_unplug } from "../../src/hw/pci.ts";
import { close_fd, fget, fput } from "../../src/kernel/fs/file.ts";
import { do_open } from "../../src/kernel/fs/vfs.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { do_exit, type Task } from "../../src/kernel/sched.ts";
import { sysctl_write } from "../../src/kernel/sysctl.ts";
import { dev_close } from "../../src/net/core/dev_api.ts";
import { cleanup_net } from "../../src/net/core/net_namespace.ts";
import {
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_getpeername,
  sys_getsockname,
  sys_getsockopt,
  sys_listen,
  sys_recvfrom,
  sys_recvmsg,
  sys_sendmsg,
  sys_sendto,
  sys_setsockopt,
  sys_shutdown,
  sys_socket,
} from "../../src/net/socket.ts";
import { MSG_DONTWAIT } from "../../src/uapi/socket.ts";
import type { MsgHdr } from "../../src/uapi/sys.ts";
import { concat, Source } from "./frame_gen.ts";
import { int_of, ip_bytes, NAMES, netlink_message, text, u16, u32 } from "./netlink_gen.ts";

export interface CallFuzzResult {
  calls: number;
  /** Calls that succeeded: a fuzzer whose calls all fail tests nothing. */
  ok: number;
  failure: { what: string; stack: string; call: string; at: number } | null;
}

function sockaddr(s: Source): Uint8Array {
  let b: Uint8Array;
  switch (s.below(8)) {
    case 0:
      b = concat([u16(16), u16(0), u32(s.one_in(3) ? int_of(s) : 0), u32(s.one_in(2) ? 0 : int_of(s))]);
      break;
    case 1:
      b = concat([
        u16(17),
        s.pick([Uint8Array.of(0, 3), Uint8Array.of(8, 0), s.bytes(2)]),
        u32(s.below(5)),
        s.bytes(12),
      ]);
      break;
    case 2:
      b = s.bytes(s.pick([0, 1, 2, 8, 15, 16, 28, 110, 128, 129]));
      break;
    default: {
      const port = s.pick([0, 7, 53, 1024, 6000, s.below(65536)]);
      const net_port = Uint8Array.of(port >> 8, port);
      if (s.one_in(3)) {
        // struct sockaddr_in6: mapped, any, or some address.
        const head = s.pick([new Uint8Array(12), concat([new Uint8Array(10), Uint8Array.of(255, 255)]), s.bytes(12)]);
        const tail = s.one_in(3) ? new Uint8Array(4) : ip_bytes(s);
        b = concat([u16(10), net_port, u32(0), head, tail, u32(s.below(4))]);
      } else b = concat([u16(s.one_in(10) ? s.below(50) : 2), net_port, ip_bytes(s), new Uint8Array(8)]);
    }
  }
  return s.one_in(12) ? b.subarray(0, s.below(b.length + 1)) : b;
}

// --- the calls ----------------------------------------------------------------------------------------------------

const SOCKETS: readonly (readonly [number, number, number])[] = [
  [2, 2, 0],
  [2, 2, 17],
  [2, 2, 136],
  [2, 2, 1],
  [2, 3, 1],
  [2, 3, 2],
  [2, 3, 17],
  [2, 3, 255],
  [2, 3, 89],
  [2, 1, 0],
  [10, 1, 0],
  [10, 1, 6],
  [10, 2, 0],
  [10, 2, 136],
  [10, 2, 58],
  [10, 3, 58],
  [16, 3, 0],
  [16, 3, 4],
  [16, 3, 16],
  [16, 2, 0],
  [17, 3, 0x0300],
  [17, 2, 0x0008],
  [17, 3, 0],
  [1, 1, 0],
  [10, 2, 0],
];

const LEVELS: readonly number[] = [0, 1, 6, 17, 41, 255, 263, 270, 136];

const IOCTLS: readonly number[] = [
  0x8910, 0x8912, 0x8913, 0x8914, 0x8915, 0x8916, 0x8917, 0x8918, 0x8919, 0x891a, 0x891b, 0x891c, 0x8921, 0x8922,
  0x8927, 0x8924, 0x8933, 0x8942, 0x8943, 0x8946, 0x8948, 0x8953, 0x8954, 0x8955, 0x890b, 0x890c, 0x8906, 0x8907,
  0x541b, 0x5411, 0x89f0, 0x8936,
];

function optval(s: Source): Uint8Array {
  switch (s.below(7)) {
    case 0:
      return s.bytes(s.below(64));
    case 1:
      return u32(int_of(s));
    case 2:
      // ip_mreq, ip_mreqn, ip_mreq_source.
      return concat([
        Uint8Array.of(224, 1, 1, s.below(6)),
        ip_bytes(s),
        s.one_in(2) ? u32(s.below(5)) : ip_bytes(s),
      ]).subarray(0, s.pick([8, 12, 12]));
    case 3: {
      // A filter: sock_fprog here is the instructions themselves.
      const n = 1 + s.below(8);
      return concat(
        Array.from({ length: n }, () =>
          concat([
            u16(s.pick([0x06, 0x16, 0x20, 0x28, 0x30, 0x15, 0x05, 0x80, s.below(256)])),
            s.bytes(2),
            u32(int_of(s)),
          ]),
        ),
      );
    }
    case 4:
      // ip_msfilter, group_source_req and the like.
      return concat([
        ip_bytes(s),
        ip_bytes(s),
        u32(s.below(3)),
        u32(s.one_in(4) ? int_of(s) : s.below(6)),
        s.bytes(4 * s.below(8)),
      ]);
    case 5:
      return concat([text(s.pick(NAMES)), Uint8Array.of(0)]);
    default:
      return new Uint8Array(s.pick([0, 1, 2, 3, 4, 8, 12, 16, 28, 40]));
  }
}

function cmsgs(s: Source): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let n = s.below(4); n > 0; n--) {
    const data = s.one_in(3)
      ? s.bytes(s.below(24))
      : concat([u32(int_of(s)), ip_bytes(s), ip_bytes(s)]).subarray(0, s.pick([4, 12]));
    let len = 16 + data.length;
    if (s.one_in(10)) len = s.pick([0, 15, 16, len + 1, 0x7fffffff]);
    parts.push(
      concat([
        u32(len),
        u32(0),
        u32(s.pick([0, 1, 17, 41, int_of(s)])),
        u32(s.below(64)),
        data,
        new Uint8Array(-data.length & 7),
      ]),
    );
  }
  return concat(parts);
}

const NET_FILES =
  "arp dev fib_trie fib_triestat icmp if_inet6 igmp mcfilter netlink netstat packet protocols psched ptype raw route rt_cache snmp sockstat softnet_stat udp udplite unix wireless xfrm_stat dev_mcast anycast6".split(
    " ",
  );
const SYS_FILES =
  "address addr_len carrier dev_id dormant duplex flags gro_flush_timeout ifalias ifindex iflink link_mode mtu operstate speed threaded tx_queue_len type uevent statistics/rx_packets statistics/tx_dropped queues/rx-0/rps_cpus queues/rx-0/rps_flow_cnt queues/tx-0/xps_cpus queues/tx-0/tx_timeout".split(
    " ",
  );
const FILES: readonly string[] = [
  ...NET_FILES.map((n) => `/proc/net/${n}`),
  ...["v0", "eth0", "lo"].flatMap((d) => SYS_FILES.map((n) => `/sys/class/net/${d}/${n}`)),
  ..."interrupts softirqs stat uptime meminfo cpuinfo version loadavg irq/0/smp_affinity irq/24/smp_affinity irq/24/smp_affinity_list self/status mounts"
    .split(" ")
    .map((n) => `/proc/${n}`),
];

const SYSCTL_TEXTS: readonly string[] = [
  "0",
  "1",
  "2",
  "-1",
  "255",
  "65536",
  "2147483647",
  "-2147483648",
  "99999999999999",
  "",
  "x",
  "1 2 3",
  "1\t2",
  "32768 60999",
  "0x10",
  " 7 ",
  "1\n",
  "fq",
  "0 0",
];

class CallRig {
  readonly rig: Rig;
  readonly k: Kernel;
  readonly nic: I82576;
  readonly task: Task;
  readonly fds: number[] = [];
  readonly sysctls: string[];
  last = "";
  ok = 0;

  constructor(seed: number) {
    this.rig = new Rig({ seed, debug: true });
    this.k = this.rig.k;
    this.k.on_bug = null;
    const net = this.k.init_net;
    const far = this.rig.netns("far");
    this.rig.up(net.dev_by_name.get("lo")!);
    const [v0, v1] = this.rig.veth(net, "v0", far, "v1");
    this.rig.addr(v0, "10.0.0.1/24");
    this.rig.addr(v1, "10.0.0.2/24");
    const { world } = this.rig;
    const slot = pci_bus_free_slot(this.k.pci_bus);
    this.nic = new I82576({
      clock: world,
      dma: world.dma,
      pool: world.frames,
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      slot,
    });
    this.rig.call(() => pci_bus_plug(this.k.pci_bus, this.nic.pf));
    this.rig.run(1e6);
    this.rig.up(net.dev_by_name.get("eth0")!);
    this.rig.run(3e9);
    this.task = this.rig.task("fuzz", net);
    this.sysctls = [...net.sysctl_table.keys(), ...this.k.sysctl_table.keys()];
  }

  one(s: Source): void {
    const { task } = this;
    const fd = this.fds.length > 0 && !s.one_in(50) ? s.pick(this.fds) : s.below(64) - 2;
    const call = <T>(name: string, fn: () => T): T => {
      this.last = name;
      const r = this.rig.call(fn);
      if (typeof r === "number" && r >= 0) this.ok++;
      return r;
    };
    switch (s.below(28)) {
      case 0:
      case 1: {
        const [f, t, p] = s.one_in(10) ? [s.below(50), s.below(12), int_of(s)] : s.pick(SOCKETS);
        const n = call(`socket(${f}, ${t}, ${p})`, () => sys_socket(task, f, t | (s.one_in(4) ? 0x800 : 0), p));
        if (n >= 0) this.fds.push(n);
        break;
      }
      case 2:
        if (this.fds.length < 12 && !s.one_in(4)) break;
        call(`close(${fd})`, () => close_fd(task, fd));
        if (this.fds.includes(fd)) this.fds.splice(this.fds.indexOf(fd), 1);
        break;
      case 3:
      case 4: {
        const a = sockaddr(s);
        call(`bind(${fd}, ${a})`, () => sys_bind(task, fd, a));
        break;
      }
      case 5: {
        const a = sockaddr(s);
        call(`connect(${fd}, ${a})`, () => sys_connect(task, fd, a));
        break;
      }
      case 6:
        switch (s.below(4)) {
          case 0:
          case 1:
            call(`listen(${fd})`, () => sys_listen(task, fd, int_of(s)));
            break;
          case 2:
            call(`accept(${fd})`, () => sys_accept4(task, fd, null, 0));
            break;
          default:
            call(`shutdown(${fd})`, () => sys_shutdown(task, fd, s.below(5) - 1));
        }
        break;
      case 7: {
        const b = new Uint8Array(s.pick([0, 1, 2, 8, 16, 128]));
        call(`getsockname(${fd}, [${b.length}])`, () => sys_getsockname(task, fd, b));
        call(`getpeername(${fd}, [${b.length}])`, () => sys_getpeername(task, fd, b));
        break;
      }
      case 8:
      case 9:
      case 10:
      case 11: {
        const level = s.one_in(10) ? int_of(s) : s.pick(LEVELS);
        const name = s.one_in(10) ? int_of(s) : s.below(80);
        const v = optval(s);
        call(`setsockopt(${fd}, ${level}, ${name}, ${v})`, () => sys_setsockopt(task, fd, level, name, v));
        const out = new Uint8Array(s.pick([0, 1, 3, 4, 8, 16, 40, 64, 256]));
        call(`getsockopt(${fd}, ${level}, ${name}, [${out.length}])`, () => sys_getsockopt(task, fd, level, name, out));
        break;
      }
      case 12: {
        const cmd = s.one_in(10) ? int_of(s) : s.pick(IOCTLS);
        const arg = s.bytes(s.pick([0, 1, 4, 16, 24, 32, 40, 40, 40, 68, 120]));
        const name = s.pick(NAMES);
        if (!s.one_in(3)) arg.set(text(name).subarray(0, Math.min(16, arg.length)));
        if (name.length < 16 && arg.length > name.length) arg[name.length] = 0;
        if (arg.length >= 24 && s.one_in(2)) arg.set(concat([u16(2), u16(0), ip_bytes(s)]), 16);
        const file = fget(task, fd);
        if (file?.f_op.ioctl) call(`ioctl(${fd}, ${cmd}, ${arg})`, () => file.f_op.ioctl!(file, cmd, arg));
        break;
      }
      case 13:
      case 14:
      case 15: {
        const sock = fget(task, fd);
        if (sock === null) break;
        const size = s.one_in(8) ? s.below(66000) : s.below(2000);
        const buf = s.bytes(Math.min(size, 512));
        const data = size > 512 ? concat([buf, new Uint8Array(size - 512)]) : buf;
        const flags = s.one_in(3) ? int_of(s) : 0;
        const to = s.one_in(4) ? null : sockaddr(s);
        call(`sendto(${fd}, [${size}], ${flags}, ${to})`, () => sys_sendto(task, fd, data, flags | MSG_DONTWAIT, to));
        break;
      }
      case 16: {
        const control = s.one_in(3) ? null : cmsgs(s);
        const msg: MsgHdr = {
          msg_name: s.one_in(3) ? null : sockaddr(s),
          msg_namelen: 16,
          msg_iov: Array.from({ length: s.below(4) }, () => s.bytes(s.below(400))),
          msg_control: control,
          msg_controllen: control === null ? 0 : s.one_in(10) ? s.below(200) : control.length,
          msg_flags: 0,
        };
        call(`sendmsg(${fd}, ${JSON.stringify(msg)})`, () =>
          sys_sendmsg(task, fd, msg, MSG_DONTWAIT | (s.one_in(4) ? int_of(s) : 0)),
        );
        break;
      }
      case 17: {
        const control = new Uint8Array(s.pick([0, 8, 16, 20, 64, 512]));
        const msg: MsgHdr = {
          msg_name: s.one_in(3) ? null : new Uint8Array(s.pick([0, 4, 16, 128])),
          msg_namelen: 0,
          msg_iov: [new Uint8Array(s.pick([0, 1, 64, 4096, 65536]))],
          msg_control: control,
          msg_controllen: control.length,
          msg_flags: 0,
        };
        call(`recvmsg(${fd})`, () => sys_recvmsg(task, fd, msg, MSG_DONTWAIT | (s.one_in(3) ? int_of(s) & ~0x100 : 0)));
        break;
      }
      case 22:
        this.ethtool(s, fd, call);
        break;
      case 23:
        this.file(s, call);
        break;
      case 18: {
        const b = new Uint8Array(s.pick([0, 1, 64, 65536]));
        call(`recvfrom(${fd})`, () =>
          sys_recvfrom(task, fd, b, MSG_DONTWAIT | s.pick([0, 2, 0x20, 0x2000, 0x2002]), null),
        );
        break;
      }
      case 19: {
        const name = s.pick(this.sysctls);
        const value = s.pick(SYSCTL_TEXTS);
        call(`sysctl ${name}=${JSON.stringify(value)}`, () =>
          sysctl_write([task.net_ns.sysctl_table, this.k.sysctl_table], name, value),
        );
        break;
      }
      default:
        this.netlink(s, call);
    }
  }

  /** Name, command, and a struct of any length behind them (uapi/ethtool.ts has the convention). */
  private ethtool(s: Source, fd: number, call: <T>(name: string, fn: () => T) => T): void {
    const file = fget(this.task, fd);
    if (!file?.f_op.ioctl) return;
    const arg = new Uint8Array(40 + 4 + s.pick([0, 4, 8, 16, 40, 64, 196, 400, 2000]));
    arg.set(text(s.pick(["v0", "v0", "eth0", "eth0", "lo", "nosuch"])));
    arg.set(u32(s.one_in(12) ? int_of(s) : s.below(0x60)), 40);
    if (s.one_in(2))
      for (let at = 44; at + 4 <= arg.length && at < 120; at += 4)
        arg.set(u32(s.one_in(3) ? int_of(s) : s.below(300)), at);
    call(`ethtool(${fd}, ${arg.subarray(40, 100)})`, () => file.f_op.ioctl!(file, 0x8946, arg));
  }

  private file(s: Source, call: <T>(name: string, fn: () => T) => T): void {
    const { task } = this;
    const path = s.one_in(15)
      ? s.pick(["", "/", "/proc", "/sys/class/net", "/nosuch", "/proc/net/../net/dev", "//proc//net//arp"])
      : s.pick(FILES);
    const write = s.one_in(4);
    const file = call(`open ${path}`, () => do_open(task, path, write ? 1 : 0));
    if (typeof file === "number") return;
    if (write && file.f_op.write) {
      const value = text(s.one_in(4) ? s.pick(["3", "f", "ff", "0,3", "-", "g"]) : s.pick(SYSCTL_TEXTS));
      call(`write ${path}`, () => file.f_op.write!(file, value));
    } else if (file.f_op.read) {
      const b = new Uint8Array(s.pick([0, 1, 100, 4096, 65536]));
      for (let i = 0; i < 5; i++) if (call(`read ${path}`, () => file.f_op.read!(file, b)) <= 0) break;
    }
    call(`close ${path}`, () => fput(file));
  }

  private netlink(s: Source, call: <T>(name: string, fn: () => T) => T): void {
    const { task } = this;
    const protocol = s.pick([0, 0, 0, 0, 4, 16]);
    const fd = call("socket(netlink)", () => sys_socket(task, 16, 3, protocol));
    if (fd < 0) return;
    for (let n = 1 + s.below(3); n > 0; n--) {
      const parts = [netlink_message(s, protocol)];
      if (s.one_in(4)) parts.push(netlink_message(s, protocol));
      let data = concat(parts);
      if (s.one_in(20)) data = data.subarray(0, s.below(data.length + 1));
      call(`netlink(${protocol}, ${data})`, () => sys_sendto(task, fd, data, MSG_DONTWAIT, null));
      const answer = new Uint8Array(32768);
      for (let i = 0; i < 20; i++)
        if (this.rig.call(() => sys_recvfrom(task, fd, answer, MSG_DONTWAIT, null)) < 0) break;
    }
    call(`close(netlink)`, () => close_fd(task, fd));
  }

  end(): Record<string, number> {
    const { rig, k } = this;
    this.last = "taking the machine down";
    rig.call(() => do_exit(k, this.task, 0));
    for (const net of [...k.nets]) for (const dev of [...net.dev_by_index.values()]) rig.call(() => dev_close(dev));
    rig.call(() => pci_bus_unplug(k.pci_bus, this.nic.pf));
    for (const net of [...k.nets].reverse()) rig.call(() => cleanup_net(net));
    rig.run(400e9);
    return Object.fromEntries(Object.entries(rig.live()).filter(([, n]) => n !== 0));
  }
}

/** Calls that one machine gets before it is taken down and the next is booted. */
const PER_MACHINE = 2000;

export function fuzz_calls(count: number, seed: number, progress?: (calls: number) => void): CallFuzzResult {
  let done = 0;
  let ok = 0;
  for (let round = 0; done < count; round++) {
    const s = new Source(seed, round);
    const rig = new CallRig(seed + round);
    try {
      for (let i = 0; i < PER_MACHINE && done < count; i++, done++) {
        rig.one(s);
        if (s.one_in(16)) rig.rig.run(s.one_in(20) ? 10e9 : 1e6);
        const bug = rig.k.bugs[0];
        if (bug !== undefined) throw bug.error;
      }
      const left = rig.end();
      const bug = rig.k.bugs[0];
      if (bug !== undefined) throw bug.error;
      if (Object.keys(left).length > 0) throw new Error(`left over: ${JSON.stringify(left)}`);
    } catch (e) {
      const err = e as Error;
      return { calls: done, ok, failure: { what: err.message, stack: err.stack ?? "", call: rig.last, at: round } };
    }
    ok += rig.ok;
    progress?.(done);
  }
  return { calls: done, ok, failure: null };
}
