// Corners of node:net, each run over node:net and over machine.net: options, odd arguments, double calls, what comes in which order.
// Read first: https://nodejs.org/api/net.html, https://nodejs.org/api/errors.html.

import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { finished, pipeline, Readable } from "node:stream";
import { setTimeout as sleep, setImmediate as tick } from "node:timers/promises";
import { inspect } from "node:util";
import type { Loose } from "../../lib/over.ts";
import { caught, closed, type Log, listen, type Net, same, watch } from "./same.ts";

const L = async (net: Loose, o: Loose = {}, h: (c: Loose) => void = (c) => c.resume()): Promise<[Loose, number]> =>
  listen(net as Net, o, h);
const ev = (log: Log, who: string, s: Loose, list?: string): void =>
  watch(
    log,
    who,
    s,
    list ??
      "lookup connect ready end finish close error timeout drain prefinish connectionAttempt connectionAttemptFailed",
  );

same("end() twice and with a chunk after the end", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.resume();
    c.on("end", () => log("se"));
  });
  const c = net.connect(p, "127.0.0.1");
  ev(log, "c", c);
  c.on("error", (e: Loose) => log("er", e));
  c.end("a", () => log("e1"));
  c.end("b", (e: Loose) => log("e2", e));
  c.end((e: Loose) => log("e3", e));
  await closed(c);
  s.close();
});

same("destroy() twice: the first error counts", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.on("error", () => {}).resume();
  });
  const c = net.connect(p, "127.0.0.1");
  ev(log, "c", c);
  await once(c, "connect");
  c.destroy(new Error("one"));
  c.destroy(new Error("two"));
  log("st", c.destroyed, c.errored?.message, c.closed);
  await closed(c);
  log("st", c.closed);
  c.destroy();
  c.end();
  log(
    "w",
    c.write("x", (e: Loose) => log("wcb", e)),
  );
  await tick();
  await tick();
  s.close();
});

same("destroy() before there is a connection", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const c = net.connect(p, "127.0.0.1", () => log("connected!"));
  ev(log, "c", c);
  c.destroy();
  await closed(c);
  log("st", c.connecting, c.destroyed, c.readyState, c.pending);
  const d = net.connect(p, "127.0.0.1");
  ev(log, "d", d);
  d.destroy(new Error("boom"));
  await closed(d);
  const e = new net.Socket();
  ev(log, "e", e);
  e.destroy();
  await closed(e);
  s.close();
  await closed(s);
});

same("end() before there is a connection, or a socket", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    let t = "";
    c.on("data", (d: Loose) => (t += d));
    c.on("end", () => log("got", t));
  });
  const c = net.connect(p, "127.0.0.1");
  ev(log, "c", c);
  c.write("x");
  c.end("y");
  log("rs", c.readyState, c.writable, c.writableEnded);
  c.resume();
  await closed(c);
  s.close();
  await closed(s);
  const d = new net.Socket();
  ev(log, "d", d);
  d.end();
  await sleep(50);
  log("d", d.destroyed, d.readyState);
});

same("close() of a server more than once", async (over, log) => {
  const net: Loose = over;
  const [s] = await L(net);
  ev(log, "s", s, "close error");
  s.close((e: Loose) => log("cb1", e));
  s.close((e: Loose) => log("cb2", e));
  await sleep(30);
  s.close((e: Loose) => log("cb3", e));
  await sleep(20);
  log("ret", s.close() === s);
  await sleep(20);
});

same("close() of a server that does not listen, and one that may listen again", async (over, log) => {
  const net: Loose = over;
  const s = net.createServer();
  ev(log, "s", s, "close error listening");
  s.close();
  await sleep(20);
  s.listen(0, "127.0.0.1");
  s.close((e: Loose) => log("cb", e));
  await sleep(30);
  log("l", s.listening);
  s.listen(0, "127.0.0.1");
  await once(s, "listening");
  log("again", s.listening);
  s.close();
  await closed(s);
});

same("listen() more than once", async (over, log) => {
  const net: Loose = over;
  const s = net.createServer();
  s.listen(0);
  caught(log, "t", () => {
    s.listen(0);
  });
  await once(s, "listening");
  caught(log, "t2", () => {
    s.listen(0);
  });
  s.close();
  await closed(s);
  s.listen(0);
  await once(s, "listening");
  s.close();
  await closed(s);
  const e = net.createServer();
  e.listen(1, "9.9.9.9");
  const [er] = await once(e, "error");
  log("er", er.code);
  e.listen(0);
  await once(e, "listening");
  log("ok");
  e.close();
  await closed(e);
});

same("listen() in all its forms", async (over, log) => {
  const net: Loose = over;
  const forms: Loose[][] = [
    [],
    [0],
    ["0"],
    [null],
    [undefined],
    [0, "127.0.0.1"],
    [0, "localhost"],
    [0, 5],
    [0, "127.0.0.1", 5],
    [{ port: 0 }],
    [{ port: "0" }],
    [{}],
    [{ port: undefined }],
    [{ port: null }],
    [{ host: "127.0.0.1" }],
    [{ port: 0, host: "127.0.0.1", exclusive: true }],
    [true],
    [false],
    ["abc:"],
    [-1],
    [65536],
    ["65536"],
    [1.5],
    [NaN],
    [Infinity],
    [{ port: NaN }],
    [{ port: -1 }],
    [{ port: "x" }],
    [{ port: true }],
    [{ port: {} }],
    [{ fd: -1 }],
    [{ fd: "1" }],
    [{ fd: 9999 }],
    [{ handle: {} }],
    [{ _handle: {} }],
    [{ path: 5 }],
    [{ path: "" }],
    [""],
    [{ port: 0, path: "/tmp/x" }],
    [Symbol("x")],
    [() => {}],
    [0, () => {}],
    [{ port: 0, backlog: "3" }],
    [{ port: 0, signal: null }],
    [{ port: 0, host: 5 }],
    [0, {}],
    [{ port: 0, ipv6Only: "x" }],
  ];
  for (const f of forms) {
    const s = net.createServer();
    s.on("error", (e: Loose) => log(`${inspect(f)} error`, e));
    try {
      const r = s.listen(...f);
      await Promise.race([once(s, "listening").catch(() => {}), sleep(5000, null, { ref: false })]);
      const a = s.address();
      log(
        inspect(f),
        s.listening,
        typeof a === "object" && a
          ? [a.address === "::" ? "any" : a.address === "0.0.0.0" ? "any" : a.address, typeof a.port]
          : a,
        r === s,
      );
      s.close();
    } catch (e) {
      log(inspect(f), e);
    }
    await tick();
  }
});

same("connect() in all its forms", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.end());
  const forms: Loose[][] = [
    [p],
    [String(p)],
    [p, "127.0.0.1"],
    [{ port: p }],
    [{ port: p, host: "127.0.0.1" }],
    [{ port: String(p), host: "localhost" }],
    [p, () => {}],
    [p, null],
    [p, undefined],
    [{ port: p, family: 4 }],
    [{ port: p, localPort: 0 }],
    [{ port: p, host: "" }],
    [{ port: p, host: null }],
    [{ port: p, hints: 0 }],
    [{ port: p, localAddress: "127.0.0.1" }],
  ];
  let i = 0;
  for (const f of forms) {
    const n = `f${i++}`;
    try {
      const c = net.connect(...f);
      c.on("error", (e: Loose) => log(n, "error", e));
      await once(c, "connect");
      log(n, c.remoteAddress);
      c.resume();
      await closed(c);
    } catch (e) {
      log(n, e);
    }
  }
  s.close();
  await closed(s);
});

same("connect() that is refused, with the very text", async (over, log) => {
  const net: Loose = over;
  const bad: Loose[][] = [
    [],
    [null],
    [undefined],
    [{}],
    [{ port: undefined }],
    [{ port: null }],
    [{ host: "x" }],
    ["-1"],
    [-1],
    [65536],
    [0.5],
    [NaN],
    [Infinity],
    [{ port: "abc" }],
    [{ port: "" }],
    [{ port: [] }],
    [{ port: () => {} }],
    [{ port: true }],
    [Symbol("a")],
    [() => {}],
    [{ port: 1, localPort: "x" }],
    [{ port: 1, localPort: true }],
    [{ port: 1, localAddress: 5 }],
    [{ port: 1, localAddress: "::x" }],
    [{ port: 1, lookup: 5 }],
    [{ port: 1, lookup: {} }],
    [{ port: 1, host: 5 }],
    [{ port: 1, host: {} }],
    [{ port: 1, host: [] }],
    [{ port: 1, hints: 1 }],
    [{ port: 1, hints: "x" }],
    [{ port: 1, family: 5 }],
    [{ port: 1, family: "x" }],
    [{ port: 1, host: "localhost", family: 5 }],
    [{ port: 1, host: "localhost", hints: 1000 }],
    [{ path: 5 }],
    [{ path: {} }],
    [{ path: null }],
    [{ port: 1, autoSelectFamily: "x" }],
    [{ port: 1, autoSelectFamilyAttemptTimeout: "x" }],
    [{ port: 1, autoSelectFamilyAttemptTimeout: 0 }],
    [{ port: 1, timeout: "x" }],
    [{ port: 1, timeout: -1 }],
    [{ port: 1, signal: 5 }],
    [{ port: 1, onread: 5 }],
    [{ port: 1, onread: {} }],
    [{ port: 1, onread: { buffer: Buffer.alloc(1) } }],
    [{ port: 1, keepAliveInitialDelay: "x" }],
    [{ port: 1, highWaterMark: "x" }],
    [{ port: 1, fd: 5.5 }],
    [{ port: 1, allowHalfOpen: 1 }],
  ];
  for (const f of bad) {
    const n = inspect(f);
    let c: Loose;
    try {
      c = net.connect(...f);
      c.on("error", (e: Loose) => log(n, "error", e));
      c.on("close", (h: Loose) => log(n, "close", h));
      log(n, "made");
      await Promise.race([closed(c), sleep(5000, null, { ref: false })]);
      c.destroy();
    } catch (e) {
      log(n, e, String((e as Error).stack).split("\n")[0]);
    }
  }
});

same("createServer() with odd options", async (over, log) => {
  const net: Loose = over;
  for (const o of [
    5,
    "x",
    true,
    Symbol("x"),
    null,
    undefined,
    [],
    { allowHalfOpen: "x" },
    { highWaterMark: "x" },
    { highWaterMark: -1 },
    { highWaterMark: NaN },
    { keepAliveInitialDelay: "x" },
    { keepAliveInitialDelay: -1 },
    { pauseOnConnect: "y" },
  ] as Loose[])
    caught(log, inspect(o), () => {
      const s = net.createServer(o);
      return [s.allowHalfOpen, s.pauseOnConnect, s.noDelay, s.keepAlive, s.keepAliveInitialDelay, s.highWaterMark];
    });
  caught(log, "second", () => {
    net.createServer({}, 5 as Loose);
  });
  caught(log, "second", () => {
    net.createServer({}, "x" as Loose);
  });
});

same("setTimeout, setNoDelay, setKeepAlive with odd arguments", async (over, log) => {
  const net: Loose = over;
  const s = new net.Socket();
  for (const v of [undefined, null, "5", -1, NaN, Infinity, 2 ** 32, 1.5, {}, true, () => {}] as Loose[]) {
    caught(log, `setTimeout ${inspect(v)}`, () => {
      s.setTimeout(v);
    });
    log("t", s.timeout);
  }
  caught(log, "cb", () => {
    s.setTimeout(5, "x");
  });
  caught(log, "cb", () => {
    s.setTimeout(5, null);
  });
  for (const v of [undefined, null, 0, 1, "x", true] as Loose[]) {
    caught(log, "nd", () => {
      s.setNoDelay(v);
    });
    caught(log, "ka", () => {
      s.setKeepAlive(v, v);
    });
  }
  caught(log, "enc", () => {
    s.setEncoding("x");
  });
  caught(log, "addMax", () => {
    net.createServer().getConnections();
  });
  caught(log, "gc", () => {
    net.createServer().getConnections(5);
  });
  s.destroy();
  await sleep(20);
});

same("write() with what is no chunk", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.resume();
    c.on("error", () => {}).resume();
  });
  const c = net.connect(p, "127.0.0.1");
  c.on("error", (e: Loose) => log("error", e));
  await once(c, "connect");
  for (const v of [undefined, null, 5, true, {}, [], () => {}, Symbol("x"), 1n] as Loose[])
    caught(log, `w${inspect(v)}`, () => c.write(v));
  caught(log, "enc", () => c.write("x", "nope" as Loose));
  log("ok", c.write(new Uint8Array([65])), c.write(new Uint16Array([66]) as Loose));
  c.destroy();
  await closed(c);
  s.close();
});

same("Symbol.asyncDispose", async (over, log) => {
  const net: Loose = over;
  const [s] = await L(net);
  s.on("close", () => log("close"));
  await s[Symbol.asyncDispose]();
  log("l", s.listening);
  await s[Symbol.asyncDispose]();
  const c = new net.Socket();
  log("t", typeof c[Symbol.asyncDispose]);
  c.on("close", () => log("cc"));
  c.on("error", (e: Loose) => log("ce", e));
  await c[Symbol.asyncDispose]();
  log("d", c.destroyed);
});

same("ref and unref of a server", async (over, log) => {
  const net: Loose = over;
  const s = net.createServer();
  log("r", s.unref() === s, s.ref() === s);
  s.listen(0);
  await once(s, "listening");
  log("h", s._handle.hasRef());
  s.unref();
  log("h", s._handle.hasRef());
  s.ref();
  log("h", s._handle.hasRef());
  s.close();
  await closed(s);
  const t = net.createServer().unref().listen(0);
  await once(t, "listening");
  log("h", t._handle.hasRef());
  t.close();
});

same("ref and unref of a socket, before and after it connects", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.on("error", () => {}).resume());
  const c = net.connect(p, "127.0.0.1");
  log("h", c._handle.hasRef());
  c.unref();
  log("h", c._handle.hasRef());
  c.ref();
  await once(c, "connect");
  log("h", c._handle.hasRef());
  c.unref();
  log("h", c._handle.hasRef());
  const d = new net.Socket();
  log("d", d.ref() === d, d.unref() === d, d._handle);
  d.connect(p, "127.0.0.1");
  await once(d, "connect");
  log("h", d._handle.hasRef());
  c.destroy();
  d.destroy();
  s.close();
  await closed(s);
});

same("bytesWritten and writableLength before, during and after", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.resume();
  });
  const c = net.connect(p, "127.0.0.1");
  c.write("héllo");
  log("b", c.bytesWritten, c.writableLength, c.bufferSize);
  c.write(Buffer.alloc(10));
  c.write("ff", "hex");
  log("b", c.bytesWritten, c.writableLength);
  await once(c, "connect");
  log("b", c.bytesWritten, c.bytesRead);
  c.cork();
  c.write("a");
  c.write("bb");
  log("b", c.bytesWritten);
  c.uncork();
  log("b", c.bytesWritten);
  c.end("ccc");
  await closed(c);
  log("b", c.bytesWritten, c.bufferSize);
  s.close();
});

same("pauseOnConnect", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, { pauseOnConnect: true }, (c: Loose) => {
    log("paused", c.isPaused(), c.readableFlowing);
    c.on("data", (d: Loose) => log("data", d));
    setTimeout(() => {
      log("bytesRead", c.bytesRead);
      c.resume();
    }, 30);
    c.on("end", () => c.end());
  });
  const c = net.connect(p, "127.0.0.1");
  c.end("hello");
  c.resume();
  await closed(c);
  s.close();
  await closed(s);
});

same("highWaterMark of server and client", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, { highWaterMark: 100 }, (c: Loose) => {
    log("s", c.readableHighWaterMark, c.writableHighWaterMark);
    c.end();
    c.resume();
  });
  const c = net.connect({ port: p, host: "127.0.0.1", highWaterMark: 7 });
  log("c", c.readableHighWaterMark, c.writableHighWaterMark);
  c.resume();
  await closed(c);
  const d = new net.Socket({ readableHighWaterMark: 5, writableHighWaterMark: 6 } as Loose);
  log("d", d.readableHighWaterMark, d.writableHighWaterMark);
  s.close();
});

same("timeout of a socket by option, setter and on the server", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.setTimeout(20);
    c.on("timeout", () => {
      log("s timeout");
      c.end();
    });
    c.resume();
  });
  s.timeout;
  const c = net.connect({ port: p, host: "127.0.0.1", timeout: 5000 });
  log("t", c.timeout);
  c.setTimeout(0);
  log("t", c.timeout);
  c.setTimeout(10, () => {});
  log("l", c.listenerCount("timeout"));
  c.setTimeout(10, () => {});
  log("l", c.listenerCount("timeout"));
  c.resume();
  await closed(c);
  s.close();
});

same("resetAndDestroy connected, connecting, without a socket, destroyed", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    ev(log, "s", c, "end close error");
    c.resume();
  });
  const c = net.connect(p, "127.0.0.1");
  ev(log, "c", c, "end close error connect");
  await once(c, "connect");
  log("r", c.resetAndDestroy() === c);
  await closed(c);
  await sleep(30);
  const d = net.connect(p, "127.0.0.1");
  ev(log, "d", d, "end close error connect");
  d.resetAndDestroy();
  await closed(d);
  await sleep(30);
  const e = new net.Socket();
  ev(log, "e", e, "close error");
  e.resetAndDestroy();
  await closed(e);
  const f = net.connect(p, "127.0.0.1");
  await once(f, "connect");
  f.destroy();
  f.on("error", (e: Loose) => log("f", e));
  f.resetAndDestroy();
  await sleep(20);
  s.close();
  await closed(s);
});

same("destroySoon with bytes to send, and while connecting", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    let n = 0;
    c.on("data", (d: Loose) => (n += d.length));
    c.on("end", () => log("got", n));
    c.on("error", (e: Loose) => log("se", e.code));
  });
  const c = net.connect(p, "127.0.0.1");
  await once(c, "connect");
  ev(log, "c", c, "finish end close error");
  c.write(Buffer.alloc(3e6));
  c.destroySoon();
  log("w", c.writable, c.destroyed);
  await closed(c);
  const d = net.connect(p, "127.0.0.1");
  ev(log, "d", d, "finish end close error connect");
  d.destroySoon();
  await closed(d);
  await sleep(20);
  s.close();
  await closed(s);
});

same("maxConnections and drop", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  s.maxConnections = 1;
  s.on("drop", (d: Loose) => log("drop", d));
  const a = net.connect(p, "127.0.0.1");
  await once(a, "connect");
  await sleep(10);
  const b = net.connect(p, "127.0.0.1");
  ev(log, "b", b, "connect end close error");
  b.resume();
  await closed(b);
  a.destroy();
  await sleep(20);
  s.maxConnections = undefined;
  const d = net.connect(p, "127.0.0.1");
  await once(d, "connect");
  await sleep(10);
  s.getConnections((e: Loose, n: Loose) => log("n", e, n));
  await sleep(10);
  d.destroy();
  s.close();
  await closed(s);
});

same("localAddress and localPort", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.resume());
  const c = net.connect({ port: p, host: "127.0.0.1", localAddress: "127.0.0.2" });
  await once(c, "connect");
  log("l", c.localAddress, typeof c.localPort, c.localFamily, c.remoteFamily);
  const lp = c.localPort;
  const d = net.connect({ port: p, host: "127.0.0.1", localAddress: "127.0.0.2", localPort: lp });
  ev(log, "d", d, "connect close error");
  await closed(d);
  const e = net.connect({ port: p, host: "127.0.0.1", localAddress: "1.1.1.1" });
  ev(log, "e", e, "connect close error");
  await closed(e);
  const f = net.connect({ port: p, host: "127.0.0.1", localPort: 1 });
  ev(log, "f", f, "error");
  await Promise.race([once(f, "connect").then(() => log("f", "port", f.localPort)), closed(f)]);
  f.destroy();
  c.destroy();
  s.close();
});

same("lookup functions of all sorts", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.resume());
  const tryit = async (n: string, o: Loose) => {
    let c: Loose;
    try {
      c = net.connect({ port: p, ...o });
    } catch (e) {
      log(n, e);
      return;
    }
    ev(log, n, c, "lookup connect close error connectionAttempt");
    c.once("connect", () => c.destroy());
    await Promise.race([closed(c), sleep(5000, null, { ref: false })]);
    c.destroy();
  };
  await tryit("ok", {
    host: "foo.test",
    lookup: (h: Loose, o: Loose, cb: Loose) => {
      log("opt", h, o);
      cb(null, o.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4);
    },
  });
  await tryit("no auto", {
    host: "foo.test",
    autoSelectFamily: false,
    lookup: (h: Loose, o: Loose, cb: Loose) => {
      log("opt", h, o);
      cb(null, "127.0.0.1", 4);
    },
  });
  await tryit("fam4", {
    host: "foo.test",
    family: 4,
    lookup: (h: Loose, o: Loose, cb: Loose) => {
      log("opt", h, o);
      cb(null, "127.0.0.1", 4);
    },
  });
  await tryit("err", {
    host: "foo.test",
    lookup: (h: Loose, o: Loose, cb: Loose) => cb(Object.assign(new Error("nope"), { code: "EX" })),
  });
  await tryit("badaddr", {
    host: "foo.test",
    autoSelectFamily: false,
    lookup: (h: Loose, o: Loose, cb: Loose) => cb(null, "xyz", 4),
  });
  await tryit("badaddr all", {
    host: "foo.test",
    lookup: (h: Loose, o: Loose, cb: Loose) => cb(null, [{ address: "xyz", family: 4 }]),
  });
  await tryit("badfam", {
    host: "foo.test",
    autoSelectFamily: false,
    lookup: (h: Loose, o: Loose, cb: Loose) => cb(null, "127.0.0.1", 100),
  });
  await tryit("badfam all", {
    host: "foo.test",
    lookup: (h: Loose, o: Loose, cb: Loose) => cb(null, [{ address: "127.0.0.1", family: 100 }]),
  });
  await tryit("undefined", {
    host: "foo.test",
    autoSelectFamily: false,
    lookup: (h: Loose, o: Loose, cb: Loose) => cb(),
  });
  await tryit("string for all", {
    host: "foo.test",
    lookup: (h: Loose, o: Loose, cb: Loose) => cb(null, "127.0.0.1", 4),
  });
  await tryit("async", {
    host: "foo.test",
    lookup: (h: Loose, o: Loose, cb: Loose) => setTimeout(() => cb(null, [{ address: "127.0.0.1", family: 4 }]), 5),
  });
  await tryit("sync throw", {
    host: "foo.test",
    lookup: () => {
      throw new Error("thrown");
    },
  });
  await tryit("hints", {
    host: "foo.test",
    hints: 8,
    lookup: (h: Loose, o: Loose, cb: Loose) => {
      log("opt", h, o);
      cb(null, [{ address: "127.0.0.1", family: 4 }]);
    },
  });
  await tryit("destroyed", {
    host: "foo.test",
    lookup: (h: Loose, o: Loose, cb: Loose) => {
      setTimeout(() => cb(null, [{ address: "127.0.0.1", family: 4 }]), 20);
    },
  });
  s.close();
});

same("onread ends without data events", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.write("hello");
    setTimeout(() => c.end(" world, this is long"), 20);
  });
  const buf = Buffer.alloc(8);
  const c = net.connect({
    port: p,
    host: "127.0.0.1",
    onread: {
      buffer: buf,
      callback(n: Loose, b: Loose) {
        log("cb", n, b === buf, b.slice(0, n).toString(), this === c);
        return true;
      },
    },
  });
  c.on("data", (d: Loose) => log("data!", d));
  ev(log, "c", c, "end close error");
  await closed(c);
  log("r", c.bytesRead);
  s.close();
});

same("onread that pauses", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.end("0123456789abcdef");
  });
  let n = 0;
  const c = net.connect({
    port: p,
    host: "127.0.0.1",
    onread: {
      buffer: () => Buffer.alloc(4),
      callback(k: Loose, b: Loose) {
        log("cb", k, b);
        if (++n === 2) {
          setTimeout(() => {
            log("resume");
            c.resume();
          }, 20);
          return false;
        }
      },
    },
  });
  ev(log, "c", c, "end close error");
  await closed(c);
  s.close();
});

same("AsyncLocalStorage: server, connection and client each in their own context", async (over, log) => {
  const net: Loose = over;
  const als = new AsyncLocalStorage<string>();
  const [s, p] = await als.run("server", () =>
    L(net, {}, (c: Loose) => {
      log("conn", als.getStore());
      c.on("data", () => {
        log("sdata", als.getStore());
        c.end("x");
      });
      c.on("close", () => log("sclose", als.getStore()));
    }),
  );
  await als.run("client", async () => {
    const c = net.connect(p, "127.0.0.1", () => log("connect", als.getStore()));
    c.on("data", () => log("cdata", als.getStore()));
    c.on("end", () => log("cend", als.getStore()));
    c.on("close", () => log("cclose", als.getStore()));
    c.write("a", () => log("wcb", als.getStore()));
    await closed(c);
  });
  s.close(() => log("sclosed", als.getStore()));
  await closed(s);
  await sleep(20);
});

same("a socket that connects three times", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.end("hi");
  });
  const c = new net.Socket();
  ev(log, "c", c, "connect ready end finish close error");
  for (let i = 0; i < 3; i++) {
    c.connect(p, "127.0.0.1");
    c.resume();
    await closed(c);
    log("c", c.destroyed, c.bytesRead, c.bytesWritten, c.remoteAddress, c.localAddress, c.readyState, c.pending);
  }
  s.close();
});

same("connect() of a socket that is connected", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.on("error", () => {}).resume();
  });
  const c = net.connect(p, "127.0.0.1");
  ev(log, "c", c, "connect ready end finish close error");
  await once(c, "connect");
  caught(log, "again", () => {
    c.connect(p, "127.0.0.1");
  });
  await sleep(50);
  log("st", c.destroyed, c.readyState);
  c.destroy();
  await closed(c);
  s.close();
});

same("the end is not told before something is read", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.end();
    c.on("close", () => log("sc"));
    c.resume();
  });
  const c = net.connect(p, "127.0.0.1");
  ev(log, "c", c, "end finish close error");
  await sleep(60);
  log("r", c.readableEnded, c.destroyed, c.readable, c.writable);
  c.read();
  await sleep(30);
  log("r", c.readableEnded, c.destroyed);
  c.destroy();
  s.close();
});

same("pipeline and finished", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    pipeline(c, c, (e: Loose) => log("echo", e));
  });
  const c = net.connect(p, "127.0.0.1");
  finished(c, (e: Loose) => log("fin", e));
  let t = "";
  c.on("data", (d: Loose) => (t += d));
  Readable.from(["a", "b", "c"]).pipe(c);
  await closed(c);
  log("t", t);
  s.close();
  await closed(s);
  const d = net.connect(1, "127.0.0.1");
  finished(d, (e: Loose) => log("find", e));
  d.on("error", () => {});
  await closed(d);
});

same("address() before, while and after listening", async (over, log) => {
  const net: Loose = over;
  const s = net.createServer();
  log("a", s.address());
  s.listen(0, "127.0.0.1");
  log("b", typeof s.address()?.port, s.listening);
  await once(s, "listening");
  s.close();
  log("c", s.address(), s.listening);
  await closed(s);
  const v = net.createServer().listen(0);
  await once(v, "listening");
  log("any", v.address());
  v.close();
  await closed(v);
});

same("a server on every address, by IPv4 and by name", async (over, log) => {
  const net: Loose = over;
  const s = net
    .createServer((c: Loose) => {
      log("s", c.remoteAddress, c.remoteFamily, c.localAddress, c.localFamily);
      c.end();
    })
    .listen(0);
  await once(s, "listening");
  const c = net.connect(s.address().port, "127.0.0.1");
  c.resume();
  await closed(c);
  const d = net.connect(s.address().port);
  ev(log, "d", d, "lookup connect");
  d.resume();
  await closed(d);
  s.close();
});
