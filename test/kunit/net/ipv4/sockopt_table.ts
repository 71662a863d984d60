// SOL_IP options, each with each value and each length, of our sockets: the table that tools/record-sockopt.py makes of Linux's.
// Way in: our_sockopts(), differences().

import { KernelRig } from "../../../lib/kernel.ts";

export interface SockoptTable {
  values: string[];
  lengths: number[];
  /** By kind of socket and option: what setting a value gives and getting it then shows; what getting by length gives. */
  table: Record<string, Record<string, { set: string[]; get: string[] }>>;
}

const TYPES: Readonly<Record<string, readonly [number, number]>> = { udp: [2, 0], raw: [3, 253], hdrincl: [3, 255] };

/** The same calls as in `asked`, made here. */
export function our_sockopts(asked: SockoptTable): SockoptTable {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
  const get = (fd: number, opt: number, length: number): string => {
    const buf = new Uint8Array(length).fill(0xee);
    const n = sys.getsockopt(fd, 0, opt, buf);
    return n < 0 ? String(n) : `${n}:${Buffer.from(buf.subarray(0, n)).toString("hex")}`;
  };
  const out: SockoptTable = { ...asked, table: {} };
  for (const [kind, options] of Object.entries(asked.table)) {
    const [type, protocol] = TYPES[kind]!;
    out.table[kind] = {};
    for (const name of Object.keys(options)) {
      const opt = Number(name);
      const fresh = <T>(use: (fd: number) => T): T => {
        const fd = sys.socket(2, type, protocol);
        const r = use(fd);
        sys.close(fd);
        return r;
      };
      out.table[kind][name] = {
        set: asked.values.map((v) => fresh((fd) => `${sys.setsockopt(fd, 0, opt, bytes(v))} ${get(fd, opt, 64)}`)),
        get: asked.lengths.map((length) =>
          fresh((fd) => {
            const before = get(fd, opt, length);
            sys.setsockopt(fd, 0, opt, bytes("01000000"));
            return `${before} ${get(fd, opt, length)}`;
          }),
        ),
      };
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
