// The verbs of sk_buff against a model that is two plain arrays: what lies in front of data, and the packet itself.
// What it pins: whoever makes a packet writable first (skb_cow_head, skb_ensure_writable, skb_unshare) never changes a byte that
// somebody else can see, and whatever is moved, copied or grown keeps its bytes, its header offsets and the pulled headers.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  alloc_skb,
  consume_skb,
  head_alloc,
  MAX_SKB_FRAGS,
  pskb_copy,
  pskb_expand_head,
  pskb_may_pull,
  pskb_trim,
  type SkBuff,
  skb_add_rx_frag,
  skb_clone,
  skb_cloned,
  skb_copy,
  skb_copy_bits,
  skb_copy_expand,
  skb_cow_head,
  skb_ensure_writable,
  skb_get,
  skb_headlen,
  skb_headroom,
  skb_linearize,
  skb_pull,
  skb_push,
  skb_put,
  skb_reserve,
  skb_share_check,
  skb_store_bits,
  skb_tailroom,
  skb_unshare,
} from "../../../../src/net/core/skbuff.ts";
import { KernelRig } from "../../../lib/kernel.ts";

/** A packet and what it must hold. */
interface Model {
  skb: SkBuff;
  /** Bytes in front of data that were pulled and may be pushed back. */
  before: number[];
  bytes: number[];
  /** Where the network header is, relative to data; null while none is set. */
  nh: number | null;
}

class Rand {
  private s: number;
  constructor(seed: number) {
    this.s = seed;
  }
  next(n: number): number {
    this.s = (Math.imul(this.s, 1664525) + 1013904223) | 0;
    return Math.floor(((this.s >>> 0) / 2 ** 32) * n);
  }
  bytes(n: number): number[] {
    return Array.from({ length: n }, () => this.next(256));
  }
}

function check(m: Model, what: string): void {
  const { skb, bytes, before } = m;
  assert.equal(skb.len, bytes.length, `${what}: len`);
  const out = new Uint8Array(bytes.length);
  assert.equal(skb_copy_bits(skb, 0, out, 0, bytes.length), 0, what);
  assert.deepEqual(Array.from(out), bytes, `${what}: bytes`);
  const front = Array.from(skb.head.u8.subarray(skb.data - before.length, skb.data));
  assert.deepEqual(front, before, `${what}: what was pulled`);
  assert.equal(skb.tail - skb.data, skb.len - skb.data_len, `${what}: tail`);
  assert.ok(skb.tail <= skb.end && skb.end <= skb.head.size, `${what}: end`);
  let rest = 0;
  for (let i = 0; i < skb.head.nr_frags; i++) rest += skb.head.frags[i]!.size;
  for (let s = skb.head.frag_list; s !== null; s = s.next) rest += s.len;
  assert.equal(skb.data_len, rest, `${what}: data_len`);
  if (m.nh !== null) assert.equal(skb.network_header - skb.data, m.nh, `${what}: network header`);
  assert.equal(skb.users, 1);
  const refused = new Uint8Array(4);
  assert.equal(skb_copy_bits(skb, bytes.length - 2, refused, 0, 4), -14, "past the end: -EFAULT");
}

function fresh(rig: KernelRig, r: Rand): Model {
  const size = [0, 20, 60, 200, 1500, 3000][r.next(6)]!;
  const room = r.next(100);
  const skb = alloc_skb(rig.k, room + size + r.next(64))!;
  skb_reserve(skb, room);
  const bytes = r.bytes(size);
  const at = skb_put(skb, size);
  skb.head.u8.set(bytes, at);
  return { skb, before: [], bytes, nh: null };
}

function add_frag(rig: KernelRig, r: Rand, m: Model): void {
  const n = 1 + r.next(700);
  const page = head_alloc(rig.k, 2048)!;
  const off = r.next(500);
  const bytes = r.bytes(n);
  page.u8.set(bytes, off);
  skb_add_rx_frag(m.skb, page, off, n, 2048);
  m.bytes = m.bytes.concat(bytes);
}

function add_frag_list(rig: KernelRig, r: Rand, m: Model): void {
  const sub = fresh(rig, r);
  if (sub.bytes.length === 0) {
    consume_skb(sub.skb);
    return;
  }
  const head = m.skb.head;
  if (head.frag_list === null) head.frag_list = sub.skb;
  else {
    let last = head.frag_list;
    while (last.next !== null) last = last.next;
    last.next = sub.skb;
  }
  m.skb.len += sub.skb.len;
  m.skb.data_len += sub.skb.len;
  m.skb.truesize += sub.skb.truesize;
  m.bytes = m.bytes.concat(sub.bytes);
}

const copy_of = (m: Model, skb: SkBuff): Model => ({ skb, before: [...m.before], bytes: [...m.bytes], nh: m.nh });

function step(rig: KernelRig, r: Rand, all: Model[]): string {
  const m = all[r.next(all.length)]!;
  const { skb } = m;
  const len = skb.len;
  switch (r.next(17)) {
    case 0: {
      const n = r.next(len + 10);
      const data = skb_pull(skb, n);
      if (n > len) {
        assert.equal(data, -1);
        return "pull too much";
      }
      m.before = m.before.concat(m.bytes.slice(0, n));
      m.bytes = m.bytes.slice(n);
      if (m.nh !== null) m.nh -= n;
      return `pull ${n}`;
    }
    case 1: {
      // Pushing back what was pulled needs no writing: the header is still there.
      const n = r.next(m.before.length + 1);
      skb_push(skb, n);
      m.bytes = m.before.slice(m.before.length - n).concat(m.bytes);
      m.before = m.before.slice(0, m.before.length - n);
      if (m.nh !== null) m.nh += n;
      return `push back ${n}`;
    }
    case 2: {
      const n = 1 + r.next(40);
      assert.equal(skb_cow_head(skb, n), 0);
      assert.ok(skb_headroom(skb) >= n && !skb_cloned(skb));
      const bytes = r.bytes(n);
      const at = skb_push(skb, n);
      skb.head.u8.set(bytes, at);
      m.before = m.before.slice(0, Math.max(0, m.before.length - n));
      m.bytes = bytes.concat(m.bytes);
      if (m.nh !== null) m.nh += n;
      return `cow_head, push ${n}`;
    }
    case 3: {
      if (skb.data_len !== 0) return "";
      const n = 1 + r.next(200);
      if (skb_cloned(skb) || skb_tailroom(skb) < n) assert.equal(pskb_expand_head(skb, 0, n), 0);
      assert.ok(skb_tailroom(skb) >= n);
      const bytes = r.bytes(n);
      const at = skb_put(skb, n);
      skb.head.u8.set(bytes, at);
      m.bytes = m.bytes.concat(bytes);
      return `put ${n}`;
    }
    case 4: {
      const n = r.next(len + 5);
      assert.equal(pskb_trim(skb, n), 0);
      m.bytes = m.bytes.slice(0, n);
      return `trim ${n}`;
    }
    case 5: {
      const n = r.next(len + 5);
      assert.equal(pskb_may_pull(skb, n), n <= len);
      if (n <= len) assert.ok(skb_headlen(skb) >= n);
      return `may_pull ${n}`;
    }
    case 6:
      all.push(copy_of(m, skb_clone(skb)));
      return "clone";
    case 7:
      all.push(copy_of(m, skb_copy(skb)!));
      assert.equal(all[all.length - 1]!.skb.data_len, 0);
      return "copy";
    case 8:
      all.push(copy_of(m, pskb_copy(skb)!));
      return "pskb_copy";
    case 9: {
      const head = r.next(200);
      const n = copy_of(m, skb_copy_expand(skb, head, r.next(200))!);
      assert.ok(skb_headroom(n.skb) === head && n.skb.data_len === 0);
      n.before = n.before.slice(Math.max(0, n.before.length - head));
      // A header further in front than the new headroom is lost, as in Linux.
      if (n.nh !== null && n.nh < -head) n.nh = null;
      all.push(n);
      return `copy_expand ${head}`;
    }
    case 10:
      assert.equal(pskb_expand_head(skb, r.next(100), r.next(100)), 0);
      return "expand_head";
    case 11:
      if (skb_cloned(skb) || skb.head.frag_list !== null || skb.head.nr_frags >= MAX_SKB_FRAGS) return "";
      add_frag(rig, r, m);
      return "frag";
    case 12:
      // A list whose packets another head shares is not to be appended to.
      if (skb_cloned(skb) || (skb.head.frag_list !== null && skb.head.frag_list.users > 1)) return "";
      add_frag_list(rig, r, m);
      return "frag_list";
    case 13: {
      if (len === 0) return "";
      const off = r.next(len);
      const n = r.next(len - off + 1);
      assert.equal(skb_ensure_writable(skb, off + n), 0);
      assert.ok(!skb_cloned(skb) && skb_headlen(skb) >= off + n);
      const bytes = Uint8Array.from(r.bytes(n));
      assert.equal(skb_store_bits(skb, off, bytes, 0, n), 0);
      m.bytes.splice(off, n, ...bytes);
      assert.equal(skb_store_bits(skb, len - 1, new Uint8Array(2), 0, 2), -14);
      return `ensure_writable, store ${off}+${n}`;
    }
    case 14:
      assert.equal(skb_linearize(skb), 0);
      assert.equal(skb.data_len, 0);
      return "linearize";
    case 15: {
      m.skb = skb_unshare(skb)!;
      assert.ok(!skb_cloned(m.skb));
      return "unshare";
    }
    default:
      if (skb_headlen(skb) === 0) return "";
      skb.network_header = skb.data + (m.nh = r.next(skb_headlen(skb)));
      return "network_header";
  }
}

test("random verbs agree with plain arrays, and nobody writes into another's packet", () => {
  const rig = new KernelRig();
  for (let seed = 1; seed <= 400; seed++) {
    const r = new Rand(seed);
    const all = [fresh(rig, r)];
    let log = `seed ${seed}`;
    for (let i = 0; i < 40; i++) {
      log += `, ${step(rig, r, all)}`;
      for (const m of all) check(m, log);
      if (all.length > 6) {
        const [gone] = all.splice(r.next(all.length), 1);
        consume_skb(gone!.skb);
        for (const m of all) check(m, `${log}, free`);
      }
    }
    for (const m of all) consume_skb(m.skb);
    assert.equal(rig.k.skb_pool.live_heads, 0, log);
    assert.deepEqual(rig.k.bugs, []);
  }
  rig.end();
});

test("skb_share_check gives a packet of its own and leaves the other reference", () => {
  const rig = new KernelRig();
  const skb = alloc_skb(rig.k, 100)!;
  skb_put(skb, 10);
  assert.equal(skb_share_check(skb), skb, "not shared: itself");
  skb_get(skb);
  const mine = skb_share_check(skb);
  assert.notEqual(mine, skb);
  assert.equal(skb.users, 1);
  consume_skb(skb);
  consume_skb(mine);
  rig.end();
});
