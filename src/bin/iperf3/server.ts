// iperf3 -s: one test after another, each as its client asks for it. Way in: runServer().

import { EAGAIN, EINTR, EPROTO } from "../../uapi/errno.ts";
import { SOCKADDR_IN6_LEN } from "../../uapi/in6.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { TCP_NODELAY } from "../../uapi/tcp.ts";
import { sockaddrFamily } from "../lib/inet.ts";
import * as E from "./errors.ts";
import { IperfError } from "./errors.ts";
import type { Settings } from "./options.ts";
import { type Output, systemInfo } from "./output.ts";
import * as P from "./protocol.ts";
import { applyParameters, COOKIE_LEN, Control } from "./protocol.ts";
import { aboutTest, addStream, noteBuffers, started } from "./session.ts";
import { endpoint, listenOn, setBuffers, setCongestion, setIpOptions, waitAny } from "./sockets.ts";
import { Test } from "./test.ts";

/** DIFF: iperf3 waits for ever for what a client owes it before its test runs, and for everybody else meanwhile. */
const PATIENCE_NS = 30e9;
/** A client that has not ended its test so long after its time is gone. */
const GRACE_NS = 10e9;
const RULE = "-----------------------------------------------------------\n";

type Ending = IperfError | "signal" | "client terminated" | undefined;

/** The exit status. `stop`: has a signal come? */
export function* runServer(sys: Sys, s: Settings, out: Output, stop: () => boolean): Blocking<number> {
  if (s.verbose) {
    yield* out.line(`iperf ${P.VERSION}\n`);
    yield* out.line(`${systemInfo(sys)}\n`);
  }
  let listener = yield* listenOn(sys, s, null);
  for (let count = 1; ; count++) {
    if (listener instanceof IperfError) {
      yield* out.error(new IperfError(E.IELISTEN, listener.errno));
      yield* out.exiting();
      return 1;
    }
    out.reset();
    yield* out.line(RULE);
    yield* out.line(`Server listening on ${s.port} (test #${count})\n`);
    yield* out.line(RULE);
    const until = s.idleTimeout > 0 ? sys.clock_gettime(1) + s.idleTimeout * 1e9 : Infinity;
    const ready = yield* waitAny(sys, [listener], until, stop);
    if (ready === -EINTR) return yield* interrupted(out);
    if (ready === -EAGAIN) {
      if (s.oneOff) return 0;
      continue;
    }
    const fd = yield* sys.accept4(listener, null, S.SOCK_CLOEXEC);
    if (fd < 0) {
      yield* out.error(new IperfError(E.IEACCEPT, fd));
      continue;
    }
    const session = new Session(sys, s, out, new Control(sys, fd, stop), listener);
    const ending = yield* session.serve();
    listener = session.listener;
    if (ending === "client terminated") yield* out.error(new IperfError(E.IECLIENTTERM), "");
    else if (ending === "signal") {
      yield* sys.sendto(fd, Uint8Array.of(P.SERVER_TERMINATE), S.MSG_DONTWAIT | S.MSG_NOSIGNAL, null);
      return yield* interrupted(out);
    } else if (ending !== undefined) yield* out.error(ending);
    yield* out.flush();
    session.close();
    if (s.oneOff) return 0;
  }
}

function* interrupted(out: Output): Blocking<number> {
  yield* out.error(new IperfError(E.IESERVERTERM), "interrupt - ");
  yield* out.flush();
  return 1;
}

class Session {
  private readonly sys: Sys;
  private readonly base: Settings;
  private readonly out: Output;
  private readonly control: Control;
  listener: number | IperfError;
  private relistened = false;
  private udpListener = -1;
  private test: Test | undefined;

  constructor(sys: Sys, base: Settings, out: Output, control: Control, listener: number) {
    this.sys = sys;
    this.base = base;
    this.out = out;
    this.control = control;
    this.listener = listener;
  }

  *serve(): Blocking<Ending> {
    const { sys, control, out } = this;
    control.until = sys.clock_gettime(1) + PATIENCE_NS;
    sys.setsockopt(control.fd, S.IPPROTO_TCP, TCP_NODELAY, 1);
    const cookie = new Uint8Array(COOKIE_LEN);
    const n = yield* control.read(cookie);
    if (n < COOKIE_LEN) return n === -EINTR ? "signal" : new IperfError(E.IERECVCOOKIE, n);
    yield* control.sendState(P.PARAM_EXCHANGE);
    const asked = yield* control.readParameters();
    if (asked === -EINTR) return "signal";
    if (typeof asked !== "object") return new IperfError(E.IERECVPARAMS, typeof asked === "number" ? asked : -EPROTO);
    const settings = applyParameters(this.base, asked);
    const test = new Test(sys, settings, out, control, cookie);
    this.test = test;
    out.keep = settings.getServerOutput;
    const ending = yield* this.play(test);
    out.keep = false;
    if (settings.title !== "") out.json.set("title", settings.title);
    if (settings.extraData !== "") out.json.set("extra_data", settings.extraData);
    if (ending instanceof IperfError && !ending.remote) yield* control.sendError(ending.code, ending.errno);
    if ((ending === "signal" || ending === "client terminated") && test.streams.length > 0) {
      yield* test.finish();
      yield* out.results(test);
    }
    return ending;
  }

  private *play(test: Test): Blocking<Ending> {
    const { sys, control, out } = this;
    const s = test.settings;
    if (s.serverAffinity >= 0) {
      const err = sys.sched_setaffinity(0, 1 << s.serverAffinity);
      if (err < 0) return new IperfError(E.IEAFFINITY, err);
    }
    const bad = yield* this.prepare(test);
    if (bad !== undefined) return bad;
    yield* control.sendState(P.CREATE_STREAMS);
    const peer = endpoint(sys, control.fd, true);
    yield* aboutTest(
      test,
      `Accepted connection from ${peer.host}, port ${peer.port}`,
      "accepted_connection",
      peer.host,
      peer.port,
    );
    const made = yield* this.acceptStreams(test);
    if (made !== undefined) return made;
    yield* started(test);
    yield* control.sendState(P.TEST_START);
    yield* test.begin();
    yield* control.sendState(P.TEST_RUNNING);
    control.until = Infinity;
    const ran = yield* this.run(test);
    if (ran !== undefined) return ran;
    yield* test.finish();
    test.close();
    control.until = sys.clock_gettime(1) + PATIENCE_NS;
    // What the client may want to see of our output has to be there first.
    yield* out.results(test);
    yield* control.sendState(P.EXCHANGE_RESULTS);
    const theirs = yield* control.readResults();
    if (theirs === -EINTR) return "signal";
    if (typeof theirs !== "object" || !test.takeResults(theirs))
      return new IperfError(E.IERECVRESULTS, typeof theirs === "number" ? theirs : 0);
    const n = yield* control.sendJson(test.results());
    if (n < 0) return new IperfError(E.IESENDRESULTS, n);
    yield* control.sendState(P.DISPLAY_RESULTS);
    const r = yield* control.readState();
    if ("state" in r) return r.state === P.CLIENT_TERMINATE ? "client terminated" : undefined;
    return r.err === -EINTR ? "signal" : undefined;
  }

  /** Sockets that wait for the streams, with the options that must be there before. */
  private *prepare(test: Test): Blocking<IperfError | undefined> {
    const { sys } = this;
    const s = test.settings;
    if (s.udp) {
      const fd = yield* listenOn(sys, this.base, s);
      if (fd instanceof IperfError) return new IperfError(E.IESTREAMLISTEN, fd.errno);
      this.udpListener = fd;
      return undefined;
    }
    if (s.noDelay || s.window > 0 || s.mss > 0 || s.fqRate > 0) {
      // A connection takes its window scale and MSS from the listener.
      sys.close(this.listener as number);
      this.relistened = true;
      this.listener = yield* listenOn(sys, this.base, s);
      if (this.listener instanceof IperfError)
        return this.listener.code > 0 ? this.listener : new IperfError(E.IESTREAMLISTEN, this.listener.errno);
    }
    return undefined;
  }

  private *acceptStreams(test: Test): Blocking<Ending> {
    const { sys, control } = this;
    const s = test.settings;
    const count = s.bidir ? 2 * s.parallel : s.parallel;
    while (test.streams.length < count) {
      const door = this.listener as number;
      const fds = s.udp ? [control.fd, this.udpListener, door] : [control.fd, door];
      const which = yield* waitAny(sys, fds, control.until, control.stop);
      if (which === -EINTR) return "signal";
      if (which < 0) return new IperfError(E.IESTREAMACCEPT, which);
      if (which === 0) return yield* this.saysSomething();
      if (fds[which] === door && s.udp) {
        yield* this.refuse();
        continue;
      }
      const fd = s.udp ? yield* this.acceptUdp(test) : yield* this.acceptTcp(test);
      if (fd instanceof IperfError) return fd;
      if (fd < 0) continue;
      const index = test.streams.length;
      yield* addStream(test, fd, s.bidir ? index >= s.parallel : s.reverse);
      const bad = setIpOptions(sys, fd, s);
      if (bad !== undefined) return bad;
    }
    if (s.udp) {
      sys.close(this.udpListener);
      this.udpListener = -1;
    }
    if (!this.relistened) return undefined;
    // The next client shall meet none of this one's options, nor a listener that is about to be closed.
    sys.close(this.listener as number);
    this.listener = yield* listenOn(sys, this.base, null);
    return this.listener instanceof IperfError ? new IperfError(E.IESTREAMLISTEN, this.listener.errno) : undefined;
  }

  /** A stream of this test, or -1: it was somebody else. */
  private *acceptTcp(test: Test): Blocking<number | IperfError> {
    const { sys, control } = this;
    const fd = yield* sys.accept4(this.listener as number, null, S.SOCK_CLOEXEC);
    if (fd < 0) return new IperfError(E.IESTREAMACCEPT, fd);
    const cookie = new Uint8Array(COOKIE_LEN);
    const guest = new Control(sys, fd, control.stop);
    guest.until = Math.min(control.until, sys.clock_gettime(1) + PATIENCE_NS / 10);
    const n = yield* guest.read(cookie);
    if (n < COOKIE_LEN || cookie.some((b, i) => b !== test.cookie[i])) {
      if (n === COOKIE_LEN) yield* guest.sendState(P.ACCESS_DENIED);
      sys.close(fd);
      return -1;
    }
    const name = setCongestion(sys, fd, test.settings);
    if (name instanceof IperfError) return name;
    test.congestion = name;
    noteBuffers(test, fd);
    return fd;
  }

  /** The socket that heard the first datagram is the stream's; a new one takes its place. */
  private *acceptUdp(test: Test): Blocking<number | IperfError> {
    const { sys } = this;
    const fd = this.udpListener;
    const from = new Uint8Array(SOCKADDR_IN6_LEN);
    const n = yield* sys.recvfrom(fd, new Uint8Array(4), S.MSG_DONTWAIT, from);
    if (n < 0) return -1;
    const v6 = sockaddrFamily(from) === S.AF_INET6;
    const err = yield* sys.connect(fd, v6 ? from : from.subarray(0, S.SOCKADDR_IN_LEN));
    if (err < 0) return new IperfError(E.IESTREAMACCEPT, err);
    const bad = setBuffers(sys, fd, test.settings);
    if (bad !== undefined) return bad;
    noteBuffers(test, fd);
    const next = yield* listenOn(sys, this.base, test.settings);
    if (next instanceof IperfError) return new IperfError(E.IESTREAMLISTEN, next.errno);
    this.udpListener = next;
    const sent = yield* sys.write(fd, P.UDP_REPLY);
    return sent < 0 ? new IperfError(E.IESTREAMWRITE, sent) : fd;
  }

  private *run(test: Test): Blocking<Ending> {
    const s = test.settings;
    const limit = s.time > 0 ? test.now + (s.omit + s.time) * 1e9 + GRACE_NS : Infinity;
    for (;;) {
      const outcome = yield* test.transfer(this.listener as number, limit);
      switch (outcome) {
        case "control": {
          const r = yield* this.control.readState();
          if ("state" in r && r.state === P.TEST_END) return undefined;
          return yield* this.answer(r);
        }
        case "visitor":
          yield* this.refuse();
          break;
        case "signal":
          return "signal";
        case "over":
          return new IperfError(E.IERCVTIMEOUT);
        default:
          // A client that stopped sends a state, and its streams break: the state says more.
          if (outcome instanceof IperfError) {
            const which = yield* waitAny(this.sys, [this.control.fd], test.now + 1e9, this.control.stop);
            if (which !== 0) return outcome;
            const r = yield* this.control.readState();
            return "state" in r && r.state === P.CLIENT_TERMINATE ? "client terminated" : outcome;
          }
      }
    }
  }

  /** The control connection spoke when it was not its turn. */
  private *saysSomething(): Blocking<Ending> {
    return yield* this.answer(yield* this.control.readState());
  }

  private *answer(r: { state: number } | { err: number }): Blocking<Ending> {
    if ("err" in r) {
      if (r.err === -EINTR) return "signal";
      return r.err === 0 ? new IperfError(E.IECTRLCLOSE, 0, true) : new IperfError(E.IECTRLREAD, r.err, true);
    }
    return r.state === P.CLIENT_TERMINATE ? "client terminated" : new IperfError(E.IEMESSAGE);
  }

  /** Somebody else wants a test now. */
  private *refuse(): Blocking<void> {
    const { sys } = this;
    const fd = yield* sys.accept4(this.listener as number, null, S.SOCK_NONBLOCK | S.SOCK_CLOEXEC);
    if (fd < 0) return;
    yield* sys.sendto(fd, Uint8Array.of(P.ACCESS_DENIED & 0xff), S.MSG_NOSIGNAL | S.MSG_DONTWAIT, null);
    // What lies unread when a socket is closed would make a RST of the answer.
    sys.shutdown(fd, S.SHUT_WR);
    yield* waitAny(sys, [fd], sys.clock_gettime(1) + 1e6, () => false);
    yield* sys.recvfrom(fd, new Uint8Array(COOKIE_LEN), S.MSG_DONTWAIT, null);
    sys.close(fd);
  }

  /** All that is still open of it. */
  close(): void {
    const { sys } = this;
    this.test?.close();
    if (this.udpListener >= 0) sys.close(this.udpListener);
    sys.close(this.control.fd);
  }
}
