// Port numbers and names: /etc/services where there is one, else the few that labs use. Read first: services(5).
// Way in: servicePort(sys, name, "udp"), serviceName(sys, port, "udp").

import type { Blocking, Sys } from "../../uapi/sys.ts";
import { readFile } from "./io.ts";

export type Transport = "tcp" | "udp";

const WELL_KNOWN: readonly (readonly [string, number, string])[] = [
  ["echo", 7, "tcp udp"],
  ["discard", 9, "tcp udp"],
  ["daytime", 13, "tcp udp"],
  ["chargen", 19, "tcp udp"],
  ["ftp", 21, "tcp"],
  ["ssh", 22, "tcp"],
  ["telnet", 23, "tcp"],
  ["smtp", 25, "tcp"],
  ["time", 37, "tcp udp"],
  ["domain", 53, "tcp udp"],
  ["bootps", 67, "udp"],
  ["bootpc", 68, "udp"],
  ["tftp", 69, "udp"],
  ["http", 80, "tcp"],
  ["sunrpc", 111, "tcp udp"],
  ["ntp", 123, "udp"],
  ["snmp", 161, "tcp udp"],
  ["https", 443, "tcp udp"],
  ["syslog", 514, "udp"],
];

function* services(sys: Sys): Blocking<readonly (readonly [string, number, string])[]> {
  const text = yield* readFile(sys, "/etc/services");
  if (typeof text === "number") return WELL_KNOWN;
  const out: [string, number, string][] = [];
  for (const line of text.split("\n")) {
    const m = /^([^\s#]+)\s+(\d+)\/(tcp|udp)((?:\s+[^\s#]+)*)/.exec(line);
    if (m === null) continue;
    for (const name of [m[1], ...m[4].trim().split(/\s+/)]) if (name !== "") out.push([name, Number(m[2]), m[3]]);
  }
  return out;
}

export function* servicePort(sys: Sys, name: string, transport: Transport): Blocking<number | undefined> {
  for (const [n, port, kinds] of yield* services(sys)) if (n === name && kinds.includes(transport)) return port;
  return undefined;
}

export function* serviceName(sys: Sys, port: number, transport: Transport): Blocking<string | undefined> {
  for (const [n, p, kinds] of yield* services(sys)) if (p === port && kinds.includes(transport)) return n;
  return undefined;
}
