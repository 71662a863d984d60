// hostname(1) and dnsdomainname(1). Read first: hostname(1). Way in: `hostname`, `dnsdomainname`.

import { EPERM, strerror } from "../../uapi/errno.ts";
import { IFF_LOOPBACK, IFF_UP } from "../../uapi/if.ts";
import { AF_INET, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { inetNtoa } from "../lib/inet.ts";
import { print, printError, readFile } from "../lib/io.ts";
import { gaiStrerror, hostsFile, type Resolved, resolve, reverse } from "../lib/resolve.ts";
import { type Interface, listInterfaces } from "./interfaces.ts";
import { HOSTNAME_USAGE } from "./usage.ts";

export const hostname: Program = function* (sys, argv) {
  const o = getopt(argv, "aAdfbF:h?iIsVy", [
    "domain=d",
    "boot=b",
    "file:=F",
    "fqdn=f",
    "all-fqdns=A",
    "help=h",
    "long=f",
    "short=s",
    "version=V",
    "verbose=v",
    "alias=a",
    "ip-address=i",
    "all-ip-addresses=I",
    "nis=y",
    "yp=y",
  ]);
  if (o.error !== undefined) {
    yield* printError(sys, `${o.error}\n`);
    yield* print(sys, HOSTNAME_USAGE);
    return 255;
  }
  if (o.has("h") || o.has("?") || o.operands.length > 1) {
    yield* print(sys, HOSTNAME_USAGE);
    return 255;
  }
  if (o.has("V")) {
    yield* print(sys, "hostname 3.23\n");
    return 0;
  }
  const file = o.get("F");
  if (file !== undefined) {
    const text = yield* readFile(sys, file);
    if (typeof text === "number") return yield* fail(sys, strerror(text));
    const line = text.split("\n").find((l) => l.trim() !== "" && !l.startsWith("#"));
    return yield* set(sys, line?.trim() ?? "");
  }
  if (o.operands.length === 1) return yield* set(sys, o.operands[0]);
  const kind = o.list.findLast((x) => "aAdfiIsy".includes(x.name))?.name;
  return yield* show(sys, kind ?? "");
};

export const dnsdomainname: Program = function* (sys) {
  return yield* show(sys, "d");
};

function* fail(sys: Sys, text: string): Blocking<number> {
  yield* printError(sys, `hostname: ${text}\n`);
  return 1;
}

function* set(sys: Sys, name: string): Blocking<number> {
  const valid = /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/;
  if (!valid.test(name) || name.length > 64) return yield* fail(sys, "the specified hostname is invalid");
  const err = sys.sethostname(name);
  if (err === -EPERM) return yield* fail(sys, "you must be root to change the host name");
  return err < 0 ? yield* fail(sys, strerror(err)) : 0;
}

function* own(sys: Sys): Blocking<Resolved | string> {
  const found = yield* resolve(sys, sys.uname().nodename);
  return typeof found === "number" ? gaiStrerror(found) : found;
}

function* show(sys: Sys, kind: string): Blocking<number> {
  const name = sys.uname().nodename;
  switch (kind) {
    case "":
      yield* print(sys, `${name}\n`);
      return 0;
    case "s":
      yield* print(sys, `${name.split(".")[0]}\n`);
      return 0;
    case "y":
      yield* print(sys, "hostname: Local domain name not set\n");
      return 1;
    case "I":
    case "A": {
      let text = "";
      for (const dev of yield* addresses(sys)) {
        const shown = kind === "I" ? inetNtoa(dev.addr!) : yield* reverse(sys, dev.addr!);
        if (shown !== null) text += `${shown} `;
      }
      yield* print(sys, `${text}\n`);
      return 0;
    }
  }
  const found = yield* own(sys);
  if (typeof found === "string") return yield* fail(sys, found);
  if (kind === "f") yield* print(sys, `${found.canonname}\n`);
  else if (kind === "i") yield* print(sys, `${found.addrs.map(inetNtoa).join(" ")}\n`);
  else if (kind === "d") {
    const dot = found.canonname.indexOf(".");
    if (dot >= 0) yield* print(sys, `${found.canonname.slice(dot + 1)}\n`);
  } else {
    const names: string[] = [];
    for (const line of yield* hostsFile(sys)) {
      if (line.names.includes(name)) names.push(...line.names.filter((n) => n !== found.canonname));
    }
    yield* print(sys, `${names.join(" ")}\n`);
  }
  return 0;
}

/** Interfaces that are up, not loopback, and have an address. */
function* addresses(sys: Sys): Blocking<Interface[]> {
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) return [];
  const all = yield* listInterfaces(sys, fd);
  sys.close(fd);
  return all.filter((d) => d.addr !== undefined && d.flags & IFF_UP && (d.flags & IFF_LOOPBACK) === 0);
}
