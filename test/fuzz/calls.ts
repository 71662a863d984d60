// Random programs: system calls on sockets of every family with arguments that are right, nearly right and wrong; netlink messages
// that know their headers; ioctls; sysctl texts. No call may throw, and the machine must come down clean. Way in: fuzz_calls().

import { Rig } from "../../bench/lib/rig.ts";
import { close_fd, fget } from "../../src/kernel/fs/file.ts";
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
import { Source } from "./frame_gen.ts";

export interface CallFuzzResult {
  calls: number;
  /** Calls that succeeded: a fuzzer whose calls all fail tests nothing. */
  ok: number;
  failure: { what: string; stack: string; call: string; at: number } | null;
}

const u16 = (v: number): Uint8Array => Uint8Array.of(v, v >> 8);
const u32 = (v: number): Uint8Array => Uint8Array.of(v, v >> 8, v >> 16, v >>> 24);

function concat(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

const text = (s: string): Uint8Array => Uint8Array.from([...s].map((c) => c.charCodeAt(0)));

const INTS: readonly number[] = [
  0, 1, 2, 3, 4, 8, 16, 28, 64, 127, 128, 255, 256, 576, 1500, 65535, 65536, 0x7fffffff, -1, -2,
];
const NAMES: readonly string[] = [
  "lo",
  "d0",
  "v0",
  "v1",
  "eth0",
  "nosuch",
  "",
  "all",
  "default",
  "a-name-that-is-far-too-long",
  "x%d",
  "../x",
];
const KINDS: readonly string[] = ["dummy", "veth", "bridge", "vlan", "nosuch", ""];

const int_of = (s: Source): number => (s.one_in(3) ? s.u32() | 0 : s.pick(INTS));

function ip_bytes(s: Source): Uint8Array {
  switch (s.below(6)) {
    case 0:
      return s.bytes(4);
    case 1:
      return Uint8Array.of(224, 1, 1, s.below(4));
    case 2:
      return Uint8Array.of(127, 0, 0, 1);
    case 3:
      return s.pick([Uint8Array.of(0, 0, 0, 0), Uint8Array.of(255, 255, 255, 255), Uint8Array.of(10, 0, 0, 255)]);
    default:
      return Uint8Array.of(10, 0, s.below(2), s.below(6));
  }
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
      b = concat([u16(s.one_in(10) ? s.below(50) : 2), Uint8Array.of(port >> 8, port), ip_bytes(s), new Uint8Array(8)]);
    }
  }
  return s.one_in(12) ? b.subarray(0, s.below(b.length + 1)) : b;
}

// --- netlink ------------------------------------------------------------------------------------------------------

function attr(s: Source, depth: number): Uint8Array {
  let data: Uint8Array;
  switch (s.below(9)) {
    case 0:
      data = u32(int_of(s));
      break;
    case 1:
      data = ip_bytes(s);
      break;
    case 2:
      data = concat([text(s.pick(NAMES)), s.one_in(5) ? new Uint8Array(0) : Uint8Array.of(0)]);
      break;
    case 3:
      data = concat([text(s.pick(KINDS)), Uint8Array.of(0)]);
      break;
    case 4:
      data = s.bytes(6);
      break;
    case 5:
    case 6: {
      const inner: Uint8Array[] = [];
      if (depth < 4) for (let n = s.below(4); n > 0; n--) inner.push(attr(s, depth + 1));
      data = concat(inner);
      break;
    }
    case 7:
      data = s.bytes(s.pick([0, 1, 2, 3, 5, 8, 16, 32, 64]));
      break;
    default:
      data = concat([u16(s.below(300)), s.bytes(s.below(12))]);
  }
  let len = data.length + 4;
  if (s.one_in(15)) len = s.pick([0, 1, 3, 4, len - 1, len + 1, len + 4, 65535]);
  let type = s.one_in(10) ? s.below(65536) : s.below(64);
  if (s.one_in(5)) type |= 0x8000;
  return concat([u16(len), u16(type), data, new Uint8Array(-data.length & 3)]);
}

/** The fixed header of a rtnetlink type: its bytes, mostly sensible. */
function rt_header(s: Source, type: number): Uint8Array {
  const family = s.one_in(6) ? s.below(256) : s.pick([0, 2, 2, 2, 10, 17, 7]);
  switch (type >> 2) {
    case 4: // link
      return concat([
        Uint8Array.of(family, 0),
        u16(s.one_in(4) ? s.below(800) : 0),
        u32(s.below(6)),
        u32(int_of(s)),
        u32(int_of(s)),
      ]);
    case 5: // address
      return concat([
        Uint8Array.of(
          family,
          s.one_in(6) ? s.below(256) : s.below(33),
          s.below(256),
          s.pick([0, 253, 254, s.below(256)]),
        ),
        u32(s.below(6)),
      ]);
    case 6: // route
      return concat([
        Uint8Array.of(
          family,
          s.one_in(6) ? s.below(256) : s.below(33),
          s.one_in(9) ? 24 : 0,
          s.below(4) * 8,
          s.pick([0, 254, 255, s.below(256)]),
          s.below(6),
          s.pick([0, 253, 254, 255]),
          s.below(13),
        ),
        u32(s.one_in(3) ? int_of(s) : 0),
      ]);
    case 7: // neighbour
      return concat([
        Uint8Array.of(family, 0, 0, 0),
        u32(s.below(6)),
        u16(s.pick([1, 2, 4, 8, 16, 32, 64, 128, s.below(65536)])),
        Uint8Array.of(s.below(256), s.below(13)),
      ]);
    case 8: // rule
      return concat([
        Uint8Array.of(family, s.below(34), s.below(34), s.below(8), s.pick([0, 253, 254, 255]), 0, 0, s.below(9)),
        u32(int_of(s)),
      ]);
    case 9: // qdisc, class, filter
    case 10:
    case 11:
      return concat([
        Uint8Array.of(family, 0, 0, 0),
        u32(s.below(6)),
        u32(int_of(s)),
        u32(s.pick([-1, 0, -15, 0x10000, int_of(s)])),
        u32(int_of(s)),
      ]);
    default:
      return s.bytes(s.pick([0, 1, 4, 8, 12, 16, 20, 56]));
  }
}

function netlink_message(s: Source, protocol: number): Uint8Array {
  let type: number;
  let body: Uint8Array;
  if (protocol === 4) {
    type = s.one_in(5) ? s.below(30) : s.pick([18, 20, 21]);
    body = concat([
      Uint8Array.of(s.pick([2, 10, 16, 17, 1, s.below(256)]), s.pick([17, 6, 255, 1, s.below(256)]), s.below(256), 0),
      u32(int_of(s)),
      s.bytes(48),
    ]);
    if (s.one_in(6)) body = body.subarray(0, s.below(body.length + 1));
  } else if (protocol === 16) {
    type = s.one_in(3) ? s.below(40) : 16;
    body = Uint8Array.of(s.below(12), s.below(3), 0, 0);
  } else {
    type = s.one_in(10) ? s.below(140) : 16 + s.below(32);
    if (s.one_in(10)) type = s.pick([80, 82, 88, 90, 92, 94, 100, 104, 105, 106, 108, 109, 110]);
    body = rt_header(s, type);
    if (s.one_in(20)) body = body.subarray(0, s.below(body.length + 1));
  }
  const attrs: Uint8Array[] = [];
  for (let n = s.below(7); n > 0; n--) attrs.push(attr(s, 0));
  let flags = 1 | (s.one_in(2) ? 4 : 0);
  if (s.one_in(3)) flags |= 0x300;
  else if (s.one_in(2)) flags |= 0x400 | (s.below(8) << 8);
  if (s.one_in(10)) flags = s.below(65536);
  const payload = concat([body, ...attrs]);
  let len = 16 + payload.length;
  if (s.one_in(20)) len = s.pick([0, 15, 16, len - 1, len + 1, len + 100, 0x7fffffff, -1]);
  return concat([u32(len), u16(type), u16(flags), u32(s.u32()), u32(0), payload]);
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
    switch (s.below(24)) {
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
