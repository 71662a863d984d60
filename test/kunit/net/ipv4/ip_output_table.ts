// What leaves for one sendto(), by options, route and size, from our stack: the table that tools/record-ip-output.py makes of Linux's.
// Way in: our_ip_output().

import type { Blocking, Sys } from "../../../../src/uapi/sys.ts";
import { mib_of, sockaddr } from "../../../lib/kernel.ts";
import { TwoHosts } from "../sched/lab.ts";

interface Case {
  dst: string;
  size: number;
  connect: boolean;
  options: [number, number, string][];
}

export interface Answer {
  err: number;
  /** Destination address of the link, header fields and options of each frame. */
  frames: string[];
  /** The ID field of the first frame. */
  id: "" | "zero" | "set";
  one_id: boolean;
  mib: Record<string, number>;
}

export interface OutputTable {
  setup: string[];
  cases: Case[];
  answers: Answer[];
}

const WANTED: readonly string[] = [
  ...["IpOutRequests", "IpOutDiscards", "IpOutNoRoutes", "IpOutTransmits", "IpFragOKs", "IpFragFails", "IpFragCreates"],
  ...["UdpOutDatagrams", "IpExtOutMcastPkts", "IpExtOutBcastPkts", "IpExtOutOctets", "IpExtOutMcastOctets"],
  "IpExtOutBcastOctets",
];

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (b: Uint8Array): string => Buffer.from(b).toString("hex");

function header(frame: Uint8Array): { text: string; id: number } {
  const dv = new DataView(frame.buffer, frame.byteOffset + 14);
  const ihl = (dv.getUint8(0) & 15) * 4;
  let sum = 0;
  for (let i = 0; i < ihl; i += 2) sum += dv.getUint16(i);
  const words = [
    hex(frame.subarray(0, 6)),
    `ihl ${ihl}`,
    `tos ${hex(frame.subarray(15, 16))}`,
    `len ${dv.getUint16(2)}`,
    `frag ${hex(frame.subarray(20, 22))}`,
    `ttl ${dv.getUint8(8)}`,
    `proto ${dv.getUint8(9)}`,
    frame.subarray(26, 30).join("."),
  ];
  if (ihl > 20) words.push(hex(frame.subarray(34, 14 + ihl)));
  if ((sum & 0xffff) + (sum >>> 16) !== 0xffff) words.push("bad checksum");
  return { text: words.join(" "), id: dv.getUint16(4) };
}

function* one(sys: Sys, tap: number, c: Case): Blocking<Omit<Answer, "mib">> {
  const s = sys.socket(2, 2, 0);
  sys.bind(s, sockaddr("0.0.0.0", 5555));
  let err = 0;
  for (const [level, opt, value] of c.options) if (err === 0) err = sys.setsockopt(s, level, opt, bytes(value));
  const to = sockaddr(c.dst, 9);
  if (err === 0 && c.connect) err = yield* sys.connect(s, to);
  if (err === 0) err = Math.min(0, yield* sys.sendto(s, new Uint8Array(c.size), 0, c.connect ? null : to));
  sys.close(s);
  const frames: string[] = [];
  const ids: number[] = [];
  const buf = new Uint8Array(70_000);
  const where = new Uint8Array(20);
  for (;;) {
    const n = yield* sys.recvfrom(tap, buf, 0x40, where);
    if (n < 0) break;
    if (where[10] !== 4 || buf[12] !== 8 || buf[13] !== 0 || buf[23] !== 17) continue;
    const { text, id } = header(buf.slice(0, n));
    frames.push(text);
    ids.push(id);
  }
  const id = ids.length === 0 ? "" : ids[0] === 0 ? "zero" : "set";
  return { err, frames, id, one_id: new Set(ids).size <= 1 };
}

/** The same calls as in `asked`, made here. */
export function our_ip_output(asked: OutputTable): OutputTable {
  const hosts = new TwoHosts();
  const net = hosts.a.kernel.init_net;
  for (const line of ["addr flush dev eth0", ...asked.setup]) {
    const said = hosts.sh(hosts.a, `ip ${line}`);
    if (said !== "") throw new Error(`ip ${line}: ${said}`);
  }
  hosts.world.run(5e9);
  const answers: Answer[] = [];
  hosts.program(hosts.a, function* (sys) {
    const tap = sys.socket(17, 3, 0x0300);
    const sll = new Uint8Array(20);
    const dv = new DataView(sll.buffer);
    dv.setUint16(0, 17, true);
    dv.setUint16(2, 3);
    dv.setInt32(4, net.dev_by_name.get("v0")!.ifindex, true);
    sys.bind(tap, sll);
    for (const c of asked.cases) {
      const before = mib_of(net);
      const answer = yield* one(sys, tap, c);
      const after = mib_of(net);
      const mib: Record<string, number> = {};
      for (const name of WANTED) if (after[name] !== before[name]) mib[name] = after[name]! - before[name]!;
      answers.push({ ...answer, mib });
    }
    return 0;
  });
  hosts.close();
  return { ...asked, answers };
}

/** What a timestamp option says depends on the time of the day. */
const normalise = (a: Answer): Answer => ({
  ...a,
  frames: a.frames.map((f) => f.replace(/440c09([0-9a-f]{2})[0-9a-f]{8}/, "440c09$1 time ")),
});

/** A route with a locked MTU: DF stays off unless it is asked for. */
const is_locked = (c: Case): boolean => c.dst.startsWith("10.2.");

/** What is compared: "rest" leaves to the others the ID field and what goes over a locked MTU. */
export type Aspect = "rest" | "id" | "lock";

/** Every case whose answers differ, in words. */
export function output_differences(linux: OutputTable, ours: OutputTable, aspect: Aspect): string[] {
  const out: string[] = [];
  for (const [i, c] of linux.cases.entries()) {
    if (aspect !== "id" && is_locked(c) !== (aspect === "lock")) continue;
    const shown = (t: OutputTable): string => {
      const { id, ...rest } = normalise(t.answers[i]!);
      return JSON.stringify(aspect === "id" ? id : rest);
    };
    if (shown(linux) !== shown(ours)) out.push(`${JSON.stringify(c)}: Linux ${shown(linux)}, ours ${shown(ours)}`);
  }
  return out;
}
