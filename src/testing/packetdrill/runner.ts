// Plays a script: events in their order and at their time, packets of the socket under test against the expected ones.
// Read first: ast.ts, docs/packetdrill.md. Way in: run_events(), a generator that yields when it waits; a backend is the stack.

import { AF_INET, AF_INET6 } from "../../uapi/socket.ts";
import type {
  CallSpec,
  EventTime,
  Expr,
  IcmpSpec,
  PacketSpec,
  Script,
  ScriptEvent,
  TcpOption,
  TcpSpec,
} from "./ast.ts";
import {
  type CallContext,
  CallError,
  int_of,
  ip_of,
  type Prepared,
  prepare_call,
  type Request,
  v4_of,
} from "./calls.ts";
import { icmp_name } from "./icmp_names.ts";
import * as P from "./packet.ts";
import { CWR, FIN, SYN } from "./parser.ts";
import { run_code, tcp_cc_info_vars, tcp_info_vars, type Value } from "./pycode.ts";

export interface LiveCall {
  done: boolean;
  value: number | undefined;
  /** ns of the backend's clock. */
  end: number;
}

/** The stack under test and the world around it. */
export interface Backend {
  /** ns. */
  now(): number;
  /** Seconds since 1970. */
  wall_s(): number;
  call(req: Request, blocking: boolean): LiveCall;
  inject(packet: Uint8Array): void;
  take(): { time: number; bytes: Uint8Array } | null;
  shell(command: string): { code: number; out: string };
}

/** The runner waits until `done()`, or until the clock stands at `until` (ns). */
export interface Wait {
  until: number;
  done: (() => boolean) | null;
}
type Steps<T> = Generator<Wait, T, undefined>;

export class RunError extends Error {}

export interface Settings {
  /** AF_INET6: sockets of it, with mapped addresses; on the wire it is IPv4 all the same. */
  domain: number;
  local_ip: number;
  remote_ip: number;
  bind_port: number;
  connect_port: number;
  tolerance_us: number;
  /** Of the distance to the event before. */
  tolerance_percent: number;
  mtu: number;
  /** Kinds of events whose differences do not end the script. */
  non_fatal: ReadonlySet<string>;
  /** Code sees TCP_CC_INFO as well. */
  cc_info: boolean;
  /** Commands to run before the script's own. */
  init_scripts: readonly string[];
  dry_run: boolean;
  strict_segments: boolean;
  ts_tick_us: number;
  ts_ecr_scaled: boolean;
}

/** Options that change nothing here: how the original finds its devices, and how much it says. */
const NO_EFFECT = new Set([
  "verbose",
  "debug",
  "code_command",
  "code_format",
  "speed",
  "send_omit_free",
  "gateway_ip",
  "netmask_ip",
  "tun_dev",
  "persistent_tun_dev",
]);

function number_option(name: string, v: string): number {
  const n = Number(v);
  if (v.trim() === "" || !(n >= 0)) throw new RunError(`bad --${name}: ${v}`);
  return n;
}

export function settings_of(options: ReadonlyMap<string, string>): Settings {
  const s: Settings = {
    domain: AF_INET,
    local_ip: ip_of("192.168.0.1"),
    remote_ip: ip_of("192.0.2.1"),
    bind_port: 8080,
    connect_port: 8080,
    tolerance_us: 4000,
    tolerance_percent: 12.5,
    mtu: 1500,
    non_fatal: new Set(),
    cc_info: false,
    init_scripts: [],
    dry_run: false,
    strict_segments: false,
    ts_tick_us: 0,
    ts_ecr_scaled: false,
  };
  for (const [name, v] of options) {
    switch (name) {
      case "local_ip":
        s.local_ip = ip_of(v);
        break;
      case "remote_ip":
        s.remote_ip = ip_of(v.replace(/\/.*/, ""));
        break;
      case "bind_port":
        s.bind_port = number_option(name, v);
        break;
      case "connect_port":
        s.connect_port = number_option(name, v);
        break;
      case "tolerance_usecs":
        s.tolerance_us = number_option(name, v);
        break;
      case "tolerance_percent":
        s.tolerance_percent = number_option(name, v);
        break;
      case "mtu":
        s.mtu = number_option(name, v);
        break;
      case "non_fatal":
        s.non_fatal = new Set(v.split(/[,\s]+/).filter((w) => w !== ""));
        for (const w of s.non_fatal) if (w !== "packet" && w !== "syscall") throw new RunError(`bad --non_fatal: ${w}`);
        break;
      case "code_sockopt":
        if (v !== "" && v !== "TCP_INFO" && v !== "TCP_CC_INFO") throw new RunError(`bad --code_sockopt: ${v}`);
        s.cc_info = v === "TCP_CC_INFO";
        break;
      case "init_scripts":
        s.init_scripts = v.split(/[,\s]+/).filter((w) => w !== "");
        break;
      case "dry_run":
        s.dry_run = true;
        break;
      case "strict_segments":
        s.strict_segments = true;
        break;
      case "tcp_ts_tick_usecs":
        s.ts_tick_us = number_option(name, v);
        break;
      case "tcp_ts_ecr_scaled":
        s.ts_ecr_scaled = true;
        break;
      case "ip_version":
        if (v === "ipv6") throw new RunError("--ip_version=ipv6 is not there yet: ipv4 and ipv4-mapped-ipv6 are");
        if (v !== "ipv4" && v !== "ipv4-mapped-ipv6") throw new RunError(`bad --ip_version: ${v}`);
        s.domain = v === "ipv4" ? AF_INET : AF_INET6;
        break;
      default:
        if (!NO_EFFECT.has(name)) throw new RunError(`unknown option --${name}`);
    }
  }
  return s;
}

/** What the customary defaults.sh sets. */
export const DEFAULTS: readonly string[] = [
  "net.core.default_qdisc=pfifo_fast",
  "net.ipv4.tcp_rmem=4096 540000 15728640",
  "net.ipv4.tcp_wmem=4096 262144 4194304",
  "net.ipv4.tcp_timestamps=1",
  "net.ipv4.tcp_syn_retries=5",
  "net.ipv4.tcp_synack_retries=5",
  "net.ipv4.tcp_frto=2",
  "net.ipv4.tcp_sack=1",
  "net.ipv4.tcp_dsack=1",
  "net.ipv4.tcp_fack=0",
  "net.ipv4.tcp_reordering=3",
  "net.ipv4.tcp_congestion_control=cubic",
  "net.ipv4.tcp_slow_start_after_idle=0",
  "net.ipv4.tcp_early_retrans=4",
  "net.ipv4.tcp_recovery=1",
  "net.ipv4.tcp_tso_win_divisor=3",
  "net.ipv4.tcp_ecn=0",
  "net.ipv4.tcp_ecn_option=2",
  "net.ipv4.tcp_pacing_ss_ratio=200",
  "net.ipv4.tcp_pacing_ca_ratio=120",
  "net.ipv4.tcp_notsent_lowat=4294967295",
  "net.ipv4.tcp_fastopen=0x70403",
  "net.ipv4.tcp_fastopen_key=a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4",
  "net.ipv4.tcp_syncookies=1",
];

/** One connection as the script sees it. */
class TestSocket {
  proto = P.IPPROTO_TCP;
  script_fd = -1;
  listening = false;
  local_ip = 0;
  local_port = 0;
  remote_ip = 0;
  remote_port = 0;
  /** As the script writes them, when it does. */
  script_ports: [number, number] | null = null;
  local_isn: number | null = null;
  script_local_isn = 0;
  remote_isn = 0;
  /** Time stamps: script → stack. */
  readonly ts: Map<number, number> = new Map();
  ts_first: [number, number] | null = null;
  ts_tick: [number, number] | null = null;
  fd_known = false;
  /** For RSTs at the end and quotes in ICMP. */
  snd_una = 0;
}

const u32 = (v: number): number => v >>> 0;
/** The two descriptors that pipe([3, 4]) names. */
const pipe_ends = (e: Expr | undefined): number[] => (e?.k === "list" ? e.items.map(int_of) : []);

export class Runner implements CallContext {
  private readonly b: Backend;
  private readonly script: Script;
  private readonly s: Settings;
  readonly domain: number;
  local_ip: number;
  remote_ip: number;
  bind_port: number;
  connect_port: number;
  start_s = 0;
  tolerance_us: number;
  private start = 0;
  /** ns: when the event before ended, and the time that relative times count from. */
  private prev_end = 0;
  private readonly sockets: TestSocket[] = [];
  private sock: TestSocket | null = null;
  private readonly fds: Map<number, number> = new Map();
  private pending: { live: LiveCall; prep: Prepared; event: ScriptEvent; end_ns: number } | null = null;
  private readonly codes: { event: ScriptEvent; info: Uint8Array; cc: Uint8Array | null; text: string }[] = [];
  private next_remote_port = 33000;
  readonly printed: string[] = [];
  readonly warnings: string[] = [];

  constructor(script: Script, backend: Backend, settings: Settings) {
    this.script = script;
    this.b = backend;
    this.s = settings;
    this.domain = settings.domain;
    this.local_ip = settings.local_ip;
    this.remote_ip = settings.remote_ip;
    this.bind_port = settings.bind_port;
    this.connect_port = settings.connect_port;
    this.tolerance_us = settings.tolerance_us;
  }

  private fail(event: { line: number }, message: string): never {
    throw new RunError(`${this.script.file}:${event.line}: ${message}`);
  }
  private differ(event: ScriptEvent, what: string, expected: string, actual: string): never {
    this.fail(event, `${what}: expected ${expected} / actual ${actual}`);
  }

  // --- time -------------------------------------------------------------------------------------------------------

  private secs(ns: number): string {
    return ((ns - this.start) / 1e9).toFixed(6);
  }
  /** Bounds of an event's time in ns, and how far off it may be. */
  private bounds(t: EventTime): [number, number, number] {
    const base = t.rel ? this.prev_end : this.start;
    const from = base + t.us * 1000;
    const to = t.end === null ? from : base + t.end * 1000;
    return [from, to, this.tolerance(from)];
  }
  private tolerance(at: number): number {
    return Math.max(this.tolerance_us * 1000, ((at - this.prev_end) * this.s.tolerance_percent) / 100);
  }
  private check_time(event: ScriptEvent, what: string, at: number, from: number, to: number, tol: number): void {
    if (at >= from - tol && at <= to + tol) return;
    const range = from === to ? this.secs(from) : `${this.secs(from)}~${this.secs(to)}`;
    this.differ(event, `${what} at the wrong time (tolerance ${(tol / 1e9).toFixed(6)})`, range, this.secs(at));
  }
  private *wait_until(at: number): Steps<void> {
    if (this.b.now() < at) yield { until: at, done: null };
  }

  // --- running ----------------------------------------------------------------------------------------------------

  *run(): Steps<void> {
    const first = this.script.events[0];
    if (first !== undefined && (first.time.any || first.time.us !== 0))
      this.fail(first, "the first event must be at time 0");
    for (const c of this.s.init_scripts) this.init_command(0, c);
    for (const c of this.script.init) this.init_command(c.line, c.command);
    this.start = this.b.now();
    this.start_s = this.b.wall_s();
    this.prev_end = this.start;
    for (const event of this.script.events) yield* this.lenient_event(event);
    if (this.pending !== null) yield* this.finish_pending();
    if (this.script.cleanup !== null) this.command(this.script.cleanup, this.script.cleanup.command);
    const vars = new Map<string, Value>();
    for (const c of this.codes) {
      for (const [name, v] of tcp_info_vars(c.info)) vars.set(name, v);
      if (c.cc !== null) for (const [name, v] of tcp_cc_info_vars(c.cc)) vars.set(name, v);
      const bad = run_code(c.text, vars, (line) => this.printed.push(line));
      if (bad !== null) this.fail(c.event, bad);
    }
  }

  /** Closes what the script left open and ends its connections, as the original does. */
  end(): void {
    for (const fd of this.fds.values()) this.b.call({ op: "close", a: [fd] }, false);
    for (const t of this.sockets) {
      if (t.proto !== P.IPPROTO_TCP || t.local_isn === null || t.local_port === 0) continue;
      const seq = t.snd_una;
      this.b.inject(
        P.build_tcp(
          { src: t.remote_ip, dst: t.local_ip, tos: 0, ttl: 255 },
          {
            sport: t.remote_port,
            dport: t.local_port,
            seq,
            ack: 0,
            flags: 4,
            win: 0,
            urg: 0,
            options: new Uint8Array(0),
          },
          0,
        ),
      );
    }
  }

  private init_command(line: number, text: string): void {
    const words = text.trim().split(/\s+/);
    for (const part of text.split(/\n|;|&&/)) {
      const cmd = part.trim();
      if (cmd === "") continue;
      if (/(^|\/)defaults\.sh$/.test(cmd)) {
        for (const d of DEFAULTS) this.b.shell(`sysctl -q -w '${d}'`);
        this.b.shell("ip tcp_metrics flush all > /dev/null 2>&1");
        this.b.shell("tc qdisc add dev tun0 root pfifo");
        continue;
      }
      this.command({ line }, cmd);
    }
    if (words.length === 0) this.fail({ line }, "an empty command");
  }
  private command(event: { line: number }, text: string): void {
    // set_sysctls.py k=v …: the same as sysctl, which it stands for in many scripts.
    const cmd = text.replace(/^\s*\S*set_sysctls\.py((?:\s+\S+=(?:"[^"]*"|\S+))+)\s*$/, (_, args: string) =>
      args
        .trim()
        .split(/\s+(?=\S+=)/)
        .map((kv) => `sysctl -q -w '${kv.replace(/^\/proc\/sys\//, "").replace(/"/g, "")}'`)
        .join(" && "),
    );
    const r = this.b.shell(cmd);
    if (r.code !== 0)
      this.fail(event, `command \`${text.trim()}\`: expected status 0 / actual ${r.code}: ${r.out.trim()}`);
  }

  /** --non_fatal: what differs in such events is noted only. */
  private *lenient_event(event: ScriptEvent): Steps<void> {
    const kind = event.action.k === "packet" ? "packet" : event.action.k === "call" ? "syscall" : "";
    if (!this.s.non_fatal.has(kind)) return yield* this.event(event);
    try {
      yield* this.event(event);
    } catch (e) {
      if (!(e instanceof RunError)) throw e;
      this.warnings.push(e.message);
      this.prev_end = this.b.now();
    }
  }

  private *event(event: ScriptEvent): Steps<void> {
    const act = event.action;
    const [from, to, tol] = this.bounds(event.time);
    const inbound = act.k === "packet" && !act.packet.out;
    if (act.k === "packet" && act.packet.out) {
      yield* this.outbound(event, act.packet, event.time.any ? Number.POSITIVE_INFINITY : to, from, tol);
      this.prev_end = this.b.now();
    } else {
      yield* this.wait_until(from);
      const late = this.b.now();
      if (act.k !== "packet" || !act.packet.out) this.check_time(event, "event", late, from, from, tol);
      if (act.k === "packet") this.inbound(event, act.packet);
      else if (act.k === "shell") this.command(event, act.command);
      else if (act.k === "code") this.capture(event, act.text);
      else yield* this.syscall(event, from);
      // A packet takes no time of its own: packets in a row keep the script's distances.
      this.prev_end = inbound ? from : this.b.now();
    }
    if (this.pending?.live.done) yield* this.finish_pending();
  }

  // --- system calls -----------------------------------------------------------------------------------------------

  fd(script_fd: number): number {
    const fd = this.fds.get(script_fd);
    // What the script never opened is no descriptor of the stack either.
    return fd ?? (script_fd < 0 ? script_fd : 1000 + script_fd);
  }

  private *syscall(event: ScriptEvent, from: number): Steps<void> {
    if (event.action.k !== "call") return;
    const { call, end } = event.action;
    if (this.pending !== null) yield* this.finish_pending();
    try {
      const prep = prepare_call(call, this);
      this.before(prep.req);
      const live = this.b.call(prep.req, end !== null);
      this.pending = { live, prep, event, end_ns: 0 };
      if (end !== null) {
        const base = event.time.rel ? from - event.time.us * 1000 : this.start;
        this.pending.end_ns = base + end * 1000;
        if (this.pending.end_ns < from) this.fail(event, "a blocking call ends before it starts");
      } else yield* this.finish_pending();
    } catch (e) {
      if (e instanceof CallError) this.fail(event, e.message);
      throw e;
    }
  }
  private *finish_pending(): Steps<void> {
    const p = this.pending!;
    const { live, event } = p;
    if (!live.done) {
      const limit = p.end_ns > 0 ? Math.max(p.end_ns, this.b.now()) + 1e9 : this.b.now() + 30e9;
      yield { until: limit, done: () => live.done };
      if (!live.done) this.fail(event, `${event.text}: expected to return / actual it still waits`);
    }
    this.pending = null;
    let bad: [string, string] | null;
    try {
      bad = p.prep.check(live.value!);
    } catch (e) {
      if (e instanceof CallError) this.fail(event, e.message);
      throw e;
    }
    const name = event.action.k === "call" ? `${event.action.call.name}()` : "";
    if (bad !== null) this.differ(event, name, bad[0], bad[1]);
    if (p.end_ns > 0) {
      this.check_time(event, `${name} returned`, live.end, p.end_ns, p.end_ns, this.tolerance(p.end_ns));
    }
  }

  /** What a call means for the connection under test, before it is made: a packet may leave within it. */
  private before(req: Request): void {
    const by_fd = (fd: unknown): TestSocket | undefined =>
      this.sockets.findLast((t) => t.fd_known && this.fds.get(t.script_fd) === fd);
    const t = by_fd(req.a[0]);
    if (t === undefined) return;
    if (req.op === "bind") {
      const to = v4_of(req.a[1] as Uint8Array);
      if (to === null) return;
      if (to.ip !== 0) t.local_ip = to.ip;
      t.local_port = to.port;
    } else if (req.op === "listen") t.listening = true;
    else if (req.op === "connect" || (req.op === "sendto" && req.a[3] !== null)) {
      this.peer(t, (req.op === "connect" ? req.a[1] : req.a[3]) as Uint8Array);
    } else if (req.op === "sendmsg") {
      const name = (req.a[1] as { msg_name: Uint8Array | null }).msg_name;
      if (name !== null) this.peer(t, name);
    }
  }
  private peer(t: TestSocket, name: Uint8Array): void {
    const to = v4_of(name);
    if (to === null) return;
    t.remote_ip = to.ip;
    t.remote_port = to.port;
  }
  done(op: string, spec: CallSpec, req: Request, ret: number): void {
    if (op === "pipe" && ret === 0) {
      const ends = new DataView((req.a[0] as Uint8Array).buffer);
      for (const [i, e] of pipe_ends(spec.args[0]).entries()) this.fds.set(e, ends.getInt32(4 * i, true));
    }
    if (op === "socket" || op === "accept4" || op === "epoll_create1" || op === "open") {
      if (ret < 0) return;
      const script_fd = int_of(spec.result);
      this.fds.set(script_fd, ret);
      if (op === "epoll_create1" || op === "open") return;
      if (op === "socket") {
        const t = new TestSocket();
        t.proto = (Number(req.a[1]) & 15) === 2 ? P.IPPROTO_UDP : P.IPPROTO_TCP;
        t.local_ip = this.local_ip;
        t.remote_ip = this.remote_ip;
        t.script_fd = script_fd;
        t.fd_known = true;
        this.sockets.push(t);
        this.sock = t;
      } else {
        // The oldest connection that nobody has accepted.
        const t = this.sockets.find((x) => !x.fd_known && !x.listening);
        if (t !== undefined) {
          t.script_fd = script_fd;
          t.fd_known = true;
        }
      }
    } else if (op === "close" && ret === 0) {
      for (const [s, live] of this.fds) if (live === req.a[0]) this.fds.delete(s);
    }
  }

  private capture(event: ScriptEvent, text: string): void {
    const info = new Uint8Array(280);
    let cc: Uint8Array | null = null;
    const fd = this.sock !== null ? this.fds.get(this.sock.script_fd) : undefined;
    if (fd !== undefined && this.sock!.proto === P.IPPROTO_TCP) {
      const live = this.b.call({ op: "getsockopt", a: [fd, 6, 11, info] }, false);
      if (!live.done || live.value! < 0) this.fail(event, `getsockopt(TCP_INFO) failed: ${live.value}`);
      if (this.s.cc_info) {
        cc = new Uint8Array(20);
        this.b.call({ op: "getsockopt", a: [fd, 6, 26, cc] }, false);
      }
    } else if (/\btcpi_/.test(text)) this.fail(event, "there is no connection whose tcp_info could be read");
    this.codes.push({ event, info, cc, text });
  }

  // --- packets in -------------------------------------------------------------------------------------------------

  /** The connection that a packet of the script belongs to. */
  private find(event: ScriptEvent, p: PacketSpec): TestSocket {
    if (p.ports !== null) {
      const [local, remote] = p.out ? p.ports : [p.ports[1], p.ports[0]];
      const known = this.sockets.find(
        (t) => t.script_ports !== null && t.script_ports[0] === local && t.script_ports[1] === remote,
      );
      if (known !== undefined) return known;
      const listener = this.sockets.findLast((t) => t.listening);
      if (!p.out && listener !== undefined) return this.child(listener, local, remote, true);
      const t = this.sock;
      if (t === null) return this.fail(event, "no socket for this packet");
      t.script_ports = [local, remote];
      if (!p.out && t.remote_port === 0) t.remote_port = remote;
      return t;
    }
    const t = this.sock;
    if (t === null) return this.fail(event, "no socket for this packet");
    if (!p.out && t.listening) return this.child(t, 0, 0, false);
    if (!p.out && p.body.kind === "tcp" && (p.body.flags & (SYN | 16)) === SYN) {
      // A SYN beside a listener starts a new connection when the present one got its own from there.
      const listener = this.sockets.findLast((x) => x.listening);
      if (
        listener !== undefined &&
        t.local_port === listener.local_port &&
        t.fd_known &&
        t.script_fd >= 0 &&
        t !== listener
      )
        return t;
    }
    return t;
  }
  private child(listener: TestSocket, local: number, remote: number, named: boolean): TestSocket {
    const t = new TestSocket();
    t.local_ip = listener.local_ip;
    t.local_port = listener.local_port;
    t.remote_ip = this.remote_ip;
    t.remote_port = named ? remote : this.next_remote_port++;
    if (named) t.script_ports = [local, remote];
    this.sockets.push(t);
    this.sock = t;
    return t;
  }

  private ip_head(p: PacketSpec, t: TestSocket): P.IpHead {
    const ecn = typeof p.ip.ecn === "number" ? p.ip.ecn : p.ip.ecn === "ect01" ? 2 : 0;
    return { src: t.remote_ip, dst: t.local_ip, tos: p.ip.tos ?? ecn, ttl: p.ip.ttl ?? 255 };
  }

  private inbound(event: ScriptEvent, p: PacketSpec): void {
    const t = this.find(event, p);
    const body = p.body;
    if (body.kind === "udp") {
      if (t.remote_port === 0) t.remote_port = this.connect_port;
      this.learn_local_port(t);
      this.b.inject(P.build_udp(this.ip_head(p, t), t.remote_port, t.local_port, body.len));
      return;
    }
    if (body.kind === "icmp") {
      this.b.inject(this.icmp(event, p, body, t));
      return;
    }
    this.b.inject(this.tcp(event, p, body, t));
  }
  /** What the stack sent already may tell the port that it chose. */
  private learn_local_port(t: TestSocket): void {
    if (t.local_port !== 0) return;
    const fd = this.fds.get(t.script_fd);
    if (fd === undefined) return;
    const name = new Uint8Array(28);
    const live = this.b.call({ op: "getsockname", a: [fd, name] }, false);
    if (live.done && live.value! >= 0) t.local_port = (name[2]! << 8) | name[3]!;
  }

  private tcp(event: ScriptEvent, p: PacketSpec, body: TcpSpec, t: TestSocket): Uint8Array {
    this.learn_local_port(t);
    const syn = (body.flags & SYN) !== 0;
    if (syn && (t.local_isn === null || (body.flags & 16) !== 0)) t.remote_isn = u32(body.seq);
    const seq = syn ? body.seq : body.seq + t.remote_isn;
    const ack = body.ack === null ? 0 : body.ack + (t.local_isn ?? 0);
    const opts = (body.options ?? []).map((o): TcpOption => {
      if (o.kind === "sack") return { ...o, values: o.values.map((v) => u32(v + (t.local_isn ?? 0))) };
      if (o.kind === "TS") return { ...o, values: [o.values[0]!, this.live_ecr(event, t, o.values[1]!)] };
      return o;
    });
    const options = P.options_bytes(opts);
    if (options === null) this.fail(event, "TCP options must be a whole number of 4 bytes, at most 40");
    if (body.ack !== null && t.local_isn !== null) t.snd_una = u32(ack);
    // The RST at the end must stand at what the stack expects next.
    t.snd_una = u32(seq + body.len + (body.flags & SYN ? 1 : 0) + (body.flags & FIN ? 1 : 0));
    return P.build_tcp(
      this.ip_head(p, t),
      {
        sport: t.remote_port,
        dport: t.local_port,
        seq,
        ack,
        flags: body.flags,
        win: body.win ?? 0,
        urg: body.urg ?? 0,
        options,
      },
      body.len,
    );
  }
  private live_ecr(event: ScriptEvent, t: TestSocket, ecr: number): number {
    if (ecr === 0 && !t.ts.has(0)) return 0;
    if (this.s.ts_ecr_scaled && t.ts_first !== null) return u32(t.ts_first[1] + (ecr - t.ts_first[0]));
    return t.ts.get(ecr) ?? this.fail(event, `TS ecr ${ecr}: the stack sent no packet with this val`);
  }

  private icmp(event: ScriptEvent, p: PacketSpec, body: IcmpSpec, t: TestSocket): Uint8Array {
    this.learn_local_port(t);
    let quoted: Uint8Array = new Uint8Array(0);
    const ip: P.IpHead = { src: t.local_ip, dst: t.remote_ip, tos: 0, ttl: 64 };
    const q = body.quoted;
    if (q?.kind === "tcp") {
      const head = {
        sport: t.local_port,
        dport: t.remote_port,
        seq: u32(q.seq + (t.local_isn ?? 0)),
        ack: 0,
        flags: 16,
        win: 0,
        urg: 0,
        options: new Uint8Array(0),
      };
      // The IP header says how long the packet was; the quote ends behind TCP's header.
      quoted = P.build_tcp(ip, head, q.len).slice(0, 40);
    } else if (q?.kind === "udp") quoted = P.build_udp(ip, t.local_port, t.remote_port, q.len).slice(0, 28);
    else if (q !== null) quoted = new Uint8Array(q.len);
    else if (body.type === 3 || body.type === 11 || body.type === 12) {
      if (t.proto === P.IPPROTO_UDP) quoted = P.build_udp(ip, t.local_port, t.remote_port, 0);
      else this.fail(event, "an ICMP error must quote a packet");
    }
    const rest = body.mtu ?? (body.id !== null ? u32(body.id << 16) : 0);
    return P.build_icmp(this.ip_head(p, t), body.type, body.code, rest, quoted);
  }

  // --- packets out ------------------------------------------------------------------------------------------------

  /** Whether a packet of the stack belongs to this connection; a connection that is being opened learns its port. */
  private mine(t: TestSocket, d: P.Decoded): boolean {
    if (d.dst !== t.remote_ip && t.remote_ip !== 0) return false;
    const l4 = d.tcp ?? d.udp;
    if (d.proto !== t.proto || l4 === null) return false;
    if (t.local_port === 0) this.learn_local_port(t);
    if (t.local_port === 0 && (d.tcp === null || (d.tcp.flags & SYN) !== 0) && l4.dport === t.remote_port) {
      t.local_port = l4.sport;
      t.local_ip = d.src;
    }
    return l4.sport === t.local_port && l4.dport === t.remote_port && d.src === t.local_ip;
  }

  private *next_packet(
    event: ScriptEvent,
    p: PacketSpec,
    t: TestSocket,
    deadline: number,
  ): Steps<{ time: number; d: P.Decoded }> {
    const got: { time: number; d: P.Decoded }[] = [];
    const poll = (): boolean => {
      for (let raw = this.b.take(); raw !== null; raw = this.b.take()) {
        const d = P.decode(raw.bytes);
        if (p.body.kind === "icmp" ? d.icmp !== null || this.mine(t, d) : this.mine(t, d)) {
          got.push({ time: raw.time, d });
          return true;
        }
      }
      return false;
    };
    if (!poll()) yield { until: deadline, done: poll };
    return got[0] ?? this.differ(event, "packet", event.text.replace(/^\S+ /, ""), "none until then");
  }

  private *outbound(event: ScriptEvent, p: PacketSpec, to: number, from: number, tol: number): Steps<void> {
    const t = this.find(event, p);
    const deadline = to === Number.POSITIVE_INFINITY ? this.b.now() + 300e9 : Math.max(this.b.now(), to + tol) + 1e6;
    const first = yield* this.next_packet(event, p, t, deadline);
    if (first.d.broken !== "") this.fail(event, `outbound packet: ${first.d.broken}`);
    const body = p.body;
    if (body.kind === "tcp") {
      if (first.d.tcp === null) this.differ(event, "protocol", "TCP", `protocol ${first.d.proto}`);
      yield* this.join(event, p, body, t, first.d, deadline);
    } else this.compare_other(event, p, first.d);
    if (p.ip.tos !== null && p.ip.tos !== first.d.tos) this.differ(event, "IP TOS", hex(p.ip.tos), hex(first.d.tos));
    const ecn = first.d.tos & 3;
    if (typeof p.ip.ecn === "number" && ecn !== p.ip.ecn) this.differ(event, "IP ECN", String(p.ip.ecn), String(ecn));
    if (p.ip.ecn === "ect01" && ecn !== 1 && ecn !== 2) this.differ(event, "IP ECN", "ECT(0) or ECT(1)", String(ecn));
    if (p.ip.ttl !== null && p.ip.ttl !== first.d.ttl) this.differ(event, "TTL", String(p.ip.ttl), String(first.d.ttl));
    if (to !== Number.POSITIVE_INFINITY) this.check_time(event, "packet", first.time, from, to, tol);
  }

  /** Takes further segments until the scripted length is reached (TSO is the device's affair), then compares. */
  private *join(
    event: ScriptEvent,
    p: PacketSpec,
    body: TcpSpec,
    t: TestSocket,
    first: P.Decoded,
    deadline: number,
  ): Steps<void> {
    const head = first.tcp!;
    let flags = head.flags;
    let len = first.payload.length;
    let zero = first.payload.every((x) => x === 0);
    const size = len;
    let ack = head.ack;
    let win = head.win;
    let options = head.options;
    let before = len;
    if (!this.s.strict_segments && len > 0 && (head.flags & SYN) === 0)
      while (len < body.len) {
        const more = yield* this.next_packet(event, p, t, deadline);
        const h = more.d.tcp;
        if (
          h === null ||
          more.d.broken !== "" ||
          h.seq !== u32(head.seq + len) ||
          more.d.payload.length === 0 ||
          before !== size
        )
          this.compare_tcp(
            event,
            body,
            t,
            { ...head, flags, ack, win, options },
            len,
            zero,
            "the next one does not continue it",
          );
        flags = (h!.flags & ~CWR) | (head.flags & CWR);
        ack = h!.ack;
        win = h!.win;
        options = h!.options;
        before = more.d.payload.length;
        len += before;
        zero = zero && more.d.payload.every((x) => x === 0);
        if (before > size)
          this.compare_tcp(event, body, t, { ...head, flags, ack, win, options }, len, zero, "segments differ in size");
      }
    this.compare_tcp(event, body, t, { ...head, flags, ack, win, options }, len, zero, "");
  }

  private compare_tcp(
    event: ScriptEvent,
    want: TcpSpec,
    t: TestSocket,
    head: P.TcpHead,
    len: number,
    _zero: boolean,
    why: string,
  ): void {
    const syn = (head.flags & SYN) !== 0;
    if (syn && t.local_isn === null) {
      t.local_isn = head.seq;
      t.script_local_isn = want.seq;
    }
    const isn = t.local_isn ?? 0;
    const seq = u32(head.seq - isn + (syn ? t.script_local_isn : 0));
    const ack = u32(head.ack - t.remote_isn);
    const opts = P.parse_options(head.options);
    const have: TcpOption[] = (opts ?? []).map((o) =>
      o.kind === "sack" ? { ...o, values: o.values.map((v) => u32(v - t.remote_isn)) } : o,
    );
    const show = (h: TcpOption[] | null, win: number | null): string =>
      `> ${P.tcp_text(head.flags, seq, len, ack, win, head.urg, h)}`;
    const expected = `> ${P.tcp_text(want.flags, want.seq, want.len, want.ack, want.win, want.urg, want.options)}`;
    const bad = (what: string): never =>
      this.differ(
        event,
        what,
        expected,
        show(want.options === null ? null : have, want.win === null ? null : head.win),
      );
    if (why !== "") bad(why);
    if (head.flags !== want.flags) bad("TCP flags");
    if (seq !== u32(want.seq)) bad("TCP sequence number");
    if (len !== want.len) bad("TCP payload length");
    if (want.ack !== null && ack !== u32(want.ack)) bad("TCP ack number");
    if (want.win !== null && head.win !== want.win) bad("TCP window");
    if ((want.urg ?? 0) !== head.urg) bad("TCP urgent pointer");
    if (want.options === null) return;
    if (opts === null) bad("TCP options that cannot be read");
    if (have.length !== want.options.length) bad("TCP options");
    for (const [i, w] of want.options.entries()) {
      const h = have[i]!;
      if (h.kind !== w.kind) bad("TCP options");
      if (h.kind === "TS") {
        this.record_ts(event, t, w.values[0]!, h.values[0]!);
        continue;
      }
      if (P.option_text(h) !== P.option_text({ ...w, values: w.values.map(u32) })) bad("TCP options");
    }
  }

  private record_ts(event: ScriptEvent, t: TestSocket, script: number, live: number): void {
    t.ts.set(script, live);
    t.ts_first ??= [script, live];
    const tick = this.s.ts_tick_us;
    if (tick === 0) return;
    const want = t.ts_first[1] + (script - t.ts_first[0]);
    const tol = Math.ceil(this.tolerance_us / tick) + 1;
    if (Math.abs((u32(live) - u32(want)) | 0) > tol)
      this.differ(event, "TS val", String(script), String(t.ts_first[0] + ((live - t.ts_first[1]) | 0)));
  }

  private compare_other(event: ScriptEvent, p: PacketSpec, d: P.Decoded): void {
    const body = p.body;
    if (body.kind === "udp") {
      if (d.udp === null) this.differ(event, "protocol", "UDP", `protocol ${d.proto}`);
      if (d.udp!.len !== body.len) this.differ(event, "UDP length", String(body.len), String(d.udp!.len));
    } else if (body.kind === "icmp") {
      if (d.icmp === null) this.differ(event, "protocol", "ICMP", `protocol ${d.proto}`);
      const { type, code, rest } = d.icmp!;
      if (type !== body.type || code !== body.code)
        this.differ(event, "ICMP", `${icmp_name(body.type)} code ${body.code}`, `${icmp_name(type)} code ${code}`);
      if (body.mtu !== null && (rest & 0xffff) !== body.mtu)
        this.differ(event, "ICMP mtu", String(body.mtu), String(rest & 0xffff));
    }
  }
}

const hex = (v: number): string => `0x${v.toString(16)}`;
