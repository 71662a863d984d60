// Two peers of a TCP connection run random programs over a cable that loses, doubles, reorders and damages frames. The model is
// a pipe: what one side read is what the other wrote, in order, all of it when nobody aborted. Way in: scenario, run_scenario(); fuzz_tcp().

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Sys } from "../../src/api/index.ts";
import { Prng, prng_below } from "../../src/lib/prng.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from "../../src/uapi/fcntl.ts";
import * as S from "../../src/uapi/socket.ts";
import type { Blocking } from "../../src/uapi/sys.ts";
import * as T from "../../src/uapi/tcp.ts";
import { MS, pair, SEC } from "../selftests/net.ts";
import { sockaddr } from "../selftests/socket.ts";

const EAGAIN = -11;
const EINPROGRESS = -115;

/** What one side does with its socket. Sizes in bytes, times in ms. */
export interface Side {
  writes: { size: number; flags: number; pause: number; option: number }[];
  /** Taken in turn until the end of the stream. */
  reads: { size: number; pause: number }[];
  /** "shutdown": SHUT_WR after the last write; "close": waits for the peer's end first; "abort": closes after so many bytes read. */
  end: "shutdown" | "abort";
  abort_after: number;
  rcvbuf: number;
  sndbuf: number;
  maxseg: number;
  clamp: number;
  nodelay: boolean;
  quickack: boolean;
  congestion: string;
}

export interface Scenario {
  seed: number;
  sides: Side[];
  loss: number;
  corrupt: number;
  duplicate: number;
  reorder: number;
  reorder_us: number;
  jitter_us: number;
  delay_us: number;
  rate: number;
  queue: number;
  /** Frames of which a bit changes before the frame's check sequence is made: only checksums can tell. */
  damage: number;
  mtus: { side: number; at: number; mtu: number }[];
  sysctls: string[];
  gro: boolean;
}

const SYSCTLS = [
  "tcp_sack=0",
  "tcp_timestamps=0",
  "tcp_window_scaling=0",
  "tcp_dsack=0",
  "tcp_ecn=1",
  "tcp_mtu_probing=2",
  "tcp_recovery=0",
  "tcp_recovery=2",
  "tcp_frto=0",
  "tcp_early_retrans=0",
  "tcp_moderate_rcvbuf=0",
  "tcp_comp_sack_nr=0",
  "tcp_slow_start_after_idle=0",
  "tcp_autocorking=0",
  "tcp_retrans_collapse=0",
  "tcp_shrink_window=1",
  "tcp_tso_win_divisor=1",
  "tcp_thin_linear_timeouts=1",
  "tcp_limit_output_bytes=3000",
  "tcp_reflect_tos=1",
];

const sizes = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 3000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 3000, max: 60_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(1, 535, 536, 1447, 1448, 1449, 1460, 65_535, 200_000) },
);
const pauses = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 60 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60, max: 3000 }) },
);
const rarely = <X>(usual: X, rare: fc.Arbitrary<X>): fc.Arbitrary<X> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: rare });

const side: fc.Arbitrary<Side> = fc.record({
  writes: fc.array(
    fc.record({
      size: sizes,
      flags: rarely(0, fc.constantFrom(S.MSG_MORE, S.MSG_OOB, S.MSG_EOR)),
      pause: pauses,
      /** 1, 2: TCP_CORK on and off; 3: TCP_NODELAY; 4: TCP_QUICKACK. */
      option: rarely(0, fc.integer({ min: 1, max: 4 })),
    }),
    { maxLength: 14 },
  ),
  reads: fc.array(fc.record({ size: sizes, pause: pauses }), { minLength: 1, maxLength: 6 }),
  end: rarely<"shutdown" | "abort">("shutdown", fc.constant("abort")),
  abort_after: fc.integer({ min: 0, max: 30_000 }),
  rcvbuf: fc.oneof(fc.constant(0), fc.constant(0), fc.constantFrom(1, 1200, 2304, 4096, 9000, 30_000)),
  sndbuf: fc.oneof(fc.constant(0), fc.constant(0), fc.constantFrom(1, 2304, 4608, 9000, 30_000)),
  maxseg: rarely(0, fc.integer({ min: 88, max: 1460 })),
  clamp: rarely(0, fc.integer({ min: 1, max: 20_000 })),
  nodelay: fc.boolean(),
  quickack: fc.boolean(),
  congestion: fc.constantFrom("cubic", "reno", "bbr", "dctcp"),
});

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.integer({ min: 1, max: 0x7fffffff }),
  sides: fc.tuple(side, side) as fc.Arbitrary<Side[]>,
  loss: rarely(0.01, fc.constantFrom(0, 0.05, 0.15)),
  corrupt: rarely(0, fc.constantFrom(0.01, 0.05)),
  duplicate: rarely(0, fc.constantFrom(0.02, 0.2)),
  reorder: rarely(0, fc.constantFrom(0.02, 0.3)),
  reorder_us: fc.constantFrom(50, 1000, 20_000),
  jitter_us: rarely(0, fc.constantFrom(100, 10_000)),
  delay_us: fc.constantFrom(0, 100, 5000, 60_000),
  rate: fc.constantFrom(1e6, 1e7, 1e8, 1e9),
  queue: fc.constantFrom(3, 10, 100, 1000),
  damage: rarely(0, fc.constantFrom(0.01, 0.05)),
  mtus: fc.array(
    fc.record({
      side: fc.integer({ min: 0, max: 1 }),
      at: fc.integer({ min: 1, max: 3000 }),
      mtu: fc.constantFrom(1500, 1499, 1300, 1006, 576, 552),
    }),
    { maxLength: 3 },
  ),
  sysctls: fc.subarray(SYSCTLS, { maxLength: 4 }),
  gro: fc.boolean(),
});

/** The byte at `i` of what side `n` writes. */
const byte_at = (n: number, i: number): number => (i * (n === 0 ? 7 : 13) + (i >>> 8) + n) & 0xff;

export interface Outcome {
  /** "" for a good end, else what the call said. */
  said: string;
  read: number;
  written: number;
  /** The stream ended in order. */
  eof: boolean;
  aborted: boolean;
  at: number;
}

const opt = (sys: Sys, fd: number, level: number, name: number, value: number | Uint8Array): void => {
  const r = sys.setsockopt(fd, level, name, value);
  assert.equal(r, 0, `setsockopt ${level} ${name}`);
};

function options(sys: Sys, fd: number, s: Side): void {
  if (s.rcvbuf !== 0) opt(sys, fd, S.SOL_SOCKET, S.SO_RCVBUF, s.rcvbuf);
  if (s.sndbuf !== 0) opt(sys, fd, S.SOL_SOCKET, S.SO_SNDBUF, s.sndbuf);
  if (s.maxseg !== 0) opt(sys, fd, S.SOL_TCP, T.TCP_MAXSEG, s.maxseg);
  if (s.clamp !== 0) opt(sys, fd, S.SOL_TCP, T.TCP_WINDOW_CLAMP, s.clamp);
  if (s.nodelay) opt(sys, fd, S.SOL_TCP, T.TCP_NODELAY, 1);
  if (!s.quickack) opt(sys, fd, S.SOL_TCP, T.TCP_QUICKACK, 0);
  opt(sys, fd, S.SOL_SOCKET, S.SO_OOBINLINE, 1);
  opt(sys, fd, S.SOL_TCP, T.TCP_CONGESTION, new TextEncoder().encode(s.congestion));
}

/** Runs a side's program on a connected, non-blocking socket; closes it. */
function* play(sys: Sys, fd: number, me: number, s: Side): Blocking<Outcome> {
  const out: Outcome = { said: "", read: 0, written: 0, eof: false, aborted: false, at: 0 };
  const ms = (): number => sys.clock_gettime(1) / MS;
  const stop = (said: string): Outcome => {
    out.said = said;
    sys.close(fd);
    out.at = ms();
    return out;
  };
  let w = 0;
  let left = s.writes[0]?.size ?? 0;
  let write_at = ms() + (s.writes[0]?.pause ?? 0);
  let shut = false;
  let r = 0;
  let read_at = ms();
  const buf = new Uint8Array(200_000);
  for (;;) {
    if (w >= s.writes.length && !shut) {
      shut = true;
      // The last of a cork has to go, too.
      opt(sys, fd, S.SOL_TCP, T.TCP_CORK, 0);
      const e = sys.shutdown(fd, S.SHUT_WR);
      if (e < 0 && e !== -107) return stop(`shutdown ${e}`);
    }
    if (shut && out.eof) return stop("");
    const now = ms();
    let timeout = -1;
    let events = 0;
    if (!shut) {
      if (now >= write_at) events |= EPOLLOUT;
      else timeout = write_at - now;
    }
    if (!out.eof) {
      if (now >= read_at) events |= EPOLLIN;
      else timeout = timeout < 0 ? read_at - now : Math.min(timeout, read_at - now);
    }
    const p = { fd, events, revents: 0 };
    // HUP and ERR are always told: do not spin on them while pausing.
    if (events === 0) yield* sys.nanosleep(Math.max(1, Math.ceil(timeout)) * MS);
    else yield* sys.poll([p], timeout < 0 ? -1 : Math.max(1, Math.ceil(timeout)));
    if ((events & EPOLLIN) !== 0 && (p.revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) !== 0) {
      const step = s.reads[r++ % s.reads.length]!;
      const n = yield* sys.recvfrom(fd, buf.subarray(0, step.size), 0, null);
      if (n === 0) out.eof = true;
      else if (n < 0 && n !== EAGAIN) return stop(`read ${n}`);
      for (let i = 0; i < n; i++, out.read++) {
        const want = byte_at(1 - me, out.read);
        if (buf[i] !== want) return stop(`wrong byte at ${out.read}: ${buf[i]}, not ${want}`);
      }
      // A program that reads for hours outlives what an orphan of the peer may.
      if (n > 0 && r < 300) read_at = ms() + step.pause;
      if (s.end === "abort" && out.read >= s.abort_after) {
        out.aborted = true;
        return stop("");
      }
    }
    if ((events & EPOLLOUT) !== 0 && (p.revents & (EPOLLOUT | EPOLLHUP | EPOLLERR)) !== 0) {
      const step = s.writes[w]!;
      if (left === step.size && step.option !== 0) {
        const [name, on] = [
          [T.TCP_CORK, 1],
          [T.TCP_CORK, 0],
          [T.TCP_NODELAY, 1],
          [T.TCP_QUICKACK, 1],
        ][step.option - 1]!;
        opt(sys, fd, S.SOL_TCP, name!, on!);
      }
      for (let i = 0; i < left; i++) buf[i] = byte_at(me, out.written + i);
      const n = yield* sys.sendto(fd, buf.subarray(0, left), step.flags | S.MSG_NOSIGNAL, null);
      if (n < 0 && n !== EAGAIN) return stop(`write ${n}`);
      if (n > 0) {
        out.written += n;
        left -= n;
      }
      if (left === 0) {
        w++;
        left = s.writes[w]?.size ?? 0;
        write_at = ms() + (s.writes[w]?.pause ?? 0);
      }
    }
  }
}

export interface Run {
  outcomes: Outcome[];
  /** What the machines counted: the same for the same seed. */
  counters: string;
}

/** Plays it in a world of its own; throws on whatever a pipe would not do. */
export function run_scenario(c: Scenario, limit_s = 3000): Run {
  const { net, a, b, wire } = pair(c.seed, {
    rate: c.rate,
    delay_ns: c.delay_us * 1000,
    queue_limit: c.queue,
    seed: c.seed,
    impair: {
      loss: c.loss,
      corrupt: c.corrupt,
      duplicate: c.duplicate,
      reorder: c.reorder,
      reorder_ns: c.reorder_us * 1000,
      jitter_ns: c.jitter_us * 1000,
    },
  });
  for (const m of [a, b]) {
    for (const s of c.sysctls) net.ok(m, `echo ${s.split("=")[1]} > /proc/sys/net/ipv4/${s.split("=")[0]}`);
    if (!c.gro) net.ok(m, "ethtool -K eth0 gro off");
  }
  const prng = new Prng(c.seed, 99);
  if (c.damage !== 0)
    wire.tap = (f) => {
      if (f.len > 60 && prng_below(prng, 10_000) < c.damage * 10_000)
        f.u8[f.off + 14 + prng_below(prng, f.len - 14)]! ^= 1 << prng_below(prng, 8);
    };
  // The neighbours are known, so that a lost ARP does not end in EHOSTUNREACH.
  net.ok(a, "ip neigh replace 10.0.0.2 lladdr 02:00:00:00:02:00 dev eth0 nud permanent");
  net.ok(b, "ip neigh replace 10.0.0.1 lladdr 02:00:00:00:01:00 dev eth0 nud permanent");
  const server = net.task(b, function* (sys): Blocking<Outcome> {
    const l = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    options(sys, l, c.sides[1]!);
    assert.equal(sys.bind(l, sockaddr("0.0.0.0", 7)), 0);
    assert.equal(sys.listen(l, 4), 0);
    const fd = yield* sys.accept4(l, null, S.SOCK_NONBLOCK);
    sys.close(l);
    assert.ok(fd >= 0, `accept: ${fd}`);
    return yield* play(sys, fd, 1, c.sides[1]!);
  });
  net.run(MS);
  const client = net.task(a, function* (sys): Blocking<Outcome> {
    const fd = sys.socket(S.AF_INET, S.SOCK_STREAM | S.SOCK_NONBLOCK, 0);
    options(sys, fd, c.sides[0]!);
    assert.equal(yield* sys.connect(fd, sockaddr("10.0.0.2", 7)), EINPROGRESS);
    yield* sys.poll([{ fd, events: EPOLLOUT, revents: 0 }], -1);
    const err = new Uint8Array(4);
    sys.getsockopt(fd, S.SOL_SOCKET, S.SO_ERROR, err);
    assert.equal(err[0], 0, "connect");
    return yield* play(sys, fd, 0, c.sides[0]!);
  });
  const start = net.world.now;
  for (const m of [...c.mtus].sort((x, y) => x.at - y.at)) {
    const at = start + m.at * MS;
    if (at > net.world.now) net.run(at - net.world.now);
    net.ok(m.side === 0 ? a : b, `ip link set eth0 mtu ${m.mtu}`);
  }
  net.world.sim.run_until(() => client.done && server.done, start + limit_s * SEC);
  const where = (): string => net.sh(a, "ss -tani").out + net.sh(b, "ss -tani").out;
  assert.ok(client.done && server.done, `client ${client.done}, server ${server.done}\n${where()}`);
  const outcomes = [client.value, server.value];
  judge(c, outcomes, where);
  const counters = net.sh(a, "cat /proc/net/netstat /proc/net/snmp").out + net.sh(b, "cat /proc/net/netstat").out;
  // Whatever state is left ends by itself: FIN_WAIT2 60 s, TIME_WAIT 60 s, an orphan's retransmissions.
  net.run(1200 * SEC);
  for (const m of [a, b]) assert.equal(net.sh(m, "ss -taHn").out, "", `${m.hostname} still has connections`);
  net.end();
  return { outcomes, counters };
}

function judge(c: Scenario, o: Outcome[], where: () => string): void {
  const aborted = o[0]!.aborted || o[1]!.aborted;
  for (const i of [0, 1]) {
    const x = o[i]!;
    const y = o[1 - i]!;
    const what = `side ${i}: ${JSON.stringify(o)}\n${where()}`;
    assert.ok(!x.said.startsWith("wrong"), what);
    assert.ok(x.read <= y.written, what);
    // Once a side aborted, the other may hear of a reset in any call.
    if (aborted) assert.match(x.said, /^$|^(read|write) -(104|32)$|^shutdown -/, what);
    else {
      assert.equal(x.said, "", what);
      assert.equal(
        x.written,
        c.sides[i]!.writes.reduce((n, v) => n + v.size, 0),
        what,
      );
      assert.equal(x.read, y.written, what);
    }
  }
}

export interface TcpFuzzResult {
  runs: number;
  bytes: number;
  failure: { what: string; at: number; scenario: Scenario } | null;
}

/** Plays `count` scenarios of a seed. */
export function fuzz_tcp(count: number, seed: number, progress?: (runs: number) => void): TcpFuzzResult {
  const r: TcpFuzzResult = { runs: 0, bytes: 0, failure: null };
  for (const c of fc.sample(scenario, { numRuns: count, seed })) {
    try {
      for (const o of run_scenario(c).outcomes) r.bytes += o.read;
    } catch (e) {
      r.failure = { what: (e as Error).stack ?? String(e), at: r.runs, scenario: c };
      return r;
    }
    if (++r.runs % 50 === 0) progress?.(r.runs);
  }
  return r;
}
