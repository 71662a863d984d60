// A script against a fresh machine in virtual time. Way in: runScript().

import type { Blocking, EpollEvent, MsgHdr, PollFd, Sys } from "../../uapi/sys.ts";
import { type TestStack as Stack, TestStack } from "../stack.ts";
import { ScriptError } from "./ast.ts";
import { CallError, type Request } from "./calls.ts";
import { defines_of, parse_script } from "./parser.ts";
import { type Backend, type LiveCall, RunError, Runner, settings_of } from "./runner.ts";

export interface RunOptions {
  /** -D: words of the script that stand for others. */
  defines?: ReadonlyMap<string, string>;
  /** Options of the command line, by name without "--"; they win over the script's own. */
  options?: ReadonlyMap<string, string>;
  seed?: number;
}

export interface RunResult {
  ok: boolean;
  /** `file:line: … expected … / actual …`, or "". */
  message: string;
  /** What the code of the script printed. */
  printed: string[];
  /** What differed where --non_fatal lets the script go on. */
  warnings: string[];
}

/** Makes the call in the stack. */
function* make_call(sys: Sys, req: Request): Blocking<number> {
  const a = req.a;
  const fd = a[0] as number;
  const msg = (iov: Uint8Array[]): MsgHdr => ({
    msg_name: null,
    msg_namelen: 0,
    msg_iov: iov,
    msg_control: null,
    msg_controllen: 0,
    msg_flags: 0,
  });
  switch (req.op) {
    case "socket":
      return sys.socket(fd, a[1] as number, a[2] as number);
    case "bind":
      return sys.bind(fd, a[1] as Uint8Array);
    case "connect":
      return yield* sys.connect(fd, a[1] as Uint8Array);
    case "listen":
      return sys.listen(fd, a[1] as number);
    case "accept4":
      return yield* sys.accept4(fd, null, a[1] as number);
    case "getsockname":
      return Math.min(0, sys.getsockname(fd, a[1] as Uint8Array));
    case "getpeername":
      return Math.min(0, sys.getpeername(fd, a[1] as Uint8Array));
    case "read":
      return yield* sys.read(fd, a[1] as Uint8Array);
    case "write":
      return yield* sys.write(fd, a[1] as Uint8Array);
    case "readv":
      return yield* sys.recvmsg(fd, msg(a[1] as Uint8Array[]), 0);
    case "writev":
      return yield* sys.sendmsg(fd, msg(a[1] as Uint8Array[]), 0);
    case "recvfrom":
      return yield* sys.recvfrom(fd, a[1] as Uint8Array, a[2] as number, null);
    case "sendto":
      return yield* sys.sendto(fd, a[1] as Uint8Array, a[2] as number, a[3] as Uint8Array | null);
    case "sendmsg":
      return yield* sys.sendmsg(fd, a[1] as MsgHdr, a[2] as number);
    case "recvmsg":
      return yield* sys.recvmsg(fd, a[1] as MsgHdr, a[2] as number);
    case "close":
      return yield* sys.close_linger(fd);
    case "shutdown":
      return sys.shutdown(fd, a[1] as number);
    case "fcntl":
      return sys.fcntl(fd, a[1] as number, a[2] as number);
    case "ioctl":
      return sys.ioctl(fd, a[1] as number, a[2] as Uint8Array);
    case "setsockopt":
      return sys.setsockopt(fd, a[1] as number, a[2] as number, a[3] as Uint8Array);
    case "getsockopt": {
      const r = sys.getsockopt(fd, a[1] as number, a[2] as number, a[3] as Uint8Array);
      return r > 0 ? 0 : r;
    }
    case "poll":
      return yield* sys.poll(a[0] as PollFd[], a[1] as number);
    case "open":
      return sys.open(a[0] as string, a[1] as number, a[2] as number);
    case "pipe": {
      const [r, w] = sys.pipe();
      if (r < 0) return r;
      new DataView((a[0] as Uint8Array).buffer).setInt32(0, r, true);
      new DataView((a[0] as Uint8Array).buffer).setInt32(4, w, true);
      return 0;
    }
    case "sendfile":
      return yield* sys.sendfile(fd, a[1] as number, a[2] as Uint8Array | null, a[3] as number);
    case "splice":
      return yield* sys.splice(
        fd,
        a[1] as Uint8Array | null,
        a[2] as number,
        a[3] as Uint8Array | null,
        a[4] as number,
        a[5] as number,
      );
    case "epoll_create1":
      return sys.epoll_create1(fd);
    case "epoll_ctl":
      return sys.epoll_ctl(fd, a[1] as number, a[2] as number, a[3] as EpollEvent | null);
    case "epoll_wait":
      return yield* sys.epoll_wait(fd, a[1] as EpollEvent[], a[2] as number, a[3] as number);
    default:
      throw new CallError(`unknown system call: ${req.op}()`);
  }
}

export function sim_backend(stack: Stack): Backend {
  return {
    now: () => stack.now,
    wall_s: () => stack.machine.kernel.host.realtime_ms() / 1000,
    call: (req): LiveCall => stack.start((sys) => make_call(sys, req)),
    inject: (packet) => void stack.inject(packet),
    take: () => stack.take(),
    shell: (command) => stack.shell(command),
  };
}

const ip_text = (ip: number): string => [24, 16, 8, 0].map((s) => (ip >>> s) & 255).join(".");

/** Runs a script against a machine of its own; a script that cannot be understood fails. */
export function runScript(file: string, text: string, options: RunOptions = {}): RunResult {
  let runner: Runner | null = null;
  let stack: Stack | null = null;
  const result = (message: string): RunResult => ({
    ok: message === "",
    message,
    printed: runner?.printed ?? [],
    warnings: runner?.warnings ?? [],
  });
  try {
    const script = parse_script(file, text, defines_of(text, options.options, options.defines));
    const all = new Map([...script.options, ...(options.options ?? [])]);
    const s = settings_of(all);
    if (s.dry_run) return result("");
    const netmask = all.get("netmask_ip") ?? "255.255.0.0";
    const bits = netmask.split(".").reduce((n, x) => n + Number(x).toString(2).replaceAll("0", "").length, 0);
    stack = new TestStack({
      seed: options.seed ?? 1,
      mtu: s.mtu,
      address: `${ip_text(s.local_ip)}/${bits}`,
      gateway: all.get("gateway_ip") ?? "192.168.0.2",
    });
    // Where ICMP's rate limits and the ISN clock are those of a machine that has been up for a while.
    stack.advance(5e9);
    runner = new Runner(script, sim_backend(stack), s);
    const steps = runner.run();
    for (let step = steps.next(); !step.done; step = steps.next()) {
      const { until, done } = step.value;
      stack.runUntil(done ?? (() => false), until);
    }
    runner.end();
    if (stack.bugs.length > 0) return result(`${file}: BUG: ${stack.bugs[0]}`);
    stack.close_all();
    stack.advance(2e9);
    if (stack.bugs.length > 0) return result(`${file}: BUG: ${stack.bugs[0]}`);
    const left = Object.entries(stack.live()).filter(([, n]) => n !== 0);
    if (left.length > 0) return result(`${file}: left behind: ${left.map(([what, n]) => `${n} ${what}`).join(", ")}`);
    return result("");
  } catch (e) {
    if (stack !== null && stack.bugs.length > 0) return result(`${(e as Error).message} (BUG: ${stack.bugs[0]})`);
    if (e instanceof ScriptError || e instanceof RunError)
      return result(e.message.startsWith(file) ? e.message : `${file}: ${e.message}`);
    throw e;
  }
}
