// What curl is told: its options, as curl 7.88 has them. Read first: curl(1). Way in: parseOptions().

import { getopt } from "../lib/getopt.ts";

const SHORT = "sSvfiIgGLkN#qhV046o:OX:d:H:A:e:u:w:T:C:m:r:b:D:F:z:E:Y:y:t:P:c:x:";
const LONG = [
  "silent=s",
  "show-error=S",
  "verbose=v",
  "fail=f",
  "fail-with-body",
  "include=i",
  "head=I",
  "globoff=g",
  "get=G",
  "location=L",
  "insecure=k",
  "no-buffer=N",
  "progress-bar=#",
  "disable=q",
  "help=h",
  "version=V",
  "http1.0=0",
  "http1.1",
  "ipv4=4",
  "ipv6=6",
  "output:=o",
  "output-dir:",
  "create-dirs",
  "remote-name=O",
  "request:=X",
  "data:=d",
  "data-ascii:=d",
  "data-binary:",
  "data-raw:",
  "data-urlencode:",
  "json:",
  "header:=H",
  "user-agent:=A",
  "referer:=e",
  "user:=u",
  "write-out:=w",
  "upload-file:=T",
  "continue-at:=C",
  "max-time:=m",
  "connect-timeout:",
  "max-redirs:",
  "range:=r",
  "cookie:=b",
  "dump-header:=D",
  "form:=F",
  "interface:",
  "local-port:",
  "resolve:",
  "retry:",
  "retry-delay:",
  "retry-connrefused",
  "url:",
  "no-keepalive",
  "keepalive-time:",
  "tcp-nodelay",
  "path-as-is",
  "expect100-timeout:",
  "no-progress-meter",
];
/** Known to curl, not to this one: say so instead of doing something else. */
const ABSENT: Readonly<Record<string, string>> = {
  F: "-F/--form",
  z: "-z/--time-cond",
  c: "-c/--cookie-jar",
  x: "-x/--proxy",
};

/** A part of the request's body. `file`: what stands behind the name comes from there; `strip`: without its line ends. */
export interface Data {
  text: string;
  file: boolean;
  strip: boolean;
  /** --data-urlencode: the name in front of the content, which is encoded. */
  name?: string;
  encode: boolean;
}

export interface CurlOptions {
  silent: boolean;
  showError: boolean;
  verbose: boolean;
  meter: boolean;
  bar: boolean;
  fail: boolean;
  failWithBody: boolean;
  include: boolean;
  head: boolean;
  get: boolean;
  location: boolean;
  http10: boolean;
  noBuffer: boolean;
  outputs: string[];
  remoteName: number;
  outputDir: string;
  createDirs: boolean;
  method: string | undefined;
  data: Data[];
  json: boolean;
  headers: string[];
  agent: string;
  referer: string | undefined;
  user: string | undefined;
  writeOut: string | undefined;
  upload: string | undefined;
  /** -C: bytes that are there already; "-": what the file has. */
  resume: number | "-" | undefined;
  /** ms; -1: none. */
  maxTime: number;
  connectTimeout: number;
  maxRedirs: number;
  range: string | undefined;
  cookie: string | undefined;
  dumpHeader: string | undefined;
  iface: string | undefined;
  localPort: number;
  resolve: ReadonlyMap<string, string>;
  retry: number;
  /** ms; -1: 1 s, doubled each time. */
  retryDelay: number;
  retryRefused: boolean;
  expectMs: number;
  urls: string[];
}

export const TRY = "curl: try 'curl --help' or 'curl --manual' for more information\n";

export type Parsed = { ok: CurlOptions } | { status: number; out?: string; err?: string };

const seconds = (text: string): number | null => {
  const n = Number(text);
  return text.trim() === "" || !(n >= 0) ? null : n * 1000;
};

export function parseOptions(argv: readonly string[], help: string, version: string): Parsed {
  const p = getopt(argv, SHORT, LONG);
  if (p.error !== undefined) {
    const m = /-- '(.)'$/.exec(p.error);
    const name = m !== null ? `-${m[1]}` : (/option '(--[^']*)'/.exec(p.error)?.[1] ?? "");
    const why = /requires/.test(p.error) ? "requires parameter" : "is unknown";
    return { status: 2, err: `curl: option ${name}: ${why}\n${TRY}` };
  }
  if (p.has("h")) return { status: 0, out: help };
  if (p.has("V")) return { status: 0, out: version };
  const fail = (text: string): Parsed => ({ status: 2, err: `curl: ${text}\n${TRY}` });
  const o: CurlOptions = {
    silent: p.has("s"),
    showError: p.has("S"),
    verbose: p.has("v"),
    meter: !p.has("s") && !p.has("no-progress-meter"),
    bar: p.has("#"),
    fail: p.has("f"),
    failWithBody: p.has("fail-with-body"),
    include: p.has("i") || p.has("I"),
    head: p.has("I"),
    get: p.has("G"),
    location: p.has("L"),
    http10: p.has("0"),
    noBuffer: p.has("N"),
    outputs: [],
    remoteName: p.count("O"),
    outputDir: p.get("output-dir") ?? "",
    createDirs: p.has("create-dirs"),
    method: p.get("X"),
    data: [],
    json: p.has("json"),
    headers: [],
    agent: p.get("A") ?? "curl/7.88.1",
    referer: p.get("e"),
    user: p.get("u"),
    writeOut: p.get("w"),
    upload: p.get("T"),
    resume: undefined,
    maxTime: -1,
    connectTimeout: 300_000,
    maxRedirs: 50,
    range: p.get("r"),
    cookie: p.get("b"),
    dumpHeader: p.get("D"),
    iface: p.get("interface"),
    localPort: 0,
    resolve: new Map(),
    retry: 0,
    retryDelay: -1,
    retryRefused: p.has("retry-connrefused"),
    expectMs: 1000,
    urls: [...p.operands],
  };
  const names = new Map<string, string>();
  for (const { name, value: given } of p.list) {
    const value = given ?? "";
    if (ABSENT[name] !== undefined)
      return { status: 2, err: `curl: option ${ABSENT[name]}: not supported by this curl\n` };
    switch (name) {
      case "o":
        o.outputs.push(value);
        break;
      case "H":
        o.headers.push(value);
        break;
      case "url":
        o.urls.push(value);
        break;
      case "d":
      case "data-binary":
      case "json": {
        const file = value.startsWith("@");
        o.data.push({ text: file ? value.slice(1) : value, file, strip: name === "d", encode: false });
        break;
      }
      case "data-raw":
        o.data.push({ text: value, file: false, strip: false, encode: false });
        break;
      case "data-urlencode": {
        const m = /^([^=@]*)([=@])(.*)$/s.exec(value);
        o.data.push(
          m === null
            ? { text: value, file: false, strip: false, encode: true }
            : { text: m[3], file: m[2] === "@", strip: false, encode: true, ...(m[1] === "" ? {} : { name: m[1] }) },
        );
        break;
      }
      case "m":
      case "connect-timeout":
      case "retry-delay":
      case "expect100-timeout": {
        const ms = seconds(value);
        if (ms === null)
          return fail(`option ${name === "m" ? "-m" : `--${name}`}: expected a proper numerical parameter`);
        if (name === "m") o.maxTime = ms === 0 ? -1 : ms;
        else if (name === "connect-timeout") o.connectTimeout = ms === 0 ? 300_000 : ms;
        else if (name === "retry-delay") o.retryDelay = ms;
        else o.expectMs = ms;
        break;
      }
      case "C":
        if (value !== "-" && !/^\d+$/.test(value)) return fail("option -C: expected a proper numerical parameter");
        o.resume = value === "-" ? "-" : Number(value);
        break;
      case "max-redirs":
      case "retry":
      case "local-port":
        if (!/^-?\d+(-\d+)?$/.test(value)) return fail(`option --${name}: expected a proper numerical parameter`);
        if (name === "max-redirs") o.maxRedirs = Number(value);
        else if (name === "retry") o.retry = Number(value);
        else o.localPort = Number.parseInt(value, 10);
        break;
      case "resolve": {
        const m = /^\+?([^:]+):(\d+):([\d.]+)$/.exec(value);
        if (m === null) return { status: 49, err: `curl: (49) Resolve address '${value}' found illegal\n` };
        names.set(`${m[1]}:${m[2]}`, m[3]);
        break;
      }
    }
  }
  o.resolve = names;
  if (o.urls.length === 0) return { status: 2, err: p.list.length === 0 ? TRY : `curl: no URL specified!\n${TRY}` };
  if (o.head && o.data.length > 0 && !o.get)
    return {
      status: 2,
      err: "Warning: You can only select one HTTP request method! You asked for both POST \nWarning: (-d, --data) and HEAD (-I, --head).\n",
    };
  return { ok: o };
}
