// /sys/class/net: a directory per device, with its attributes, statistics and queues. Mirrors net/core/net-sysfs.c.
// Read first: Documentation/ABI/testing/sysfs-class-net of Linux. Way in: net_sysfs_init() at boot.

import { File, type FileOps } from "../../kernel/fs/file.ts";
import { GenDir, LinkInode, sysfs_add } from "../../kernel/fs/procfs.ts";
import { generic_lseek, type Inode } from "../../kernel/fs/vfs.ts";
import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import type { Task } from "../../kernel/sched.ts";
import { parse_sysctl_int } from "../../kernel/sysctl.ts";
import { bitmap_parse, bitmap_print } from "../../lib/bitmap_text.ts";
import { DQL_MAX_LIMIT, type Dql, dql_inflight } from "../../lib/dql.ts";
import { EACCES, EINVAL, ENOENT, EOPNOTSUPP, ERANGE } from "../../uapi/errno.ts";
import { O_ACCMODE, O_RDONLY, S_IFREG } from "../../uapi/fcntl.ts";
import { utf8_decode, utf8_encode } from "../../uapi/utf8.ts";
import {
  dev_change_flags,
  dev_change_tx_queue_len,
  dev_get_stats,
  dev_set_mtu,
  IFF_NO_QUEUE,
  netif_carrier_off,
  netif_carrier_on,
} from "./dev_api.ts";
import {
  __LINK_STATE_DORMANT,
  __LINK_STATE_TESTING,
  NETIF_F_LLTX,
  type NetDevice,
  NetDeviceStats,
  type NetdevQueue,
  type NetdevRxQueue,
  netif_carrier_ok,
  netif_running,
} from "./netdevice.ts";
import { rps_update_needed } from "./rps.ts";

/** What reading gives: the line without its end, nothing at all, or -errno. */
type Show = () => string | number | null;
type Store = (text: string) => number;

/** A device attribute: text made when it is read, so that reading may fail. */
class SysfsAttr implements Inode {
  readonly ino: number;
  readonly mode: number;
  readonly show: Show | null;
  readonly store: Store | null;
  constructor(k: Kernel, show: Show | null, store: Store | null) {
    this.ino = k.next_ino++;
    this.mode = S_IFREG | (show !== null ? 0o444 : 0) | (store !== null ? 0o200 : 0);
    this.show = show;
    this.store = store;
  }
  size(): number {
    return 4096;
  }
  open(task: Task, flags: number): File | number {
    if ((flags & O_ACCMODE) !== O_RDONLY && this.store === null) return -EACCES;
    return new File(task.kernel, attr_ops, flags, this);
  }
}

const attr_ops: FileOps = {
  read(file, buf) {
    const attr = file.private_data as SysfsAttr;
    if (attr.show === null) return -EACCES;
    const text = attr.show();
    if (typeof text === "number") return text;
    const data = utf8_encode(text === null ? "" : `${text}\n`);
    const n = Math.max(0, Math.min(buf.length, data.length - file.f_pos));
    buf.set(data.subarray(file.f_pos, file.f_pos + n));
    file.f_pos += n;
    return n;
  },
  write(file, buf) {
    const attr = file.private_data as SysfsAttr;
    if ((file.f_flags & O_ACCMODE) === O_RDONLY || attr.store === null) return -EACCES;
    const err = attr.store(utf8_decode(buf));
    return err < 0 ? err : buf.length;
  },
  lseek: generic_lseek,
  stat: (file) => {
    const attr = file.private_data as SysfsAttr;
    return { mode: attr.mode, size: 4096, ino: attr.ino };
  },
};

type Attrs = Readonly<Record<string, readonly [Show | null, Store | null]>>;

function attr_dir(k: Kernel, attrs: Attrs, dirs: Readonly<Record<string, () => Inode>>): GenDir {
  return new GenDir(
    k,
    () => [...Object.keys(attrs), ...Object.keys(dirs)].sort(),
    (name) => {
      if (Object.hasOwn(dirs, name)) return dirs[name]!();
      if (!Object.hasOwn(attrs, name)) return null;
      const [show, store] = attrs[name]!;
      return new SysfsAttr(k, show, store);
    },
  );
}

// --- one device ---------------------------------------------------------------------------------------------------

const operstates: readonly string[] = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

const mac = (a: Uint8Array, len: number): string =>
  [...a.subarray(0, len)].map((b) => b.toString(16).padStart(2, "0")).join(":");

/** kstrtoul with base 0. */
function number_store(set: (v: number) => number): Store {
  return (text) => {
    const v = parse_sysctl_int(text.trim());
    return Number.isNaN(v) || v < 0 ? -EINVAL : set(v);
  };
}

/** A value that changes nothing else. */
function assign<K extends keyof NetDevice>(dev: NetDevice, key: K, v: NetDevice[K]): number {
  dev[key] = v;
  return 0;
}

/** Speed and duplex come from ethtool, of a running device that knows them. */
function link_setting(dev: NetDevice, what: "speed" | "duplex"): string | number {
  const get = dev.ethtool_ops?.get_link_ksettings;
  if (!netif_running(dev) || get === undefined) return -EINVAL;
  const ks = get.call(dev.ethtool_ops, dev);
  if (what === "speed") return String(ks.speed);
  return ks.duplex === 0 ? "half" : ks.duplex === 1 ? "full" : "unknown";
}

function device_attrs(dev: NetDevice): Attrs {
  const running =
    (f: () => string): Show =>
    () =>
      netif_running(dev) ? f() : -EINVAL;
  const iflink = (): number => (dev.ops.ndo_get_iflink !== undefined ? dev.ops.ndo_get_iflink(dev) : dev.ifindex);
  return {
    addr_assign_type: [() => String(dev.addr_assign_type), null],
    addr_len: [() => String(dev.addr_len), null],
    address: [() => mac(dev.dev_addr, dev.addr_len), null],
    broadcast: [() => mac(dev.broadcast, dev.addr_len), null],
    carrier: [running(() => (netif_carrier_ok(dev) ? "1" : "0")), number_store((v) => carrier_store(dev, v))],
    carrier_changes: [() => String(dev.carrier_up_count + dev.carrier_down_count), null],
    carrier_down_count: [() => String(dev.carrier_down_count), null],
    carrier_up_count: [() => String(dev.carrier_up_count), null],
    dev_id: [() => "0x0", null],
    dev_port: [() => "0", null],
    dormant: [running(() => ((dev.state & __LINK_STATE_DORMANT) !== 0 ? "1" : "0")), null],
    duplex: [() => link_setting(dev, "duplex"), null],
    flags: [() => `0x${(dev.flags & 0xffff).toString(16)}`, number_store((v) => dev_change_flags(dev, v))],
    gro_flush_timeout: [() => String(dev.gro_flush_timeout), number_store((v) => assign(dev, "gro_flush_timeout", v))],
    ifalias: [() => (dev.ifalias === "" ? null : dev.ifalias), (t) => assign(dev, "ifalias", t.replace(/\n$/, ""))],
    ifindex: [() => String(dev.ifindex), null],
    iflink: [() => String(iflink()), null],
    link_mode: [() => String(dev.link_mode), null],
    mtu: [() => String(dev.mtu), number_store((v) => dev_set_mtu(dev, v))],
    name_assign_type: [() => (dev.name_assign_type === 0 ? -EINVAL : String(dev.name_assign_type)), null],
    napi_defer_hard_irqs: [
      () => String(dev.napi_defer_hard_irqs),
      number_store((v) => assign(dev, "napi_defer_hard_irqs", v)),
    ],
    netdev_group: [() => String(dev.group), number_store((v) => assign(dev, "group", v))],
    operstate: [() => (netif_running(dev) ? operstates[dev.operstate]! : "down"), null],
    proto_down: [() => (dev.proto_down ? "1" : "0"), () => -EOPNOTSUPP],
    speed: [() => link_setting(dev, "speed"), null],
    testing: [running(() => ((dev.state & __LINK_STATE_TESTING) !== 0 ? "1" : "0")), null],
    threaded: [() => (dev.threaded ? "1" : "0"), () => -EOPNOTSUPP],
    tx_queue_len: [() => String(dev.tx_queue_len), number_store((v) => dev_change_tx_queue_len(dev, v))],
    type: [() => String(dev.type), null],
    uevent: [() => `INTERFACE=${dev.name}\nIFINDEX=${dev.ifindex}`, null],
  };
}

/** Writing carrier is for devices that have no other way to set it. */
function carrier_store(dev: NetDevice, v: number): number {
  if (dev.rtnl_link_ops?.kind !== "dummy") return -EOPNOTSUPP;
  if (!netif_running(dev)) return -EINVAL;
  if (v !== 0) netif_carrier_on(dev);
  else netif_carrier_off(dev);
  return 0;
}

const stat_names = Object.keys(new NetDeviceStats()) as (keyof NetDeviceStats)[];

function statistics_dir(k: Kernel, dev: NetDevice): Inode {
  const attrs: Record<string, [Show, null]> = {};
  for (const name of stat_names) attrs[name] = [() => String(dev_get_stats(dev)[name]), null];
  return attr_dir(k, attrs, {});
}

// --- queues -------------------------------------------------------------------------------------------------------

function rx_queue_attrs(k: Kernel, rxq: NetdevRxQueue): Attrs {
  const n = k.cpus.length;
  return {
    rps_cpus: [
      () => bitmap_print(rxq.rps_cpus, n),
      (text) => {
        const mask = bitmap_parse(text, n);
        if (mask < 0) return mask;
        rxq.rps_cpus = mask;
        rxq.rps_map = [];
        for (let cpu = 0; cpu < n; cpu++) if ((mask & (1 << cpu)) !== 0) rxq.rps_map.push(cpu);
        rps_update_needed(k);
        return 0;
      },
    ],
    rps_flow_cnt: [
      () => String(rxq.rps_flow_table !== null ? rxq.rps_flow_table.length : 0),
      number_store((v) => {
        if (v > 1 << 29) return -EINVAL;
        const size = v <= 1 ? v : 2 ** (32 - Math.clz32(v - 1));
        rxq.rps_flow_cnt = size;
        rxq.rps_flow_table = size === 0 ? null : new Int32Array(size).fill(-1);
        rps_update_needed(k);
        return 0;
      }),
    ],
  };
}

const kstrtouint = (text: string): number => {
  if (!/^\+?\d+\n?$/.test(text)) return -EINVAL;
  const v = Number(text);
  return v > 0xffff_ffff ? -ERANGE : v;
};

/** A threshold that no history of 256 jiffies can show. */
const STALL_THRS_MIN = 4;
const STALL_THRS_MAX = 128;

function byte_queue_limits_attrs(k: Kernel, dql: Dql): Attrs {
  const bytes = (key: "limit" | "min_limit" | "max_limit"): [Show, Store] => [
    () => String(dql[key]),
    (text) => {
      const v = text.trimEnd() === "max" ? DQL_MAX_LIMIT : kstrtouint(text);
      if (v < 0) return v;
      if (v > DQL_MAX_LIMIT) return -EINVAL;
      dql[key] = v;
      return 0;
    },
  ];
  const period = (key: "slack_hold_time" | "stall_thrs", set: (v: number) => number): [Show, Store] => [
    () => String(dql[key]),
    (text) => {
      const v = kstrtouint(text);
      return v < 0 ? v : set(v);
    },
  ];
  return {
    hold_time: period("slack_hold_time", (v) => {
      dql.slack_hold_time = v;
      return 0;
    }),
    inflight: [() => String(dql_inflight(dql)), null],
    limit: bytes("limit"),
    limit_max: bytes("max_limit"),
    limit_min: bytes("min_limit"),
    stall_cnt: [() => String(dql.stall_cnt), null],
    stall_max: [
      () => String(dql.stall_max),
      () => {
        dql.stall_max = 0;
        return 0;
      },
    ],
    stall_thrs: period("stall_thrs", (v) => {
      if (v !== 0 && (v < STALL_THRS_MIN || v > STALL_THRS_MAX)) return -ERANGE;
      dql.stall_thrs = v;
      dql.stall_start = jiffies(k);
      return 0;
    }),
  };
}

/** The folder is there for devices whose driver has a ring: not where each CPU may send at once, nor where nothing waits. */
const netdev_uses_bql = (dev: NetDevice): boolean =>
  (dev.features & NETIF_F_LLTX) === 0 && (dev.priv_flags & IFF_NO_QUEUE) === 0;

function tx_queue_attrs(k: Kernel, txq: NetdevQueue): Attrs {
  const n = k.cpus.length;
  const dev = txq.dev;
  // A device with one queue has nothing to choose from.
  const multi = dev.tx.length > 1;
  return {
    traffic_class: [() => (multi ? "0" : -ENOENT), null],
    tx_maxrate: [() => "0", () => -EOPNOTSUPP],
    tx_timeout: [() => String(txq.trans_timeout), null],
    xps_cpus: [
      () => (multi ? bitmap_print(txq.xps_cpus, n) : -ENOENT),
      (text) => {
        if (!multi) return -ENOENT;
        const mask = bitmap_parse(text, n);
        if (mask < 0) return mask;
        txq.xps_cpus = mask;
        dev.tx_global_xps = dev.tx.some((q) => q.xps_cpus !== 0);
        return 0;
      },
    ],
    // DIFF: queues are not chosen by where a packet came in.
    xps_rxqs: [() => "0", () => (multi ? -EOPNOTSUPP : 0)],
  };
}

function queues_dir(k: Kernel, dev: NetDevice): Inode {
  const names = (): string[] => {
    const out: string[] = [];
    for (let i = 0; i < dev.real_num_rx_queues; i++) out.push(`rx-${i}`);
    for (let i = 0; i < dev.real_num_tx_queues; i++) out.push(`tx-${i}`);
    return out;
  };
  return new GenDir(k, names, (name) => {
    const m = /^([rt])x-(\d+)$/.exec(name);
    if (!m) return null;
    const i = Number(m[2]);
    if (m[1] === "r") return i < dev.real_num_rx_queues ? attr_dir(k, rx_queue_attrs(k, dev.rx[i]!), {}) : null;
    if (i >= dev.real_num_tx_queues) return null;
    const txq = dev.tx[i]!;
    const bql = { byte_queue_limits: () => attr_dir(k, byte_queue_limits_attrs(k, txq.dql), {}) };
    return attr_dir(k, tx_queue_attrs(k, txq), netdev_uses_bql(dev) ? bql : {});
  });
}

// --- boot ---------------------------------------------------------------------------------------------------------

const PCI_ROOT = "pci0000:00";

/** Where in /sys/devices its folder is. DIFF: each card hangs on the first bus; its bridge is not shown. */
const device_path = (dev: NetDevice): string =>
  dev.parent_name === "" ? `virtual/net/${dev.name}` : `${PCI_ROOT}/${dev.parent_name}/net/${dev.name}`;

function device_dir(k: Kernel, dev: NetDevice): Inode {
  const up = "../".repeat(device_path(dev).split("/").length + 1);
  const dirs: Record<string, () => Inode> = {
    statistics: () => statistics_dir(k, dev),
    queues: () => queues_dir(k, dev),
    subsystem: () => new LinkInode(k, () => `${up}class/net`),
  };
  if (dev.parent_name !== "") dirs.device = () => new LinkInode(k, () => `../../../${dev.parent_name}`);
  return attr_dir(k, device_attrs(dev), dirs);
}

/** The devices of the namespace of the task that looks, of one parent or of all. */
function devices_dir(k: Kernel, parent: string | null, entry: (dev: NetDevice) => Inode): GenDir {
  const mine = (task: Task): NetDevice[] =>
    [...task.net_ns.dev_by_name.values()].filter((d) => parent === null || d.parent_name === parent);
  const names = (task: Task): string[] =>
    mine(task)
      .map((d) => d.name)
      .sort();
  return new GenDir(k, names, (name, task) => {
    const dev = task.net_ns.dev_by_name.get(name);
    return dev !== undefined && (parent === null || dev.parent_name === parent) ? entry(dev) : null;
  });
}

/** /sys/devices/pci0000:00: a folder for each card that has a network device, whatever its namespace. */
function pci_dir(k: Kernel): GenDir {
  const slots = (): string[] => {
    const all = [...k.nets].flatMap((net) => [...net.dev_by_name.values()].map((d) => d.parent_name));
    return [...new Set(all)].filter((slot) => slot !== "").sort();
  };
  const slot_dir = (slot: string): Inode =>
    attr_dir(k, {}, { net: () => devices_dir(k, slot, (d) => device_dir(k, d)) });
  return new GenDir(k, slots, (name) => (slots().includes(name) ? slot_dir(name) : null));
}

/** late_initcall: /sys/class/net has a link for each device, to its folder. */
export function net_sysfs_init(k: Kernel): void {
  const link = (dev: NetDevice): Inode => new LinkInode(k, () => `../../devices/${device_path(dev)}`);
  sysfs_add(k, "class/net", devices_dir(k, null, link));
  sysfs_add(
    k,
    "devices/virtual/net",
    devices_dir(k, "", (dev) => device_dir(k, dev)),
  );
  sysfs_add(k, `devices/${PCI_ROOT}`, pci_dir(k));
}
