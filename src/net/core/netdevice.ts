// net_device, its queues, NAPI and the per-CPU softnet_data: the layouts. Mirrors include/linux/netdevice.h.
// Read first: docs/path-of-a-packet.md. Way in: alloc_netdev_mqs(); then dev.ts.

import type { Cpu } from "../../kernel/cpu.ts";
import { jiffies } from "../../kernel/kernel.ts";
import type { Hrtimer } from "../../kernel/time/hrtimer.ts";
import { Dql, dql_avail, dql_queue_stall, dql_queued, dql_reset } from "../../lib/dql.ts";
import { ENOBUFS } from "../../uapi/errno.ts";
import { NET_NAME_ENUM } from "../../uapi/netdev_misc.ts";
import type { Qdisc } from "../sched/sch_generic.ts";
import type { EthtoolOps } from "./ethtool_ops.ts";
import type { Net } from "./net_namespace.ts";
import { type SkBuff, SkBuffHead } from "./skbuff.ts";

export const NETDEV_TX_OK = 0x00;
export const NETDEV_TX_BUSY = 0x10;
export const NET_RX_SUCCESS = 0;
export const NET_RX_DROP = 1;
/** What dev_queue_xmit() returns beside 0 and -errno. */
export const NET_XMIT_SUCCESS = 0;
export const NET_XMIT_DROP = 1;
export const NET_XMIT_CN = 2;
/** What a qdisc's enqueue adds for its parent is above these bits. */
export const NET_XMIT_MASK = 0x0f;

/** Is the packet gone? NETDEV_TX_BUSY is the one answer of ndo_start_xmit that leaves it to the caller. */
export const dev_xmit_complete = (rc: number): boolean => rc < NET_XMIT_MASK;
/** The errno a sender gets for a positive result of dev_queue_xmit(): congestion (NET_XMIT_CN) is none. */
export const net_xmit_errno = (rc: number): number => (rc !== NET_XMIT_CN ? -ENOBUFS : 0);

// Features (netdev_features_t), as bits of an int32; names in uapi/netdev_features.ts.
export const NETIF_F_SG = 1 << 0;
export const NETIF_F_HW_CSUM = 1 << 1;
export const NETIF_F_IP_CSUM = 1 << 2;
export const NETIF_F_IPV6_CSUM = 1 << 3;
export const NETIF_F_HIGHDMA = 1 << 4;
export const NETIF_F_FRAGLIST = 1 << 5;
export const NETIF_F_HW_VLAN_CTAG_TX = 1 << 6;
export const NETIF_F_HW_VLAN_CTAG_RX = 1 << 7;
export const NETIF_F_HW_VLAN_CTAG_FILTER = 1 << 8;
export const NETIF_F_TSO = 1 << 9;
export const NETIF_F_TSO_ECN = 1 << 10;
export const NETIF_F_TSO6 = 1 << 11;
export const NETIF_F_GSO = 1 << 12;
export const NETIF_F_GSO_UDP_L4 = 1 << 13;
export const NETIF_F_GRO = 1 << 14;
export const NETIF_F_LRO = 1 << 15;
export const NETIF_F_RXHASH = 1 << 16;
export const NETIF_F_RXCSUM = 1 << 17;
export const NETIF_F_RXALL = 1 << 18;
export const NETIF_F_RXFCS = 1 << 19;
export const NETIF_F_LOOPBACK = 1 << 20;
export const NETIF_F_NTUPLE = 1 << 21;
export const NETIF_F_GRO_HW = 1 << 22;
export const NETIF_F_GRO_FRAGLIST = 1 << 23;
export const NETIF_F_GRO_UDP_FWD = 1 << 24;
export const NETIF_F_SCTP_CRC = 1 << 25;
export const NETIF_F_VLAN_CHALLENGED = 1 << 26;
export const NETIF_F_LLTX = 1 << 27;
export const NETIF_F_NETNS_LOCAL = 1 << 28;
export const NETIF_F_GSO_SOFTWARE = NETIF_F_TSO | NETIF_F_TSO_ECN | NETIF_F_TSO6 | NETIF_F_GSO_UDP_L4;
export const NETIF_F_ALL_TSO = NETIF_F_TSO | NETIF_F_TSO_ECN | NETIF_F_TSO6;

/** struct rtnl_link_stats64. */
export class NetDeviceStats {
  rx_packets = 0;
  tx_packets = 0;
  rx_bytes = 0;
  tx_bytes = 0;
  rx_errors = 0;
  tx_errors = 0;
  rx_dropped = 0;
  tx_dropped = 0;
  multicast = 0;
  collisions = 0;
  rx_length_errors = 0;
  rx_over_errors = 0;
  rx_crc_errors = 0;
  rx_frame_errors = 0;
  rx_fifo_errors = 0;
  rx_missed_errors = 0;
  tx_aborted_errors = 0;
  tx_carrier_errors = 0;
  tx_fifo_errors = 0;
  tx_heartbeat_errors = 0;
  tx_window_errors = 0;
  rx_compressed = 0;
  tx_compressed = 0;
  rx_nohandler = 0;
}

export interface NetDeviceOps {
  /** Once, in register_netdevice(); -errno refuses the device. */
  ndo_init?(dev: NetDevice): number;
  ndo_uninit?(dev: NetDevice): void;
  /** `ip link set up`. Returns 0 or -errno. */
  ndo_open?(dev: NetDevice): number;
  ndo_stop?(dev: NetDevice): number;
  /** Sends one packet. NETDEV_TX_OK: the driver owns it. NET_XMIT_DROP: the driver dropped it. NETDEV_TX_BUSY: the queue is stopped and the caller keeps it. */
  ndo_start_xmit(skb: SkBuff, dev: NetDevice): number;
  ndo_select_queue?(dev: NetDevice, skb: SkBuff): number;
  ndo_features_check?(skb: SkBuff, dev: NetDevice, features: number): number;
  ndo_set_rx_mode?(dev: NetDevice): void;
  ndo_set_mac_address?(dev: NetDevice, addr: Uint8Array): number;
  ndo_change_mtu?(dev: NetDevice, mtu: number): number;
  ndo_get_stats64?(dev: NetDevice, stats: NetDeviceStats): void;
  ndo_set_features?(dev: NetDevice, features: number): number;
  ndo_fix_features?(dev: NetDevice, features: number): number;
  ndo_change_rx_flags?(dev: NetDevice, flags: number): void;
  ndo_tx_timeout?(dev: NetDevice, txqueue: number): void;
  ndo_vlan_rx_add_vid?(dev: NetDevice, proto: number, vid: number): number;
  ndo_vlan_rx_kill_vid?(dev: NetDevice, proto: number, vid: number): number;
  /** The other end's ifindex (veth), or its own. */
  ndo_get_iflink?(dev: NetDevice): number;
}

export interface HeaderOps {
  /** Writes the link header in front of data. Null addresses mean "fill what is known". Returns its length, negative when daddr is missing. */
  create(
    skb: SkBuff,
    dev: NetDevice,
    type: number,
    daddr: Uint8Array | null,
    saddr: Uint8Array | null,
    len: number,
  ): number;
  /** Reads the sender's address of a received packet into `haddr`; returns its length. */
  parse(skb: SkBuff, haddr: Uint8Array): number;
  /** Prepares a cached header for `daddr`; returns its length, or -1 when the protocol cannot be cached. */
  cache?(dev: NetDevice, daddr: Uint8Array, type: number, hh: Uint8Array): number;
}

export interface RtnlLinkOps {
  readonly kind: string;
  /** Creates from parsed IFLA attributes; see rtnetlink.ts. Returns 0 or -errno. */
  newlink(net: Net, attrs: NewLinkAttrs, extack: { msg: string }): number;
  dellink(dev: NetDevice): void;
  /** Appends IFLA_INFO_DATA attributes. */
  fill_info?(dev: NetDevice, add: (type: number, data: Uint8Array) => void): void;
  /** The namespace of the peer, for IFLA_LINK_NETNSID. */
  get_link_net?(dev: NetDevice): Net;
}

export interface NewLinkAttrs {
  /** "" lets the kernel choose: kind0, kind1 … */
  ifname: string;
  mtu: number | null;
  address: Uint8Array | null;
  txqlen: number | null;
  num_tx_queues: number;
  num_rx_queues: number;
  up: boolean;
  /** IFLA_INFO_DATA, raw attributes. */
  data: Map<number, Uint8Array>;
  /** veth: attributes and namespace of the peer. */
  peer: NewLinkAttrs | null;
  net: Net;
  link: number | null;
}

// netdev_queue.state
export const __QUEUE_STATE_DRV_XOFF = 1;
export const __QUEUE_STATE_STACK_XOFF = 2;
export const __QUEUE_STATE_FROZEN = 4;

export class NetdevQueue {
  readonly dev: NetDevice;
  readonly index: number;
  qdisc: Qdisc = null as unknown as Qdisc;
  qdisc_sleeping: Qdisc = null as unknown as Qdisc;
  state = 0;
  /** Host ns of the last packet the driver took. */
  trans_start = 0.5;
  trans_timeout = 0;
  /** CPUs that XPS maps here, as sysfs shows it. */
  xps_cpus = 0;
  xmit_lock_owner = -1;
  /** How many bytes the driver's ring may hold (BQL); 0 until a driver says what it sent. */
  readonly dql: Dql = new Dql();

  constructor(dev: NetDevice, index: number) {
    this.dev = dev;
    this.index = index;
  }
}

export class NetdevRxQueue {
  readonly dev: NetDevice;
  readonly index: number;
  /** RPS: CPUs that may process what this queue received; 0 is off. */
  rps_cpus = 0;
  /** The CPUs of rps_cpus, in order. */
  rps_map: number[] = [];
  rps_flow_cnt = 0;
  /** RFS: hash → CPU of this queue's flows; length a power of two, or null. */
  rps_flow_table: Int32Array | null = null;

  constructor(dev: NetDevice, index: number) {
    this.dev = dev;
    this.index = index;
  }
}

/** A handler of one Ethernet protocol, or of all (a tap): dev_add_pack(). */
export interface PacketType {
  /** ETH_P_*, host order; ETH_P_ALL is a tap. */
  readonly type: number;
  /** Only this device, or null for all. */
  dev: NetDevice | null;
  net: Net | null;
  readonly func: (skb: SkBuff, dev: NetDevice, pt: PacketType, orig_dev: NetDevice) => number;
  /** Name in /proc/net/ptype. */
  readonly name: string;
  /** The socket of a tap, so that it does not see what it sent itself. */
  af_packet_priv: unknown;
  ignore_outgoing?: boolean;
}

export interface PacketOffload {
  readonly type: number;
  readonly priority: number;
  gro_receive?(head: GroList, skb: SkBuff): SkBuff | null;
  /** Does anybody want this frame merged? It has not been looked at yet; `skb.data` is at the network header. */
  gro_wanted?(skb: SkBuff): boolean;
  gro_complete?(skb: SkBuff, nhoff: number): number;
  gso_segment?(skb: SkBuff, features: number): SkBuff | number;
}

/** One bucket of held packets of a NAPI instance. */
export class GroList {
  first: SkBuff | null = null;
  count = 0;
}

export const NAPI_STATE_SCHED = 1;
export const NAPI_STATE_MISSED = 2;
export const NAPI_STATE_DISABLE = 4;
export const NAPI_POLL_WEIGHT = 64;

export class NapiStruct {
  readonly dev: NetDevice;
  readonly poll: (napi: NapiStruct, budget: number) => number;
  weight: number;
  state = 0;
  napi_id = 0;
  /** In a poll_list already. */
  next: NapiStruct | null = null;
  listed = false;
  /** What the driver keeps (igb_q_vector). */
  readonly owner: unknown;
  readonly gro_hash: GroList[] = [];
  gro_bitmask = 0;
  /** Packets ready for the stack, passed up in one go (gro_normal_list). */
  readonly rx_list: SkBuffHead = new SkBuffHead();
  rx_count = 0;
  defer_hard_irqs_count = 0;
  timer: Hrtimer | null = null;
  /** Softirq turns and packets, for tests and labs. */
  polls = 0;

  constructor(dev: NetDevice, poll: (napi: NapiStruct, budget: number) => number, weight: number, owner: unknown) {
    this.dev = dev;
    this.poll = poll;
    this.weight = weight;
    this.owner = owner;
    for (let i = 0; i < 8; i++) this.gro_hash.push(new GroList());
  }
}

/** Instances linked by next; each is in one list at most (listed). */
class NapiList {
  first: NapiStruct | null = null;
  last: NapiStruct | null = null;
}

export function napi_list_add_tail(list: NapiList, napi: NapiStruct): void {
  napi.listed = true;
  napi.next = null;
  if (list.last !== null) list.last.next = napi;
  else list.first = napi;
  list.last = napi;
}

/** Moves all of `from` behind what is in `to`. */
export function napi_list_splice_tail(from: NapiList, to: NapiList): void {
  if (from.first === null) return;
  if (to.last !== null) to.last.next = from.first;
  else to.first = from.first;
  to.last = from.last;
  from.first = null;
  from.last = null;
}

/** Per CPU: what waits to be polled, what RPS or netif_rx queued, what is to be sent and freed. */
export class SoftnetData {
  readonly cpu: Cpu;
  /** Scheduled, and not yet in a run of NET_RX. */
  readonly poll_list: NapiList = new NapiList();
  /** What the run that is under way polls, and what used its whole weight there: that waits for the next run. */
  readonly rx_list: NapiList = new NapiList();
  readonly repoll_list: NapiList = new NapiList();
  readonly input_pkt_queue: SkBuffHead = new SkBuffHead();
  readonly process_queue: SkBuffHead = new SkBuffHead();
  backlog: NapiStruct = null as unknown as NapiStruct;
  output_queue: Qdisc[] = [];
  completion_queue: SkBuff | null = null;
  /** Depth of dev_queue_xmit within itself, so that a loop of devices ends. */
  xmit_recursion = 0;
  xmit_more = false;
  processed = 0;
  dropped = 0;
  time_squeeze = 0;
  received_rps = 0;
  flow_limit_count = 0;
  input_queue_head = 0;
  /** Remainder of a receive run that a cost model interrupted. */
  rx_budget = 0;
  rx_time_limit = 0.5;
  rx_resume = false;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.rx_time_limit = 0;
  }
}

// Device state bits (dev->state).
export const __LINK_STATE_START = 1;
export const __LINK_STATE_PRESENT = 2;
export const __LINK_STATE_NOCARRIER = 4;
export const __LINK_STATE_DORMANT = 8;
export const __LINK_STATE_TESTING = 16;

const NETREG_UNINITIALIZED = 0;
export const NETREG_REGISTERED = 1;
export const NETREG_UNREGISTERING = 2;
export const NETREG_UNREGISTERED = 3;

/** A hardware address list entry with its users. */
export interface NetdevHwAddr {
  readonly addr: Uint8Array;
  refcount: number;
  global_use: boolean;
}

export class NetDevice {
  name: string;
  net: Net;
  ifindex = 0;
  /** ARPHRD_*. */
  type = 1;
  flags = 0;
  /** Flags that userspace asked for (IFF_PROMISC, IFF_ALLMULTI). */
  gflags = 0;
  state = __LINK_STATE_PRESENT;
  reg_state = NETREG_UNINITIALIZED;
  mtu = 1500;
  min_mtu = 68;
  max_mtu = 65535;
  hard_header_len = 14;
  min_header_len = 14;
  needed_headroom = 0;
  needed_tailroom = 0;
  addr_len = 6;
  dev_addr: Uint8Array = new Uint8Array(6);
  perm_addr: Uint8Array = new Uint8Array(6);
  broadcast: Uint8Array = new Uint8Array([255, 255, 255, 255, 255, 255]);
  /** NET_ADDR_PERM 0, RANDOM 1, STOLEN 2, SET 3. */
  addr_assign_type = 0;
  name_assign_type: number = NET_NAME_ENUM;
  features = 0;
  hw_features = 0;
  wanted_features = 0;
  vlan_features = 0;
  hw_enc_features = 0;
  /** Private: noqueue (tunnels and virtual devices), live address change, … */
  priv_flags = 0;
  tx_queue_len = 1000;
  operstate = 0;
  link_mode = 0;
  if_port = 0;
  dma = 0;
  irq = 0;
  base_addr = 0;
  mem_start = 0;
  mem_end = 0;
  /** Not IFF_XMIT_DST_RELEASE: packets keep their route through this device. */
  keep_dst = false;
  promiscuity = 0;
  allmulti = 0;
  uc_promisc = false;
  group = 0;
  ifalias = "";
  gso_max_size = 65536;
  gso_max_segs = 65535;
  gro_max_size = 65536;
  proto_down = false;
  /** `ethtool -p` is under way. */
  phys_id_busy = false;
  ops: NetDeviceOps;
  ethtool_ops: EthtoolOps | null = null;
  header_ops: HeaderOps | null = null;
  rtnl_link_ops: RtnlLinkOps | null = null;
  readonly tx: NetdevQueue[] = [];
  readonly rx: NetdevRxQueue[] = [];
  real_num_tx_queues = 1;
  real_num_rx_queues = 1;
  /** The root qdisc as tc shows it. */
  qdisc: Qdisc = null as unknown as Qdisc;
  watchdog_timeo = 5000;
  readonly napi_list: NapiStruct[] = [];
  readonly stats: NetDeviceStats = new NetDeviceStats();
  /** Unicast and multicast addresses to receive beside dev_addr. */
  readonly uc: NetdevHwAddr[] = [];
  readonly mc: NetdevHwAddr[] = [];
  readonly ptype_all: PacketType[] = [];
  readonly ptype_specific: PacketType[] = [];
  /** A bridge or bond port: takes the packet before the protocols do (rx_handler). */
  rx_handler: ((skb: SkBuff) => number) | null = null;
  rx_handler_data: unknown = null;
  master: NetDevice | null = null;
  refcnt = 1;
  carrier_up_count = 0;
  carrier_down_count = 0;
  threaded = false;
  napi_defer_hard_irqs = 0;
  gro_flush_timeout = 0;
  tx_global_xps = false;
  /** What the driver keeps (netdev_priv). */
  priv: unknown = null;
  /** Parent device in sysfs, e.g. "0000:01:00.0"; "" for virtual devices. */
  parent_name = "";
  parent_bus = "";
  /** Called when the last reference is gone after unregistering. */
  destructor: ((dev: NetDevice) => void) | null = null;

  constructor(net: Net, name: string, ops: NetDeviceOps) {
    this.net = net;
    this.name = name;
    this.ops = ops;
  }
}

export const dev_net = (dev: NetDevice): Net => dev.net;
export const netif_running = (dev: NetDevice): boolean => (dev.state & __LINK_STATE_START) !== 0;
export const netif_carrier_ok = (dev: NetDevice): boolean => (dev.state & __LINK_STATE_NOCARRIER) === 0;
export const netif_device_present = (dev: NetDevice): boolean => (dev.state & __LINK_STATE_PRESENT) !== 0;
export const netif_xmit_stopped = (q: NetdevQueue): boolean =>
  (q.state & (__QUEUE_STATE_DRV_XOFF | __QUEUE_STATE_STACK_XOFF)) !== 0;
export const netif_xmit_frozen_or_stopped = (q: NetdevQueue): boolean => q.state !== 0;
export const netif_tx_queue_stopped = (q: NetdevQueue): boolean => (q.state & __QUEUE_STATE_DRV_XOFF) !== 0;
export const netif_tx_stop_queue = (q: NetdevQueue): void => {
  q.state |= __QUEUE_STATE_DRV_XOFF;
};
export const netif_tx_start_queue = (q: NetdevQueue): void => {
  q.state &= ~__QUEUE_STATE_DRV_XOFF;
};
/** BQL: the driver took `bytes`; over the limit, the qdisc keeps the rest until some are sent. */
export function netdev_tx_sent_queue(q: NetdevQueue, bytes: number): void {
  const dql = q.dql;
  if (dql.stall_thrs !== 0) dql_queue_stall(dql, jiffies(q.dev.net.kernel));
  dql_queued(dql, bytes);
  if (dql_avail(dql) < 0) q.state |= __QUEUE_STATE_STACK_XOFF;
}
/** BQL: the driver emptied its ring. */
export function netdev_tx_reset_queue(q: NetdevQueue): void {
  q.state &= ~__QUEUE_STATE_STACK_XOFF;
  dql_reset(q.dql, jiffies(q.dev.net.kernel));
}
/** Room that a packet needs in front for this device's headers, rounded up to 16 (LL_RESERVED_SPACE). */
export const LL_RESERVED_SPACE = (dev: NetDevice): number => ((dev.hard_header_len + dev.needed_headroom) & ~15) + 16;

export { NET_NAME_ENUM };

// Events of the netdevice notifier chain (NETDEV_*).
export const NETDEV_UP = 1;
export const NETDEV_DOWN = 2;
export const NETDEV_REBOOT = 3;
export const NETDEV_CHANGE = 4;
export const NETDEV_REGISTER = 5;
export const NETDEV_UNREGISTER = 6;
export const NETDEV_CHANGEMTU = 7;
export const NETDEV_CHANGEADDR = 8;
export const NETDEV_GOING_DOWN = 10;
export const NETDEV_CHANGENAME = 11;
export const NETDEV_FEAT_CHANGE = 12;
export const NETDEV_PRE_UP = 14;
export const NETDEV_POST_INIT = 17;
export const NETDEV_NOTIFY_PEERS = 20;
export const NETDEV_CHANGEUPPER = 22;
export const NETDEV_CHANGE_TX_QUEUE_LEN = 29;
