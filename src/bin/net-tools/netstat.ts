// netstat(8) of net-tools 2.10: sockets, routes, interfaces, groups and counters, all read from /proc/net.
// Read first: netstat(8), proc_net(5). Way in: `netstat`.

import { IFF_UP } from "../../uapi/if.ts";
import { AF_INET, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { getopt, type Options } from "../lib/getopt.ts";
import { inetNtoa } from "../lib/inet.ts";
import { print, printError, readFile } from "../lib/io.ts";
import { openSockets, processes } from "../lib/processes.ts";
import { reverse } from "../lib/resolve.ts";
import { serviceName } from "../lib/services.ts";
import { describe, inet6Lines, inet6Text, listInterfaces, tableRow } from "./interfaces.ts";
import { MIB_HIDDEN, MIB_TEXT } from "./mib_text.ts";
import { type RouteStyle, routeTable } from "./routes.ts";
import { NETSTAT_FAMILIES, NETSTAT_USAGE, NETSTAT_VERSION } from "./usage.ts";

const TCP_LISTEN = 10;
const TCP_CLOSE = 7;
const PROGRAM_WIDTH = 20;
const STATES = [
  "",
  "ESTABLISHED",
  "SYN_SENT",
  "SYN_RECV",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "TIME_WAIT",
  "CLOSE",
  "CLOSE_WAIT",
  "LAST_ACK",
  "LISTEN",
  "CLOSING",
];

export const netstat: Program = function* (sys, argv) {
  const o = getopt(argv, "A:CFMacdeghilnNoprstuUvVWwxZ64SI::", [
    "protocol:=A",
    "route=r",
    "interfaces::=I",
    "groups=g",
    "statistics=s",
    "masquerade=M",
    "verbose=v",
    "wide=W",
    "numeric=n",
    "numeric-hosts",
    "numeric-ports",
    "numeric-users",
    "symbolic=N",
    "extend=e",
    "programs=p",
    "timers=o",
    "continuous=c",
    "listening=l",
    "all=a",
    "fib=F",
    "cache=C",
    "context=Z",
    "tcp=t",
    "udp=u",
    "udplite=U",
    "raw=w",
    "unix=x",
    "inet=4",
    "inet6=6",
    "version=V",
    "help=h",
  ]);
  if (o.error !== undefined) {
    yield* printError(sys, `${o.error}\n${NETSTAT_USAGE}${NETSTAT_FAMILIES}`);
    return 3;
  }
  if (o.has("h")) {
    yield* print(sys, NETSTAT_USAGE);
    yield* printError(sys, NETSTAT_FAMILIES);
    return 0;
  }
  if (o.has("V")) {
    yield* print(sys, NETSTAT_VERSION);
    return 0;
  }
  if (o.has("M")) {
    yield* printError(sys, "netstat: no support for `ip_masquerade' on this system.\n");
    return 1;
  }
  if (o.has("Z")) {
    yield* printError(sys, "SELinux is not enabled on this machine.\n");
    return 1;
  }
  for (let round = 0; ; round++) {
    const status = yield* once(sys, o, round === 0);
    if (status !== 0 || !o.has("c")) return status;
    if ((yield* sys.nanosleep(1e9)) < 0) return 0;
  }
};

function* once(sys: Sys, o: Options, first: boolean): Blocking<number> {
  if (o.has("s")) return yield* statistics(sys, o);
  if (o.has("r")) return yield* routes(sys, o);
  if (o.has("g")) return yield* groups(sys, o);
  if (o.has("i") || o.has("I")) return yield* interfaces(sys, o, first);
  return yield* sockets(sys, o);
}

function* routes(sys: Sys, o: Options): Blocking<number> {
  const styles: RouteStyle[] = ["mss", "metric", "both"];
  if (o.has("C")) {
    yield* print(
      sys,
      "Kernel IP routing cache\nSource          Destination     Gateway         Flags   MSS Window  irtt Iface\n",
    );
    return 0;
  }
  const text = yield* routeTable(sys, o.has("n"), styles[Math.min(o.count("e"), 2)]);
  if (typeof text === "number") {
    yield* printError(sys, "INET (IPv4) not configured in this system.\n");
    return 1;
  }
  yield* print(sys, text);
  return 0;
}

function* interfaces(sys: Sys, o: Options, first: boolean): Blocking<number> {
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  const devices = yield* listInterfaces(sys, fd);
  sys.close(fd);
  const only = o.get("I")?.replace(/^=/, "");
  const shown = devices.filter((d) => (only !== undefined ? d.name === only : o.has("a") || (d.flags & IFF_UP) !== 0));
  const inet6 = yield* inet6Lines(sys);
  let text = first ? "Kernel Interface table\n" : "";
  if (o.has("e")) for (const d of shown) text += `${describe(d, inet6.get(d.name) ?? [])}\n`;
  else {
    text += "Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n";
    for (const d of shown) text += tableRow(d);
  }
  yield* print(sys, text);
  return 0;
}

// --- sockets -----------------------------------------------------------------------------------------------------

function* sockets(sys: Sys, o: Options): Blocking<number> {
  const all = o.has("a");
  const listening = o.has("l");
  const chosen = ["t", "u", "U", "w"].some((c) => o.has(c));
  const inet = chosen || !o.has("x");
  const unix = o.has("x") || !chosen;
  const which = all ? "(servers and established)" : listening ? "(only servers)" : "(w/o servers)";
  const owners = o.has("p") ? yield* socketOwners(sys) : new Map<number, string>();
  let text = "";
  if (inet) {
    text += `Active Internet connections ${which}\n`;
    const wide = 23;
    const address = (s: string): string => s.padEnd(wide);
    text += `Proto Recv-Q Send-Q ${address("Local Address")} ${address("Foreign Address")} State      `;
    if (o.has("e")) text += " User       Inode     ";
    if (o.has("p")) text += ` ${"PID/Program name".padEnd(PROGRAM_WIDTH)}`;
    if (o.has("o")) text += " Timer";
    text += "\n";
    for (const [flag, proto] of [
      ["t", "tcp"],
      ["u", "udp"],
      ["U", "udplite"],
      ["w", "raw"],
    ]) {
      if (chosen && !o.has(flag)) continue;
      for (const six of ["", "6"]) {
        if ((o.has("4") && six === "6") || (o.has("6") && six === "")) continue;
        text += yield* socketRows(sys, o, proto, six, owners);
      }
    }
  }
  if (unix) {
    text += `Active UNIX domain sockets ${which}\nProto RefCnt Flags       Type       State         I-Node   `;
    if (o.has("p")) text += `${"PID/Program name".padEnd(PROGRAM_WIDTH)} `;
    text += "Path\n";
  }
  yield* print(sys, text);
  return 0;
}

/** "PID/Program name" by the number of the socket: of several processes that have it, the first. */
function* socketOwners(sys: Sys): Blocking<Map<number, string>> {
  const owners = new Map<number, string>();
  for (const pid of processes(sys)) {
    const open = openSockets(sys, pid);
    if (open.length === 0) continue;
    const text = yield* readFile(sys, `/proc/${pid}/cmdline`);
    const name = typeof text === "number" ? "" : text.split("\0")[0].replace(/^.*\//, "");
    for (const { ino } of open) if (!owners.has(ino)) owners.set(ino, `${pid}/${name}`.slice(0, PROGRAM_WIDTH));
  }
  return owners;
}

function* socketRows(
  sys: Sys,
  o: Options,
  proto: string,
  six: string,
  owners: ReadonlyMap<number, string>,
): Blocking<string> {
  const file = yield* readFile(sys, `/proc/net/${proto}${six}`);
  if (typeof file === "number") return "";
  let text = "";
  for (const line of file.split("\n").slice(1)) {
    const f = line.trim().split(/\s+/);
    if (f.length < 10) continue;
    const [, local, remote, stateHex, queues, timer, retransmits, uid, timeouts, inode] = f;
    const state = Number.parseInt(stateHex, 16);
    const [remoteAddr, remotePort] = remote.split(":");
    const connected = Number.parseInt(remotePort, 16) !== 0 || /[1-9a-fA-F]/.test(remoteAddr);
    const server = proto === "tcp" ? state === TCP_LISTEN : !connected;
    if (!o.has("a") && server !== o.has("l")) continue;
    const [tx, rx] = queues.split(":").map((q) => Number.parseInt(q, 16));
    const shown =
      proto === "raw" ? String(state) : proto === "tcp" ? STATES[state] : state === TCP_CLOSE ? "" : STATES[state];
    text += `${(proto + six).padEnd(4)}  ${String(rx).padStart(6)} ${String(tx).padStart(6)} `;
    const transport = proto === "tcp" ? "tcp" : "udp";
    text += `${yield* endpoint(sys, o, local, transport)} ${yield* endpoint(sys, o, remote, transport)} `;
    text += shown.padEnd(11);
    if (o.has("e")) {
      const user = uid === "0" && !o.has("n") ? "root" : uid;
      text += ` ${user.padEnd(10)} ${inode.padEnd(10)}`;
    }
    if (o.has("p")) text += ` ${(owners.get(Number(inode)) ?? "-").padEnd(PROGRAM_WIDTH)}`;
    if (o.has("o")) text += ` ${timerText(timer, retransmits, timeouts)}`;
    text += "\n";
  }
  return text;
}

function timerText(timer: string, retransmits: string, timeouts: string): string {
  const [kind, when] = timer.split(":").map((x) => Number.parseInt(x, 16));
  const name = ["off", "on", "keepalive", "timewait", "probe"][kind] ?? `unkn-${kind}`;
  return `${name} (${(when / 100).toFixed(2)}/${Number.parseInt(retransmits, 16)}/${Number(timeouts)})`;
}

/** An address as /proc shows it: a 32-bit word of this machine. */
const fromHex = (hex: string): number =>
  (hex.match(/../g) ?? []).reduceRight((addr, byte) => (addr << 8) | Number.parseInt(byte, 16), 0);

function* endpoint(sys: Sys, o: Options, text: string, transport: "tcp" | "udp"): Blocking<string> {
  const [hex, portHex] = text.split(":");
  const port = Number.parseInt(portHex, 16);
  const any = /^0*$/.test(hex);
  const numericHosts = o.has("n") || o.has("numeric-hosts");
  const numericPorts = o.has("n") || o.has("numeric-ports");
  let host = "";
  if (hex.length > 8) {
    const bytes = hex.match(/.{8}/g) ?? [];
    const swapped = bytes.map((w) => (w.match(/../g) ?? []).reverse().join("")).join("");
    host = !numericHosts && any ? "[::]" : inet6Text(swapped);
  }
  // A mapped address is shown as the IPv4 one that it is.
  const v4 = hex.length <= 8 ? hex : /^0{16}FFFF0000/.test(hex) ? hex.slice(24) : undefined;
  if (v4 !== undefined) {
    const addr = fromHex(v4);
    host = numericHosts || any ? inetNtoa(addr) : ((yield* reverse(sys, addr)) ?? inetNtoa(addr));
  }
  const named = numericPorts || port === 0 ? undefined : yield* serviceName(sys, port, transport);
  const shownPort = port === 0 ? "*" : (named ?? String(port));
  if (!o.has("W")) host = host.slice(0, Math.max(1, 22 - shownPort.length));
  return `${host}:${shownPort}`.padEnd(23);
}

// --- groups ------------------------------------------------------------------------------------------------------

function* groups(sys: Sys, o: Options): Blocking<number> {
  let text = "IPv6/IPv4 Group Memberships\n";
  text += "Interface       RefCnt Group\n--------------- ------ ---------------------\n";
  const igmp = yield* readFile(sys, "/proc/net/igmp");
  if (typeof igmp === "string" && !o.has("6")) {
    let device = "";
    for (const line of igmp.split("\n").slice(1)) {
      const head = /^\d+\s+(\S+)/.exec(line);
      if (head !== null) {
        device = head[1].replace(/:$/, "");
        continue;
      }
      const [hex, users] = line.trim().split(/\s+/);
      if (users === undefined) continue;
      const addr = fromHex(hex);
      const name = o.has("n") ? null : yield* reverse(sys, addr);
      text += `${device.slice(0, 15).padEnd(15)} ${users.padEnd(6)} ${name ?? inetNtoa(addr)}\n`;
    }
  }
  const igmp6 = yield* readFile(sys, "/proc/net/igmp6");
  if (typeof igmp6 === "string" && !o.has("4")) {
    for (const line of igmp6.split("\n")) {
      const [, device, hex, users] = line.trim().split(/\s+/);
      if (users === undefined) continue;
      text += `${device.slice(0, 15).padEnd(15)} ${users.padEnd(6)} ${inet6Text(hex)}\n`;
    }
  }
  yield* print(sys, text);
  return 0;
}

// --- counters ----------------------------------------------------------------------------------------------------

/** Tables that a protocol flag selects; the others are always shown. */
const SELECTED_BY: Readonly<Record<string, string>> = { Ip: "w", Icmp: "w", Tcp: "t", TcpExt: "t", Udp: "u" };

function* statistics(sys: Sys, o: Options): Blocking<number> {
  const chosen = ["t", "u", "w"].some((c) => o.has(c));
  for (const path of ["/proc/net/snmp", "/proc/net/netstat"]) {
    const layout = { indent: "    " };
    const file = yield* readFile(sys, path);
    if (typeof file === "number") {
      if (path === "/proc/net/snmp") {
        yield* printError(sys, `error parsing ${path}\n`);
        return 1;
      }
      continue;
    }
    let text = "";
    const lines = file.split("\n");
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const names = lines[i].split(/\s+/);
      const values = lines[i + 1].split(/\s+/);
      const title = names[0].replace(":", "");
      const flag = SELECTED_BY[title];
      if (chosen && flag !== undefined && !o.has(flag)) {
        layout.indent = "    ";
        continue;
      }
      text += `${title}:\n`;
      for (let k = 1; k < names.length; k++) text += counter(title, names[k], Number(values[k]), layout);
    }
    yield* print(sys, text);
  }
  return 0;
}

/** One line. The histograms of ICMP stand further in, and so does what follows them until a counter with words comes. */
function counter(title: string, name: string, value: number, layout: { indent: string }): string {
  const words = MIB_TEXT[title]?.[name];
  if (words === undefined) {
    if (value === 0 || MIB_HIDDEN[title]?.includes(name)) return "";
    return `${layout.indent}${name}: ${value}\n`;
  }
  let head = "";
  if (title === "Icmp") {
    if (name === "InDestUnreachs") head = "    ICMP input histogram:\n";
    else if (name === "OutDestUnreachs") head = "    ICMP output histogram:\n";
    layout.indent = /^(In|Out)(Msgs|Errors)$/.test(name) ? "    " : "        ";
  } else layout.indent = "    ";
  const always = words.startsWith("!");
  if (value === 0 && !always) return head;
  return `${head}${layout.indent}${words.replace("!", "").replace("%", String(value))}\n`;
}
