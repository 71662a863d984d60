// curl(1) 7.88 over HTTP: methods, bodies, uploads, redirects, resuming, what it says with -v and -w, its errors.
// Read first: curl(1), RFC 9110, RFC 9112. Way in: `curl [OPTION]... URL...`; a Transfer for each URL.

import { ETIMEDOUT, strerror } from "../../uapi/errno.ts";
import { CLOCK_MONOTONIC, O_APPEND, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY, POLLIN } from "../../uapi/fcntl.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { HttpReader } from "../lib/http.ts";
import { inetAton, inetNtoa, sockaddrAddr, sockaddrPort } from "../lib/inet.ts";
import { concat, encode, print, printError, readAll, writeAll } from "../lib/io.ts";
import { resolve } from "../lib/resolve.ts";
import { dial } from "../lib/tcp.ts";
import { HEADER, line, type Progress } from "./meter.ts";
import { type CurlOptions, type Data, parseOptions } from "./options.ts";
import { base64, parseUrl, percent, type Url } from "./url.ts";

const VERSION = "curl 7.88.1 (skbuff)\nRelease-Date: 2023-02-20\nProtocols: http\nFeatures: \n";
const HELP = `Usage: curl [options...] <url>
 -d, --data <data>          HTTP POST data
 -f, --fail                 Fail fast with no output on HTTP errors
 -h, --help <category>      Get help for commands
 -i, --include              Include protocol response headers in the output
 -o, --output <file>        Write to file instead of stdout
 -O, --remote-name          Write output to a file named as the remote file
 -s, --silent               Silent mode
 -T, --upload-file <file>   Transfer local FILE to destination
 -u, --user <user:password> Server user and password
 -A, --user-agent <name>    Send User-Agent <name> to server
 -v, --verbose              Make the operation more talkative
 -V, --version              Show version number and quit

Also: -C -D -G -H -I -L -X -b -e -m -r -w -#, --data-binary, --data-raw, --data-urlencode, --json, --connect-timeout,
--max-redirs, --resolve, --retry. Example: curl -sS -o page.html -w '%{http_code}\\n' http://10.0.2.2/
`;

/** Exit codes of curl(1). */
const E = { url: 3, resolve: 6, connect: 7, partial: 18, http: 22, write: 23, read: 26, timeout: 28, range: 33 };
const E_REDIRECTS = 47;
const E_EMPTY = 52;
const E_RECV = 56;
const E_SEND = 55;
const UPLOAD_CHUNK = 65536;
const STDIO_BUFFER = 4096;
/** Bodies beyond this wait for a 100 (curl asks first from here on). */
const EXPECT_FROM = 1024 * 1024;

interface Connection {
  fd: number;
  reader: HttpReader;
  host: string;
  port: number;
  number: number;
}
/** A transfer's end: a number of EXIT CODES, and what is said of it. */
class Failure {
  readonly code: number;
  readonly text: string;
  constructor(code: number, text: string) {
    this.code = code;
    this.text = text;
  }
}

export const curl: Program = function* (sys, argv) {
  const parsed = parseOptions(argv, HELP, VERSION);
  if (!("ok" in parsed)) {
    if (parsed.out !== undefined) yield* print(sys, parsed.out);
    if (parsed.err !== undefined) yield* printError(sys, parsed.err);
    return parsed.status;
  }
  const o = parsed.ok;
  const session: Session = { connection: null, connections: 0, known: new Set() };
  let status = 0;
  for (let i = 0; i < o.urls.length; i++) {
    for (let attempt = 0; ; attempt++) {
      const t = new Transfer(sys, o, session, o.urls[i]!, i);
      status = yield* t.run();
      const again =
        status === E.timeout ||
        [408, 429, 500, 502, 503, 504].includes(t.code) ||
        (o.retryRefused && status === E.connect);
      if (!again || attempt >= o.retry) break;
      const wait = o.retryDelay >= 0 ? o.retryDelay : Math.min(1000 * 2 ** attempt, 600_000);
      if (!o.silent)
        yield* printError(
          sys,
          `Warning: Problem: ${status === 0 ? "HTTP error" : "timeout"}. Will retry in ${Math.round(wait / 1000)} seconds. ${o.retry - attempt} retries left.\n`,
        );
      yield* sys.nanosleep(wait * 1e6);
    }
  }
  if (session.connection !== null) sys.close(session.connection.fd);
  return status;
};

/** What transfers of one run share. */
interface Session {
  connection: Connection | null;
  connections: number;
  /** Names that were looked up. */
  known: Set<string>;
}

class Transfer {
  code = 0;
  private readonly sys: Sys;
  private readonly o: CurlOptions;
  private readonly s: Session;
  private readonly text: string;
  private readonly index: number;
  private readonly start: number;
  private out = -1;
  private outName = "";
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private dump = -1;
  private metered = false;
  private shownAt = 0;
  private readonly p: Progress = { down: 0, downTotal: -1, up: 0, upTotal: -1, ns: 0 };
  private readonly info: Record<string, string | number> = {};
  private redirects = 0;

  constructor(sys: Sys, o: CurlOptions, s: Session, text: string, index: number) {
    this.sys = sys;
    this.o = o;
    this.s = s;
    this.text = text;
    this.index = index;
    this.start = sys.clock_gettime(CLOCK_MONOTONIC);
  }

  private since(): number {
    return this.sys.clock_gettime(CLOCK_MONOTONIC) - this.start;
  }
  private *say(text: string): Blocking<void> {
    if (this.o.verbose) yield* printError(this.sys, text);
  }
  private *meter(last: boolean): Blocking<void> {
    const { o, sys } = this;
    if (!o.meter || !this.toFile()) return;
    const ns = this.since();
    if (!this.metered) {
      this.metered = true;
      if (!o.bar && this.index === 0) yield* printError(sys, HEADER);
    } else if (!last && ns - this.shownAt < 1e9) return;
    this.shownAt = ns;
    this.p.ns = ns;
    if (!o.bar) yield* printError(sys, line(this.p));
    else if (this.p.downTotal > 0) {
      const part = this.p.down / this.p.downTotal;
      yield* printError(
        sys,
        `\r${"#".repeat(Math.floor(part * 72)).padEnd(72)} ${(part * 100).toFixed(1).padStart(5)}%`,
      );
    }
  }
  /** Where there is a terminal the body is what it shows. */
  private toFile(): boolean {
    return this.outName !== "" || !this.sys.isatty(1);
  }

  /** The bytes left of --max-time, at most `ms`. */
  private wait(ms: number): number {
    const { maxTime } = this.o;
    if (maxTime < 0) return ms;
    const left = Math.max(1, Math.ceil(maxTime - this.since() / 1e6));
    return ms < 0 ? left : Math.min(ms, left);
  }
  private late(): Failure {
    const of = this.p.downTotal >= 0 ? ` out of ${this.p.downTotal}` : "";
    return new Failure(
      E.timeout,
      `Operation timed out after ${Math.round(this.since() / 1e6)} milliseconds with ${this.p.down}${of} bytes received`,
    );
  }

  *run(): Blocking<number> {
    const { sys, o } = this;
    let failure: Failure | null = null;
    try {
      yield* this.follow();
    } catch (e) {
      if (!(e instanceof Failure)) throw e;
      failure = e;
      const c = this.s.connection;
      if (c !== null) yield* this.close(c);
    }
    if (this.metered) {
      yield* this.meter(true);
      if (o.meter) yield* printError(sys, "\n");
    }
    if (failure !== null && (!o.silent || o.showError))
      yield* printError(sys, `curl: (${failure.code}) ${failure.text}\n`);
    try {
      yield* this.flush();
    } catch (e) {
      if (!(e instanceof Failure)) throw e;
      failure ??= e;
    }
    if (this.out > 1) sys.close(this.out);
    if (this.dump > 1) sys.close(this.dump);
    if (o.writeOut !== undefined) yield* this.writeOut(o.writeOut, failure);
    return failure?.code ?? 0;
  }

  private *follow(): Blocking<void> {
    const { o } = this;
    let url = parseUrl(this.text);
    let method =
      o.method ?? (o.head ? "HEAD" : o.upload !== undefined ? "PUT" : o.data.length > 0 && !o.get ? "POST" : "GET");
    let body = method === "GET" || method === "HEAD" ? null : yield* this.body();
    if (o.method !== undefined && o.data.length > 0 && !o.get) body = yield* this.body();
    if (o.get && o.data.length > 0 && "host" in url) {
      const query = String.fromCharCode(...(yield* this.joined(o.data)));
      url = { ...url, path: `${url.path}${url.path.includes("?") ? "&" : "?"}${query}` };
    }
    for (;;) {
      if (!("host" in url)) throw new Failure(url[0], url[1]);
      if (o.upload !== undefined && url.path.endsWith("/")) {
        const name = o.upload.replace(/^.*\//, "");
        url = { ...url, path: url.path + name, text: url.text + name };
      }
      this.info.url_effective = url.text;
      const next: string | null = yield* this.once(url, method, body);
      if (next === null) return;
      if (this.redirects >= o.maxRedirs && o.maxRedirs >= 0)
        throw new Failure(E_REDIRECTS, `Maximum (${o.maxRedirs}) redirects followed`);
      this.redirects++;
      url = parseUrl(next, url);
      if ("host" in url) yield* this.say(`* Issue another request to this URL: '${url.text}'\n`);
      // RFC 9110 section 15.4: after these a POST becomes a GET, as all browsers do.
      if ((this.code === 303 && method !== "HEAD") || ((this.code === 301 || this.code === 302) && method === "POST")) {
        if (o.method === undefined) method = "GET";
        body = null;
      }
    }
  }

  private *joined(list: readonly Data[]): Blocking<Uint8Array> {
    const { sys } = this;
    const parts: Uint8Array[] = [];
    for (const d of list) {
      let bytes = encode(d.text);
      if (d.file) {
        const fd = d.text === "-" ? 0 : sys.open(d.text, O_RDONLY, 0);
        const all = fd < 0 ? fd : yield* readAll(sys, fd);
        if (fd > 0) sys.close(fd);
        if (typeof all === "number") throw new Failure(E.read, `Failed to open ${d.text}`);
        bytes = d.strip ? all.filter((b) => b !== 10 && b !== 13 && b !== 0) : all;
      }
      if (d.encode) bytes = encode(`${d.name === undefined ? "" : `${d.name}=`}${percent(bytes)}`);
      if (parts.length > 0 && !this.o.json) parts.push(encode("&"));
      parts.push(bytes);
    }
    return concat(parts);
  }
  private *body(): Blocking<Uint8Array | null> {
    const { sys, o } = this;
    if (o.upload === undefined) return o.data.length > 0 ? yield* this.joined(o.data) : null;
    const fd = o.upload === "-" ? 0 : sys.open(o.upload, O_RDONLY, 0);
    const all = fd < 0 ? fd : yield* readAll(sys, fd);
    if (fd > 0) sys.close(fd);
    if (typeof all === "number") {
      yield* printError(sys, `curl: Can't open '${o.upload}'!\n`);
      throw new Failure(E.read, `Failed to open/read local data from file/application`);
    }
    return all;
  }

  private *close(c: Connection): Blocking<void> {
    yield* this.say(`* Closing connection ${c.number}\n`);
    this.sys.close(c.fd);
    this.s.connection = null;
  }

  private *addresses(url: Url): Blocking<readonly number[]> {
    const { s, o } = this;
    const given = o.resolve.get(`${url.host}:${url.port}`);
    const own = given === undefined ? undefined : inetAton(given);
    if (own !== undefined) return [own];
    if (s.known.has(url.host)) yield* this.say(`* Hostname ${url.host} was found in DNS cache\n`);
    const found = yield* resolve(this.sys, url.host);
    if (typeof found === "number") {
      yield* this.say(`* Could not resolve host: ${url.host}\n`);
      throw new Failure(E.resolve, `Could not resolve host: ${url.host}`);
    }
    s.known.add(url.host);
    return found.addrs;
  }

  private *connect(url: Url): Blocking<Connection> {
    const { sys, s, o } = this;
    const old = s.connection;
    if (old !== null && old.host === url.host && old.port === url.port) {
      yield* this.say(`* Re-using existing connection #${old.number} with host ${url.host}\n`);
      this.info.num_connects = 0;
      return old;
    }
    if (old !== null) yield* this.close(old);
    const addrs = yield* this.addresses(url);
    this.info.time_namelookup = this.since();
    let err = 0;
    for (const addr of addrs) {
      yield* this.say(`*   Trying ${inetNtoa(addr)}:${url.port}...\n`);
      const fd = yield* dial(sys, addr, url.port, this.wait(o.connectTimeout));
      if (fd >= 0) {
        const number = s.connections++;
        yield* this.say(`* Connected to ${url.host} (${inetNtoa(addr)}) port ${url.port} (#${number})\n`);
        const c = { fd, reader: new HttpReader(sys, fd, -1), host: url.host, port: url.port, number };
        s.connection = c;
        this.info.num_connects = 1;
        this.info.time_connect = this.since();
        return c;
      }
      err = fd;
      yield* this.say(`* connect to ${inetNtoa(addr)} port ${url.port} failed: ${strerror(fd)}\n`);
    }
    const ms = Math.round(this.since() / 1e6);
    if (err === -ETIMEDOUT && (o.maxTime >= 0 || ms >= o.connectTimeout))
      throw new Failure(
        E.timeout,
        `Failed to connect to ${url.host} port ${url.port} after ${ms} ms: Timeout was reached`,
      );
    throw new Failure(
      E.connect,
      `Failed to connect to ${url.host} port ${url.port} after ${ms} ms: Couldn't connect to server`,
    );
  }

  /** Where the body goes, opened when there is something to write. */
  private *open(url: Url, append: boolean): Blocking<number> {
    const { o, sys, index } = this;
    if (this.out >= 0) return this.out;
    let name = o.outputs[index] ?? "";
    if (name === "" && index < o.remoteName) {
      name = url.path.replace(/\?.*$/, "").replace(/^.*\//, "");
      if (name === "") throw new Failure(E.write, "Failed writing received data to disk/application");
    }
    if (name === "-" || name === "") return (this.out = 1);
    if (o.outputDir !== "") name = `${o.outputDir}/${name}`;
    if (o.createDirs) {
      const parts = name.split("/").slice(0, -1);
      parts.forEach((_, i) => {
        if (parts[i] !== "") sys.mkdir(parts.slice(0, i + 1).join("/"), 0o755);
      });
    }
    this.outName = name;
    this.out = sys.open(name, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0o644);
    if (this.out < 0) {
      if (!o.silent) yield* printError(sys, `Warning: Failed to open the file ${name}: ${strerror(this.out)}\n`);
      throw new Failure(E.write, "Failure writing output to destination");
    }
    return this.out;
  }

  private request(url: Url, method: string, body: Uint8Array | null, from: number): string[] {
    const { o } = this;
    const lines = [`${method} ${url.path} HTTP/${o.http10 ? "1.0" : "1.1"}`];
    // A header of the user's replaces ours; one without a value removes it; "X;" sends it empty.
    const own = new Map<string, string | null>();
    for (const h of o.headers) {
      const m = /^([^:;]+)([:;])\s*(.*)$/s.exec(h);
      if (m !== null) own.set(m[1].toLowerCase(), m[2] === ":" && m[3] === "" ? null : m[2] === ";" ? `${m[1]}:` : h);
    }
    const add = (name: string, value: string | undefined): void => {
      if (value !== undefined && !own.has(name.toLowerCase())) lines.push(`${name}: ${value}`);
    };
    const host = own.get("host");
    if (host !== undefined && host !== null) lines.push(host);
    own.delete("host");
    if (host === undefined) lines.push(`Host: ${url.host}${url.port === 80 ? "" : `:${url.port}`}`);
    const user = o.user ?? url.user;
    add("Authorization", user === undefined ? undefined : `Basic ${base64(encode(user))}`);
    add("Range", o.range !== undefined ? `bytes=${o.range}` : from > 0 ? `bytes=${from}-` : undefined);
    if (o.agent !== "") add("User-Agent", o.agent);
    add("Accept", o.json ? "application/json" : "*/*");
    add("Referer", o.referer);
    add("Cookie", o.cookie);
    for (const h of own.values()) if (h !== null) lines.push(h);
    if (body !== null) {
      // What comes from a pipe has no length.
      if (o.upload === "-") add("Transfer-Encoding", "chunked");
      else add("Content-Length", String(body.length));
      if (o.upload === undefined)
        add("Content-Type", o.json ? "application/json" : "application/x-www-form-urlencoded");
      if ((o.upload !== undefined || body.length > EXPECT_FROM) && !o.http10) add("Expect", "100-continue");
    }
    return lines;
  }

  private *send(c: Connection, lines: string[], body: Uint8Array | null): Blocking<void> {
    const { sys, o } = this;
    const head = encode(`${lines.join("\r\n")}\r\n\r\n`);
    this.info.size_request = Number(this.info.size_request ?? 0) + head.length;
    yield* this.say(`> ${lines.join("\r\n> ")}\r\n> \r\n`);
    const wrong = (err: number): Failure => new Failure(E_SEND, `Send failure: ${strerror(err)}`);
    let err = yield* writeAll(sys, c.fd, head);
    if (err < 0) throw wrong(err);
    if (body === null) return;
    if (lines.some((l) => /^expect: 100-continue$/i.test(l))) {
      // Until the server says something, or a second (RFC 9110 section 10.1.1).
      const ready = yield* sys.poll([{ fd: c.fd, events: POLLIN, revents: 0 }], this.wait(o.expectMs));
      if (ready === 0) yield* this.say("* Done waiting for 100-continue\n");
      else if (ready > 0) {
        const first = new Uint8Array(12);
        const n = yield* sys.recvfrom(c.fd, first, 2, null);
        // Anything but a 100 is the answer: the body is not wanted.
        if (n < 12 || String.fromCharCode(...first.subarray(9, 12)) !== "100") return;
      }
    }
    this.p.upTotal = body.length;
    const chunked = o.upload === "-";
    for (let at = 0; at < body.length; at += UPLOAD_CHUNK) {
      const piece = body.subarray(at, at + UPLOAD_CHUNK);
      const framed = chunked ? concat([encode(`${piece.length.toString(16)}\r\n`), piece, encode("\r\n")]) : piece;
      err = yield* writeAll(sys, c.fd, framed);
      if (err < 0) throw wrong(err);
      this.p.up += piece.length;
      yield* this.meter(false);
    }
    if (chunked) err = yield* writeAll(sys, c.fd, "0\r\n\r\n");
    if (err < 0) throw wrong(err);
    yield* this.say(`} [${body.length} bytes data]\n`);
  }

  /** A request and its answer. Where it leads to, or null. */
  private *once(url: Url, method: string, body: Uint8Array | null): Blocking<string | null> {
    const { sys, o } = this;
    let from = o.resume === "-" ? 0 : (o.resume ?? 0);
    if (o.resume === "-" && o.outputs[this.index] !== undefined) {
      const old = sys.stat(o.outputs[this.index]!);
      if (typeof old !== "number") from = old.st_size;
    }
    if (this.toFile()) yield* this.meter(false);
    const c = yield* this.connect(url);
    yield* this.names(c);
    this.info.time_pretransfer = this.since();
    if (o.user !== undefined) yield* this.say(`* Server auth using Basic with user '${o.user.replace(/:.*$/s, "")}'\n`);
    yield* this.send(c, this.request(url, method, body, from), body);
    c.reader.timeout = this.wait(-1);
    const self = this;
    const head = yield* c.reader.head(function* (lines) {
      yield* self.say(`< ${lines.join("\r\n< ")}\r\n< \r\n`);
    });
    if (head === null) {
      if (c.reader.error === -ETIMEDOUT) throw this.late();
      if (c.reader.error !== 0) throw new Failure(E_RECV, `Recv failure: ${strerror(c.reader.error)}`);
      yield* this.say("* Empty reply from server\n");
      throw new Failure(E_EMPTY, "Empty reply from server");
    }
    this.info.time_starttransfer ??= this.since();
    const [first = "", ...lines] = head.split("\r\n");
    const status = /^HTTP\/(1\.[01]) (\d{3})/.exec(first);
    if (status === null) throw new Failure(1, `Received HTTP/0.9 when not allowed`);
    this.code = Number(status[2]);
    this.info.http_version = status[1] === "1.0" ? "1" : "1.1";
    this.info.size_header = Number(this.info.size_header ?? 0) + c.reader.headSize;
    const headers = new Map<string, string>();
    for (const l of lines) {
      const colon = l.indexOf(":");
      if (colon > 0) headers.set(l.slice(0, colon).toLowerCase(), l.slice(colon + 1).trim());
    }
    const connection = headers.get("connection")?.toLowerCase() ?? "";
    let keep = status[1] === "1.1" ? connection !== "close" : connection === "keep-alive";
    if (status[1] === "1.0" && !keep) yield* this.say("* HTTP 1.0, assume close after body\n");
    yield* this.say(`< ${[first, ...lines].join("\r\n< ")}\r\n< \r\n`);
    this.info.content_type = headers.get("content-type") ?? "";
    const location = headers.get("location");
    this.info.redirect_url = "";
    const leads = this.code >= 300 && this.code < 400 && location !== undefined;
    if (leads) {
      const to = parseUrl(location, url);
      this.info.redirect_url = "host" in to ? to.text : location;
    }
    const text = `${[first, ...lines].join("\r\n")}\r\n\r\n`;
    if (o.dumpHeader !== undefined) {
      if (this.dump < 0)
        this.dump = o.dumpHeader === "-" ? 1 : sys.open(o.dumpHeader, O_WRONLY | O_CREAT | O_TRUNC, 0o644);
      if (this.dump < 0) throw new Failure(E.write, `Failed to open ${o.dumpHeader}`);
      yield* writeAll(sys, this.dump, text);
    }
    const bad = this.code >= 400;
    const none = method === "HEAD" || this.code === 204 || this.code === 304;
    const chunked = !none && /chunked/i.test(headers.get("transfer-encoding") ?? "");
    const length = none ? 0 : chunked || !headers.has("content-length") ? -1 : Number(headers.get("content-length"));
    if (length < 0 && !chunked) keep = false;
    this.p.downTotal = leads && o.location ? -1 : length;
    if (bad && o.fail && !o.failWithBody) throw new Failure(E.http, `The requested URL returned error: ${this.code}`);
    if (from > 0 && this.code === 416) return yield* this.done(c, keep && length === 0, url);
    if (from > 0 && this.code === 200 && !leads)
      throw new Failure(E.range, "HTTP server doesn't seem to support byte ranges. Cannot resume.");
    // The page that says "moved" is for nobody when the move is followed.
    const ignore = leads && o.location;
    if (ignore && length !== 0) yield* this.say("* Ignoring the response-body\n");
    if (o.include) yield* this.write(yield* this.open(url, from > 0), encode(text));
    let got = 0;
    for (;;) {
      if (none) break;
      c.reader.timeout = this.wait(-1);
      const bytes = yield* c.reader.body(chunked, length < 0 ? Infinity : length - got);
      if (bytes === null) break;
      if (got === 0) yield* this.say(`{ [${bytes.length} bytes data]\n`);
      got += bytes.length;
      if (ignore) continue;
      this.p.down += bytes.length;
      yield* this.write(yield* this.open(url, from > 0), bytes);
      yield* this.meter(false);
      if (o.maxTime >= 0 && this.since() >= o.maxTime * 1e6) throw this.late();
    }
    if (c.reader.error === -ETIMEDOUT) throw this.late();
    if (c.reader.error !== 0) throw new Failure(E_RECV, `Recv failure: ${strerror(c.reader.error)}`);
    if (length >= 0 && got < length)
      throw new Failure(E.partial, `transfer closed with ${length - got} bytes remaining to read`);
    if (chunked && !c.reader.complete)
      throw new Failure(E.partial, "transfer closed with outstanding read data remaining");
    // An empty document is a file, too.
    if (!ignore && !none && o.outputs[this.index] !== undefined) yield* this.open(url, from > 0);
    yield* this.done(c, keep, url);
    if (bad && o.failWithBody) throw new Failure(E.http, `The requested URL returned error: ${this.code}`);
    return ignore ? location : null;
  }

  private *done(c: Connection, keep: boolean, url: Url): Blocking<null> {
    if (keep) yield* this.say(`* Connection #${c.number} to host ${url.host} left intact\n`);
    else yield* this.close(c);
    return null;
  }
  /** Standard output goes through a buffer, as stdio's, where it is no terminal. */
  private *write(fd: number, bytes: Uint8Array): Blocking<void> {
    if (fd !== 1 || this.o.noBuffer || this.sys.isatty(1)) {
      yield* this.put(fd, bytes);
      return;
    }
    // The reader's memory is used again.
    this.pending.push(bytes.slice());
    this.pendingBytes += bytes.length;
    if (this.pendingBytes >= STDIO_BUFFER) yield* this.flush();
  }
  private *flush(): Blocking<void> {
    const list = this.pending;
    this.pending = [];
    this.pendingBytes = 0;
    for (const bytes of list) yield* this.put(1, bytes);
  }
  private *put(fd: number, bytes: Uint8Array): Blocking<void> {
    const err = yield* writeAll(this.sys, fd, bytes);
    if (err < 0) throw new Failure(E.write, "Failure writing output to destination");
  }

  /** The ends of the connection, for -w. */
  private *names(c: Connection): Blocking<void> {
    const { sys, info } = this;
    const addr = new Uint8Array(16);
    if (sys.getpeername(c.fd, addr) >= 0) {
      info.remote_ip = inetNtoa(sockaddrAddr(addr));
      info.remote_port = sockaddrPort(addr);
    }
    if (sys.getsockname(c.fd, addr) >= 0) {
      info.local_ip = inetNtoa(sockaddrAddr(addr));
      info.local_port = sockaddrPort(addr);
    }
  }

  private *writeOut(format: string, failure: Failure | null): Blocking<void> {
    const { info, o, p } = this;
    const total = this.since();
    const time = (ns: string | number | undefined): string => (Number(ns ?? 0) / 1e9).toFixed(6);
    const speed = (n: number): string => String(Math.floor(n / (total / 1e9 || 1)));
    const known: Record<string, string> = {
      http_code: String(this.code).padStart(3, "0"),
      response_code: String(this.code).padStart(3, "0"),
      http_connect: "000",
      size_download: String(p.down),
      size_upload: String(p.up),
      size_header: String(info.size_header ?? 0),
      size_request: String(info.size_request ?? 0),
      speed_download: speed(p.down),
      speed_upload: speed(p.up),
      num_connects: String(info.num_connects ?? 0),
      num_redirects: String(this.redirects),
      content_type: String(info.content_type ?? ""),
      url: this.text,
      url_effective: String(info.url_effective ?? this.text),
      redirect_url: o.location ? "" : String(info.redirect_url ?? ""),
      remote_ip: String(info.remote_ip ?? ""),
      remote_port: String(info.remote_port ?? 0),
      local_ip: String(info.local_ip ?? ""),
      local_port: String(info.local_port ?? 0),
      http_version: String(info.http_version ?? 0),
      scheme: "HTTP",
      method:
        o.method ?? (o.head ? "HEAD" : o.upload !== undefined ? "PUT" : o.data.length > 0 && !o.get ? "POST" : "GET"),
      exitcode: String(failure?.code ?? 0),
      errormsg: failure?.text ?? "",
      urlnum: String(this.index),
      filename_effective: this.outName,
      time_namelookup: time(info.time_namelookup),
      time_connect: time(info.time_connect),
      time_appconnect: time(0),
      time_pretransfer: time(info.time_pretransfer),
      time_redirect: time(0),
      time_starttransfer: time(info.time_starttransfer),
      time_total: time(total),
    };
    let unknown = "";
    const out = format
      .replace(/\\([ntr])/g, (_, c: string) => ({ n: "\n", t: "\t", r: "\r" })[c as "n" | "t" | "r"])
      .replace(/%\{([^}]*)\}|%%/g, (all, name: string | undefined) => {
        if (name === undefined) return "%";
        const v = known[name];
        if (v === undefined) unknown += `curl: unknown --write-out variable: '${name}'\n`;
        return v ?? "";
      });
    if (unknown !== "") yield* printError(this.sys, unknown);
    yield* print(this.sys, out);
  }
}
