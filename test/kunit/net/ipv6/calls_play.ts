// The scenarios of calls.ts on a machine of ours, and what differs from Linux's answers. Way in: our_answers(), differences().

import { TestStack } from "../../../../src/testing/index.ts";
import type { MsgHdr } from "../../../../src/uapi/sys.ts";
import { type Answers, hex, type Scenarios, type Step } from "./calls.ts";

/** Ports that the kernel chose are not compared: 32768 and above become 0. */
function mask_port(sa: string): string {
  return sa.length >= 8 && Number.parseInt(sa.slice(4, 8), 16) >= 32768 ? `${sa.slice(0, 4)}0000${sa.slice(8)}` : sa;
}
export function comparable(answers: Answers): Answers {
  return Object.fromEntries(
    Object.entries(answers).map(([name, rows]) => [
      name,
      rows.map((row) => row.map((x) => (typeof x === "string" && /^(0a00|0200)/.test(x) ? mask_port(x) : x))),
    ]),
  );
}

/** The same calls, made by a machine of ours. */
export function our_answers(asked: Scenarios): Answers {
  const out: Answers = {};
  const s = new TestStack({ seed: 7 });
  const bytes = (h: string): Uint8Array => Uint8Array.from(Buffer.from(h, "hex"));
  // As where Linux was asked: lo alone, and no group that may ping.
  s.shell("ip netns add away; ip link set tun0 netns away; sysctl -q -w 'net.ipv4.ping_group_range=1 0'");
  for (const [name, steps] of Object.entries(asked)) {
    const fds: number[] = [];
    const rows: (number | string)[][] = [];
    const open = (fd: number): number => {
      fds.push(fd);
      return Math.min(fd, 0);
    };
    for (const [op, ...raw] of steps) {
      const a = raw.map((x) => (typeof x === "string" && x.startsWith("@") ? fds[Number(x.slice(1))]! : x));
      const n = (i: number): number => a[i] as number;
      const b = (i: number): Uint8Array => bytes(a[i] as string);
      rows.push(step(op, n, b, a));
    }
    for (const fd of fds) if (fd >= 0) s.close(fd);
    out[name] = rows;

    function step(
      op: string,
      n: (i: number) => number,
      b: (i: number) => Uint8Array,
      a: Step[1][],
    ): (number | string)[] {
      switch (op) {
        case "socket":
          return [open(s.socket(n(0), n(1), n(2)))];
        case "bind":
          return [s.bind(n(0), b(1))];
        case "connect":
          return [s.connect(n(0), b(1))];
        case "listen":
          return [s.listen(n(0), n(1))];
        case "shutdown":
          return [s.shutdown(n(0), n(1))];
        case "close":
          return [s.close(n(0))];
        case "accept": {
          const addr = new Uint8Array(n(1));
          const fd = s.accept4(n(0), addr, 0);
          const len = addr[0] === 2 ? 16 : 28;
          return [open(fd), hex(addr.subarray(0, len)), fd < 0 ? 0 : len];
        }
        case "getsockname":
        case "getpeername": {
          const addr = new Uint8Array(n(1));
          const r = s[op](n(0), addr);
          return r < 0 ? [r] : [0, hex(addr.subarray(0, Math.min(r, n(1)))), r];
        }
        case "setsockopt":
          return [s.setsockopt(n(0), n(1), n(2), b(3))];
        case "getsockopt": {
          const v = new Uint8Array(n(3));
          const r = s.getsockopt(n(0), n(1), n(2), v);
          return r < 0 ? [r] : [0, hex(v.subarray(0, Math.min(r, n(3))))];
        }
        case "sendmsg": {
          const to = a[1] === null ? null : b(1);
          const control = a[3] === null ? null : b(3);
          return [s.sendmsg(n(0), message(to, b(2), control), n(4))];
        }
        case "recvmsg": {
          const from = n(1) > 0 ? new Uint8Array(n(1)) : null;
          const control = a[3] === null ? null : new Uint8Array(n(3));
          const m = message(from, new Uint8Array(n(2)), control);
          const r = s.recvmsg(n(0), m, n(4));
          if (r < 0) return [r];
          return [
            r,
            from === null ? "" : hex(from.subarray(0, Math.min(m.msg_namelen, n(1)))),
            from === null ? 0 : m.msg_namelen,
            control === null ? "" : hex(control.subarray(0, m.msg_controllen)),
            m.msg_flags,
          ];
        }
        case "sysctl":
          return [s.shell(`sysctl -q -w '${a[0]}=${a[1]}'`).code];
        default:
          throw new Error(op);
      }
    }
  }
  if (s.bugs.length > 0) throw new Error(s.bugs[0]);
  s.close_all();
  s.advance(2e9);
  const left = Object.entries(s.live()).filter(([, count]) => count !== 0);
  if (left.length > 0) throw new Error(`left behind: ${JSON.stringify(left)}`);
  return out;
}

function message(name: Uint8Array | null, data: Uint8Array, control: Uint8Array | null): MsgHdr {
  return {
    msg_name: name,
    msg_namelen: name?.length ?? 0,
    msg_iov: [data],
    msg_control: control,
    msg_controllen: control?.length ?? 0,
    msg_flags: 0,
  };
}

/** Every answer that differs, in words. */
export function differences(linux: Answers, ours: Answers, asked: Scenarios): string[] {
  const out: string[] = [];
  const l = comparable(linux);
  const o = comparable(ours);
  for (const [name, rows] of Object.entries(l))
    rows.forEach((row, i) => {
      const mine = o[name]?.[i];
      if (JSON.stringify(row) !== JSON.stringify(mine))
        out.push(`${name}: ${asked[name]![i]!.join(" ")}: Linux ${row.join(" ")}, ours ${mine?.join(" ")}`);
    });
  return out;
}
