// Runs one of our programs on the real kernel underneath: `ip netns exec NS node --import tsx test/linux/run-program.ts ping …`.
// With --record first, its ioctls and their answers follow its errors, behind a ^A.

import { linuxSys, type Recorded, runToEnd } from "../lib/linux_sys.ts";

const WHERE: Record<string, string> = {
  ping: "ping/ping.ts",
  nc: "nc/nc.ts",
  dnsd: "dnsd/dnsd.ts",
  discardd: "inetd.ts",
  ifconfig: "net-tools/ifconfig.ts",
  route: "net-tools/route.ts",
  arp: "net-tools/arp.ts",
  netstat: "net-tools/netstat.ts",
  hostname: "net-tools/hostname.ts",
  arping: "ping/arping.ts",
  ethtool: "ethtool/ethtool.ts",
  traceroute: "traceroute/traceroute.ts",
  udpflood: "udpflood.ts",
  udpsink: "udpflood.ts",
  ps: "procps/ps.ts",
  free: "procps/free.ts",
};
const argv = process.argv.slice(2);
const recording: Recorded[] | undefined = argv[0] === "--record" ? [] : undefined;
if (recording !== undefined) argv.shift();
const name = argv[0];
const module = await import(new URL(`../../src/bin/${WHERE[name] ?? `${name}.ts`}`, import.meta.url).href);
process.exitCode = runToEnd(linuxSys({}, recording), module[name], argv);
if (recording !== undefined) process.stderr.write(`\x01${JSON.stringify(recording.filter((r) => r.call === "ioctl"))}`);
