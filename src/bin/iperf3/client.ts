// iperf3 -c: asks a server for a test, and does its part. The server's states lead it. Way in: runClient().

import { EAGAIN, EINTR, ETIMEDOUT } from "../../uapi/errno.ts";
import { POLLIN } from "../../uapi/fcntl.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { TCP_MAXSEG, TCP_NODELAY } from "../../uapi/tcp.ts";
import * as E from "./errors.ts";
import { IperfError } from "./errors.ts";
import { type Settings, TCP_LENGTH } from "./options.ts";
import { type Output, systemInfo } from "./output.ts";
import * as P from "./protocol.ts";
import { Control, makeCookie, parameters, waitReady } from "./protocol.ts";
import { aboutTest, addStream, noteBuffers, started } from "./session.ts";
import {
  type Address,
  boundSocket,
  connectTo,
  getInt,
  holdDescriptor,
  lookup,
  setBuffers,
  setCongestion,
  setIpOptions,
  setTcpOptions,
} from "./sockets.ts";
import { isSoft } from "./stream.ts";
import { Test } from "./test.ts";

/** How long the server may take to answer the first datagram of a stream. */
const UDP_REPLY_NS = 30e9;

/** The exit status. `stop`: has a signal come? */
export function* runClient(sys: Sys, s: Settings, out: Output, stop: () => boolean): Blocking<number> {
  holdDescriptor(sys);
  if (s.verbose) {
    yield* out.line(`iperf ${P.VERSION}\n`);
    yield* out.line(`${systemInfo(sys)}\n`);
  }
  const addr = yield* serverAddress(sys, s);
  const fd = addr instanceof IperfError ? addr : yield* connectControl(sys, s, addr, stop);
  if (fd instanceof IperfError || addr instanceof IperfError) {
    yield* out.error(fd as IperfError);
    yield* out.flush();
    return s.json ? 0 : 1;
  }
  const control = new Control(sys, fd, stop);
  const cookie = makeCookie(sys);
  const test = new Test(sys, s, out, control, cookie);
  let failure: IperfError | "signal" | undefined;
  const sent = yield* control.write(cookie);
  if (sent < 0) failure = new IperfError(E.IESENDCOOKIE, sent);
  else {
    test.controlMss = getInt(sys, fd, S.IPPROTO_TCP, TCP_MAXSEG);
    failure = (yield* chooseLength(test)) ?? (yield* follow(test, addr));
  }
  if (s.title !== "") out.json.set("title", s.title);
  if (s.extraData !== "") out.json.set("extra_data", s.extraData);
  if (failure === undefined) {
    yield* out.line("\n");
    yield* out.line("iperf Done.\n");
    yield* out.flush();
    return 0;
  }
  if (failure === "signal") {
    yield* sys.sendto(fd, Uint8Array.of(P.CLIENT_TERMINATE), S.MSG_DONTWAIT | S.MSG_NOSIGNAL, null);
    yield* test.finish();
    if (test.streams.length > 0) yield* out.results(test);
    yield* out.error(new IperfError(E.IECLIENTTERM), "interrupt - ");
  } else yield* out.error(failure);
  yield* out.flush();
  return s.json ? 0 : 1;
}

function* serverAddress(sys: Sys, s: Settings): Blocking<Address | IperfError> {
  const found = yield* lookup(sys, s, s.host);
  // DIFF: of a name that is not found iperf3 prints whatever errno was left over from before.
  return typeof found === "string" ? new IperfError(E.IECONNECT, 0, false, found) : found;
}

function* connectControl(sys: Sys, s: Settings, addr: Address, stop: () => boolean): Blocking<number | IperfError> {
  const fd = yield* boundSocket(sys, s, S.SOCK_STREAM, 0, E.IECONNECT, addr.family);
  if (fd instanceof IperfError) return fd;
  const err = yield* connectTo(sys, fd, addr.sockaddr(s.port), s.connectTimeout, stop);
  if (err < 0) {
    sys.close(fd);
    return new IperfError(E.IECONNECT, err === -EAGAIN ? ETIMEDOUT : err);
  }
  sys.setsockopt(fd, S.IPPROTO_TCP, TCP_NODELAY, 1);
  return fd;
}

/** -l's default: for UDP what goes into one packet of the control connection. */
function* chooseLength(test: Test): Blocking<undefined> {
  const { settings: s, out, controlMss } = test;
  if (s.verbose) yield* out.line(`Control connection MSS ${controlMss}\n`);
  if (!s.udp) s.length = s.length > 0 ? s.length : TCP_LENGTH;
  else if (s.length === 0) {
    s.length = controlMss > 0 ? controlMss : 1460;
    if (s.verbose) yield* out.line(`Setting UDP block size to ${s.length}\n`);
  } else if (controlMss > 0 && s.length > controlMss && !s.json) {
    yield* out.warn(
      `warning: UDP block size ${s.length} exceeds TCP MSS ${controlMss}, may result in fragmentation / drops\n`,
    );
  }
  return undefined;
}

/** Does what the server says until the test is over. */
function* follow(test: Test, addr: Address): Blocking<IperfError | "signal" | undefined> {
  const { control, settings: s, out } = test;
  for (;;) {
    const r = yield* control.readState();
    if ("err" in r) {
      if (r.err === -EINTR) return "signal";
      return r.err === 0 ? new IperfError(E.IECTRLCLOSE, 0, true) : new IperfError(E.IECTRLREAD, r.err, true);
    }
    let err: IperfError | "signal" | undefined;
    switch (r.state) {
      case P.PARAM_EXCHANGE: {
        const n = yield* control.sendJson(parameters(s));
        if (n < 0) return n === -EINTR ? "signal" : new IperfError(E.IESENDPARAMS, n);
        yield* aboutTest(test, `Connecting to host ${s.host}, port ${s.port}`, "connecting_to", s.host, s.port);
        break;
      }
      case P.CREATE_STREAMS:
        err = yield* createStreams(test, addr);
        if (err === undefined) yield* started(test);
        break;
      case P.TEST_START:
        yield* test.begin();
        break;
      case P.TEST_RUNNING:
        err = yield* run(test);
        break;
      case P.EXCHANGE_RESULTS: {
        const n = yield* control.sendJson(test.results());
        if (n < 0) return n === -EINTR ? "signal" : new IperfError(E.IESENDRESULTS, n);
        const got = yield* control.readResults();
        if (got === -EINTR) return "signal";
        if (typeof got !== "object" || !test.takeResults(got))
          return new IperfError(E.IERECVRESULTS, typeof got === "number" ? got : 0);
        break;
      }
      case P.DISPLAY_RESULTS:
        yield* out.results(test);
        test.close();
        yield* control.sendState(P.IPERF_DONE);
        return undefined;
      case P.SERVER_TERMINATE:
        yield* test.finish();
        if (test.streams.length > 0) yield* out.results(test);
        return new IperfError(E.IESERVERTERM, 0, true);
      case P.ACCESS_DENIED:
        return new IperfError(E.IEACCESSDENIED, 0, true);
      case P.SERVER_ERROR: {
        const e = yield* control.readError();
        return e === undefined ? new IperfError(E.IECTRLREAD, 0, true) : new IperfError(e[0], e[1], true);
      }
      default:
        return new IperfError(E.IEMESSAGE);
    }
    if (err !== undefined) return err;
  }
}

/** The data, and the end of it. */
function* run(test: Test): Blocking<IperfError | "signal" | undefined> {
  const outcome = yield* test.transfer(-1);
  // A state of the server's ends it before its time; follow() reads which.
  if (outcome === "control") return undefined;
  if (outcome === "signal") return "signal";
  if (outcome instanceof IperfError) {
    // Why the stream broke the server may have said just before.
    const said = yield* waitReady(test.sys, test.control.fd, POLLIN, test.now, test.control.stop);
    return outcome.remote && said === 0 ? undefined : outcome;
  }
  yield* test.finish();
  const n = yield* test.control.sendState(P.TEST_END);
  if (n < 0) return n === -EINTR ? "signal" : new IperfError(E.IECTRLWRITE, n);
  yield* test.drain();
  return undefined;
}

function* createStreams(test: Test, addr: Address): Blocking<IperfError | undefined> {
  const { settings: s } = test;
  const count = s.bidir ? 2 * s.parallel : s.parallel;
  for (let i = 0; i < count; i++) {
    const sender = s.bidir ? i < s.parallel : !s.reverse;
    const port = s.cport > 0 ? s.cport + i : 0;
    const fd = s.udp ? yield* openUdp(test, addr, port) : yield* openTcp(test, addr, port);
    if (fd instanceof IperfError) return fd;
    yield* addStream(test, fd, sender);
    const bad = setIpOptions(test.sys, fd, s);
    if (bad !== undefined) return bad;
  }
  return undefined;
}

function* openTcp(test: Test, addr: Address, port: number): Blocking<number | IperfError> {
  const { sys, settings: s, control } = test;
  const fd = yield* boundSocket(sys, s, S.SOCK_STREAM, port, E.IESTREAMCONNECT, addr.family);
  if (fd instanceof IperfError) return fd;
  const bad = setTcpOptions(sys, fd, s);
  if (bad !== undefined) return bad;
  noteBuffers(test, fd);
  const err = yield* connectTo(sys, fd, addr.sockaddr(s.port), -1, control.stop);
  if (err < 0) return new IperfError(E.IESTREAMCONNECT, err);
  const n = yield* new Control(sys, fd, control.stop).write(test.cookie);
  if (n < 0) return new IperfError(E.IESENDCOOKIE, n);
  const name = setCongestion(sys, fd, s);
  if (name instanceof IperfError) return name;
  test.congestion = name;
  return fd;
}

function* openUdp(test: Test, addr: Address, port: number): Blocking<number | IperfError> {
  const { sys, settings: s, control } = test;
  const fd = yield* boundSocket(sys, s, S.SOCK_DGRAM, port, E.IESTREAMCONNECT, addr.family);
  if (fd instanceof IperfError) return fd;
  const err = yield* connectTo(sys, fd, addr.sockaddr(s.port), -1, control.stop);
  if (err < 0) return new IperfError(E.IESTREAMCONNECT, err);
  const bad = setBuffers(sys, fd, s);
  if (bad !== undefined) return bad;
  noteBuffers(test, fd);
  const n = yield* sys.write(fd, P.UDP_HELLO);
  if (n < 0) return new IperfError(E.IESTREAMWRITE, n);
  const reply = new Uint8Array(4);
  for (;;) {
    const ready = yield* waitReady(sys, fd, POLLIN, test.now + UDP_REPLY_NS, control.stop);
    if (ready < 0) return new IperfError(E.IESTREAMREAD, ready);
    const got = yield* sys.recvfrom(fd, reply, S.MSG_DONTWAIT, null);
    if (got >= 0) return fd;
    if (!isSoft(got)) return new IperfError(E.IESTREAMREAD, got);
  }
}
