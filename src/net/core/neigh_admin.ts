// What `ip neigh` asks of a table, before any netlink encoding: add, replace, delete, list, table parameters.
// Mirrors neigh_add(), neigh_delete() and the dumps of net/core/neighbour.c. Way in: neigh_add(), neigh_dump().

import { jiffies } from "../../kernel/kernel.ts";
import { EAFNOSUPPORT, EEXIST, EINVAL, ENOENT } from "../../uapi/errno.ts";
import {
  NTF_EXT_LEARNED,
  NTF_EXT_MANAGED,
  NTF_PROXY,
  NTF_ROUTER,
  NTF_USE,
  NUD_FAILED,
  NUD_PERMANENT,
} from "../../uapi/neighbour.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import {
  __neigh_create,
  __neigh_lookup_noref,
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_EXT_LEARNED,
  NEIGH_UPDATE_F_ISROUTER,
  NEIGH_UPDATE_F_MANAGED,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_OVERRIDE_ISROUTER,
  NEIGH_UPDATE_F_USE,
  type Neighbour,
  type NeighTable,
  NTF_EXT_SHIFT,
  NTF_MANAGED,
  neigh_event_send_probe,
  neigh_find_table,
  neigh_lookup,
  neigh_release,
  neigh_remove_one,
  neigh_update,
  type PneighEntry,
  pneigh_add,
  pneigh_delete,
} from "./neighbour.ts";
import type { Net } from "./net_namespace.ts";
import type { NetDevice } from "./netdevice.ts";

/** A parsed RTM_NEWNEIGH or RTM_DELNEIGH. */
export interface NeighRequest {
  family: number;
  dev: NetDevice | null;
  /** Address words: IPv4 uses the first. Null: NDA_DST was missing. */
  dst: readonly number[] | null;
  lladdr: Uint8Array | null;
  /** ndm_state and ndm_flags. */
  state: number;
  flags: number;
  /** NDA_FLAGS_EXT. */
  ext_flags: number;
  protocol: number;
  nlmsg_flags: number;
  pid: number;
}

export interface Extack {
  msg: string;
}

function fail(extack: Extack, msg: string, err: number): number {
  extack.msg = msg;
  return -err;
}

/** `ip neigh add|change|replace`. 0 or -errno, with the reason in `extack`. */
export function neigh_add(net: Net, req: NeighRequest, extack: Extack): number {
  if (req.dst === null) return fail(extack, "Network address not specified", EINVAL);
  const tbl = neigh_find_table(net.kernel, req.family);
  if (tbl === null) return -EAFNOSUPPORT;
  if (req.dst.length * 4 < tbl.ops.key_len) return fail(extack, "Invalid network address", EINVAL);
  const [k0, k1, k2, k3] = words(req.dst);
  const dev = req.dev;
  if (dev !== null && req.lladdr !== null && req.lladdr.length < dev.addr_len) {
    return fail(extack, "Invalid link address", EINVAL);
  }
  const ndm_flags = req.flags | (req.ext_flags << NTF_EXT_SHIFT);
  if ((req.flags & NTF_PROXY) !== 0) {
    if ((ndm_flags & NTF_MANAGED) !== 0) return fail(extack, "Invalid NTF_* flag combination", EINVAL);
    return pneigh_add(tbl, net, dev, ndm_flags, req.protocol, (req.state & NUD_PERMANENT) !== 0, k0, k1, k2, k3);
  }
  if (dev === null) return fail(extack, "Device not specified", EINVAL);
  if (tbl.ops.allow_add !== undefined && !tbl.ops.allow_add(dev, extack)) return -EINVAL;
  let flags = NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE_ISROUTER;
  let n = neigh_lookup(tbl, dev, k0, k1, k2, k3);
  if (n === null) {
    const permanent = (req.state & NUD_PERMANENT) !== 0;
    const exempt = permanent || (req.flags & NTF_EXT_LEARNED) !== 0;
    if ((req.nlmsg_flags & NLM_F_CREATE) === 0) return -ENOENT;
    if (permanent && (ndm_flags & NTF_MANAGED) !== 0) {
      return fail(extack, "Invalid NTF_* flag for permanent entry", EINVAL);
    }
    n = __neigh_create(tbl, dev, true, k0, k1, k2, k3, req.flags & NTF_EXT_LEARNED, exempt);
    if (n === null) return tbl.last_error;
  } else {
    if ((req.nlmsg_flags & NLM_F_EXCL) !== 0) {
      neigh_release(n);
      return -EEXIST;
    }
    if ((req.nlmsg_flags & NLM_F_REPLACE) === 0) flags &= ~(NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE_ISROUTER);
  }
  if (req.protocol !== 0) n.protocol = req.protocol;
  if ((req.flags & NTF_EXT_LEARNED) !== 0) flags |= NEIGH_UPDATE_F_EXT_LEARNED;
  if ((req.flags & NTF_ROUTER) !== 0) flags |= NEIGH_UPDATE_F_ISROUTER;
  if ((req.ext_flags & NTF_EXT_MANAGED) !== 0) flags |= NEIGH_UPDATE_F_MANAGED;
  if ((req.flags & NTF_USE) !== 0) flags |= NEIGH_UPDATE_F_USE;
  const err = neigh_update(n, req.lladdr, req.state, flags, req.pid, extack);
  if (err === 0 && (flags & (NEIGH_UPDATE_F_USE | NEIGH_UPDATE_F_MANAGED)) !== 0) neigh_event_send_probe(n, null, true);
  neigh_release(n);
  return err;
}

/** `ip neigh del`. */
export function neigh_delete(net: Net, req: NeighRequest, extack: Extack): number {
  if (req.dst === null) return fail(extack, "Network address not specified", EINVAL);
  const tbl = neigh_find_table(net.kernel, req.family);
  if (tbl === null) return -EAFNOSUPPORT;
  if (req.dst.length * 4 < tbl.ops.key_len) return fail(extack, "Invalid network address", EINVAL);
  const [k0, k1, k2, k3] = words(req.dst);
  if ((req.flags & NTF_PROXY) !== 0) return pneigh_delete(tbl, net, req.dev, k0, k1, k2, k3);
  if (req.dev === null) return -EINVAL;
  const n = neigh_lookup(tbl, req.dev, k0, k1, k2, k3);
  if (n === null) return -ENOENT;
  const flags = NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN;
  const err = neigh_update(n, null, NUD_FAILED, flags, req.pid, extack);
  neigh_remove_one(n);
  neigh_release(n);
  return err;
}

/** One entry, for RTM_GETNEIGH without NLM_F_DUMP. No reference is taken. */
export function neigh_get(net: Net, family: number, dev: NetDevice, dst: readonly number[]): Neighbour | number {
  const tbl = neigh_find_table(net.kernel, family);
  if (tbl === null) return -EAFNOSUPPORT;
  const [k0, k1, k2, k3] = words(dst);
  return __neigh_lookup_noref(tbl, dev, k0, k1, k2, k3) ?? -ENOENT;
}

const words = (dst: readonly number[]): [number, number, number, number] => [
  dst[0] ?? 0,
  dst[1] ?? 0,
  dst[2] ?? 0,
  dst[3] ?? 0,
];

/** The entries of a namespace in order of creation; family 0 is all tables. A snapshot without references. */
export function neigh_dump(net: Net, family: number): Neighbour[] {
  const out: Neighbour[] = [];
  for (const tbl of net.kernel.neigh_tables) {
    if (family !== 0 && tbl.ops.family !== family) continue;
    for (let n = tbl.all_first; n !== null; n = n.all_next) if (n.dev.net === net) out.push(n);
  }
  return out;
}

/** Linux lists proxies by a hash of 16 buckets over the last word of the address, the newest first in each. */
function pneigh_hash(e: PneighEntry, key_len: number): number {
  const w = key_len === 4 ? e.key : e.key3;
  let h = ((w & 0xff) << 24) | ((w & 0xff00) << 8) | ((w >>> 8) & 0xff00) | (w >>> 24);
  h ^= h >>> 16;
  h ^= h >>> 8;
  h ^= h >>> 4;
  return h & 0xf;
}

/** Proxy entries of a namespace in Linux's order. */
export function pneigh_entries(tbl: NeighTable, net: Net): PneighEntry[] {
  const list = tbl.pneigh.filter((e) => e.net === net).reverse();
  return list.sort((a, b) => pneigh_hash(a, tbl.ops.key_len) - pneigh_hash(b, tbl.ops.key_len));
}

/** NDA_CACHEINFO: hundredths of a second since confirmation, use and change; references beyond the table's. */
export function neigh_cacheinfo(n: Neighbour): { confirmed: number; used: number; updated: number; refcnt: number } {
  const now = jiffies(n.tbl.kernel);
  const clock_t = (then: number): number => Math.floor(Math.max(0, now - then) / 10);
  return {
    confirmed: clock_t(n.confirmed),
    used: clock_t(n.used),
    updated: clock_t(n.updated),
    refcnt: n.refcnt - 1,
  };
}
