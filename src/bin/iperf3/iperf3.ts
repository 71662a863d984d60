// iperf3(1): how fast TCP and UDP are between two machines; speaks with the real one. Read first: iperf3(1).
// Way in: `iperf3 -s`, `iperf3 -c host`.

import { O_APPEND, O_CREAT, O_WRONLY, SIGHUP, SIGINT, SIGPIPE, SIGTERM } from "../../uapi/fcntl.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { print, printError, writeFile } from "../lib/io.ts";
import { runClient } from "./client.ts";
import { IEAFFINITY, IELOGFILE, IEPIDFILE, IperfError, message } from "./errors.ts";
import { parseOptions, type Settings } from "./options.ts";
import { Output, systemInfo } from "./output.ts";
import { VERSION } from "./protocol.ts";
import { runServer } from "./server.ts";

const FEATURES =
  "Optional features available: CPU affinity setting, TCP congestion algorithm setting, socket pacing, bind to device, support IPv4 don't fragment\n";

export const iperf3: Program = function* (sys, argv) {
  if (argv.slice(1).some((a) => a === "-v" || a === "--version")) {
    yield* print(sys, `iperf ${VERSION} (skbuff)\n${systemInfo(sys)}\n${FEATURES}`);
    return 0;
  }
  const s = parseOptions(argv);
  if ("status" in s) {
    if (s.stderr !== "") yield* printError(sys, s.stderr);
    if (s.stdout !== "") yield* print(sys, s.stdout);
    return s.status;
  }
  if (s.daemon) {
    const pid = sys.spawn(foreground, argv, { pgid: 0 });
    return pid < 0 ? 1 : 0;
  }
  return yield* start(sys, s);
};

/** The daemon's own half of -D. */
const foreground: Program = function* (sys, argv) {
  const s = parseOptions(argv);
  return "status" in s ? s.status : yield* start(sys, s);
};

function* start(sys: Sys, s: Settings): Blocking<number> {
  let log = 1;
  if (s.logfile !== "") {
    log = sys.open(s.logfile, O_WRONLY | O_CREAT | O_APPEND, 0o644);
    if (log < 0) return yield* refuse(sys, new IperfError(IELOGFILE, log), s.role === "server");
  }
  if (s.affinity >= 0) {
    const err = sys.sched_setaffinity(0, s.affinity < 31 ? 1 << s.affinity : 0);
    if (err < 0) return yield* refuse(sys, new IperfError(IEAFFINITY, err), false);
  }
  if (s.pidfile !== "") {
    const err = yield* writeFile(sys, s.pidfile, `${sys.getpid()}\0`);
    if (err < 0) return yield* refuse(sys, new IperfError(IEPIDFILE, err), s.role === "server");
  }
  let signalled = false;
  const stop = (): void => {
    signalled = true;
  };
  for (const sig of [SIGINT, SIGTERM, SIGHUP]) sys.sigaction(sig, stop);
  sys.sigaction(SIGPIPE, "SIG_IGN");
  const out = new Output(sys, s, log);
  const status =
    s.role === "client" ? runClient(sys, s, out, () => signalled) : runServer(sys, s, out, () => signalled);
  const code = yield* status;
  if (s.pidfile !== "") sys.unlink(s.pidfile);
  return code;
}

function* refuse(sys: Sys, e: IperfError, server: boolean): Blocking<number> {
  yield* printError(sys, `iperf3: error - ${message(e)}\n${server ? "iperf3: exiting\n" : ""}`);
  return 1;
}
