// The machine that the frame fuzzer feeds: a card on a cable, a veth, sockets of each kind open, forwarding on; and its bounds.
// Way in: new FrameRig(), inject(), check_bounds(), end().

import { Rig, sockaddr_in } from "../../bench/lib/rig.ts";
import { I82576 } from "../../src/hw/82576.ts";
import { type Frame, frame_from_bytes, frame_put } from "../../src/hw/frame.ts";
import { pci_bus_free_slot, pci_bus_plug, pci_bus_unplug } from "../../src/hw/pci.ts";
import type { WireEnd, WirePort } from "../../src/hw/port.ts";
import { Wire, wire_attach, wire_send, wire_set } from "../../src/hw/wire.ts";
import { close_fd, fput } from "../../src/kernel/fs/file.ts";
import { do_open } from "../../src/kernel/fs/vfs.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import type { Task } from "../../src/kernel/sched.ts";
import { trace_key_update, tracer_records, tracer_start, tracer_stop } from "../../src/kernel/trace.ts";
import { fn_names } from "../../src/kernel/trace_fn.ts";
import { netif_rx } from "../../src/net/core/dev.ts";
import { dev_change_tx_queue_len, dev_close, dev_set_mtu, netdev_update_features } from "../../src/net/core/dev_api.ts";
import { cleanup_net, type Net } from "../../src/net/core/net_namespace.ts";
import { NETIF_F_GRO, NETIF_F_GRO_UDP_FWD, type NetDevice } from "../../src/net/core/netdevice.ts";
import { netdev_alloc_skb, skb_put } from "../../src/net/core/skbuff.ts";
import type { Sock } from "../../src/net/core/sock.ts";
import { eth_type_trans } from "../../src/net/ethernet/eth.ts";
import {
  sockfd_lookup,
  sys_bind,
  sys_connect,
  sys_recvfrom,
  sys_sendto,
  sys_setsockopt,
  sys_socket,
} from "../../src/net/socket.ts";
import { MSG_DONTWAIT } from "../../src/uapi/socket.ts";
import { ip } from "../kunit/net/ipv4/fib_ip.ts";
import { FAR_PORT, JUMBO_MTU, OPEN_PORTS, OUR_MAC } from "./frame_gen.ts";
import { TcpRig } from "./tcp_rig.ts";

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;

/** Takes all and says nothing. */
class SinkPort implements WirePort {
  end: WireEnd | null = null;
  frames = 0;
  /** Is told of each frame. */
  tcp: TcpRig | null = null;
  wire_plug(end: WireEnd | null): void {
    this.end = end;
  }
  wire_link(): void {}
  wire_rx(f: Frame): void {
    this.frames++;
    this.tcp?.sent(f.u8.subarray(f.off, f.off + f.len));
    frame_put(f);
  }
  wire_tx_wake(): void {}
  wire_tx_event(): void {}
  wire_abilities(): number {
    return 0;
  }
}

/** "nic": on the cable of the igb. "veth": into the backlog, as a device without NAPI does. */
export type Entry = "nic" | "veth";

export class FrameRig {
  readonly rig: Rig;
  readonly k: Kernel;
  readonly net: Net;
  readonly far: Net;
  readonly nic: I82576;
  readonly wire: Wire;
  readonly port: SinkPort = new SinkPort();
  readonly eth0: NetDevice;
  readonly v0: NetDevice;
  readonly task: Task;
  /** A host behind the router, with sockets that know nothing of merged packets. */
  readonly far_task: Task;
  readonly tcp: TcpRig;
  readonly fds: number[] = [];
  readonly far_fds: number[] = [];
  readonly baseline: Record<string, number>;
  private readonly buf: Uint8Array = new Uint8Array(65536);
  private readonly addr: Uint8Array = new Uint8Array(128);

  /**
   * The bits of the seed choose the machine:
   *  1  two CPUs with RPS and RSS; short frames are copied
   *  2  rules, several paths, a filter; Fast Open without cookies, SYN cookies, MTU probing
   *  4  devices that can do nothing themselves, a slow cable, short queues: what comes merged from the card, or in segments
   *     from the host behind, is cut and summed here; without it all passes whole
   *  8  long frames, which lie in several pages
   * 16  everything is traced, decisions too
   * 32  an interrupt per packet, as before NAPI
   */
  constructor(seed: number) {
    const smp = (seed & 1) === 1;
    const igb = { napi: (seed & 32) !== 32, ...(smp && { rss: 2, rx_copybreak: 256 }) };
    const rig = new Rig({ seed, cpus: smp ? 2 : 1, debug: true, igb });
    this.rig = rig;
    this.k = rig.k;
    this.k.on_bug = null;
    this.net = rig.k.init_net;
    this.baseline = rig.live();
    this.far = rig.netns("far");
    this.nic = new I82576({
      clock: rig.world,
      dma: rig.world.dma,
      pool: rig.world.frames,
      mac: OUR_MAC,
      slot: pci_bus_free_slot(rig.k.pci_bus),
    });
    rig.call(() => pci_bus_plug(rig.k.pci_bus, this.nic.pf));
    this.wire = new Wire(rig.world);
    wire_attach(this.wire, 0, this.nic);
    wire_attach(this.wire, 1, this.port);
    rig.run(1e6);
    this.eth0 = this.net.dev_by_name.get("eth0")!;
    const lo = this.net.dev_by_name.get("lo")!;
    rig.up(lo);
    rig.up(this.eth0);
    rig.addr(this.eth0, "10.0.0.1/24");
    const [v0, v1] = rig.veth(this.net, "v0", this.far, "v1");
    this.v0 = v0;
    rig.addr(v0, "10.1.0.1/16");
    rig.addr(v1, "10.1.0.2/16");
    rig.run(5e9);
    rig.sysctl(this.net, "net/ipv4/ip_forward", 1);
    rig.route(this.far, "default", "10.1.0.1");
    rig.route(this.net, "172.16.0.0/12", "10.0.0.9");
    this.task = rig.task("fuzz", this.net);
    this.far_task = rig.task("far", this.far);
    this.open_sockets();
    this.tcp = new TcpRig(rig, this.task);
    if ((seed & 2) === 2) {
      // Fast Open without a cookie, MTU probing, old connections end at once.
      rig.sysctl(this.net, "net/ipv4/tcp_fastopen", 0x603);
      rig.sysctl(this.net, "net/ipv4/tcp_mtu_probing", 2);
      rig.sysctl(this.net, "net/ipv4/tcp_syncookies", (seed & 8) === 8 ? 2 : 1);
    }
    if ((seed & 4) === 4) {
      for (const name of ["tcp_sack", "tcp_window_scaling"]) rig.sysctl(this.net, `net/ipv4/${name}`, 0);
      rig.sysctl(this.net, "net/ipv4/tcp_rmem", "4096 8192 16384");
    }
    this.port.tcp = this.tcp;
    if ((seed & 8) === 8) rig.call(() => dev_set_mtu(this.eth0, JUMBO_MTU));
    this.offloads((seed & 4) === 4);
    if (smp) for (const dev of ["eth0", "v0"]) this.write(`/sys/class/net/${dev}/queues/rx-0/rps_cpus`, "3");
    if ((seed & 2) === 2) this.more_routing();
    if ((seed & 16) === 16) tracer_start(rig.k, { detail: true, max_records: 10_000 });
    rig.run(1e9);
  }

  private write(path: string, value: string): void {
    const n = this.rig.call(() => {
      const file = do_open(this.task, path, 1);
      if (typeof file === "number") return file;
      const r = file.f_op.write!(
        file,
        Uint8Array.from(value, (c) => c.charCodeAt(0)),
      );
      fput(file);
      return r;
    });
    if (n < 0) throw new Error(`write ${path}: ${n}`);
  }

  private offloads(poor: boolean): void {
    const { rig, eth0, v0 } = this;
    for (const addr of ["10.0.0.8", "10.0.0.9"]) rig.neigh(eth0, addr, Uint8Array.of(2, 0, 0, 0, 9, 9));
    rig.call(() => {
      // `ethtool -K eth0 rx-udp-gro-forwarding on`
      eth0.hw_features |= NETIF_F_GRO_UDP_FWD;
      eth0.wanted_features = NETIF_F_GRO_UDP_FWD | (poor ? NETIF_F_GRO : eth0.wanted_features);
      netdev_update_features(eth0);
      if (!poor) return;
      const ring = eth0.ethtool_ops!.get_ringparam!(eth0);
      const err = eth0.ethtool_ops!.set_ringparam!(eth0, { ...ring, tx_pending: 80 });
      if (err < 0) throw new Error(`ethtool -G: ${err}`);
      v0.wanted_features = 0;
      netdev_update_features(v0);
      dev_set_mtu(v0, 900);
      dev_change_tx_queue_len(eth0, 4);
      wire_set(this.wire, { rate: 1e6 });
    });
    rig.run(5e9);
  }

  private more_routing(): void {
    const { rig, net } = this;
    for (const line of [
      "rule add from 10.0.0.3 lookup 100",
      "rule add to 10.1.0.4 dport 53 lookup 100",
      "route add 192.168.0.0/16 nexthop via 10.0.0.7 nexthop via 10.0.0.8 weight 3",
      "route add default via 10.0.0.9 table 100",
      "route add blackhole 10.2.0.0/16",
      "route add prohibit 10.3.0.0/16",
    ]) {
      const said = rig.call(() => ip(net, line));
      if (said.length > 0) throw new Error(`ip ${line}: ${said.join()}`);
    }
    rig.sysctl(net, "net/ipv4/fib_multipath_hash_policy", 1);
    rig.sysctl(net, "net/ipv4/conf/all/rp_filter", 2);
    // ldh [12]; jeq 0x0806 ? drop : keep: the packet sockets' filter.
    const filter = Uint8Array.of(
      0x28,
      0,
      0,
      0,
      12,
      0,
      0,
      0,
      0x15,
      0,
      0,
      1,
      6,
      8,
      0,
      0,
      6,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      6,
      0,
      0,
      0,
      255,
      255,
      0,
      0,
    );
    for (const fd of this.fds.slice(-2)) this.setsockopt(fd, 1, 26, filter);
    // ld [-0xfffe4] (saddr by SKF_NET_OFF + 12); tax; ldb [8]; add x; ret a: reads the header and the payload, cuts at random.
    const words = [0x20, 0xfff0000c, 0x07, 0, 0x30, 8, 0x0c, 0, 0x16, 0];
    const prog = new Uint8Array(8 * 5);
    const dv = new DataView(prog.buffer);
    for (let i = 0; i < 5; i++) {
      dv.setUint16(8 * i, words[2 * i]!, true);
      dv.setUint32(8 * i + 4, words[2 * i + 1]!, true);
    }
    this.setsockopt(this.fds[2]!, 1, 26, prog);
  }

  private open(family: number, type: number, protocol: number): number {
    const fd = this.rig.call(() => sys_socket(this.task, family, type, protocol));
    if (fd < 0) throw new Error(`socket(${family}, ${type}, ${protocol}): ${fd}`);
    this.fds.push(fd);
    return fd;
  }

  private open_sockets(): void {
    const { rig, task } = this;
    for (const port of OPEN_PORTS) {
      const fd = this.open(AF_INET, SOCK_DGRAM, 0);
      rig.call(() => sys_bind(task, fd, sockaddr_in("0.0.0.0", port)));
    }
    for (const port of [...OPEN_PORTS, FAR_PORT]) this.far_fds.push(rig.udp(this.far_task, "0.0.0.0", port));
    // Errors about any peer.
    rig.setsockopt_int(task, this.fds[1]!, 0, 11, 1);
    // The last of them connected, with errors wanted, in a group, with all there is to be told.
    const fd = this.fds[this.fds.length - 1]!;
    for (const name of [11, 8, 12, 13, 6, 20, 7, 25, 26]) rig.setsockopt_int(task, fd, 0, name, 1);
    rig.setsockopt_int(task, fd, 1, 29, 1);
    // UDP_GRO, so that trains of datagrams are merged.
    rig.setsockopt_int(task, this.fds[3]!, 17, 104, 1);
    const mreq = Uint8Array.of(0xe0, 1, 1, 1, 10, 0, 0, 1);
    const mc = this.fds[0]!;
    this.setsockopt(mc, 0, 35, mreq);
    rig.call(() => sys_connect(task, fd, sockaddr_in("10.0.0.3", 7)));
    this.open(AF_INET, SOCK_DGRAM, 136);
    rig.call(() => sys_bind(task, this.fds[this.fds.length - 1]!, sockaddr_in("0.0.0.0", 6000)));
    for (const proto of [1, 2, 17, 255]) this.open(AF_INET, SOCK_RAW, proto);
    // Protocols in network byte order: ETH_P_ALL, ETH_P_IP.
    this.open(AF_PACKET, SOCK_RAW, 0x0300);
    this.open(AF_PACKET, SOCK_DGRAM, 0x0008);
  }

  private setsockopt(fd: number, level: number, name: number, value: Uint8Array): void {
    const err = this.rig.call(() => sys_setsockopt(this.task, fd, level, name, value));
    if (err < 0) throw new Error(`setsockopt ${level} ${name}: ${err}`);
  }

  inject(entry: Entry, frame: Uint8Array): void {
    frame = this.tcp.patch(frame);
    if (entry === "nic") {
      const f = frame_from_bytes(this.rig.world.frames, frame);
      if (f !== null) wire_send(this.port.end!, f);
      return;
    }
    // Drivers hand over whole Ethernet headers only.
    if (frame.length < 14) return;
    this.rig.call(() => {
      const skb = netdev_alloc_skb(this.v0, frame.length)!;
      skb.head.u8.set(frame, skb_put(skb, frame.length));
      skb.protocol = eth_type_trans(skb, this.v0);
      netif_rx(skb);
    });
  }

  /** Reads what the sockets got, at most `n` each; the error queues too. */
  drain(n: number): void {
    for (const fd of this.fds) this.read(this.task, fd, n);
    for (const fd of this.far_fds) this.read(this.far_task, fd, n);
  }

  private read(task: Task, fd: number, n: number): void {
    for (let i = 0; i < n; i++) {
      const r = this.rig.call(() => sys_recvfrom(task, fd, this.buf, MSG_DONTWAIT, this.addr));
      if (r === -11) break;
    }
    for (let i = 0; i < n; i++) {
      const r = this.rig.call(() => sys_recvfrom(task, fd, this.buf, MSG_DONTWAIT | 0x2000, this.addr));
      if (r < 0) break;
    }
  }

  /** Something of ours goes out meanwhile: to neighbours that exist, and that do not. */
  send(to: string, port: number, size: number): void {
    const fd = this.fds[0]!;
    this.rig.call(() => sys_sendto(this.task, fd, this.buf.subarray(0, size), MSG_DONTWAIT, sockaddr_in(to, port)));
  }

  /** The host behind the router sends through it: `size` bytes in datagrams of `segment` (UDP_SEGMENT), or in one when 0. */
  send_far(to: string, port: number, size: number, segment: number): void {
    const { rig, far_task: task } = this;
    const fd = this.far_fds[0]!;
    rig.setsockopt_int(task, fd, 17, 103, segment);
    rig.call(() => sys_sendto(task, fd, this.buf.subarray(0, size), MSG_DONTWAIT, sockaddr_in(to, port)));
  }

  sock(fd: number): Sock | null {
    const s = sockfd_lookup(this.task, fd);
    return typeof s === "number" ? null : s.sk;
  }

  /** What a flood may make grow, against its limit. Throws on the first that is over. */
  check_bounds(): Record<string, number> {
    const k = this.k;
    const live = this.rig.live();
    const seen: Record<string, number> = { ...live };
    const limit = (name: string, value: number, max: number): void => {
      seen[name] = Math.max(seen[name] ?? 0, value);
      if (value > max) throw new Error(`unbounded: ${name} is ${value}, at most ${max}`);
    };
    for (const fd of this.fds) {
      const sk = this.sock(fd)!;
      // One packet may pass the limit by its own size.
      limit("socket rmem", sk.sk_rmem_alloc, sk.sk_rcvbuf + 70_000);
    }
    this.tcp.check(limit);
    for (const net of k.nets) {
      const dir = net.ipv4_fqdir;
      limit("fragment memory", dir.mem, dir.high_thresh + 200_000);
      for (const paths of net.ipv4.fib.info_devhash.values())
        for (const nh of paths) limit("route exceptions of a path", nh.exceptions?.size ?? 0, 10_240);
    }
    limit("neighbours", k.arp_tbl.entries, 1024 + 64);
    for (const cpu of k.cpus) {
      limit("backlog", cpu.softnet_data.input_pkt_queue.qlen, k.netdev_max_backlog + 1);
    }
    limit("frames on the cable", this.rig.world.frames.live, 4096);
    limit("skbs", live.skbs!, 60_000);
    limit("heads", live.heads!, 60_000);
    limit("dsts", live.dsts!, 60_000);
    limit("timers", live.timers!, 20_000);
    return seen;
  }

  /** Takes everything down; returns what is left beyond what there was at boot. */
  end(): Record<string, number> {
    const { rig, k } = this;
    const trace = tracer_stop(k);
    if (trace !== null)
      for (const r of tracer_records(trace)) if (fn_names[r.fn] === undefined) throw new Error("no record");
    trace_key_update(false);
    this.drain(100_000);
    this.tcp.end();
    // What is closed still has data to send: its retransmissions end (tcp_orphan_retries).
    rig.run(1200e9);
    for (const fd of this.fds) rig.call(() => close_fd(this.task, fd));
    for (const fd of this.far_fds) rig.call(() => close_fd(this.far_task, fd));
    for (const net of [...k.nets]) for (const dev of [...net.dev_by_index.values()]) rig.call(() => dev_close(dev));
    rig.call(() => pci_bus_unplug(k.pci_bus, this.nic.pf));
    rig.call(() => cleanup_net(this.far));
    rig.run(300e9);
    // A local address outlives its link's "down"; only the namespace's end takes its routes.
    rig.call(() => cleanup_net(this.net));
    rig.run(1e9);
    const left: Record<string, number> = {};
    for (const [name, n] of Object.entries(rig.live())) {
      const extra = n - (this.baseline[name] ?? 0);
      if (extra !== 0) left[name] = extra;
    }
    if (rig.world.frames.live > 0) left.frames = rig.world.frames.live;
    return left;
  }
}
