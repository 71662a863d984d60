// machine.net beside node:net: the same program over both, and what it saw must be the same, event by event.
// Read first: https://nodejs.org/api/net.html.

import { once } from "node:events";
import type nodeNet from "node:net";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { Loose } from "../../lib/over.ts";
import { caught, closed, listen, plain, same, watch } from "./same.ts";

same("arguments that are refused", async (net, log) => {
  const bad: [string, () => unknown][] = [
    ["connect()", () => (net as Loose).connect()],
    ["connect({})", () => net.connect({} as never)],
    ["connect(70000)", () => net.connect(70_000)],
    ["connect(-1)", () => net.connect(-1)],
    ["port text", () => net.connect({ port: "abc" } as never)],
    ["port bool", () => net.connect({ port: true } as never)],
    ["host object", () => net.connect({ port: 1, host: {} } as never)],
    ["lookup", () => net.connect({ port: 1, lookup: 1 } as never)],
    ["localAddress", () => net.connect({ port: 1, localAddress: "foo" })],
    ["localPort", () => net.connect({ port: 1, localPort: "foo" } as never)],
    ["listen(70000)", () => net.createServer().listen(70_000)],
    ["listen({})", () => net.createServer().listen({})],
    ["listen({port: -1})", () => net.createServer().listen({ port: -1 })],
    ["listen(false)", () => net.createServer().listen(false as never)],
    ["listen(true)", () => net.createServer().listen(true as never)],
    ["signal", () => net.createServer().listen({ port: 0, signal: 1 } as never)],
    ["createServer(5)", () => net.createServer(5 as never)],
    ["createServer('x')", () => net.createServer("x" as never)],
    ["keepAliveInitialDelay", () => net.createServer({ keepAliveInitialDelay: "x" } as never)],
    ["highWaterMark", () => net.createServer({ highWaterMark: "x" } as never)],
    ["setTimeout text", () => new net.Socket().setTimeout("x" as never)],
    ["setTimeout -1", () => new net.Socket().setTimeout(-1)],
    ["setTimeout NaN", () => new net.Socket().setTimeout(Number.NaN)],
    ["setTimeout callback", () => new net.Socket().setTimeout(1, 5 as never)],
    ["write null", () => new net.Socket().write(null as never)],
    ["write 5", () => new net.Socket().write(5 as never)],
    ["objectMode", () => new net.Socket({ objectMode: true } as never)],
    ["fd -1", () => new net.Socket({ fd: -1 })],
    ["fd text", () => new net.Socket({ fd: "x" } as never)],
    ["keepAliveInitialDelay socket", () => new net.Socket({ keepAliveInitialDelay: "a" } as never)],
    ["default family", () => (net as Loose).setDefaultAutoSelectFamily("x")],
    ["default timeout", () => (net as Loose).setDefaultAutoSelectFamilyAttemptTimeout("x")],
    ["default timeout -1", () => (net as Loose).setDefaultAutoSelectFamilyAttemptTimeout(-1)],
    ["autoSelectFamily", () => net.connect({ port: 1, autoSelectFamily: 1 } as never)],
    ["autoSelectFamilyAttemptTimeout", () => net.connect({ port: 1, autoSelectFamilyAttemptTimeout: -1 } as never)],
    ["path", () => net.connect({ path: 5 } as never)],
  ];
  for (const [name, fn] of bad) caught(log, name, fn);
});

same("more buffers gathered than one call takes (IOV_MAX is 1024)", async (net, log) => {
  const [server, port] = await listen(net, {}, (s) => {
    s.cork();
    for (let i = 0; i < 5000; i++) s.write(`${i}\n`);
    s.uncork();
    s.end();
  });
  const s = net.connect(port, "127.0.0.1");
  let text = "";
  s.setEncoding("utf8").on("data", (d) => {
    text += d;
  });
  watch(log, "client", s, "end close error");
  await closed(s);
  log(
    "text",
    text.length,
    text.split("\n").every((line, i) => line === (i < 5000 ? String(i) : "")),
  );
  server.close();
  await closed(server);
});

same("what a module, a fresh socket and a fresh server look like", async (net, log) => {
  const s = new net.Socket();
  log(s.address(), s.pending, s.connecting, s.readyState, s.bytesRead, s.bytesWritten, s.destroyed, s.allowHalfOpen);
  log(s.remoteAddress ?? null, s.localPort ?? null, s.timeout ?? null, s.bufferSize ?? null, s.readable, s.writable);
  log(s.readableHighWaterMark, s.writableHighWaterMark);
  log(
    s instanceof net.Socket,
    s instanceof (await import("node:stream")).Duplex,
    s.constructor === net.Socket,
    (net as Loose).Stream === net.Socket,
  );
  const v = net.createServer();
  log(v.address(), v.listening, v.maxConnections ?? null, v instanceof net.Server, v.constructor.name);
  log(
    net.Socket.name,
    net.Server.name,
    (net as Loose).Socket() instanceof net.Socket,
    (net as Loose).Server() instanceof net.Server,
  );
  class Mine extends net.Socket {}
  log(new Mine() instanceof net.Socket, new Mine() instanceof Mine);
  log([net.isIP("1.2.3.4"), net.isIP("::1"), net.isIP("x"), net.isIPv4("1.2.3.4"), net.isIPv6("::1")]);
  const list = new net.BlockList();
  list.addSubnet("10.0.0.0", 8);
  log(list.check("10.1.1.1"), list.check("11.1.1.1"));
  log((net as Loose).getDefaultAutoSelectFamily(), (net as Loose).getDefaultAutoSelectFamilyAttemptTimeout());
  log(
    s.setNoDelay() === s,
    s.setKeepAlive() === s,
    s.setTimeout(5) === s,
    s.timeout,
    s.ref() === s,
    s.unref() === s,
    s.pause() === s,
    s.resume() === s,
  );
  s.destroy();
  await closed(s);
});

same("a connection from start to end: events, names, counts", async (net, log) => {
  let peer!: nodeNet.Socket;
  const [server, port] = await listen(net, {}, (s) => {
    peer = s;
    log("server", s.remoteAddress, s.remoteFamily, s.localAddress, s.localPort === port, s.address(), s.readyState);
    log((s as Loose).server === server, s.allowHalfOpen);
    watch(log, "server", s, "close finish error");
    s.on("data", (d) => s.write(Buffer.concat([Buffer.from("re: "), d])));
    s.on("end", () => log("server", "end"));
  });
  const c = net.connect(port, "127.0.0.1");
  log(c.connecting, c.pending, c.readyState, c.remoteAddress ?? null);
  watch(log, "client", c, "lookup connect ready close finish error");
  await once(c, "connect");
  log(c.remoteAddress, c.remotePort === port, c.localAddress, c.connecting, c.pending, c.readyState);
  c.write("one", () => log("written"));
  log("data", (await once(c, "data"))[0]);
  c.end("two", () => log("ended"));
  log(c.readyState);
  c.on("data", (d) => log("data", d));
  c.on("end", () => log("client", "end", c.bytesRead, c.bytesWritten));
  await Promise.all([closed(c), closed(peer)]);
  log(c.readyState, c.destroyed, c.bytesRead, c.bytesWritten, c.remoteAddress, c.localAddress ?? null);
  log(peer.bytesRead, peer.bytesWritten, peer.readyState);
  server.close((e) => log("closed", e ?? null));
  await closed(server);
  log(server.listening, server.address());
});

same("a refused connection, and a socket that is used again", async (net, log) => {
  const [server, port] = await listen(net, {}, (s) => s.resume().end("hi"));
  server.close();
  await closed(server);
  const c = net.connect(port, "127.0.0.1");
  watch(log, "c", c);
  const failed = closed(c);
  await failed;
  log(c.destroyed, c.pending, c.connecting);
  const [again, port2] = await listen(net, {}, (s) => s.resume().end("hi"));
  c.connect(port2, "127.0.0.1");
  c.on("data", (d) => log("data", d));
  await closed(c);
  again.close();
  await closed(again);
});

same("errors of listen and bind", async (net, log) => {
  const [server, port] = await listen(net, {}, () => {});
  const report = async (s: nodeNet.Server): Promise<void> => {
    const [e] = await once(s, "error");
    log(e, s.listening);
  };
  await report(net.createServer().listen(port, "127.0.0.1"));
  await report(net.createServer().listen(1, "9.9.9.9"));
  await report(net.createServer().listen({ port, host: "127.0.0.1", backlog: 5 }));
  caught(log, "twice", () => server.listen(0));
  const c = net.connect({ port, host: "127.0.0.1", localAddress: "9.9.9.9" });
  log((await once(c, "error"))[0]);
  net.createServer().close((e) => log("not running", e));
  server.close();
  await closed(server);
  await turn();
});

same("half open: with and without allowHalfOpen", async (net, log) => {
  for (const allowHalfOpen of [false, true]) {
    const [server, port] = await listen(net, { allowHalfOpen }, (s) => {
      s.on("end", () => {
        log("server", "end", s.writable, s.readyState);
        if (allowHalfOpen) setImmediate(() => s.end("late"));
      });
      s.on("close", (h) => log("server", "close", h));
      s.resume();
    });
    const c = net.connect(port, "127.0.0.1");
    c.on("data", (d) => log("data", d)).on("end", () => log("client", "end"));
    c.end("x");
    await closed(c);
    server.close();
    await closed(server);
  }
  // Writing after the peer's end.
  const [server, port] = await listen(net, {}, (s) => s.resume().end());
  const c = net.connect({ port, host: "127.0.0.1" });
  c.on("end", () => {
    c.write("too late", (e) => log("callback", e));
  });
  c.on("error", (e) => log("error", e)).on("close", (h) => log("close", h));
  c.resume();
  await closed(c);
  server.close();
  await closed(server);
});

same("writes before the connection, to an end, to nothing", async (net, log) => {
  const [server, port] = await listen(net, {}, (s) => {
    s.setEncoding("utf8");
    let text = "";
    s.on("data", (d) => {
      text += d;
    });
    s.on("end", () => log("got", text)).on("error", () => {});
  });
  const c = net.connect(port, "127.0.0.1");
  log(c.write("a"), c.bytesWritten, c.bufferSize);
  c.cork();
  log(c.write("b"), c.write("ff00", "hex"), c.write(Buffer.from("c")), c.bytesWritten);
  c.uncork();
  c.end("ü", "utf8");
  c.on("error", (e) => log("error", e));
  c.write("after", (e) => log("callback", e));
  await closed(c);
  log(c.bytesWritten);
  const d = new net.Socket();
  d.on("error", (e) => log("error", e));
  d.write("x", (e) => log("callback", e));
  await closed(d);
  const f = net.connect(port, "127.0.0.1");
  f.write("never", (e) => log("callback", e));
  f.on("close", (h) => log("close", h));
  f.destroy();
  await closed(f);
  f.write("x", (e) => log("destroyed", e));
  f.end(() => log("end callback"));
  await turn();
  server.close();
  await closed(server);
});

same("backpressure: write says false, drain follows, all arrives", async (net, log) => {
  const size = 20 << 20;
  let got = 0;
  const [server, port] = await listen(net, {}, (s) => {
    s.on("data", (d) => {
      got += d.length;
    });
    s.pause();
    setTimeout(() => s.resume(), 50);
  });
  const c = net.connect(port, "127.0.0.1");
  await once(c, "connect");
  let drains = 0;
  const chunk = Buffer.alloc(64 << 10, 1);
  for (let sent = 0; sent < size; sent += chunk.length) {
    const more = c.write(chunk);
    if (!more) {
      await once(c, "drain");
      drains++;
    }
  }
  log(drains > 0, c.writableHighWaterMark, c.bytesWritten);
  c.end();
  await closed(c);
  log(got === size);
  server.close();
  await closed(server);
});

same("pause and resume: nothing is lost, nothing comes early", async (net, log) => {
  const [server, port] = await listen(net, { pauseOnConnect: true }, (s) => {
    log("paused", s.isPaused());
    let early = true;
    s.on("data", (d) => log("data", early, d));
    setTimeout(() => {
      early = false;
      s.resume();
    }, 20);
    s.on("end", () => log("end"));
  });
  const c = net.connect(port, "127.0.0.1");
  c.end("hello");
  await closed(c);
  server.close();
  await closed(server);
});

same("destroy, destroySoon, resetAndDestroy: what the other side sees", async (net, log) => {
  for (const how of ["destroy", "destroySoon", "resetAndDestroy"] as const) {
    const [server, port] = await listen(net, {}, (s) => {
      s.on("error", (e) => log(`server of ${how}`, "error", e));
      s.on("end", () => log(`server of ${how}`, "end"));
      s.on("close", (h) => log(`server of ${how}`, "close", h));
      s.resume();
    });
    const c = net.connect(port, "127.0.0.1");
    await once(c, "connect");
    c.on("close", (h) => log(how, "close", h)).on("error", (e) => log(how, "error", e));
    log(how, c[how]() === (how === "destroySoon" ? undefined : c));
    await closed(c);
    server.close();
    await closed(server);
    await sleep(10);
  }
  const s = new net.Socket();
  s.on("error", (e) => log(e));
  s.resetAndDestroy();
  await closed(s);
  const t = new net.Socket();
  t.on("error", (e) => log(e)).on("close", (h) => log("close", h));
  t.destroy(new Error("mine"));
  await closed(t);
});

same("timeouts of idle sockets", async (net, log) => {
  const [server, port] = await listen(net, {}, (s) => s.resume());
  const c = net.connect(port, "127.0.0.1");
  c.setTimeout(30, () => log("callback"));
  c.on("timeout", () => log("timeout"));
  await once(c, "timeout");
  log(c.destroyed, c.timeout);
  c.setTimeout(0);
  log(c.timeout);
  await sleep(60);
  c.setTimeout(1000);
  c.write("activity");
  c.destroy();
  await closed(c);
  const d = net.connect({ port, host: "127.0.0.1", timeout: 20 });
  await once(d, "timeout");
  log("by option", d.timeout);
  d.destroy();
  server.close();
  await closed(server);
});

same("abort signals", async (net, log) => {
  const ac = new AbortController();
  const server = net.createServer().listen({ port: 0, host: "127.0.0.1", signal: ac.signal });
  await once(server, "listening");
  const port = (server.address() as nodeNet.AddressInfo).port;
  const sc = new AbortController();
  const c = net.connect({ port, host: "127.0.0.1", signal: sc.signal } as never);
  await once(c, "connect");
  sc.abort();
  c.on("error", (e) => log(e.name, (e as Loose).code));
  await closed(c);
  ac.abort();
  await closed(server);
  log(server.listening);
  const early = new AbortController();
  early.abort();
  const s2 = net.createServer().listen({ port: 0, signal: early.signal });
  await closed(s2);
  log("closed");
  const s3 = new net.Socket({ signal: early.signal });
  s3.on("error", (e) => log(e.name));
  await closed(s3);
});

same("getConnections, maxConnections, drop, close waits for connections", async (net, log) => {
  const socks: nodeNet.Socket[] = [];
  const [server, port] = await listen(net, {}, (s) => {
    socks.push(s);
    s.resume();
  });
  server.maxConnections = 2;
  server.on("drop", (d) => log("drop", d));
  const all: nodeNet.Socket[] = [];
  for (let i = 0; i < 3; i++) {
    const c = net.connect(port, "127.0.0.1");
    c.on("close", () => log(`client ${i}`, "close")).on("error", () => {});
    c.resume();
    all.push(c);
    await once(c, "connect");
    await sleep(10);
  }
  server.getConnections((e, n) => log("connections", e, n));
  await turn();
  server.close(() => log("server closed"));
  log(server.listening);
  await sleep(10);
  log("still open");
  for (const c of all) c.end();
  await closed(server);
  await sleep(10);
  server.getConnections((e, n) => log("connections", e, n));
  await turn();
});

same("onread: a buffer of the user's", async (net, log) => {
  const [server, port] = await listen(net, {}, (s) => s.resume().end("0123456789abcdef"));
  const buffer = Buffer.alloc(6);
  const got: string[] = [];
  const c = net.connect({
    port,
    host: "127.0.0.1",
    onread: {
      buffer,
      callback(n: number, buf: Uint8Array) {
        log(buf === buffer, n <= 6);
        got.push(Buffer.from(buf.subarray(0, n)).toString());
        return true;
      },
    },
  } as never);
  c.on("data", () => log("no data event"));
  c.on("end", () => log("end", got.join("")));
  await closed(c);
  server.close();
  await closed(server);
});

same("names: lookup of localhost, of a custom function, of one that fails", async (net, log) => {
  const [server, port] = await listen(net, {}, (s) => s.resume().end());
  for (const lookup of [
    (_h: string, o: Loose, cb: Loose) =>
      o.all ? cb(null, [{ address: "127.0.0.1", family: 4 }]) : cb(null, "127.0.0.1", 4),
    (_h: string, _o: Loose, cb: Loose) => cb(Object.assign(new Error("no such name"), { code: "ENOTFOUND" })),
    (_h: string, o: Loose, cb: Loose) => (o.all ? cb(null, [{ address: "bogus", family: 4 }]) : cb(null, "bogus", 4)),
    (_h: string, o: Loose, cb: Loose) =>
      o.all ? cb(null, [{ address: "127.0.0.1", family: 100 }]) : cb(null, "127.0.0.1", 100),
  ]) {
    for (const family of [0, 4]) {
      const c = net.connect({
        port,
        host: "some.name",
        family,
        lookup: (h: string, o: Loose, cb: Loose) => {
          log("asked", h, o.family, o.all ?? false, o.hints);
          lookup(h, o, cb);
        },
      } as never);
      watch(log, "c", c);
      c.resume();
      await closed(c);
    }
  }
  server.close();
  await closed(server);
});

same("several addresses: the first that answers is taken; when none does, all errors are told", async (net, log) => {
  const [server, port] = await listen(net, {}, (s) => s.resume().end());
  const to = (addresses: string[]) =>
    net.connect({
      port,
      host: "many",
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: 200,
      lookup: (_h: string, _o: Loose, cb: Loose) =>
        cb(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        ),
    } as never);
  const c = to(["127.0.0.2", "127.0.0.1"]);
  for (const e of ["connectionAttempt", "connectionAttemptFailed"]) c.on(e, (...a) => log(e, ...a));
  watch(log, "c", c);
  c.resume();
  await closed(c);
  log((c as Loose).autoSelectFamilyAttemptedAddresses.map((a: string) => a.replace(/:.*/, "")));
  const d = to(["127.0.0.2", "127.0.0.3"]);
  d.on("error", (e) => log(e.name, (e as Loose).code, (e as Loose).errors.map(plain)));
  await closed(d);
  server.close();
  await closed(server);
});

same("async iteration, pipe and pipeline", async (net, log) => {
  const { pipeline } = await import("node:stream/promises");
  const { Readable } = await import("node:stream");
  const [server, port] = await listen(net, { allowHalfOpen: true }, (s) => s.pipe(s));
  const c = net.connect(port, "127.0.0.1");
  let n = 0;
  const writing = pipeline(Readable.from([Buffer.alloc(100_000, 1), Buffer.alloc(50_000, 2)]), c, { end: true }).catch(
    (e) => log(e),
  );
  for await (const d of c) n += d.length;
  await writing;
  log(n, c.destroyed);
  server.close();
  await closed(server);
});

same("keep-alive and no-delay options are accepted everywhere", async (net, log) => {
  const [server, port] = await listen(
    net,
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: 1000, highWaterMark: 1000 },
    (s) => {
      log(
        s.readableHighWaterMark,
        s.writableHighWaterMark,
        s.setNoDelay(false) === s,
        s.setKeepAlive(true, 2000) === s,
      );
      s.end();
    },
  );
  const c = net.connect({ port, host: "127.0.0.1", noDelay: true, keepAlive: true, keepAliveInitialDelay: 5000 });
  c.setNoDelay(false).setKeepAlive(false);
  c.resume();
  await closed(c);
  log("done");
  server.close();
  await closed(server);
});

same("AsyncLocalStorage: a callback runs in the context that made its socket", async (net, log) => {
  const { AsyncLocalStorage } = await import("node:async_hooks");
  const als = new AsyncLocalStorage<string>();
  const server = als.run("server", () =>
    net.createServer((s) => {
      log("server", als.getStore());
      s.resume().end("x");
    }),
  );
  await als.run("listener", async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  await als.run("client", async () => {
    const c = net.connect((server.address() as nodeNet.AddressInfo).port, "127.0.0.1");
    c.on("connect", () => log("client", "connect", als.getStore()));
    c.on("data", () => log("client", "data", als.getStore()));
    await closed(c);
    log("client", "closed", als.getStore());
  });
  server.close();
  await closed(server);
});
