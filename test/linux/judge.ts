// What went over a wire, judged by tshark: its expert information about one side's TCP, and whether that side ever sent beyond
// the window it was given. Way in: capture(), judge().

import type { ChildProcess } from "node:child_process";
import type { RealNet } from "./rig.ts";

/** What tshark's expert may say of a good connection. All else is a fault of somebody's. */
const FINE =
  /Connection establish|Connection finish|connection closing|Connection reset|window update|Zero Window|completely full|Duplicate ACK|D-SACK|ZeroWindow|Keep-Alive/i;
/** A probe or a retransmission that came too early: a busy computer may be late with its ACKs. */
const EARLY = /retransmission|out-of-order/;

/** epan's severity of a note; what is below is chat. */
const PI_NOTE = 0x400000;
const FIELDS = [
  ...["tcp.stream", "ip.src", "tcp.seq", "tcp.len", "tcp.ack", "tcp.window_size", "tcp.flags"],
  ...["tcp.analysis.retransmission", "frame.number", "_ws.expert.message", "_ws.expert.severity"],
];

/** tcpdump on a device; resolves once it listens. `snaplen` 0: whole packets. */
export async function capture(
  net: RealNet,
  ns: string,
  dev: string,
  file: string,
  snaplen: number,
): Promise<{ stop(): Promise<void> }> {
  const argv = ["tcpdump", "-i", dev, "-s", String(snaplen), "-B", "65536", "-U", "-Z", "root", "-w", file, "tcp"];
  const dump: ChildProcess = net.spawn(ns, argv);
  let text = "";
  await new Promise<void>((resolve) =>
    dump.stderr!.setEncoding("utf8").on("data", (d) => {
      text += d;
      if (text.includes("listening on")) resolve();
    }),
  );
  return {
    async stop() {
      // What waits in the ring is written first.
      await new Promise((resolve) => setTimeout(resolve, 300));
      dump.kill("SIGINT");
      await new Promise((resolve) => dump.on("close", resolve));
      const lost = Number(/(\d+) packets dropped by kernel/.exec(text)?.[1] ?? 0);
      if (lost > 0) throw new Error(`tcpdump lost ${lost} packets: its file says nothing`);
    },
  };
}

export interface Verdict {
  /** Lines of tshark's expert that must not be. */
  faults: string[];
  /** Segments beyond the window that the other side had offered. */
  overruns: string[];
  /** Segments of this side, and how many of them were sent again. */
  segments: number;
  again: number;
}

/** `src` is whose segments are judged; `checksums`: all of each packet is there, and its sums are real. */
export async function judge(net: RealNet, ns: string, file: string, src: string, checksums: boolean): Promise<Verdict> {
  // Of what is inside TCP nobody asks: TLS, FTP and the others are not dissected.
  const only = "-d tcp.port==1-65535,data";
  const tshark = `tshark ${only} -r ${file}${checksums ? " -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE" : ""}`;
  const fields = await net.ok(ns, `${tshark} -T fields -E 'aggregator=|' ${FIELDS.map((f) => `-e ${f}`).join(" ")}`, {
    timeout: 120_000,
  });
  const faults = new Map<string, number>();
  const overruns: string[] = [];
  /** By stream: how far the other side lets `src` send. */
  const limits = new Map<string, number>();
  let segments = 0;
  let again = 0;
  for (const line of fields.split("\n")) {
    const [stream, from, seq, len, ack, window, flags, retransmission, frame, said, severity] = line.split("\t");
    if (stream === undefined || stream === "" || from === undefined) continue;
    const bits = Number(flags);
    if (from !== src) {
      if ((bits & 0x10) !== 0) limits.set(stream, Math.max(limits.get(stream) ?? 0, Number(ack) + Number(window)));
      continue;
    }
    segments++;
    const how = severity!.split("|");
    for (const [i, text] of said!.split("|").entries())
      if (Number(how[i]) >= PI_NOTE && !FINE.test(text) && !EARLY.test(text))
        faults.set(text, (faults.get(text) ?? 0) + 1);
    if (retransmission !== "") again++;
    const limit = limits.get(stream);
    // A probe of a shut window is one byte that was sent already, or the next.
    const end = Number(seq) + Number(len);
    if (limit !== undefined && Number(len) > 1 && end > limit)
      overruns.push(`frame ${frame}: ${seq} + ${len} is beyond ${limit}`);
  }
  return { faults: [...faults].map(([text, n]) => `${n} × ${text}`), overruns, segments, again };
}
