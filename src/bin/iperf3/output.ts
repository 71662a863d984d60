// Where iperf3's words go: lines of text with -T's and --timestamps' prefixes, or one JSON object at the end; standard output
// or --logfile. Way in: new Output(); line(), interval(), results(), flush(), error().

import { CLOCK_REALTIME } from "../../uapi/fcntl.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { strftime } from "../coreutils/info.ts";
import { writeAll } from "../lib/io.ts";
import { type IperfError, message } from "./errors.ts";
import { type Json, JsonObject, stringify } from "./json.ts";
import type { Settings } from "./options.ts";
import { VERSION } from "./protocol.ts";
import { intervalText, resultsText } from "./report.ts";
import { intervalJson, resultsJson } from "./report_json.ts";
import type { Test } from "./test.ts";

export class Output {
  readonly sys: Sys;
  readonly settings: Settings;
  private readonly fd: number;
  /** What was printed of this test, for a client that asks for it; kept while `keep`. */
  text = "";
  keep = false;
  json: JsonObject = new JsonObject();
  start: JsonObject = new JsonObject();
  private intervals: Json[] = [];
  end: JsonObject = new JsonObject();

  constructor(sys: Sys, settings: Settings, fd: number) {
    this.sys = sys;
    this.settings = settings;
    this.fd = fd;
    this.reset();
  }

  /** Before each test. */
  reset(): void {
    this.text = "";
    this.start = new JsonObject();
    this.start.set("connected", []).set("version", `iperf ${VERSION}`).set("system_info", systemInfo(this.sys));
    this.intervals = [];
    this.end = new JsonObject();
    this.json = new JsonObject();
    this.json.set("start", this.start).set("intervals", this.intervals).set("end", this.end);
  }

  private prefix(): string {
    const { timestamps, title, role } = this.settings;
    const stamp = timestamps === "" ? "" : strftime(cLocale(timestamps), this.sys.clock_gettime(CLOCK_REALTIME));
    return `${stamp}${role === "client" && title !== "" ? `${title}:  ` : ""}`;
  }

  /** A line of text output, newline included; nothing with -J. */
  *line(text: string): Blocking<void> {
    if (this.settings.json) return;
    const line = this.prefix() + text;
    if (this.keep) this.text += line;
    yield* writeAll(this.sys, this.fd, line);
  }

  *interval(test: Test): Blocking<void> {
    if (this.settings.json) this.intervals.push(intervalJson(test));
    else for (const l of intervalText(test)) yield* this.line(l);
    test.reported++;
  }

  /** The summary: the last interval where it is not shown yet, then the sums. */
  *results(test: Test): Blocking<void> {
    if (test.shown) return;
    test.shown = true;
    while (test.reported < (test.streams[0]?.intervals.length ?? 0)) yield* this.interval(test);
    if (this.settings.json) resultsJson(test, this.end);
    else for (const l of resultsText(test)) yield* this.line(l);
  }

  /** The JSON of a test that has ended. */
  *flush(): Blocking<void> {
    if (this.settings.json) yield* writeAll(this.sys, this.fd, `${stringify(this.json, true)}\n`);
  }

  /** On standard error. */
  *warn(text: string): Blocking<void> {
    yield* writeAll(this.sys, 2, text);
  }

  *exiting(): Blocking<void> {
    if (!this.settings.json) yield* this.warn("iperf3: exiting\n");
  }

  /** "iperf3: error - …" on standard error, in the log, or in the JSON. */
  *error(e: IperfError, kind = "error - "): Blocking<void> {
    if (this.settings.json) {
      this.json.set("error", `${kind === "error - " ? "" : kind}${message(e)}`);
      return;
    }
    const text = `${this.prefix()}iperf3: ${kind}${message(e)}\n`;
    yield* writeAll(this.sys, this.settings.logfile !== "" ? this.fd : 2, text);
  }
}

/** "Linux vm 6.18.0 #1 SMP x86_64". */
export function systemInfo(sys: Sys): string {
  const u = sys.uname();
  return `${u.sysname} ${u.nodename} ${u.release} ${u.version} ${u.machine}`;
}

/** strftime's %c is ctime's form in the C locale. */
function cLocale(format: string): string {
  return format.replaceAll("%c", "%a %b %e %H:%M:%S %Y");
}
