// Options of a level, each with each value and each length, of our sockets: the table that tools/record-sockopt.py makes of Linux's.
// Way in: our_sockopts(), differences().

import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

export interface SockoptTable {
  /** SOL_IP when it is not given. */
  level?: number;
  values: string[];
  lengths: number[];
  /** By kind of socket and option: what setting a value gives and getting it then shows; what getting by length gives. */
  table: Record<string, Record<string, { set: string[]; get: string[] }>>;
}

const TYPES: Readonly<Record<string, readonly [number, number]>> = {
  udp: [2, 0],
  raw: [3, 253],
  hdrincl: [3, 255],
  tcp: [1, 0],
  listen: [1, 0],
  connected: [1, 0],
};

/** The same calls as in `asked`, made here. */
export function our_sockopts(asked: SockoptTable): SockoptTable {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
  const level = asked.level ?? 0;
  const peer = sys.socket(2, 1, 0);
  const there = sockaddr("127.0.0.1", 7);
  sys.bind(peer, there);
  sys.listen(peer, 5);
  const accepted: number[] = [];
  /** A socket of that kind, in its state. */
  const make = (kind: string): number => {
    const [type, protocol] = TYPES[kind]!;
    const fd = sys.socket(2, type, protocol);
    if (type === 1) sys.setsockopt(fd, 6, 13, Buffer.from("reno"));
    if (kind === "listen") sys.listen(fd, 5);
    if (kind === "connected") {
      now(sys.connect(fd, there));
      accepted.push(now(sys.accept4(peer, null, 0)) as number);
    }
    return fd;
  };
  const get = (fd: number, opt: number, length: number): string => {
    const buf = new Uint8Array(length).fill(0xee);
    const n = sys.getsockopt(fd, level, opt, buf);
    return n < 0 ? String(n) : `${n}:${Buffer.from(buf.subarray(0, n)).toString("hex")}`;
  };
  const out: SockoptTable = { ...asked, table: {} };
  for (const [kind, options] of Object.entries(asked.table)) {
    out.table[kind] = {};
    for (const name of Object.keys(options)) {
      const opt = Number(name);
      const fresh = <T>(use: (fd: number) => T): T => {
        const fd = make(kind);
        const r = use(fd);
        sys.close(fd);
        return r;
      };
      out.table[kind][name] = {
        set: asked.values.map((v) => fresh((fd) => `${sys.setsockopt(fd, level, opt, bytes(v))} ${get(fd, opt, 64)}`)),
        get: asked.lengths.map((length) =>
          fresh((fd) => {
            const before = get(fd, opt, length);
            sys.setsockopt(fd, level, opt, bytes("01000000"));
            return `${before} ${get(fd, opt, length)}`;
          }),
        ),
      };
      for (const fd of accepted.splice(0)) sys.close(fd);
    }
  }
  rig.end();
  return out;
}

/** Every cell that differs, in words. */
export function differences(linux: SockoptTable, ours: SockoptTable): string[] {
  const out: string[] = [];
  for (const [kind, options] of Object.entries(linux.table)) {
    for (const [opt, cells] of Object.entries(options)) {
      const mine = ours.table[kind]![opt]!;
      const compare = (how: "set" | "get", names: readonly (string | number)[]): void => {
        for (const [i, name] of names.entries())
          if (cells[how][i] !== mine[how][i])
            out.push(`${kind} option ${opt} ${how} [${name}]: Linux ${cells[how][i]}, ours ${mine[how][i]}`);
      };
      compare("set", linux.values);
      compare("get", linux.lengths);
    }
  }
  return out;
}
