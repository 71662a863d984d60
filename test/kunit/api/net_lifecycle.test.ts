// How sockets begin and end, each program run over node:net and over machine.net: orders, callbacks, flags.
// Read first: https://nodejs.org/api/net.html, https://nodejs.org/api/stream.html.

import { once } from "node:events";
import stream from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Loose } from "../../lib/over.ts";
import { closed, type Log, listen, type Net, same, watch } from "./same.ts";

const L = async (net: Loose, o: Loose = {}, h: (c: Loose) => void = (c) => c.resume()): Promise<[Loose, number]> =>
  listen(net as Net, o, h);
const ev = (log: Log, who: string, s: Loose, list?: string): void =>
  watch(log, who, s, list ?? "lookup connect ready end finish close error timeout drain prefinish");

same("writes and an end before a refusal", async (over, log) => {
  const net: Loose = over;
  const c = net.connect(1, "127.0.0.1");
  ev(log, "c", c);
  c.write("a", (e: Loose) => log("w1", e));
  c.write("b", (e: Loose) => log("w2", e));
  c.end("z", (e: Loose) => log("e", e));
  await closed(c);
  log("st", c.bytesWritten, c.writableFinished, c.writableEnded, c.errored?.code);
});

same("callbacks of writes when the socket is destroyed", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const c = net.connect(p, "127.0.0.1");
  ev(log, "c", c);
  c.write("a", (e: Loose) => log("w1", e));
  c.write("b", (e: Loose) => log("w2", e));
  c.destroy(new Error("x"));
  await closed(c);
  const d = net.connect(p, "127.0.0.1");
  await once(d, "connect");
  d.on("error", (e: Loose) => log("de", e.message));
  d.write(Buffer.alloc(8e6), (e: Loose) => log("dw", e?.code, e?.message));
  d.write("t", (e: Loose) => log("dw2", e?.code, e?.message));
  d.destroy(new Error("y"));
  await closed(d);
  s.close();
  await sleep(10);
});

same("destroy() in listeners", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  for (const e of ["connect", "lookup", "ready"]) {
    const c = net.connect(p, "localhost");
    ev(log, e, c, "connect ready close error finish");
    c.once(e, () => {
      log(e, "destroying");
      c.destroy();
    });
    await closed(c);
  }
  s.close();
  await sleep(10);
});

same("connect() again in a close listener", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.end("hi"));
  const c = new net.Socket();
  let n = 0;
  c.on("error", (e: Loose) => log("error", e.code));
  c.on("close", (h: Loose) => {
    log("close", h, n);
    if (n++ === 0) c.connect(p, "127.0.0.1");
  });
  c.on("data", (d: Loose) => log("data", d));
  c.on("connect", () => log("connect"));
  c.connect(1, "127.0.0.1");
  while (n < 2) await sleep(5);
  s.close();
  await sleep(5);
});

same("connect() again in an error listener", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.end("hi"));
  const c = new net.Socket();
  let n = 0;
  c.on("error", (e: Loose) => {
    log("error", e.code);
    if (n++ === 0) c.connect(p, "127.0.0.1");
  });
  c.on("close", (h: Loose) => log("close", h));
  c.on("data", (d: Loose) => log("data", d));
  c.on("connect", () => log("connect"));
  c.connect(1, "127.0.0.1");
  await sleep(150);
  log("st", c.destroyed, c.readyState);
  c.destroy();
  s.close();
  await sleep(5);
});

same("close() of a server waits for its connections", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const c = net.connect(p, "127.0.0.1");
  await once(c, "connect");
  await sleep(10);
  s.close((e: Loose) => log("closed", e));
  const d = net.connect(p, "127.0.0.1");
  d.on("error", (e: Loose) => log("d", e.code));
  await closed(d);
  log("still", s.listening, s._connections);
  c.end();
  c.resume();
  await closed(c);
  await sleep(30);
  log("end", s._connections);
});

same("200 connections at once", async (over, log) => {
  const net: Loose = over;
  let n = 0;
  const [s, p] = await L(net, {}, (c: Loose) => {
    n++;
    c.end("x");
    c.resume();
  });
  const cs = Array.from({ length: 200 }, () => net.connect(p, "127.0.0.1"));
  let d = 0;
  await Promise.all(
    cs.map((c: Loose) => {
      c.on("data", () => d++);
      return closed(c);
    }),
  );
  log("n", n, d);
  s.close();
  await closed(s);
});

same("allowHalfOpen switched on later", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.end("bye");
    c.on("data", (d: Loose) => log("s", d));
  });
  const c = net.connect(p, "127.0.0.1");
  c.allowHalfOpen = true;
  c.on("end", () => {
    log("end", c.writable);
    c.end("more");
  });
  c.resume();
  ev(log, "c", c, "finish close");
  await closed(c);
  s.close();
  await sleep(10);
});

same("Duplex.toWeb of a socket", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.pipe(c));
  const c = net.connect(p, "127.0.0.1");
  const { readable, writable } = stream.Duplex.toWeb(c) as Loose;
  const w = writable.getWriter();
  await w.write(Buffer.from("hello"));
  const r = readable.getReader();
  log("r", Buffer.from((await r.read()).value));
  await w.close();
  log("d", (await r.read()).done);
  await sleep(20);
  log("st", c.destroyed);
  s.close();
  await sleep(5);
});

same("leaving for await destroys the socket", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.resume().on("error", () => {});
    const t = setInterval(() => c.write("x"), 5);
    c.on("close", () => clearInterval(t));
  });
  const c = net.connect(p, "127.0.0.1");
  for await (const d of c) {
    log("d", d.length > 0);
    break;
  }
  log("st", c.destroyed);
  await sleep(30);
  s.close();
  await sleep(5);
});

same("end() with a chunk, without a connection", async (over, log) => {
  const net: Loose = over;
  const c = new net.Socket();
  c.on("error", (e: Loose) => log("e", e.code));
  c.end("x", (e: Loose) => log("cb", e?.code));
  await sleep(30);
  log("st", c.destroyed, c.readyState, c.writableEnded);
  c.destroy();
  await sleep(5);
});

same("write() and end() after destroy()", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const c = net.connect(p, "127.0.0.1");
  await once(c, "connect");
  c.destroy();
  c.on("error", (e: Loose) => log("err", e));
  log(
    "w",
    c.write("x", (e: Loose) => log("cb", e)),
  );
  await sleep(10);
  c.end("y", (e: Loose) => log("ecb", e));
  await sleep(10);
  s.close();
  await sleep(5);
});

same("read(n), readableLength, readableEnded", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.end("abcdef"));
  const c = net.connect(p, "127.0.0.1");
  await once(c, "readable");
  log("a", c.readableLength, c.read(2), c.readableLength, c.read(100), c.read());
  c.on("end", () => log("end", c.readableEnded, c.readable));
  c.read(0);
  await closed(c);
  log("after", c.read(), c.readableEnded, c.readableAborted, c.readableDidRead);
  s.close();
  await sleep(5);
});

same("flags of a destroyed socket", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.resume().write("unread");
  });
  const c = net.connect(p, "127.0.0.1");
  await once(c, "connect");
  await sleep(20);
  c.destroy();
  log("f", c.readable, c.writable, c.readableAborted, c.writableAborted, c.closed, c.errored, c.pending, c.connecting);
  await closed(c);
  log("f", c.closed, c.readableEnded, c.writableFinished);
  s.close();
  await sleep(20);
});

same("stream.finished of a socket that breaks", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => {
    c.resume().on("error", () => {});
    c.write("x");
    setTimeout(() => c.destroy(), 20);
  });
  const c = net.connect(p, "127.0.0.1");
  stream.finished(c, (e: Loose) => log("fin", e?.code));
  c.resume();
  await closed(c);
  const d = net.connect(p, "127.0.0.1");
  stream.finished(d, { writable: false }, (e: Loose) => log("find", e?.code));
  d.resume();
  d.once("data", () => d.destroy());
  await closed(d);
  s.close();
  await sleep(10);
});

same("listeners that a socket has of its own", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const c = net.connect(p, "127.0.0.1");
  log("l", c.eventNames().map(String).sort(), c.listenerCount("connect"), c.listenerCount("end"));
  await once(c, "connect");
  log("l2", c.eventNames().map(String).sort(), c.listenerCount("end"));
  c.destroy();
  log("s", s.eventNames().map(String).sort());
  s.close();
  await sleep(10);
});

same("keep-alive with odd delays", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, { keepAlive: true, keepAliveInitialDelay: 1000, noDelay: true });
  const c = net.connect({ port: p, host: "127.0.0.1", keepAlive: true, keepAliveInitialDelay: 2000, noDelay: true });
  await once(c, "connect");
  log("r", c.setKeepAlive(false) === c, c.setKeepAlive(true, -5) === c, c.setNoDelay(false) === c);
  c.destroy();
  s.close();
  await sleep(5);
});

same("this and arguments of callbacks", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net);
  const c = net.connect({ port: p, host: "127.0.0.1" }, function (this: Loose, ...a: Loose[]) {
    log("cb", a.length, this === c);
  });
  await once(c, "connect");
  c.destroy();
  const v = net.createServer(function (this: Loose, k: Loose) {
    log("srv", this === v);
    k.destroy();
  });
  v.listen(0, "127.0.0.1", function (this: Loose) {
    log("listen", this === v);
  });
  await once(v, "listening");
  const d = net.connect(v.address().port, "127.0.0.1");
  d.on("error", () => {});
  d.resume();
  await closed(d);
  v.close(function (this: Loose) {
    log("close", this === v);
  });
  s.close();
  await sleep(20);
});

same("the order of a client's events", async (over, log) => {
  const net: Loose = over;
  const [s, p] = await L(net, {}, (c: Loose) => c.end("tail"));
  const c = net.connect(p, "127.0.0.1");
  const order: string[] = [];
  for (const e of ["connect", "ready", "readable", "data", "end", "prefinish", "finish", "close"])
    if (e !== "readable") c.on(e, () => order.push(e));
  c.end();
  await closed(c);
  log("o", order);
  s.close();
  await sleep(5);
});

same("the order of a server connection's events", async (over, log) => {
  const net: Loose = over;
  const order: string[] = [];
  const s = net.createServer((c: Loose) => {
    order.push("connection");
    for (const e of ["data", "end", "prefinish", "finish", "close"]) c.on(e, () => order.push(e));
  });
  s.on("close", () => order.push("server close"));
  s.listen(0, "127.0.0.1");
  await once(s, "listening");
  const c = net.connect(s.address().port, "127.0.0.1");
  c.end("x");
  c.resume();
  await closed(c);
  await sleep(20);
  s.close();
  await closed(s);
  log("o", order);
});
