// The command line of tcpdump 4.99.3. Read first: tcpdump(8). Way in: parseOptions().

import type { PrintOptions } from "../../lib/pcap/print/format.ts";
import { getopt } from "../lib/getopt.ts";

export const MAXIMUM_SNAPLEN = 262144;

const SHORT = "aAbB:c:C:dDeE:fF:G:hHi:Ij:JKlLm:M:nNOpqQ:r:s:StT:uUvV:w:W:xXy:Yz:Z:#";
const LONG = [
  "buffer-size:=B",
  "list-interfaces=D",
  "help=h",
  "interface:=i",
  "monitor-mode=I",
  "time-stamp-type:=j",
  "list-time-stamp-types=J",
  "dont-verify-checksums=K",
  "list-data-link-types=L",
  "no-optimize=O",
  "no-promiscuous-mode=p",
  "direction:=Q",
  "snapshot-length:=s",
  "absolute-tcp-sequence-numbers=S",
  "packet-buffered=U",
  "linktype:=y",
  "relinquish-privileges:=Z",
  "version",
  "immediate-mode",
  "print",
  "micro",
  "nano",
  "time-stamp-precision:",
  "number=#",
  "count",
  "lengths",
];

export const VERSION_TEXT = "tcpdump version 4.99.3\nlibpcap version 1.10.3 (with TPACKET_V3)\n";
const USAGE = `Usage: tcpdump [-AbdDefhHIJKlLnNOpqStuUvxX#] [ -B size ] [ -c count ] [--count]
\t\t[ -C file_size ] [ -E algo:secret ] [ -F file ] [ -G seconds ]
\t\t[ -i interface ] [ --immediate-mode ] [ -j tstamptype ]
\t\t[ -M secret ] [ --number ] [ --print ] [ -Q in|out|inout ]
\t\t[ -r file ] [ -s snaplen ] [ -T type ] [ --version ]
\t\t[ -V file ] [ -w file ] [ -W filecount ] [ -y datalinktype ]
\t\t[ --time-stamp-precision precision ] [ --micro ] [ --nano ]
\t\t[ -z postrotate-command ] [ -Z user ] [ expression ]
`;

export interface TcpdumpOptions {
  interface: string;
  read: string;
  write: string;
  /** Prints as well as it writes. */
  print: boolean;
  /** 0: no end. */
  count: number;
  countOnly: boolean;
  snaplen: number;
  promiscuous: boolean;
  direction: "in" | "out" | "inout";
  expressionFile: string;
  expression: string;
  listInterfaces: boolean;
  listLinktypes: boolean;
  /** -d, -dd, -ddd. */
  dump: number;
  linktype: string;
  nano: boolean;
  /** -N: host names without their domain. */
  shortNames: boolean;
  printing: Omit<PrintOptions, "linktype">;
}

/** What to do, or what to say and the exit status. */
export function parseOptions(argv: string[]): TcpdumpOptions | { stdout: string; stderr: string; status: number } {
  const opts = getopt(argv, SHORT, LONG);
  const fail = (text: string): { stdout: string; stderr: string; status: number } => ({
    stdout: "",
    stderr: `tcpdump: ${text}\n`,
    status: 1,
  });
  if (opts.error !== undefined) {
    return { stdout: "", stderr: `${opts.error}\n${VERSION_TEXT}${USAGE}`, status: 1 };
  }
  if (opts.has("h")) return { stdout: VERSION_TEXT + USAGE, stderr: "", status: 0 };
  if (opts.has("version")) return { stdout: VERSION_TEXT, stderr: "", status: 0 };

  let count = 0;
  const c = opts.get("c");
  if (c !== undefined) {
    count = Number.parseInt(c, 10);
    if (!/^\s*\d+/.test(c) || count <= 0) return fail(`invalid packet count ${c}`);
  }
  let snaplen = MAXIMUM_SNAPLEN;
  const s = opts.get("s");
  if (s !== undefined) {
    snaplen = Number(s);
    if (!/^\d+$/.test(s) || snaplen > MAXIMUM_SNAPLEN) {
      return fail(`invalid snaplen ${s} (must be >= 0 and <= ${MAXIMUM_SNAPLEN})`);
    }
    if (snaplen === 0) snaplen = MAXIMUM_SNAPLEN;
  }
  const direction = opts.get("Q")?.toLowerCase() ?? "inout";
  if (direction !== "in" && direction !== "out" && direction !== "inout") {
    return fail(`unknown capture direction \`${opts.get("Q")}'`);
  }
  const precision = opts.get("time-stamp-precision");
  if (precision !== undefined && !/^(micro|nano)$/.test(precision)) return fail("unable to parse time stamp precision");
  const t = opts.count("t");
  if (t > 5) return fail("only -t, -tt, -ttt, -tttt and -ttttt are supported");
  for (const o of ["C", "G", "E", "M", "V", "I"]) {
    if (opts.has(o)) return fail(`-${o} is not supported here`);
  }
  const nano = opts.has("nano") || precision === "nano";
  return {
    interface: opts.get("i") ?? "",
    read: opts.get("r") ?? "",
    write: opts.get("w") ?? "",
    print: opts.get("w") === undefined || opts.has("print"),
    count,
    countOnly: opts.has("count"),
    snaplen,
    promiscuous: !opts.has("p"),
    direction,
    expressionFile: opts.get("F") ?? "",
    expression: opts.operands.join(" "),
    listInterfaces: opts.has("D"),
    listLinktypes: opts.has("L"),
    dump: opts.count("d"),
    linktype: opts.get("y") ?? "",
    nano,
    shortNames: opts.has("N"),
    printing: {
      n: opts.has("n"),
      e: opts.has("e"),
      v: opts.count("v"),
      q: opts.has("q"),
      S: opts.has("S"),
      K: opts.has("K"),
      hex: hexMode(opts.count("x"), opts.count("X"), opts.count("A")),
      t: t as 0 | 1 | 2 | 3 | 4 | 5,
      nano,
      number: opts.has("#"),
    },
  };
}

function hexMode(x: number, X: number, A: number): "" | "x" | "xx" | "X" | "XX" | "A" | "AA" {
  if (A > 0) return A > 1 ? "AA" : "A";
  if (X > 0) return X > 1 ? "XX" : "X";
  if (x > 0) return x > 1 ? "xx" : "x";
  return "";
}
