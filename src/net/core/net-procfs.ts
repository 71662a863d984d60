// /proc/net as far as the core of the network fills it: devices, softnet counters, packet types, protocols.
// Mirrors net/core/net-procfs.c and the proc half of net/core/sock.c. Way in: net_proc_init(); proc_create_net() for others.

import { proc_create } from "../../kernel/fs/procfs.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { dev_mc_seq_show } from "./dev_addr_lists.ts";
import { dev_get_stats, for_each_netdev } from "./dev_api.ts";
import type { Net } from "./net_namespace.ts";
import type { NetDevice, PacketType } from "./netdevice.ts";
import type { Proto } from "./sock.ts";

/** A file of /proc/net: its text for the namespace of the task that opens it. */
export function proc_create_net(k: Kernel, name: string, show: (net: Net) => string): void {
  proc_create(k, `net/${name}`, (task) => show(task.net_ns));
}

const pad = (v: number, width: number): string => String(v).padStart(width);
const hex8 = (v: number): string => (v >>> 0).toString(16).padStart(8, "0");

function dev_line(dev: NetDevice): string {
  const s = dev_get_stats(dev);
  const frame = s.rx_length_errors + s.rx_over_errors + s.rx_crc_errors + s.rx_frame_errors;
  const carrier = s.tx_carrier_errors + s.tx_aborted_errors + s.tx_window_errors + s.tx_heartbeat_errors;
  return (
    `${dev.name.padStart(6)}: ${pad(s.rx_bytes, 7)} ${pad(s.rx_packets, 7)} ${pad(s.rx_errors, 4)} ` +
    `${pad(s.rx_dropped + s.rx_missed_errors, 4)} ${pad(s.rx_fifo_errors, 4)} ${pad(frame, 5)} ` +
    `${pad(s.rx_compressed, 10)} ${pad(s.multicast, 9)} ${pad(s.tx_bytes, 8)} ${pad(s.tx_packets, 7)} ` +
    `${pad(s.tx_errors, 4)} ${pad(s.tx_dropped, 4)} ${pad(s.tx_fifo_errors, 4)} ${pad(s.collisions, 5)} ` +
    `${pad(carrier, 7)} ${pad(s.tx_compressed, 10)}\n`
  );
}

/** /proc/net/dev. */
function dev_seq_show(net: Net): string {
  let s =
    "Inter-|   Receive                                                |  Transmit\n" +
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
  for (const dev of for_each_netdev(net)) s += dev_line(dev);
  return s;
}

/** /proc/net/softnet_stat: a line per CPU, the same in every namespace. */
function softnet_seq_show(k: Kernel): string {
  let s = "";
  for (const cpu of k.cpus) {
    const sd = cpu.softnet_data;
    const input = sd.input_pkt_queue.qlen;
    const process = sd.process_queue.qlen;
    const columns = [sd.processed, sd.dropped, sd.time_squeeze, 0, 0, 0, 0, 0, 0, sd.received_rps];
    columns.push(sd.flow_limit_count, input + process, cpu.id, input, process);
    s += `${columns.map(hex8).join(" ")}\n`;
  }
  return s;
}

function ptype_line(pt: PacketType): string {
  const type = pt.type === 3 ? "ALL " : pt.type.toString(16).padStart(4, "0");
  return `${type} ${(pt.dev !== null ? pt.dev.name : "").padEnd(8)} ${pt.name}\n`;
}

/** /proc/net/ptype: taps of each device, taps of all, then the protocols. Protocols bound to one device are not shown. */
function ptype_seq_show(net: Net): string {
  const k = net.kernel;
  let s = "Type Device      Function\n";
  for (const dev of for_each_netdev(net)) for (const pt of dev.ptype_all) s += ptype_line(pt);
  for (const list of [k.ptype_all, ...k.ptype_base]) {
    for (const pt of list) if (pt.net === null || pt.net === net) s += ptype_line(pt);
  }
  return s;
}

/** What Linux 6.18 shows of its protocols beside their counts: memory accounting, maxhdr, slab, and the 18 calls. */
const proto_facts: Readonly<
  Record<string, readonly [mem: number, press: string, maxhdr: number, slab: string, calls: string]>
> = {
  PACKET: [-1, "NI", 0, "no", "nnnnnnnnnnnnnnnnnn"],
  PING: [-1, "NI", 0, "yes", "yyynnynnyyyyyynyyn"],
  RAW: [-1, "NI", 0, "yes", "yyynyyynyyyyyyyynn"],
  UDP: [0, "NI", 0, "yes", "yyynyyynyyyynnyyyn"],
  "UDP-Lite": [0, "NI", 0, "yes", "yyynyyynyyyynnyyyn"],
  TCP: [0, "no", 192, "yes", "yyyyyyyyyyyynyyyyy"],
  NETLINK: [-1, "NI", 0, "no", "nnnnnnnnnnnnnnnnnn"],
  UNIX: [-1, "NI", 0, "yes", "ynnnnnnnnnnnnnnnnn"],
  "UNIX-STREAM": [-1, "NI", 0, "yes", "ynnnnnnnnnnnnnnnnn"],
};

/** The calls of a protocol that Linux does not have, in the same order. */
function proto_calls(p: Proto): string {
  const has = (f: unknown): string => (f !== undefined ? "y" : "n");
  return (
    `y${has(p.connect)}${has(p.disconnect)}n${has(p.ioctl)}${has(p.init)}${has(p.destroy)}nyyyy` +
    `${has(p.bind)}${has(p.backlog_rcv)}${has(p.hash)}${has(p.unhash)}${has(p.get_port)}n`
  );
}

/** /proc/net/protocols, the newest first. DIFF: sockets of all namespaces are counted, as the protocols count them. */
function proto_seq_show(net: Net): string {
  const k = net.kernel;
  let s =
    `${"protocol".padEnd(9)} size sockets  memory press maxhdr  slab module     ` +
    "cl co di ac io in de sh ss gs se re bi br ha uh gp em\n";
  for (const p of [...k.proto_list].reverse()) {
    const f = proto_facts[p.name] ?? [-1, "NI", 0, "no", proto_calls(p)];
    const memory = p.memory?.(k);
    const pages = memory === undefined ? f[0] : memory[0];
    const press = memory === undefined ? f[1] : memory[1] ? "yes" : "no";
    s +=
      `${p.name.padEnd(9)} ${pad(p.obj_size, 4)} ${pad(k.socks_by_proto.get(p.name) ?? 0, 6)}  ${pad(pages, 6)}   ` +
      `${press.padEnd(3)} ${pad(f[2], 6)}   ${f[3].padEnd(3)}  ${"kernel".padEnd(10)} ` +
      `${[...f[4]].map((c) => c.padStart(2)).join(" ")}\n`;
  }
  return s;
}

/** late_initcall: the files of the core. Protocols add theirs by proc_create_net(). */
export function net_proc_init(k: Kernel): void {
  proc_create_net(k, "dev", dev_seq_show);
  proc_create_net(k, "softnet_stat", (net) => softnet_seq_show(net.kernel));
  proc_create_net(k, "ptype", ptype_seq_show);
  proc_create_net(k, "dev_mcast", dev_mc_seq_show);
  proc_create_net(k, "protocols", proto_seq_show);
  // Ticks of 64 ns and a clock of 1 ns, from which tc computes its times.
  proc_create_net(k, "psched", () => "000003e8 00000040 000f4240 3b9aca00\n");
}
