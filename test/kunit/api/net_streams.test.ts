// More corners of node:net, each run over node:net and over machine.net: handles, streams, resets, subclasses.
// Read first: https://nodejs.org/api/net.html, https://nodejs.org/api/stream.html.

import dc from "node:diagnostics_channel";
import { on, once } from "node:events";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import util from "node:util";
import type { Loose } from "../../lib/over.ts";
import { caught, closed, type Log, listen, type Net, same, watch } from "./same.ts";

const L = async (net: Loose, o: Loose = {}, h: (c: Loose) => void = (c) => c.resume()): Promise<[Loose, number]> =>
  listen(net as Net, o, h);
const ev = (log: Log, who: string, s: Loose, list?: string): void =>
  watch(log, who, s, list ?? "lookup connect ready end finish close error timeout drain prefinish");

same("close() right after listen()", async (over, log) => {
  const net: Loose = over;
  const s = net.createServer();
  ev(log, "s", s, "listening close error");
  s.listen(0);
  s.close((e: Loose) => log("cb", e));
  await sleep(30);
  s.listen(0, "localhost");
  s.close();
  await sleep(50);
  s.listen(0, () => log("L"));
  await sleep(30);
  s.close();
  await closed(s);
});

same("a server on an IPv4-mapped address", async (over, log) => {
  const net: Loose = over;
  const s = net.createServer((c: Loose) => {
    log("s", c.remoteAddress, c.localAddress, c.remoteFamily);
    c.end();
  });
  s.on("error", (e: Loose) => log("e", e));
  s.listen(0, "::ffff:127.0.0.1");
  await Promise.race([once(s, "listening"), sleep(5000, null, { ref: false })]);
  log("a", s.address());
  if (s.listening) {
    const c = net.connect(s.address().port, "127.0.0.1");
    c.resume();
    await closed(c);
  }
  s.close();
  await sleep(10);
});

same("a server that listens on another's handle", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const t = net.createServer((c: Loose) => {
    log("t conn");
    c.end();
  });
  t.listen(s);
  await once(t, "listening");
  log("t", t.address().port === p);
  t.close();
  await sleep(10);
  log("s", s.listening);
  s.close();
  await sleep(10);
});

same("a socket made of another's handle", async (over, log) => {
  const net: Loose = over;
  let sock: Loose;
  const [s, p] = await L(net, {}, (c: Loose) => {
    sock = c;
  });
  const c = net.connect(p, "127.0.0.1");
  await once(c, "connect");
  await sleep(10);
  const n = new net.Socket({ handle: sock._handle });
  log("n", n.connecting, n.pending, n.readyState, n.remoteAddress);
  n.end("from new");
  c.on("data", (d: Loose) => log("data", d));
  await closed(c);
  n.destroy();
  sock.destroy();
  s.close();
  await sleep(10);
});

same("sockets that only read, only write, or neither", async (over, log) => {
  const net: Loose = over;
  const s = new net.Socket({ allowHalfOpen: true, readable: true, writable: false } as Loose);
  log("rw", s.readable, s.writable, s.allowHalfOpen);
  const t = new net.Socket({ readable: false } as Loose);
  log("rw", t.readable, t.writable);
  const u = new net.Socket({ readable: false, writable: false } as Loose);
  log("rw", u.readable, u.writable, u.readyState);
  s.destroy();
  t.destroy();
  u.destroy();
});

same("diagnostics channels", async (over, log) => {
  const net: Loose = over;
  const a = (m: Loose) => log("client", Object.keys(m)),
    b = (m: Loose) => log("server", Object.keys(m));
  dc.subscribe("net.client.socket", a);
  dc.subscribe("net.server.socket", b);
  const [s, p] = await L(net);
  const c = net.connect(p, "127.0.0.1");
  await once(c, "connect");
  await sleep(10);
  c.end();
  await closed(c);
  s.close();
  dc.unsubscribe("net.client.socket", a);
  dc.unsubscribe("net.server.socket", b);
  await sleep(10);
});

same("connect() while connecting", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const c = new net.Socket();
  ev(log, "c", c);
  c.connect(p, "127.0.0.1", () => log("cb1"));
  caught(log, "second", () => {
    c.connect(p, "127.0.0.1", () => log("cb2"));
  });
  await sleep(60);
  c.destroy();
  await sleep(10);
  s.close();
  await sleep(10);
});

same("writes of all encodings: order and callbacks", async (over, log) => {
  const net: Loose = over;
  let t = "";
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.setEncoding("utf8");
    c.on("data", (d: Loose) => (t += d));
    c.on("end", () => c.end());
  });
  const c = net.connect(p, "127.0.0.1");
  const r = (n: Loose) => (e: Loose) => log("cb", n, e);
  c.write("a", r(1));
  c.write("YmI=", "base64", r(2));
  c.write(Buffer.from("c"), r(3));
  await once(c, "connect");
  c.write("d", r(4));
  c.cork();
  c.write("ee", "latin1", r(5));
  c.write(new Uint8Array([102]), r(6));
  process.nextTick(() => c.uncork());
  c.end("g", r(7));
  c.resume();
  await closed(c);
  log("t", t);
  s.close();
  await sleep(10);
});

same("readable events and read(n)", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.write("hello world");
    setTimeout(() => c.end("!"), 20);
  });
  const c = net.connect(p, "127.0.0.1");
  c.on("readable", () => {
    let ch: Loose;
    while ((ch = c.read(5)) !== null) log("read", ch);
    log("left", c.readableLength);
  });
  c.on("end", () => log("end"));
  await closed(c);
  s.close();
  await sleep(5);
});

same("unshift and setEncoding", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.end("0123456789"));
  const c = net.connect(p, "127.0.0.1");
  c.setEncoding("utf8");
  c.once("data", (d: Loose) => {
    log("d", d);
    c.pause();
    c.unshift("pre-");
    c.on("data", (d: Loose) => log("d2", d));
    c.resume();
  });
  await closed(c);
  s.close();
  await sleep(5);
});

same("destroy() in a data listener", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.on("error", (e: Loose) => log("se", e.code));
    c.write(Buffer.alloc(500000));
  });
  const c = net.connect(p, "127.0.0.1");
  c.once("data", () => {
    c.destroy();
    log("st", c.destroyed, c._handle, c.readable);
  });
  ev(log, "c", c, "end close error");
  await closed(c);
  s.close();
  await sleep(30);
});

same("writing to a peer that is gone", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, { allowHalfOpen: true }, (c: Loose) => {
    c.on("error", (e: Loose) => log("se", e));
    c.on("close", (h: Loose) => log("sc", h));
    setTimeout(() => {
      c.write("a", (e: Loose) => log("w1", e));
      setTimeout(() => c.write("b", (e: Loose) => log("w2", e)), 20);
    }, 20);
  });
  const c = net.connect(p, "127.0.0.1");
  await once(c, "connect");
  c.destroy();
  await closed(c);
  await sleep(100);
  s.close();
  await sleep(10);
});

same("a reset while reading", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.on("error", (e: Loose) => log("se", e));
    c.resume();
    setTimeout(() => c.resetAndDestroy(), 20);
  });
  const c = net.connect(p, "127.0.0.1");
  ev(log, "c", c, "end close error finish");
  c.write("x");
  c.resume();
  await closed(c);
  s.close();
  await sleep(10);
});

same("a reset while paused", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.on("error", (e: Loose) => log("se", e));
    c.resume();
    setTimeout(() => c.resetAndDestroy(), 20);
  });
  const c = net.connect(p, "127.0.0.1");
  ev(log, "c", c, "end close error finish");
  c.pause();
  await sleep(60);
  log("st", c.destroyed);
  c.write("y", (e: Loose) => log("w", e));
  await sleep(30);
  c.destroy();
  s.close();
  await sleep(10);
});

same("pause() before there is a connection", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.end("data"));
  const c = net.connect(p, "127.0.0.1");
  c.pause();
  c.on("data", (d: Loose) => log("data", d));
  ev(log, "c", c, "connect end close");
  await sleep(40);
  log("paused", c.isPaused(), c.bytesRead);
  c.resume();
  await closed(c);
  s.close();
  await sleep(5);
});

same("events.on of a server, for await of a socket", async (over, log) => {
  const net: Loose = over;
  const s = net.createServer().listen(0, "127.0.0.1");
  await once(s, "listening");
  const c = net.connect(s.address().port, "127.0.0.1");
  for await (const [k] of on(s, "connection")) {
    k.end("bye");
    k.resume();
    break;
  }
  let t = "";
  for await (const d of c) t += d;
  log("t", t, c.destroyed);
  s.close();
  await sleep(10);
});

same("a half open server answers after the end", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, { allowHalfOpen: true }, (c: Loose) => {
    c.on("end", () => {
      log("rs", c.readyState, c.readable, c.writable);
      setTimeout(() => {
        c.end("later");
        log("rs2", c.readyState);
      }, 10);
    });
    c.resume();
  });
  const c = net.connect(p, "127.0.0.1");
  c.end("x");
  log("crs", c.readyState);
  c.on("data", (d: Loose) => log("d", d));
  c.on("end", () => log("crs", c.readyState));
  await closed(c);
  log("crs", c.readyState);
  s.close();
  await sleep(5);
});

same("a half open client writes after the end", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.end("bye");
    c.on("data", (d: Loose) => log("s", d));
    c.on("end", () => log("se"));
  });
  const c = net.connect({ port: p, host: "127.0.0.1", allowHalfOpen: true });
  ev(log, "c", c, "end finish close");
  c.on("end", () => {
    log("rs", c.readyState, c.writable);
    c.end("more");
  });
  c.resume();
  await closed(c);
  s.close();
  await sleep(5);
});

same("subclasses by class and by util.inherits", async (over, log) => {
  const net: Loose = over;
  class S extends net.Server {
    constructor() {
      super((c: Loose) => {
        log("conn", c instanceof net.Socket);
        c.end();
        c.resume();
      });
    }
  }
  const s = new (S as Loose)();
  s.listen(0, "127.0.0.1");
  await once(s, "listening");
  class C extends net.Socket {
    get foo() {
      return 1;
    }
  }
  const c = new (C as Loose)();
  c.connect(s.address().port, "127.0.0.1");
  c.resume();
  await closed(c);
  log("c", c.foo, c instanceof net.Socket, c.constructor.name);
  s.close();
  await sleep(5);
  function Old(this: Loose) {
    net.Socket.call(this);
  }
  util.inherits(Old, net.Socket);
  caught(log, "old", () => {
    const o = new (Old as Loose)();
    log("old", o instanceof net.Socket);
  });
  function OldS(this: Loose) {
    net.Server.call(this, () => {});
  }
  util.inherits(OldS, net.Server);
  caught(log, "oldS", () => {
    const o = new (OldS as Loose)();
    log("oldS", o instanceof net.Server, o.listening);
  });
});

same("abort signals before, while and after connecting", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const ac = new AbortController();
  const c = net.connect({ port: p, host: "127.0.0.1", signal: ac.signal });
  ev(log, "c", c);
  ac.abort();
  await closed(c);
  const ac2 = new AbortController();
  const d = net.connect({ port: p, host: "127.0.0.1", signal: ac2.signal });
  ev(log, "d", d);
  await once(d, "connect");
  ac2.abort(new Error("why"));
  await closed(d);
  const e = new net.Socket({ signal: AbortSignal.abort() });
  ev(log, "e", e);
  await closed(e);
  s.close();
  await sleep(10);
});

same("abort signals of listen()", async (over, log) => {
  const net: Loose = over;
  const ac = new AbortController();
  const s = net.createServer();
  ev(log, "s", s, "listening close error");
  s.listen({ port: 0, signal: ac.signal });
  await once(s, "listening");
  ac.abort();
  await closed(s);
  const t = net.createServer();
  ev(log, "t", t, "listening close error");
  t.listen({ port: 0, signal: AbortSignal.abort() });
  await sleep(40);
});

same("5,000 small writes before the connection", async (over, log) => {
  const net: Loose = over;
  let n = 0;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.on("data", (d: Loose) => (n += d.length));
    c.on("end", () => c.end());
  });
  const c = net.connect(p, "127.0.0.1");
  for (let i = 0; i < 5000; i++) c.write("0123456789");
  c.end();
  c.resume();
  await closed(c);
  log("n", n, c.bytesWritten);
  s.close();
  await sleep(5);
});

same("traffic keeps a timeout from coming", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    let i = 0;
    const t = setInterval(() => {
      c.write("x");
      if (++i === 8) {
        clearInterval(t);
      }
    }, 10);
    c.on("close", () => clearInterval(t));
    c.on("error", () => {});
  });
  const c = net.connect(p, "127.0.0.1");
  let n = 0;
  c.on("data", () => n++);
  c.setTimeout(60);
  await once(c, "timeout");
  log("n", n);
  c.destroy();
  await sleep(10);
  s.close();
  await sleep(5);
});

same("options of a server as properties", async (over, log) => {
  const net: Loose = over;
  const s = net.createServer({
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 2500,
    highWaterMark: 77,
    pauseOnConnect: true,
  });
  log(
    "p",
    s.allowHalfOpen,
    s.noDelay,
    s.keepAlive,
    s.keepAliveInitialDelay,
    s.highWaterMark,
    s.pauseOnConnect,
    s.maxConnections,
    s._connections,
  );
  s.listen(0);
  await once(s, "listening");
  log("k", typeof s._connectionKey, s._connectionKey.replace(/\d{4,}/, "P"));
  s.close();
  await closed(s);
});

same("listen() after a failed one", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const t = net.createServer();
  t.listen(p, "127.0.0.1", () => log("never"));
  const [e] = await once(t, "error");
  log("e", e.code);
  t.listen(0, "127.0.0.1");
  await once(t, "listening");
  t.close();
  s.close();
  await sleep(10);
});

same("localhost on both sides", async (over, log) => {
  const net: Loose = over;
  const s = net
    .createServer((c: Loose) => {
      c.end();
      c.resume();
    })
    .listen(0, "localhost");
  await once(s, "listening");
  const c = net.connect(s.address().port, "localhost");
  ev(log, "c", c, "connect close error");
  c.resume();
  await closed(c);
  log("h", c._host);
  s.close();
  await sleep(5);
});

same("5 MB through pipes with backpressure", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.pipe(c));
  const c = net.connect(p, "127.0.0.1");
  let n = 0;
  const src = new PassThrough();
  src.pipe(c);
  const chunk = Buffer.alloc(100000, 5);
  let i = 0;
  const feed = () => {
    while (i < 50) {
      i++;
      if (!src.write(chunk)) {
        src.once("drain", feed);
        return;
      }
    }
    src.end();
  };
  feed();
  c.on("data", (d: Loose) => (n += d.length));
  await closed(c);
  log("n", n, c.bytesRead, c.bytesWritten);
  s.close();
  await sleep(5);
});

same("end's callback, finish and close in order", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.resume();
    c.on("end", () => {});
  });
  const c = net.connect(p, "127.0.0.1");
  await once(c, "connect");
  c.end(() => log("endcb", c.writableFinished));
  c.on("finish", () => log("finish"));
  c.on("close", () => log("close"));
  c.resume();
  await closed(c);
  s.close();
  await sleep(5);
});

same("getConnections", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const cs = [1, 2, 3].map(() => net.connect(p, "127.0.0.1"));
  await Promise.all(cs.map((c) => once(c, "connect")));
  await sleep(20);
  log("n", await util.promisify(s.getConnections.bind(s))(), s._connections, s.getConnections(() => {}) === s);
  for (const c of cs) c.destroy();
  await sleep(30);
  log("n", await util.promisify(s.getConnections.bind(s))());
  s.close();
  await sleep(5);
});

same("defaults of family autoselection", async (over, log) => {
  const net: Loose = over;
  net.setDefaultAutoSelectFamily(false);
  log("d", net.getDefaultAutoSelectFamily());
  net.setDefaultAutoSelectFamily(true);
  net.setDefaultAutoSelectFamilyAttemptTimeout(1);
  log("t", net.getDefaultAutoSelectFamilyAttemptTimeout());
  net.setDefaultAutoSelectFamilyAttemptTimeout(500);
  log("t", net.getDefaultAutoSelectFamilyAttemptTimeout());
  caught(log, "b", () => net.setDefaultAutoSelectFamilyAttemptTimeout(0));
  caught(log, "b", () => net.setDefaultAutoSelectFamilyAttemptTimeout(1.5));
  caught(log, "b", () => net.setDefaultAutoSelectFamily(1));
  net.setDefaultAutoSelectFamilyAttemptTimeout(250);
});

same("a handle made beforehand", async (over, log) => {
  const net: Loose = over;
  const h = net._createServerHandle("127.0.0.1", 0, 4);
  log("h", typeof h, h?.constructor?.name);
  const s = net.createServer((c: Loose) => {
    c.end("x");
    c.resume();
  });
  s.listen(h);
  await once(s, "listening");
  const c = net.connect(s.address().port, "127.0.0.1");
  c.on("data", (d: Loose) => log("d", d));
  await closed(c);
  s.close();
  await sleep(5);
  log("bad", net._createServerHandle("9.9.9.9", 0, 4));
});

same("connect() to 0.0.0.0", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.end();
    c.resume();
  });
  const c = net.connect(p, "0.0.0.0");
  ev(log, "c", c, "connect close error");
  c.resume();
  await closed(c);
  log("r", c.remoteAddress);
  s.close();
  await sleep(5);
});
