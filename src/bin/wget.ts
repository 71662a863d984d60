// wget(1), Debian's GNU Wget 1.21, over HTTP: redirects, resuming, retries. Read first: wget(1), RFC 9110, RFC 9112.
// Way in: `wget [-q] [-nv] [-S] [-c] [-O FILE] [-P DIR] [-t TRIES] [-T SECONDS] [--spider] URL...`.

import { ECONNREFUSED, ETIMEDOUT, strerror } from "../uapi/errno.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, O_APPEND, O_CREAT, O_TRUNC, O_WRONLY } from "../uapi/fcntl.ts";
import type { Blocking, Program, Sys } from "../uapi/sys.ts";
import { getopt } from "./lib/getopt.ts";
import { HttpReader } from "./lib/http.ts";
import { inetNtoa } from "./lib/inet.ts";
import { printError, writeAll } from "./lib/io.ts";
import { gaiStrerror, resolve } from "./lib/resolve.ts";
import { dial } from "./lib/tcp.ts";

const SHORT = "qvSct:T:O:P:U:n:h";
const LONG = ["quiet=q", "verbose=v", "no-verbose", "server-response=S", "continue=c", "tries:=t", "timeout:=T"].concat(
  ["output-document:=O", "directory-prefix:=P", "user-agent:=U", "spider", "help=h", "max-redirect:", "header:"],
);
const USAGE = "Usage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n";
/** Exit codes of wget(1). */
const EXIT = { ok: 0, parse: 2, io: 3, network: 4, server: 8 };
const MAX_REDIRECT = 20;

interface Options {
  quiet: boolean;
  brief: boolean;
  response: boolean;
  resume: boolean;
  spider: boolean;
  output: string | undefined;
  dir: string;
  tries: number;
  /** ms; -1 none. */
  timeout: number;
  redirects: number;
  agent: string;
  headers: string[];
}

interface Url {
  host: string;
  port: number;
  path: string;
  text: string;
}

export const wget: Program = function* (sys, argv) {
  const p = getopt(argv, SHORT, LONG);
  if (p.error !== undefined) {
    yield* printError(sys, `${p.error}\n${USAGE}`);
    return EXIT.parse;
  }
  const seconds = Number(p.get("T") ?? 900);
  const tries = p.get("t") === "inf" ? 0 : Number(p.get("t") ?? 20);
  for (const [name, n] of [
    ["--timeout", seconds],
    ["--tries", tries],
  ] as const)
    if (!(n >= 0)) {
      yield* printError(sys, `wget: ${name}: Invalid number '${p.get(name === "--tries" ? "t" : "T")}'.\n`);
      return EXIT.parse;
    }
  if (p.operands.length === 0) {
    yield* printError(sys, `wget: missing URL\n${USAGE}`);
    return 1;
  }
  const o: Options = {
    quiet: p.has("q"),
    brief: p.has("no-verbose") || p.list.some((x) => x.name === "n" && x.value === "v"),
    response: p.has("S"),
    resume: p.has("c"),
    spider: p.has("spider"),
    output: p.get("O"),
    dir: p.get("P") ?? ".",
    tries: tries === 0 ? Infinity : tries,
    timeout: seconds === 0 ? -1 : seconds * 1000,
    redirects: Number(p.get("max-redirect") ?? MAX_REDIRECT),
    agent: p.get("U") ?? "Wget/1.21.3",
    headers: p.list.filter((x) => x.name === "header").map((x) => x.value as string),
  };
  let status = EXIT.ok;
  // With -O all documents go to one file, one behind the other.
  let out = -1;
  if (o.output !== undefined && !o.spider) {
    out = o.output === "-" ? 1 : sys.open(o.output, O_WRONLY | O_CREAT | (o.resume ? O_APPEND : O_TRUNC), 0o644);
    if (out < 0) {
      yield* printError(sys, `${o.output}: ${strerror(out)}\n`);
      return EXIT.io;
    }
  }
  for (const text of p.operands) {
    const one = yield* new Fetch(sys, o, out).run(text);
    // The most serious error counts: a lower number (wget(1), EXIT STATUS), but not success.
    if (one !== EXIT.ok && (status === EXIT.ok || one < status)) status = one;
  }
  if (out > 1) sys.close(out);
  return status;
};

function parseUrl(text: string, base?: Url): Url | string {
  if (base !== undefined && !/^[a-z]+:\/\//i.test(text)) {
    const dir = text.startsWith("/") ? "" : base.path.replace(/[?#].*$/, "").replace(/[^/]*$/, "");
    return parseUrl(`http://${base.host}:${base.port}${dir}${text}`);
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1].toLowerCase();
  if (scheme !== undefined && scheme !== "http") return `Unsupported scheme '${scheme}'`;
  const m = /^(?:http:\/\/)?(?:[^@/]*@)?([^:/?#]+)(?::(\d*))?([/?][^#]*)?/i.exec(text);
  if (m === null || m[1] === "") return "Invalid host name";
  const port = m[2] === undefined || m[2] === "" ? 80 : Number(m[2]);
  if (port < 1 || port > 65535) return "Bad port number";
  const path = m[3] === undefined ? "/" : m[3].startsWith("/") ? m[3] : `/${m[3]}`;
  return { host: m[1], port, path, text: `http://${m[1]}${port === 80 ? "" : `:${port}`}${path}` };
}

/** "2.9K", "1.54M": three digits, as wget shows sizes. */
function human(n: number): string {
  if (n < 1024) return String(Math.round(n));
  let v = n;
  for (const unit of "KMGT") {
    v /= 1024;
    if (v < 1024) return `${v < 9.95 ? v.toFixed(1) : Math.round(v)}${unit}`;
  }
  return `${Math.round(v)}T`;
}
function rate(bytesPerSecond: number): string {
  const units = ["B/s", "KB/s", "MB/s", "GB/s"];
  let v = bytesPerSecond;
  let i = 0;
  while (v >= 1024 && i < 3) {
    v /= 1024;
    i++;
  }
  return `${i === 0 ? v.toFixed(0) : v < 99.995 ? v.toPrecision(3) : v.toFixed(0)} ${units[i]}`;
}

class Fetch {
  private readonly sys: Sys;
  private readonly o: Options;
  private readonly out: number;

  constructor(sys: Sys, o: Options, out: number) {
    this.sys = sys;
    this.o = o;
    this.out = out;
  }

  private *say(text: string): Blocking<void> {
    if (!this.o.quiet && !this.o.brief) yield* printError(this.sys, text);
  }
  private stamp(): string {
    return new Date(this.sys.clock_gettime(CLOCK_REALTIME) / 1e6).toISOString().slice(0, 19).replace("T", " ");
  }

  *run(text: string): Blocking<number> {
    const { o } = this;
    let url = parseUrl(text);
    if (o.spider) yield* this.say("Spider mode enabled. Check if remote file exists.\n");
    let tries = 0;
    for (let hops = 0; ; ) {
      if (typeof url === "string") {
        if (!o.quiet) yield* printError(this.sys, `${text}: ${url}.\n`);
        return EXIT.parse;
      }
      tries++;
      yield* this.say(
        tries > 1
          ? `--${this.stamp()}--  (try:${String(tries).padStart(2)})  ${url.text}\n`
          : `--${this.stamp()}--  ${url.text}\n`,
      );
      const got: number | "again" | { redirect: string } = yield* this.once(url);
      if (typeof got === "number") return got;
      if (got === "again") {
        if (tries >= o.tries) {
          yield* this.say("Giving up.\n\n");
          return EXIT.network;
        }
        yield* this.say("Retrying.\n\n");
        yield* this.sys.nanosleep(Math.min(tries, 10) * 1e9);
        continue;
      }
      if (++hops > o.redirects) {
        yield* this.say(`${o.redirects} redirections exceeded.\n`);
        return EXIT.server;
      }
      url = parseUrl(got.redirect, url);
      tries = 0;
    }
  }

  /** A connection to the first address that takes it; or why there is none. */
  private *connect(url: Url): Blocking<number> {
    const { sys, o } = this;
    const found = yield* resolve(sys, url.host);
    const numeric = typeof found !== "number" && found.numeric;
    if (!numeric) yield* this.say(`Resolving ${url.host} (${url.host})... `);
    if (typeof found === "number") {
      yield* this.say(`failed: ${gaiStrerror(found)}.\n`);
      if (!o.quiet) yield* printError(sys, `wget: unable to resolve host address '${url.host}'\n`);
      return 0;
    }
    if (!numeric) yield* this.say(`${found.addrs.map((a) => inetNtoa(a)).join(", ")}\n`);
    let err = 0;
    for (const addr of found.addrs) {
      const where = numeric ? inetNtoa(addr) : `${url.host} (${url.host})|${inetNtoa(addr)}|`;
      yield* this.say(`Connecting to ${where}:${url.port}... `);
      const fd = yield* dial(sys, addr, url.port, o.timeout);
      if (fd >= 0) {
        yield* this.say("connected.\n");
        return fd;
      }
      err = fd;
      yield* this.say(`failed: ${strerror(fd)}.\n`);
    }
    return err;
  }

  private fileName(url: Url): string {
    const name = url.path.replace(/^.*\//, "").replace(/[?]/g, "?");
    return `${this.o.dir === "." ? "" : `${this.o.dir}/`}${name === "" ? "index.html" : name}`;
  }

  private *once(url: Url): Blocking<number | "again" | { redirect: string }> {
    const { sys, o } = this;
    const fd = yield* this.connect(url);
    // 0: the name has no address. Refused is final, too.
    if (fd === 0 || fd === -ECONNREFUSED) return EXIT.network;
    if (fd < 0) return "again";
    try {
      return yield* this.exchange(url, fd, o);
    } finally {
      sys.close(fd);
    }
  }

  private *exchange(url: Url, fd: number, o: Options): Blocking<number | "again" | { redirect: string }> {
    const { sys } = this;
    let name = o.output ?? this.fileName(url);
    const old = o.output === "-" ? -1 : sys.stat(name);
    const have = o.resume && typeof old !== "number" ? old.st_size : 0;
    const request = [
      `${o.spider ? "HEAD" : "GET"} ${url.path} HTTP/1.1`,
      `Host: ${url.host}${url.port === 80 ? "" : `:${url.port}`}`,
      `User-Agent: ${o.agent}`,
      "Accept: */*",
      "Accept-Encoding: identity",
      "Connection: Close",
      ...(have > 0 ? [`Range: bytes=${have}-`] : []),
      ...o.headers,
    ];
    if ((yield* writeAll(sys, fd, `${request.join("\r\n")}\r\n\r\n`)) < 0) return "again";
    yield* this.say("HTTP request sent, awaiting response... ");
    const reader = new HttpReader(sys, fd, o.timeout);
    const head = yield* reader.head();
    if (head === null) {
      yield* this.say(
        reader.error === -ETIMEDOUT ? "Read error (Connection timed out) in headers.\n" : "No data received.\n",
      );
      return "again";
    }
    const [first, ...lines] = head.split(/\r?\n/);
    const m = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first);
    const code = m === null ? 200 : Number(m[1]);
    const phrase = m === null ? "(no headers, assuming HTTP/0.9)" : m[2];
    yield* this.say(o.response ? `\n  ${[first, ...lines].join("\n  ")}\n` : `${code} ${phrase}\n`);
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const location = headers.get("location");
    if (code >= 300 && code < 400 && location !== undefined) {
      yield* this.say(`Location: ${location} [following]\n`);
      return { redirect: location };
    }
    if (code === 416 && have > 0) {
      yield* this.say("\n    The file is already fully retrieved; nothing to do.\n\n");
      return EXIT.ok;
    }
    if (code < 200 || code >= 300) {
      if (o.spider) {
        yield* this.say("Remote file does not exist -- broken link!!!\n\n");
      } else if (!o.quiet) {
        const where = o.brief ? `${url.text}:\n` : "";
        yield* printError(sys, `${where}${this.stamp()} ERROR ${code}: ${phrase}.\n${o.brief ? "" : "\n"}`);
      }
      return EXIT.server;
    }
    const chunked = /chunked/i.test(headers.get("transfer-encoding") ?? "");
    const length = chunked || !headers.has("content-length") ? -1 : Number(headers.get("content-length"));
    const resumed = code === 206 ? have : 0;
    const type = headers.get("content-type")?.replace(/;.*/, "").trim();
    const shownType = type === undefined ? "" : ` [${type}]`;
    const whole = length < 0 ? -1 : resumed + length;
    const size = (n: number): string => `${n}${n >= 1024 ? ` (${human(n)})` : ""}`;
    yield* this.say(
      `Length: ${whole < 0 ? "unspecified" : size(whole)}${resumed > 0 ? `, ${size(length)} remaining` : ""}${shownType}\n`,
    );
    if (o.spider) {
      yield* this.say("Remote file exists.\n\n");
      return EXIT.ok;
    }
    let out = this.out;
    if (out < 0) {
      // What is there is not overwritten.
      if (resumed === 0 && !o.resume)
        for (let i = 1; typeof sys.stat(name) !== "number"; i++) name = `${this.fileName(url)}.${i}`;
      out = sys.open(name, O_WRONLY | O_CREAT | (resumed > 0 ? O_APPEND : O_TRUNC), 0o644);
      if (out < 0) {
        if (!o.quiet)
          yield* printError(sys, `${name}: ${strerror(out)}\n\nCannot write to '${name}' (${strerror(out)}).\n`);
        return EXIT.io;
      }
    }
    const shown = o.output === "-" ? "STDOUT" : name;
    yield* this.say(`Saving to: '${shown}'\n\n`);
    const start = sys.clock_gettime(CLOCK_MONOTONIC);
    const dots = new Dots(whole, resumed, start);
    yield* this.say(dots.begin());
    let got = 0;
    let werr = 0;
    for (;;) {
      const bytes = yield* reader.body(chunked, length < 0 ? Infinity : length - got);
      if (bytes === null) break;
      werr = yield* writeAll(sys, out, bytes);
      if (werr < 0) break;
      got += bytes.length;
      yield* this.say(dots.add(bytes.length, sys.clock_gettime(CLOCK_MONOTONIC)));
    }
    const ns = Math.max(1, sys.clock_gettime(CLOCK_MONOTONIC) - start);
    if (out !== this.out) sys.close(out);
    yield* this.say(`${dots.end(ns)}\n\n`);
    if (werr < 0) {
      if (!o.quiet) yield* printError(sys, `Cannot write to '${shown}' (${strerror(werr)}).\n`);
      return EXIT.io;
    }
    const all = resumed + got;
    const speed = rate(got / (ns / 1e9));
    if ((length >= 0 && got < length) || (chunked && !reader.complete)) {
      yield* this.say(`${this.stamp()} (${speed}) - Connection closed at byte ${all}. `);
      // What is there already is not asked for again.
      if (o.output !== "-") o.resume = true;
      return "again";
    }
    const total = whole < 0 ? `${all}` : `${all}/${whole}`;
    if (o.brief && !o.quiet) {
      yield* printError(sys, `${this.stamp()} URL:${url.text} [${total}] -> "${o.output === "-" ? "-" : name}" [1]\n`);
    }
    yield* this.say(
      o.output === "-"
        ? `${this.stamp()} (${speed}) - written to stdout [${total}]\n\n`
        : `${this.stamp()} (${speed}) - '${name}' saved [${total}]\n\n`,
    );
    return EXIT.ok;
  }
}

/** A dot for each KiB, 50 in a line, with the part and the speed at its end (wget's progress where there is no terminal). */
class Dots {
  private readonly whole: number;
  private at: number;
  private readonly skipped: number;
  private line = 0;
  private text = "";
  private lineStart: number;

  constructor(whole: number, resumed: number, now: number) {
    this.whole = whole;
    this.at = resumed;
    this.skipped = resumed;
    this.lineStart = now;
    this.line = resumed - (resumed % 51200);
  }

  private row(upTo: number): string {
    const n = Math.floor(Math.min(50, (upTo - this.line) / 1024));
    const old = Math.floor((this.skipped - this.line) / 1024);
    let dots = "";
    for (let i = 0; i < 50; i++) dots += `${i % 10 === 0 ? " " : ""}${i < old ? "," : i < n ? "." : " "}`;
    return `${String(Math.floor(this.line / 1024)).padStart(6)}K${dots}`;
  }

  /** What an earlier run brought already: whole lines of it are not shown. */
  begin(): string {
    return this.line === 0 ? "" : `${" ".repeat(8)}[ skipping ${this.line / 1024}K ]\n`;
  }

  private percent(at: number): string {
    return this.whole <= 0 ? "" : `${String(Math.floor((100 * at) / this.whole)).padStart(3)}%`;
  }

  add(bytes: number, now: number): string {
    this.at += bytes;
    this.text = "";
    while (this.at - this.line >= 51200) {
      const ns = Math.max(1, now - this.lineStart);
      const speed = human(51200 / (ns / 1e9));
      const done = this.whole === this.line + 51200;
      if (done) break;
      this.text += `${this.row(this.at)} ${this.percent(this.line + 51200)} ${speed.padStart(5)}\n`;
      this.line += 51200;
      this.lineStart = now;
    }
    return this.text;
  }

  end(ns: number): string {
    const seconds = ns / 1e9;
    const speed = human(this.at / seconds);
    const shown = seconds < 0.05 ? "0" : seconds < 10 ? seconds.toFixed(1) : String(Math.round(seconds));
    return `${this.row(this.at)} ${this.percent(this.at)} ${speed.padStart(4)}=${shown}s`;
  }
}
