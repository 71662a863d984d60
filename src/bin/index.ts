// All built-in programs by name, as a machine's PATH would find them. Way in: `programs()`.

import type { Program } from "../uapi/sys.ts";
import { coreutils } from "./coreutils/index.ts";
import { ip } from "./ip/ip.ts";
import { nc } from "./nc/nc.ts";
import { arp } from "./net-tools/arp.ts";
import { dnsdomainname, hostname } from "./net-tools/hostname.ts";
import { ifconfig } from "./net-tools/ifconfig.ts";
import { netstat } from "./net-tools/netstat.ts";
import { route } from "./net-tools/route.ts";
import { ping } from "./ping/ping.ts";
import { sh } from "./sh/main.ts";
import { ss } from "./ss/ss.ts";
import { tc } from "./tc/tc.ts";

/** A new map each time: a machine may add or replace its own. */
export function programs(): Map<string, Program> {
  const all = new Map<string, Program>(Object.entries(coreutils));
  for (const [name, program] of Object.entries({
    arp,
    bash: sh,
    dnsdomainname,
    hostname,
    ifconfig,
    ip,
    nc,
    netstat,
    ping,
    route,
    sh,
    ss,
    tc,
  })) {
    all.set(name, program);
  }
  return all;
}
