// System calls of a script: its expressions to bytes and numbers, and what came back against what it says.
// Read first: the man page of each call. Way in: prepare_call().

import { errno_name } from "../../uapi/errno.ts";
import { IPV6_RECVERR, SOCKADDR_IN6_LEN, SOL_IPV6 } from "../../uapi/in6.ts";
import { AF_INET, AF_INET6 } from "../../uapi/socket.ts";
import type { EpollEvent, MsgHdr, PollFd } from "../../uapi/sys.ts";
import type { CallSpec, Expr, Field } from "./ast.ts";
import { symbol_name, symbol_value } from "./symbols.ts";

/** A call as a backend makes it: the name and its arguments, buffers filled in place. Result: number >= 0 or -errno. */
export interface Request {
  op: string;
  a: (number | string | null | Uint8Array | Uint8Array[] | MsgHdr | PollFd[] | EpollEvent | EpollEvent[])[];
}

export interface CallContext {
  /** Descriptor of the stack for one of the script; throws CallError for an unknown one. */
  fd(script_fd: number): number;
  /** Of a socket that the script does not name, and of the addresses that it leaves open: AF_INET6 are mapped ones. */
  domain: number;
  local_ip: number;
  remote_ip: number;
  bind_port: number;
  connect_port: number;
  /** Wall clock (s) of the script's start, and µs by which a time stamp may be off. */
  start_s: number;
  tolerance_us: number;
  /** Called with the result, before it is compared. */
  done(op: string, spec: CallSpec, req: Request, ret: number): void;
}

export interface Prepared {
  req: Request;
  /** What differs from the script's expectation, as [expected, actual], or null. */
  check(ret: number): [string, string] | null;
}

export class CallError extends Error {}

const fail = (message: string): never => {
  throw new CallError(message);
};

// --- values ---------------------------------------------------------------------------------------------------------

export function int_of(e: Expr | undefined): number {
  if (e === undefined) return fail("an argument is missing");
  switch (e.k) {
    case "int":
      return e.v;
    case "sym": {
      const v = symbol_value(e.name);
      return v ?? fail(`unknown symbol: ${e.name}`);
    }
    case "or":
      return e.items.reduce((n, x) => n | int_of(x), 0);
    case "fn": {
      if (e.name === "htons") return int_of(e.args[0]);
      if (e.name === "htonl") return int_of(e.args[0]);
      if (e.name === "~") return ~int_of(e.args[0]);
      if (e.name === "inet_addr") return ip_of(str_of(e.args[0]));
      return fail(`unknown function: ${e.name}()`);
    }
    case "list":
      if (e.items.length === 1) return int_of(e.items[0]);
      break;
    default:
      break;
  }
  return fail("a number expected");
}
function str_of(e: Expr | undefined): string {
  return e?.k === "str" ? e.v : fail("a string expected");
}
export function ip_of(text: string): number {
  const p = text.split(".").map(Number);
  if (p.length !== 4 || p.some((x) => !(x >= 0 && x <= 255))) return fail(`not an IPv4 address: ${text}`);
  return ((p[0]! << 24) | (p[1]! << 16) | (p[2]! << 8) | p[3]!) >>> 0;
}
const is_any = (e: Expr | undefined): boolean =>
  e === undefined || e.k === "any" || (e.k === "sym" && e.name === "NULL");
const fields_of = (e: Expr | undefined): Field[] => (e?.k === "struct" ? e.fields : fail("a {struct} expected"));
const field = (fs: Field[], name: string): Field | undefined => fs.find((f) => f.name === name);
const items_of = (e: Expr | undefined): Expr[] => (e?.k === "list" ? e.items : fail("a [list] expected"));

export function sockaddr_in(addr: number, port: number, family = AF_INET): Uint8Array {
  const b = new Uint8Array(16);
  const dv = new DataView(b.buffer);
  dv.setUint16(0, family, true);
  dv.setUint16(2, port);
  dv.setUint32(4, addr);
  return b;
}
export function sockaddr_in6(addr: Uint8Array, port: number, family = AF_INET6): Uint8Array {
  const b = new Uint8Array(SOCKADDR_IN6_LEN);
  const dv = new DataView(b.buffer);
  dv.setUint16(0, family, true);
  dv.setUint16(2, port);
  b.set(addr, 8);
  return b;
}
const mapped = (ip: number): Uint8Array => {
  const b = new Uint8Array(16);
  new DataView(b.buffer).setUint16(10, 0xffff);
  new DataView(b.buffer).setUint32(12, ip);
  return b;
};
/** The IPv4 address and port of a struct sockaddr of either family; null where it is no address of IPv4. */
export function v4_of(sa: Uint8Array): { ip: number; port: number } | null {
  const dv = new DataView(sa.buffer, sa.byteOffset, sa.byteLength);
  if (sa.length < 16) return null;
  if (dv.getUint16(0, true) === AF_INET) return { ip: dv.getUint32(4), port: dv.getUint16(2) };
  if (sa.length < 24 || dv.getUint16(0, true) !== AF_INET6) return null;
  const head = sa.subarray(8, 18).every((x) => x === 0);
  const word = dv.getUint16(18);
  if (!head || (word !== 0 && word !== 0xffff)) return null;
  return { ip: dv.getUint32(20), port: dv.getUint16(2) };
}

/** RFC 4291 section 2.2: the text of an IPv6 address as bytes. */
export function ip6_of(text: string): Uint8Array {
  const bad = (): never => fail(`not an IPv6 address: ${text}`);
  const quad = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const v4 = quad !== null ? ip_of(quad[2]!) : 0;
  const plain = quad !== null ? `${quad[1]}${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}` : text;
  const halves = plain.split("::");
  const words = (s: string | undefined): string[] => (s === undefined || s === "" ? [] : s.split(":"));
  const [head, tail] = [words(halves[0]), words(halves[1])];
  const gap = 8 - head.length - tail.length;
  if (halves.length > 2 || (halves.length === 2 ? gap < 1 : gap !== 0)) bad();
  const all = [...head, ...Array<string>(gap).fill("0"), ...tail];
  const b = new Uint8Array(16);
  for (const [i, w] of all.entries()) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(w)) bad();
    new DataView(b.buffer).setUint16(2 * i, Number.parseInt(w, 16));
  }
  return b;
}

/** What stands where an IPv6 address is given: inet_pton(AF_INET6, "::1", &sin6_addr), or its text alone. */
function in6_of(e: Expr): Uint8Array {
  if (e.k !== "fn") return ip6_of(str_of(e));
  if (e.name !== "inet_pton") return fail(`unknown function: ${e.name}()`);
  return ip6_of(str_of(e.args.find((x) => x.k === "str")));
}

/** `{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("1.2.3.4")}`, the same with sin6_, or `...`. */
function sockaddr_of(e: Expr, ctx: CallContext, addr: number, port: number): Uint8Array {
  if (is_any(e)) return ctx.domain === AF_INET6 ? sockaddr_in6(mapped(addr), port) : sockaddr_in(addr, port);
  const fs = fields_of(e);
  const f = field(fs, "sa_family") ?? field(fs, "sin_family") ?? field(fs, "sin6_family");
  const p = field(fs, "sin_port") ?? field(fs, "sin6_port");
  const a6 = field(fs, "sin6_addr") ?? fs.find((x) => x.value.k === "fn" && x.value.name === "inet_pton");
  const family = f !== undefined ? int_of(f.value) : a6 !== undefined ? AF_INET6 : AF_INET;
  const to = p !== undefined ? int_of(p.value) : port;
  if (a6 !== undefined || family === AF_INET6) {
    const b = sockaddr_in6(a6 !== undefined && !is_any(a6.value) ? in6_of(a6.value) : mapped(addr), to, family);
    const flow = field(fs, "sin6_flowinfo");
    const scope = field(fs, "sin6_scope_id");
    if (flow !== undefined) new DataView(b.buffer).setUint32(4, int_of(flow.value));
    if (scope !== undefined) new DataView(b.buffer).setUint32(24, int_of(scope.value), true);
    return b;
  }
  const a = field(fs, "sin_addr");
  return sockaddr_in(a ? int_of(a.value) >>> 0 : addr, to, family);
}

const int_bytes = (...v: number[]): Uint8Array => {
  const b = new Uint8Array(4 * v.length);
  const dv = new DataView(b.buffer);
  v.forEach((x, i) => {
    dv.setInt32(4 * i, x | 0, true);
  });
  return b;
};
const latin1 = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

/** Data to send: `...` is zeros. */
function data_of(e: Expr | undefined, len: number): Uint8Array {
  const b = new Uint8Array(len);
  if (e?.k === "str") b.set(latin1(e.v).subarray(0, len));
  else if (!is_any(e)) fail("data is ... or a string");
  return b;
}

function iov_of(e: Expr | undefined): Uint8Array[] {
  return items_of(e).map((x) => {
    const fs = fields_of(x);
    const len = field(fs, "iov_len") ?? fs[1];
    const base = field(fs, "iov_base") ?? fs[0];
    return data_of(base?.value, int_of(len?.value));
  });
}

/** `[0]`, or NULL: where in a file, as an off_t that the call moves on. */
function offset_of(e: Expr | undefined): Uint8Array | null {
  if (is_any(e)) return null;
  const b = new Uint8Array(8);
  new DataView(b.buffer).setBigInt64(0, BigInt(int_of(e)), true);
  return b;
}

/** Socket option values: a number in brackets, a string or a struct. */
function optval_of(e: Expr | undefined, len: number): Uint8Array {
  if (e === undefined || is_any(e)) return new Uint8Array(len);
  if (e.k === "str") {
    const b = new Uint8Array(len);
    b.set(latin1(e.v).subarray(0, len));
    return b;
  }
  if (e.k === "struct")
    return int_bytes(...e.fields.map((f) => int_of(f.value))).slice(0, Math.max(len, 0) || undefined);
  if (e.k === "list" && e.items.length > 1) return int_bytes(...e.items.map(int_of));
  const b = new Uint8Array(Math.max(0, len));
  b.set(int_bytes(int_of(e)).subarray(0, b.length));
  return b;
}

// --- ancillary data -------------------------------------------------------------------------------------------------

const SOL_IP = 0;
const IP_RECVERR = 11;
const SO_TIMESTAMPING = 37;

function cmsg_bytes(e: Expr): Uint8Array {
  const fs = fields_of(e);
  const level = int_of(field(fs, "cmsg_level")?.value);
  const type = int_of(field(fs, "cmsg_type")?.value);
  const data = field(fs, "cmsg_data")?.value;
  const body = data === undefined || is_any(data) ? new Uint8Array(0) : optval_of(data, 4);
  const b = new Uint8Array((16 + body.length + 7) & ~7);
  const dv = new DataView(b.buffer);
  dv.setUint32(0, 16 + body.length, true);
  dv.setInt32(8, level, true);
  dv.setInt32(12, type, true);
  b.set(body, 16);
  return b;
}
function concat(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

interface Cmsg {
  level: number;
  type: number;
  data: DataView;
}
function cmsgs_of(b: Uint8Array, len: number): Cmsg[] {
  const out: Cmsg[] = [];
  const dv = new DataView(b.buffer, b.byteOffset, len);
  for (let at = 0; at + 16 <= len; ) {
    const n = dv.getUint32(at, true);
    if (n < 16 || at + n > len) break;
    const data = new DataView(b.buffer, b.byteOffset + at + 16, n - 16);
    out.push({ level: dv.getInt32(at + 8, true), type: dv.getInt32(at + 12, true), data });
    at += (n + 7) & ~7;
  }
  return out;
}

const EE_FIELDS: Readonly<Record<string, readonly [number, number]>> = {
  ee_errno: [0, 4],
  ee_origin: [4, 1],
  ee_type: [5, 1],
  ee_code: [6, 1],
  ee_info: [8, 4],
  ee_data: [12, 4],
};

/** `[TCP_NLA_BUSY=1000, TCP_NLA_TOTAL_RETRANS=0, …]`: netlink attributes by type; those that are not named are not compared. */
function check_attributes(fields: Field[], dv: DataView): [string, string] | null {
  const have = new Map<number, number>();
  for (let at = 0; at + 4 <= dv.byteLength; ) {
    const len = dv.getUint16(at, true);
    if (len < 4 || at + len > dv.byteLength) break;
    const size = len - 4;
    const v =
      size >= 8
        ? Number(dv.getBigUint64(at + 4, true))
        : size >= 4
          ? dv.getUint32(at + 4, true)
          : size > 0
            ? dv.getUint8(at + 4)
            : 0;
    have.set(dv.getUint16(at + 2, true), v);
    at += (len + 3) & ~3;
  }
  for (const f of fields) {
    const type = symbol_value(f.name) ?? fail(`unknown symbol: ${f.name}`);
    const v = have.get(type);
    if (v === undefined) return [f.name, "none"];
    if (!is_any(f.value) && v !== int_of(f.value)) return [`${f.name}=${int_of(f.value)}`, String(v)];
  }
  return null;
}

function check_cmsg(e: Expr, got: Cmsg | undefined, ctx: CallContext): [string, string] | null {
  const fs = fields_of(e);
  const level = int_of(field(fs, "cmsg_level")?.value);
  const type = int_of(field(fs, "cmsg_type")?.value);
  if (got === undefined) return [`cmsg level ${level} type ${type}`, "none"];
  if (got.level !== level || got.type !== type)
    return [`cmsg level ${level} type ${type}`, `level ${got.level} type ${got.type}`];
  const data = field(fs, "cmsg_data")?.value;
  if (data === undefined || is_any(data)) return null;
  if (data.k === "list" && data.items[0]?.k === "struct") return check_attributes(data.items[0].fields, got.data);
  if (data.k !== "struct") {
    const want = int_of(data);
    const have = got.data.byteLength >= 4 ? got.data.getInt32(0, true) : got.data.getUint8(0);
    return want === have ? null : [`cmsg_data=${want}`, String(have)];
  }
  for (const f of data.fields) {
    if (is_any(f.value)) continue;
    const want = int_of(f.value);
    const ee = EE_FIELDS[f.name];
    const recverr = (level === SOL_IP && type === IP_RECVERR) || (level === SOL_IPV6 && type === IPV6_RECVERR);
    if (recverr && ee !== undefined) {
      const have = ee[1] === 4 ? got.data.getUint32(ee[0], true) : got.data.getUint8(ee[0]);
      if (have !== want) return [`${f.name}=${want}`, String(have)];
    } else if (type === SO_TIMESTAMPING && f.name === "scm_nsec") {
      const sec = int_of(field(data.fields, "scm_sec")?.value);
      if (sec === 0 && want === 0) continue;
      const have = Number(got.data.getBigInt64(0, true)) - ctx.start_s + got.data.getUint32(8, true) / 1e9;
      const diff = Math.abs(have - (sec + want / 1e9)) * 1e6;
      if (diff > ctx.tolerance_us) return [`scm_timestamping ${(sec + want / 1e9).toFixed(6)}`, have.toFixed(6)];
    } else if (f.name !== "scm_sec") fail(`unknown field of ancillary data: ${f.name}`);
  }
  return null;
}

// --- results --------------------------------------------------------------------------------------------------------

const FD_CALLS = new Set(["socket", "accept", "accept4", "open", "epoll_create", "epoll_create1"]);

function result_text(ret: number): string {
  return ret < 0 ? `-1 ${errno_name(-ret)}` : String(ret);
}

function check_result(spec: CallSpec, ret: number): [string, string] | null {
  if (is_any(spec.result)) return null;
  const want = int_of(spec.result);
  if (want < 0 || spec.errno !== null) {
    const no = spec.errno !== null ? (symbol_value(spec.errno) ?? fail(`unknown errno: ${spec.errno}`)) : 0;
    if (ret >= 0 || (no !== 0 && ret !== -no)) return [`-1 ${spec.errno ?? ""}`.trim(), result_text(ret)];
    return null;
  }
  if (FD_CALLS.has(spec.name) ? ret >= 0 : ret === want) return null;
  return [String(want), result_text(ret)];
}

const flag_text = (prefix: RegExp, v: number): string => symbol_name(prefix, v) ?? `0x${(v >>> 0).toString(16)}`;

/** Turns a call into what a backend can make; throws CallError when it cannot be understood. */
export function prepare_call(spec: CallSpec, ctx: CallContext): Prepared {
  const a = spec.args;
  const n = (i: number): number => int_of(a[i]);
  const fd = (i: number): number => ctx.fd(int_of(a[i]));
  let extra: (ret: number) => [string, string] | null = () => null;
  let req: Request;
  const make = (op: string, ...args: Request["a"]): Request => ({ op, a: args });
  const got = (b: Uint8Array, from: Expr | undefined): void => {
    // read(3, "abc", 3): what is read is compared.
    if (from?.k !== "str") return;
    const want = from.v;
    extra = (ret) => {
      const have = String.fromCharCode(...b.subarray(0, Math.max(0, ret)));
      return ret < 0 || have === want.slice(0, ret) ? null : [JSON.stringify(want), JSON.stringify(have)];
    };
  };
  switch (spec.name) {
    case "socket":
      req = make("socket", is_any(a[0]) ? ctx.domain : n(0), n(1), n(2));
      break;
    case "bind":
      req = make("bind", fd(0), sockaddr_of(a[1]!, ctx, ctx.local_ip, ctx.bind_port));
      break;
    case "connect":
      req = make("connect", fd(0), sockaddr_of(a[1]!, ctx, ctx.remote_ip, ctx.connect_port));
      break;
    case "listen":
      req = make("listen", fd(0), n(1));
      break;
    case "accept":
      req = make("accept4", fd(0), 0);
      break;
    case "accept4":
      req = make("accept4", fd(0), n(3));
      break;
    case "getsockname":
    case "getpeername":
      req = make(spec.name, fd(0), new Uint8Array(SOCKADDR_IN6_LEN));
      break;
    case "read": {
      const b = new Uint8Array(n(2));
      got(b, a[1]);
      req = make("read", fd(0), b);
      break;
    }
    case "write":
      req = make("write", fd(0), data_of(a[1], n(2)));
      break;
    case "readv":
    case "writev": {
      const iov = iov_of(a[1]);
      if (iov.length !== n(2)) fail(`${iov.length} parts, but a count of ${n(2)}`);
      req = make(spec.name, fd(0), iov);
      break;
    }
    case "recv":
    case "recvfrom": {
      const b = new Uint8Array(n(2));
      got(b, a[1]);
      req = make("recvfrom", fd(0), b, n(3));
      break;
    }
    case "send":
      req = make("sendto", fd(0), data_of(a[1], n(2)), n(3), null);
      break;
    case "sendto": {
      const none = a[4] === undefined || (a[4].k === "sym" && a[4].name === "NULL");
      req = make(
        "sendto",
        fd(0),
        data_of(a[1], n(2)),
        n(3),
        none ? null : sockaddr_of(a[4]!, ctx, ctx.remote_ip, ctx.connect_port),
      );
      break;
    }
    case "sendmsg":
    case "recvmsg": {
      const fs = fields_of(a[1]);
      const iov = field(fs, "msg_iov");
      const bufs = iov ? iov_of(iov.value) : [];
      const ctl = field(fs, "msg_control");
      const name = field(fs, "msg_name");
      const send = spec.name === "sendmsg";
      const control = send
        ? ctl
          ? concat(items_of(ctl.value).map(cmsg_bytes))
          : null
        : ctl
          ? new Uint8Array(4096)
          : null;
      const msg: MsgHdr = {
        msg_name:
          send && name && !is_any(name.value) ? sockaddr_of(name.value, ctx, ctx.remote_ip, ctx.connect_port) : null,
        msg_namelen: 0,
        msg_iov: bufs,
        msg_control: control,
        msg_controllen: control?.length ?? 0,
        msg_flags: 0,
      };
      if (msg.msg_name !== null) msg.msg_namelen = msg.msg_name.length;
      req = make(spec.name, fd(0), msg, n(2));
      if (!send) {
        const flags = field(fs, "msg_flags");
        extra = (ret) => {
          if (ret < 0) return null;
          if (flags && !is_any(flags.value)) {
            const want = int_of(flags.value);
            if (want !== msg.msg_flags)
              return [`msg_flags ${flag_text(/^MSG_/, want)}`, flag_text(/^MSG_/, msg.msg_flags)];
          }
          if (!ctl) return null;
          const have = control === null ? [] : cmsgs_of(control, Math.min(msg.msg_controllen, control.length));
          for (const [i, e] of items_of(ctl.value).entries()) {
            const bad = check_cmsg(e, have[i], ctx);
            if (bad !== null) return bad;
          }
          return null;
        };
      }
      break;
    }
    case "close":
      req = make("close", fd(0));
      break;
    case "shutdown":
      req = make("shutdown", fd(0), n(1));
      break;
    case "fcntl":
      req = make("fcntl", fd(0), n(1), a[2] === undefined ? 0 : n(2));
      break;
    case "ioctl": {
      const b = int_bytes(a[2] !== undefined && !is_any(a[2]) ? n(2) : 0);
      const want = a[2];
      req = make("ioctl", fd(0), n(1), b);
      extra = (ret) => {
        if (ret < 0 || want === undefined || is_any(want)) return null;
        const have = new DataView(b.buffer).getInt32(0, true);
        return have === int_of(want) ? null : [`[${int_of(want)}]`, `[${have}]`];
      };
      break;
    }
    case "setsockopt": {
      const len = n(4);
      req = make("setsockopt", fd(0), n(1), n(2), optval_of(a[3], len));
      break;
    }
    case "getsockopt": {
      const want = a[3];
      const lenv = a[4]?.k === "list" ? int_of(a[4]) : n(4);
      const b = new Uint8Array(want?.k === "str" ? Math.max(lenv, want.v.length + 1) : Math.max(0, lenv));
      req = make("getsockopt", fd(0), n(1), n(2), b);
      extra = (ret) => {
        if (ret < 0 || want === undefined || is_any(want)) return null;
        if (want.k === "str") {
          const have = String.fromCharCode(...b).replace(/\0[\s\S]*/, "");
          return have === want.v ? null : [JSON.stringify(want.v), JSON.stringify(have)];
        }
        const dv = new DataView(b.buffer);
        if (want.k === "struct") {
          for (const [i, f] of want.fields.entries()) {
            if (is_any(f.value)) continue;
            const have = dv.getInt32(4 * i, true);
            if (have !== int_of(f.value)) return [`${f.name}=${int_of(f.value)}`, String(have)];
          }
          return null;
        }
        const have = b.length >= 4 ? dv.getInt32(0, true) : b.length > 0 ? b[0]! : 0;
        return have === int_of(want) ? null : [`[${int_of(want)}]`, `[${have}]`];
      };
      break;
    }
    case "poll": {
      const list = items_of(a[0]).map(fields_of);
      const fds: PollFd[] = list.map((fs) => ({
        fd: ctx.fd(int_of(field(fs, "fd")?.value)),
        events: int_of(field(fs, "events")?.value),
        revents: 0,
      }));
      req = make("poll", fds, n(2));
      extra = (ret) => {
        if (ret < 0) return null;
        for (const [i, fs] of list.entries()) {
          const r = field(fs, "revents");
          if (r === undefined || is_any(r.value)) continue;
          const want = int_of(r.value);
          if (want !== fds[i]!.revents)
            return [`revents=${flag_text(/^POLL/, want)}`, flag_text(/^POLL/, fds[i]!.revents)];
        }
        return null;
      };
      break;
    }
    case "open":
      req = make("open", str_of(a[0]), n(1), a[2] === undefined ? 0 : n(2));
      break;
    case "pipe": {
      const ends = items_of(a[0]).map(int_of);
      if (ends.length !== 2) fail("pipe() gives two descriptors");
      req = make("pipe", new Uint8Array(8));
      break;
    }
    case "sendfile": {
      const offset = offset_of(a[2]);
      req = make("sendfile", fd(0), fd(1), offset, n(3));
      break;
    }
    case "splice":
      req = make("splice", fd(0), offset_of(a[1]), fd(2), offset_of(a[3]), n(4), n(5));
      break;
    case "epoll_create":
    case "epoll_create1":
      req = make("epoll_create1", spec.name === "epoll_create" ? 0 : n(0));
      break;
    case "epoll_ctl": {
      const e = a[3];
      let ev: EpollEvent | null = null;
      if (e !== undefined && e.k === "struct") {
        const d = ["fd", "u32", "u64", "ptr"].map((x) => field(e.fields, x)).find((x) => x !== undefined);
        ev = { events: int_of(field(e.fields, "events")?.value), data: d ? int_of(d.value) : 0 };
      }
      req = make("epoll_ctl", fd(0), n(1), fd(2), ev as EpollEvent);
      break;
    }
    case "epoll_wait": {
      const events: EpollEvent[] = [];
      const first = a[1]?.k === "list" ? a[1].items[0] : a[1];
      req = make("epoll_wait", fd(0), events, n(2), n(3));
      extra = (ret) => {
        if (ret <= 0 || first === undefined || is_any(first)) return null;
        const fs = fields_of(first);
        const want = int_of(field(fs, "events")?.value);
        const have = events[0]!;
        if (have.events >>> 0 !== want >>> 0)
          return [`events=${flag_text(/^EPOLL/, want)}`, flag_text(/^EPOLL/, have.events)];
        const d = ["fd", "u32", "u64", "ptr"].map((x) => field(fs, x)).find((x) => x !== undefined);
        if (d !== undefined && !is_any(d.value) && int_of(d.value) !== have.data)
          return [`${d.name}=${int_of(d.value)}`, String(have.data)];
        return null;
      };
      break;
    }
    default:
      return fail(`unknown system call: ${spec.name}()`);
  }
  return {
    req,
    check(ret) {
      ctx.done(req.op, spec, req, ret);
      return check_result(spec, ret) ?? extra(ret);
    },
  };
}
