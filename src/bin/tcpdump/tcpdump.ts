// tcpdump(8) as Debian 12 has it (4.99.3), over AF_PACKET. Read first: tcpdump(8), pcap-filter(7), packet(7).
// Way in: `tcpdump`; live() and fromFile() are the two loops, Output prints or writes.

import { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, dlt_name } from "../../lib/pcap/dlt.ts";
import { service_by_port } from "../../lib/pcap/names.ts";
import { is_capture_error, pcap_file_header, pcap_record } from "../../lib/pcap/pcap.ts";
import { bpf_dump, pcap_compile } from "../../lib/pcap/pcap_filter.ts";
import { next_packet, open_capture } from "../../lib/pcap/pcapng.ts";
import { format_packet, new_print_state, type PrintOptions, type PrintState } from "../../lib/pcap/print/format.ts";
import type { SockFilter } from "../../uapi/bpf.ts";
import { strerror } from "../../uapi/errno.ts";
import { O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY, POLLIN, SIGINT, SIGTERM, SIGUSR1 } from "../../uapi/fcntl.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { inetAton, inetNtoa } from "../lib/inet.ts";
import { print, printError, readAll, readFile, writeAll } from "../lib/io.ts";
import { resolve, reverse } from "../lib/resolve.ts";
import { bpf_filter } from "./bpf.ts";
import {
  type Capture,
  defaultDevice,
  ifName,
  linktypeOf,
  listDevices,
  listText,
  openCapture,
  receive,
  statistics,
} from "./capture.ts";
import { parseOptions, type TcpdumpOptions } from "./options.ts";

/** A frame is looked at before the next one is asked for, but signals come in between. */
const BURST = 64;

export const tcpdump: Program = function* (sys, argv) {
  const o = parseOptions(argv);
  if ("status" in o) {
    if (o.stdout !== "") yield* print(sys, o.stdout);
    if (o.stderr !== "") yield* printError(sys, o.stderr);
    return o.status;
  }
  if (o.listInterfaces) {
    yield* print(sys, listText(yield* listDevices(sys)));
    return 0;
  }
  if (o.expressionFile !== "") {
    const text = yield* readFile(sys, o.expressionFile);
    if (typeof text === "number") return yield* fail(sys, `can't open ${o.expressionFile}: ${strerror(text)}`);
    o.expression = text;
  }
  return o.read !== "" ? yield* fromFile(sys, o) : yield* live(sys, o);
};

function* fail(sys: Sys, text: string): Blocking<number> {
  yield* printError(sys, `tcpdump: ${text}\n`);
  return 1;
}

const plural = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
const linkText = (linktype: number): string => {
  const n = dlt_name(linktype);
  return n === undefined ? `link-type ${linktype}` : `link-type ${n.name} (${n.description})`;
};

/** The expression as a program. Names of hosts in it are looked up first, as a compiler cannot wait. */
function* compile(
  sys: Sys,
  expression: string,
  linktype: number,
  target: "file" | "live" | "cooked",
  snaplen: number,
): Blocking<SockFilter[] | string> {
  const known = new Map<string, string[]>();
  for (;;) {
    let missing: string | undefined;
    const r = pcap_compile(expression, {
      linktype,
      target,
      snaplen,
      resolve_host: (name) => {
        if (!known.has(name)) missing ??= name;
        return known.get(name);
      },
    });
    if (missing === undefined) return "error" in r ? r.error : r.prog;
    const found = yield* resolve(sys, missing);
    known.set(missing, typeof found === "number" ? [] : found.addrs.map(inetNtoa));
    if (typeof found === "number") return `unknown host '${missing}'`;
  }
}

function* dumpProgram(sys: Sys, prog: readonly SockFilter[], how: number): Blocking<number> {
  let text: string;
  if (how === 1)
    text = bpf_dump(prog)
      .map((l) => `${l}\n`)
      .join("");
  else if (how === 2) {
    const hex = (n: number, w: number): string => `0x${n.toString(16).padStart(w, "0")}`;
    text = prog.map((i) => `{ 0x${i.code.toString(16)}, ${i.jt}, ${i.jf}, ${hex(i.k >>> 0, 8)} },\n`).join("");
  } else text = `${prog.length}\n${prog.map((i) => `${i.code} ${i.jt} ${i.jf} ${i.k >>> 0}\n`).join("")}`;
  yield* print(sys, text);
  return 0;
}

// --- what becomes of packets --------------------------------------------------------------------------------------

class Output {
  readonly sys: Sys;
  readonly o: TcpdumpOptions;
  readonly linktype: number;
  readonly state: PrintState = new_print_state();
  readonly printing: PrintOptions;
  /** The file of -w, or -1. */
  fd = -1;
  count = 0;
  private readonly hosts: Map<string, string | undefined> = new Map();
  private missing: string | undefined;

  constructor(sys: Sys, o: TcpdumpOptions, linktype: number, if_name?: (ifindex: number) => string | undefined) {
    this.sys = sys;
    this.o = o;
    this.linktype = linktype;
    this.printing = {
      ...o.printing,
      linktype,
      ...(if_name && { if_name }),
      ...(!o.printing.n && {
        host_name: (a: string) => this.hostName(a),
        port_name: (port: number, proto: 6 | 17) => service_by_port(port, proto),
      }),
    };
  }

  /** Opens the file of -w and writes its head. A text when that fails. */
  *open(): Blocking<string | null> {
    if (this.o.write === "") return null;
    this.fd = this.o.write === "-" ? 1 : this.sys.open(this.o.write, O_WRONLY | O_CREAT | O_TRUNC, 0o644);
    if (this.fd < 0) return `${this.o.write}: ${strerror(this.fd)}`;
    const err = yield* writeAll(this.sys, this.fd, pcap_file_header(this.fileOptions()));
    return err < 0 ? `${this.o.write}: ${strerror(err)}` : null;
  }

  private fileOptions(): { linktype: number; snaplen: number; nanosecond: boolean } {
    return { linktype: this.linktype, snaplen: this.o.snaplen, nanosecond: this.o.nano };
  }

  /** One packet. Negative when nobody reads any more. */
  *packet(data: Uint8Array, len: number, sec: number, nsec: number): Blocking<number> {
    this.count++;
    if (this.fd >= 0) {
      const err = yield* writeAll(this.sys, this.fd, pcap_record(this.fileOptions(), sec, nsec, data, len));
      if (err < 0) return err;
    }
    if (!this.o.print || this.o.countOnly) return 0;
    return yield* print(this.sys, `${(yield* this.lines(data, len, sec, nsec)).join("\n")}\n`);
  }

  /** Printed again when a name had to be looked up: printing cannot wait for an answer. */
  private *lines(data: Uint8Array, len: number, sec: number, nsec: number): Blocking<string[]> {
    for (;;) {
      this.missing = undefined;
      const before = this.printing.n ? null : { ...this.state, tcp: new Map(this.state.tcp) };
      const lines = format_packet(data, data.length, len, sec, nsec, this.printing, this.state);
      if (this.missing === undefined || before === null) return lines;
      Object.assign(this.state, before);
      const addr = inetAton(this.missing);
      const name = addr === undefined ? null : yield* reverse(this.sys, addr);
      this.hosts.set(this.missing, name === null ? undefined : this.o.shortNames ? name.split(".")[0] : name);
    }
  }

  private hostName(address: string): string | undefined {
    if (!this.hosts.has(address)) this.missing ??= address;
    return this.hosts.get(address);
  }

  close(): void {
    if (this.fd > 1) this.sys.close(this.fd);
  }
}

// --- from a file --------------------------------------------------------------------------------------------------

function* fromFile(sys: Sys, o: TcpdumpOptions): Blocking<number> {
  const fd = o.read === "-" ? 0 : sys.open(o.read, O_RDONLY);
  if (fd < 0) return yield* fail(sys, `${o.read}: ${strerror(fd)}`);
  const bytes = yield* readAll(sys, fd, 1 << 30);
  if (fd > 0) sys.close(fd);
  if (typeof bytes === "number") return yield* fail(sys, `${o.read}: ${strerror(bytes)}`);
  const r = open_capture(bytes);
  if (is_capture_error(r)) return yield* fail(sys, r.error);
  // A pcapng file says what it holds in its first blocks.
  const at = r.offset;
  const first = next_packet(r);
  r.offset = at;
  if (r.kind === "pcapng") r.interfaces.length = 0;
  const linktype =
    r.kind === "pcap" ? r.linktype : first !== undefined && !is_capture_error(first) ? first.linktype : DLT_EN10MB;
  const snaplen = r.kind === "pcap" ? r.snaplen : o.snaplen;
  const prog = yield* compile(sys, o.expression, linktype, "file", o.snaplen);
  yield* printError(sys, `reading from file ${o.read}, ${linkText(linktype)}, snapshot length ${snaplen || 262144}\n`);
  if (typeof prog === "string") return yield* fail(sys, prog);
  if (o.dump > 0) return yield* dumpProgram(sys, prog, o.dump);
  const out = new Output(sys, o, linktype);
  const bad = yield* out.open();
  if (bad !== null) return yield* fail(sys, bad);
  let stop = false;
  sys.sigaction(SIGINT, () => {
    stop = true;
  });
  let status = 0;
  while (!stop) {
    const p = next_packet(r);
    if (p === undefined) break;
    if (is_capture_error(p)) {
      status = yield* fail(sys, `pcap_loop: ${p.error}`);
      break;
    }
    if (bpf_filter(prog, p.data, p.len) === 0 || !wantedDirection(o, linktype, p.data)) continue;
    if ((yield* out.packet(p.data, p.len, p.ts_sec, p.ts_nsec)) < 0) break;
    if (out.count === o.count) break;
  }
  out.close();
  if (o.countOnly) yield* print(sys, `${plural(out.count, "packet")}\n`);
  return status;
}

/** -Q on a file: only cooked captures know. */
function wantedDirection(o: TcpdumpOptions, linktype: number, data: Uint8Array): boolean {
  if (o.direction === "inout") return true;
  const type = linktype === DLT_LINUX_SLL2 ? data[10] : linktype === DLT_LINUX_SLL ? data[1] : -1;
  return type < 0 || (type === 4) === (o.direction === "out");
}

// --- from the network ---------------------------------------------------------------------------------------------

function* live(sys: Sys, o: TcpdumpOptions): Blocking<number> {
  if (o.dump > 0 && o.interface === "" && !o.listLinktypes) {
    // Without a device there is nothing to open.
    const known = o.linktype === "" || dlt_name(DLT_EN10MB)?.name === o.linktype.toUpperCase();
    if (o.linktype === "") yield* printError(sys, "Warning: assuming Ethernet\n");
    const prog = known
      ? yield* compile(sys, o.expression, DLT_EN10MB, "file", o.snaplen)
      : `invalid data link type ${o.linktype}`;
    return typeof prog === "string" ? yield* fail(sys, prog) : yield* dumpProgram(sys, prog, o.dump);
  }
  const devices = yield* listDevices(sys);
  let name = o.interface !== "" ? o.interface : defaultDevice(devices);
  if (/^\d+$/.test(name) && !devices.some((d) => d.name === name)) {
    const line = listText(devices).split("\n")[Number(name) - 1];
    if (line === undefined || line === "") return yield* fail(sys, "Invalid adapter index");
    name = line.replace(/^\d+\./, "").split(" ")[0];
  }
  const linktype = linktypeOf(sys, name);
  if (typeof linktype === "string") return yield* fail(sys, linktype);
  if (o.linktype !== "") {
    const known = [DLT_EN10MB, linktype].find((t) => dlt_name(t)?.name === o.linktype.toUpperCase());
    if (known === undefined) return yield* fail(sys, `invalid data link type ${o.linktype}`);
  }
  if (o.listLinktypes) {
    const n = dlt_name(linktype)!;
    yield* print(sys, `Data link types for ${name} (use option -y to set):\n  ${n.name} (${n.description})\n`);
    return 0;
  }
  const cooked = name === "any";
  if (cooked) yield* printError(sys, "tcpdump: data link type LINUX_SLL2\n");
  const prog = yield* compile(sys, o.expression, linktype, o.dump > 0 ? "file" : cooked ? "cooked" : "live", o.snaplen);
  if (typeof prog === "string") return yield* fail(sys, prog);
  if (o.dump > 0) return yield* dumpProgram(sys, prog, o.dump);
  const c = openCapture(sys, linktype, prog, {
    name,
    snaplen: o.snaplen,
    promiscuous: o.promiscuous,
    direction: o.direction,
  });
  if (typeof c === "string") return yield* fail(sys, c);
  const status = yield* captureOn(sys, o, c);
  sys.close(c.fd);
  return status;
}

function* captureOn(sys: Sys, o: TcpdumpOptions, c: Capture): Blocking<number> {
  const out = new Output(sys, o, c.linktype, (i) => ifName(sys, c.fd, i));
  const bad = yield* out.open();
  if (bad !== null) return yield* fail(sys, bad);
  const quiet = o.write === "" && o.printing.v === 0;
  yield* printError(
    sys,
    `tcpdump: ${quiet ? "verbose output suppressed, use -v[v]... for full protocol decode\n" : ""}` +
      `listening on ${c.name}, ${linkText(c.linktype)}, snapshot length ${o.snaplen} bytes\n`,
  );
  const total = { received: 0, dropped: 0 };
  const count = (): void => {
    const s = statistics(c);
    total.received += s.received;
    total.dropped += s.dropped;
  };
  let interrupted = false;
  let report = false;
  for (const sig of [SIGINT, SIGTERM]) {
    sys.sigaction(sig, () => {
      interrupted = true;
    });
  }
  sys.sigaction(SIGUSR1, () => {
    report = true;
  });
  let over: string | null = null;
  let broken = false;
  const progress = o.write !== "" && o.write !== "-" && (o.printing.v ?? 0) > 0;
  while (!interrupted && !broken && over === null && (o.count === 0 || out.count < o.count)) {
    if (report) {
      report = false;
      count();
      yield* printError(sys, `tcpdump: ${countLines(out, total).join(", ")}\n`);
    }
    const ready = yield* sys.poll([{ fd: c.fd, events: POLLIN, revents: 0 }], progress ? 1000 : -1);
    if (progress && ready === 0) yield* printError(sys, `Got ${out.count}\r`);
    if (ready <= 0) continue;
    for (let i = 0; i < BURST && !interrupted; i++) {
      const p = yield* receive(c);
      if (typeof p === "string") over = p;
      if (p === null || typeof p === "string") break;
      const err = yield* out.packet(p.data, p.len, p.sec, p.nsec);
      if (err < 0) broken = true;
      if (broken || out.count === o.count) break;
    }
  }
  count();
  out.close();
  // An interrupted line is ended, in case.
  if (interrupted && o.write === "") yield* print(sys, "\n");
  if (over !== null) yield* printError(sys, `tcpdump: pcap_loop: ${over}\n`);
  if (o.countOnly) yield* print(sys, `${plural(out.count, "packet")}\n`);
  else yield* printError(sys, `${countLines(out, total).join("\n")}\n`);
  return over !== null || broken ? 1 : 0;
}

const countLines = (out: Output, t: { received: number; dropped: number }): string[] => [
  `${plural(out.count, "packet")} captured`,
  `${plural(t.received, "packet")} received by filter`,
  `${plural(t.dropped, "packet")} dropped by kernel`,
];
