// All built-in programs by name, as a machine's PATH would find them. Way in: `programs()`.

import type { Program } from "../uapi/sys.ts";
import { coreutils } from "./coreutils/index.ts";
import { curl } from "./curl/curl.ts";
import { dmesg } from "./dmesg.ts";
import { dnsd } from "./dnsd/dnsd.ts";
import { ethtool } from "./ethtool/ethtool.ts";
import { httpd } from "./httpd.ts";
import { discardd, echod, inetd } from "./inetd.ts";
import { ip } from "./ip/ip.ts";
import { iperf3 } from "./iperf3/iperf3.ts";
import { nc } from "./nc/nc.ts";
import { arp } from "./net-tools/arp.ts";
import { dnsdomainname, hostname } from "./net-tools/hostname.ts";
import { ifconfig } from "./net-tools/ifconfig.ts";
import { netstat } from "./net-tools/netstat.ts";
import { route } from "./net-tools/route.ts";
import { nslookup } from "./nslookup.ts";
import { nstat } from "./nstat.ts";
import { arping } from "./ping/arping.ts";
import { ping } from "./ping/ping.ts";
import { free } from "./procps/free.ts";
import { ps } from "./procps/ps.ts";
import { sh } from "./sh/main.ts";
import { ss } from "./ss/ss.ts";
import { strace } from "./strace/strace.ts";
import { sysctl } from "./sysctl.ts";
import { taskset } from "./taskset.ts";
import { tc } from "./tc/tc.ts";
import { tcpdump } from "./tcpdump/tcpdump.ts";
import { tcpflood, tcpsink } from "./tcpflood.ts";
import { telnet } from "./telnet.ts";
import { traceroute } from "./traceroute/traceroute.ts";
import { udpflood, udpsink } from "./udpflood.ts";
import { wget } from "./wget.ts";

const own: Readonly<Record<string, Program>> = {
  arp,
  arping,
  bash: sh,
  discardd,
  dmesg,
  dnsd,
  dnsdomainname,
  echod,
  ethtool,
  free,
  hostname,
  httpd,
  ifconfig,
  inetd,
  ip,
  iperf3,
  nc,
  netstat,
  nslookup,
  nstat,
  ping,
  ps,
  route,
  sh,
  ss,
  strace,
  sysctl,
  taskset,
  tc,
  tcpdump,
  tcpflood,
  tcpsink,
  telnet,
  traceroute,
  udpflood,
  udpsink,
  curl,
  wget,
};

/** A new map each time: a machine may add or replace its own. */
export function programs(): Map<string, Program> {
  return new Map<string, Program>([...Object.entries(coreutils), ...Object.entries(own)]);
}
