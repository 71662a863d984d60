// httpd: a static HTTP server for labs. Options as busybox's httpd has them, pages and headers as `python3 -m http.server`.
// Read first: RFC 9110, RFC 9112. Way in: `httpd [-f] [-v] [-p [ADDRESS:]PORT] [-h HOME]`. A process for each connection.

import { EINTR, ENOENT, strerror } from "../uapi/errno.ts";
import { CLOCK_REALTIME, O_RDONLY, POLLIN, SIGCHLD, SIGPIPE } from "../uapi/fcntl.ts";
import * as S from "../uapi/socket.ts";
import type { Blocking, Program, Sys } from "../uapi/sys.ts";
import { getopt } from "./lib/getopt.ts";
import { inetAton, inetNtoa, sockaddrAddr, sockaddrIn, sockaddrPort } from "./lib/inet.ts";
import { concat, encode, printError, writeAll } from "./lib/io.ts";

const USAGE = "usage: httpd [-f] [-v] [-p [ADDRESS:]PORT] [-h HOME]\n";
const BACKLOG = 128;
const MAX_REQUEST = 16384;
/** A client that says nothing for this long is gone. */
const IDLE_MS = 60_000;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html",
  htm: "text/html",
  txt: "text/plain",
  css: "text/css",
  js: "text/javascript",
  json: "application/json",
  png: "image/png",
  jpg: "image/jpeg",
  svg: "image/svg+xml",
  gz: "application/gzip",
};
const PHRASES: Readonly<Record<number, string>> = {
  200: "OK",
  206: "Partial Content",
  301: "Moved Permanently",
  400: "Bad Request",
  404: "File not found",
  416: "Range Not Satisfiable",
  431: "Request Header Fields Too Large",
  501: "Unsupported method",
};

// DIFF: it stays in the foreground, with -f or without: a lab starts it with "&".
export const httpd: Program = function* (sys, argv) {
  const o = getopt(argv, "fvip:h:");
  if (o.error !== undefined || o.operands.length > 0) {
    yield* printError(sys, `${o.error === undefined ? "" : `${o.error}\n`}${USAGE}`);
    return 1;
  }
  const home = o.get("h") ?? ".";
  const verbose = o.has("v");
  // -i: inetd has the connection on standard input and output.
  if (o.has("i")) {
    yield* serve(sys, home, "-", verbose);
    return 0;
  }
  const [, host, portText] = /^(?:(.*):)?(\d+)$/.exec(o.get("p") ?? "80") ?? [];
  const addr = host === undefined ? S.INADDR_ANY : inetAton(host);
  const port = Number(portText);
  if (addr === undefined || !(port <= 65535)) {
    yield* printError(sys, `httpd: bad address '${o.get("p")}'\n`);
    return 1;
  }
  const fail = function* (what: string, err: number): Blocking<number> {
    yield* printError(sys, `httpd: ${what}: ${strerror(err)}\n`);
    return 1;
  };
  const listener = sys.socket(S.AF_INET, S.SOCK_STREAM | S.SOCK_CLOEXEC, 0);
  if (listener < 0) return yield* fail("socket", listener);
  sys.setsockopt(listener, S.SOL_SOCKET, S.SO_REUSEADDR, 1);
  let err = sys.bind(listener, sockaddrIn(addr, port));
  if (err >= 0) err = sys.listen(listener, BACKLOG);
  if (err < 0) return yield* fail("bind", err);
  // Who ignores SIGCHLD has no zombies.
  sys.sigaction(SIGCHLD, "SIG_IGN");
  const peer = new Uint8Array(S.SOCKADDR_IN_LEN);
  for (;;) {
    const fd = yield* sys.accept4(listener, peer, S.SOCK_CLOEXEC);
    if (fd < 0) {
      if (fd === -EINTR) continue;
      // The connection broke before it was taken, or files ran out: the next one may do.
      yield* sys.nanosleep(1e6);
      continue;
    }
    const client = `${inetNtoa(sockaddrAddr(peer))}:${sockaddrPort(peer)}`;
    const one: Program = function* (child) {
      yield* serve(child, home, client, verbose);
      return 0;
    };
    sys.spawn(one, [argv[0]], { fds: [fd, fd, 2] });
    sys.close(fd);
  }
};

interface Request {
  method: string;
  target: string;
  version: string;
  headers: Map<string, string>;
}

/** Requests of one connection, one after another, while both sides want to go on (RFC 9112 section 9.3). */
function* serve(sys: Sys, home: string, client: string, verbose: boolean): Blocking<void> {
  sys.sigaction(SIGPIPE, "SIG_IGN");
  let rest = new Uint8Array(0);
  for (;;) {
    const got = yield* readRequest(sys, rest);
    if (got === null) return;
    rest = got.rest as Uint8Array<ArrayBuffer>;
    const request = parseRequest(got.head);
    if (typeof request === "number") {
      yield* sendError(sys, request, false, false);
      return;
    }
    const asked = (request.headers.get("connection") ?? "").toLowerCase();
    const keep = request.version === "HTTP/1.1" ? asked !== "close" : asked === "keep-alive";
    const status = yield* answer(sys, home, request, keep);
    if (verbose)
      yield* printError(sys, `${client} "${request.method} ${request.target} ${request.version}" ${status}\n`);
    if (!keep || status >= 400 || status < 0) return;
  }
}

/** Up to the empty line. What came behind it belongs to the next request. Null: the client is gone. */
function* readRequest(sys: Sys, rest: Uint8Array): Blocking<{ head: string; rest: Uint8Array } | null> {
  let bytes = rest;
  const buf = new Uint8Array(4096);
  for (;;) {
    const text = latin1(bytes);
    const end = /\r?\n\r?\n/.exec(text);
    if (end !== null) {
      const to = end.index + end[0].length;
      return { head: text.slice(0, end.index), rest: bytes.slice(to) };
    }
    if (bytes.length > MAX_REQUEST) return { head: "", rest: bytes };
    const ready = yield* sys.poll([{ fd: 0, events: POLLIN, revents: 0 }], IDLE_MS);
    if (ready === -EINTR) continue;
    if (ready <= 0) return null;
    const n = yield* sys.read(0, buf);
    if (n <= 0) return null;
    bytes = concat([bytes, buf.slice(0, n)]);
  }
}

function latin1(bytes: Uint8Array): string {
  let out = "";
  for (const b of bytes) out += String.fromCharCode(b);
  return out;
}

function parseRequest(head: string): Request | number {
  if (head === "") return 431;
  const [first, ...lines] = head.split(/\r?\n/);
  const m = /^([A-Z]+) (\S+) (HTTP\/1\.[01])$/.exec(first);
  if (m === null) return 400;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) return 400;
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { method: m[1], target: m[2], version: m[3], headers };
}

/** The path below HOME; dots never lead out of it. Undefined: not a path. */
function pathOf(target: string): string | undefined {
  let path: string;
  try {
    path = decodeURIComponent(target.replace(/[?#].*$/, ""));
  } catch {
    return undefined;
  }
  if (!path.startsWith("/") || path.includes("\0")) return undefined;
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") out.pop();
    else if (part !== "" && part !== ".") out.push(part);
  }
  return `/${out.join("/")}${path.endsWith("/") && out.length > 0 ? "/" : ""}`;
}

function* answer(sys: Sys, home: string, r: Request, keep: boolean): Blocking<number> {
  const head = r.method === "HEAD";
  if (r.method !== "GET" && !head) return yield* sendError(sys, 501, false, head);
  const path = pathOf(r.target);
  if (path === undefined) return yield* sendError(sys, 400, keep, head);
  let file = `${home}${path}`;
  let st = sys.stat(file);
  if (typeof st !== "number" && (st.st_mode & S_IFMT) === S_IFDIR) {
    if (!path.endsWith("/")) return yield* send(sys, 301, [`Location: ${path}/`, "Content-Length: 0"], null, keep);
    const index = sys.stat(`${file}index.html`);
    if (typeof index === "number") return yield* listing(sys, file, path, keep, head);
    file = `${file}index.html`;
    st = index;
  }
  const fd = typeof st === "number" ? -ENOENT : sys.open(file, O_RDONLY);
  if (typeof st === "number" || fd < 0) return yield* sendError(sys, 404, keep, head);
  const type = TYPES[/\.([^./]+)$/.exec(file)?.[1] ?? ""] ?? "application/octet-stream";
  const headers = [`Content-Type: ${type}`, "Accept-Ranges: bytes"];
  let from = 0;
  let to = st.st_size;
  let status = 200;
  // One range (RFC 9110 section 14): what wget -c and curl -C ask for.
  const range = /^bytes=(\d*)-(\d*)$/.exec(r.headers.get("range") ?? "");
  if (range !== null && (range[1] !== "" || range[2] !== "")) {
    if (range[1] === "") from = Math.max(0, to - Number(range[2]));
    else {
      from = Number(range[1]);
      if (range[2] !== "") to = Math.min(to, Number(range[2]) + 1);
    }
    if (from >= to) {
      sys.close(fd);
      return yield* send(sys, 416, [`Content-Range: bytes */${st.st_size}`, "Content-Length: 0"], null, keep);
    }
    status = 206;
    headers.push(`Content-Range: bytes ${from}-${to - 1}/${st.st_size}`);
  }
  headers.push(`Content-Length: ${to - from}`);
  yield* send(sys, status, headers, null, keep);
  if (!head) {
    if (from > 0) sys.lseek(fd, from, 0);
    const buf = new Uint8Array(65536);
    for (let left = to - from; left > 0; ) {
      const n = yield* sys.read(fd, left < buf.length ? buf.subarray(0, left) : buf);
      if (n === -EINTR) continue;
      // A file that became shorter meanwhile: the client must see that the end is missing.
      if (n <= 0 || (yield* writeAll(sys, 1, buf.subarray(0, n))) < 0) {
        status = -1;
        break;
      }
      left -= n;
    }
  }
  sys.close(fd);
  return status;
}

function* send(
  sys: Sys,
  status: number,
  headers: readonly string[],
  body: Uint8Array | null,
  keep: boolean,
): Blocking<number> {
  const date = new Date(sys.clock_gettime(CLOCK_REALTIME) / 1e6).toUTCString();
  const lines = [
    `HTTP/1.1 ${status} ${PHRASES[status]}`,
    "Server: skbuff-httpd",
    `Date: ${date}`,
    ...headers,
    `Connection: ${keep ? "keep-alive" : "close"}`,
  ];
  const text = encode(`${lines.join("\r\n")}\r\n\r\n`);
  const err = yield* writeAll(sys, 1, body === null ? text : concat([text, body]));
  return err < 0 ? -1 : status;
}

function* sendError(sys: Sys, status: number, keep: boolean, head: boolean): Blocking<number> {
  const body = encode(
    `<!DOCTYPE HTML>\n<html lang="en">\n<head><meta charset="utf-8"><title>Error response</title></head>\n` +
      `<body>\n<h1>Error response</h1>\n<p>Error code: ${status}</p>\n<p>Message: ${PHRASES[status]}.</p>\n</body>\n</html>\n`,
  );
  const headers = ["Content-Type: text/html;charset=utf-8", `Content-Length: ${body.length}`];
  return yield* send(sys, status, headers, head ? null : body, keep && status === 404);
}

const escapeHtml = (s: string): string => s.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function* listing(sys: Sys, dir: string, path: string, keep: boolean, head: boolean): Blocking<number> {
  const names = sys.readdir(dir);
  if (typeof names === "number") return yield* sendError(sys, 404, keep, head);
  const items = [...names].sort().map((name) => {
    const st = sys.stat(`${dir}${name}`);
    const shown = typeof st !== "number" && (st.st_mode & S_IFMT) === S_IFDIR ? `${name}/` : name;
    return `<li><a href="${encodeURI(shown).replace(/[?#]/g, encodeURIComponent)}">${escapeHtml(shown)}</a></li>\n`;
  });
  const title = `Directory listing for ${escapeHtml(path)}`;
  const body = encode(
    `<!DOCTYPE HTML>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>${title}</title>\n</head>\n<body>\n` +
      `<h1>${title}</h1>\n<hr>\n<ul>\n${items.join("")}</ul>\n<hr>\n</body>\n</html>\n`,
  );
  const headers = ["Content-Type: text/html; charset=utf-8", `Content-Length: ${body.length}`];
  return yield* send(sys, 200, headers, head ? null : body, keep);
}
