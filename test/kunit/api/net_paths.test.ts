// machine.net on paths (unix(7)) beside node:net: the same program over both. Read first: https://nodejs.org/api/net.html#ipc-support.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Loose } from "../../lib/over.ts";
import { caught, closed, same } from "./same.ts";

const dir = mkdtempSync(join(tmpdir(), "skbuff-net-"));
after(() => rmSync(dir, { recursive: true }));
let paths = 0;
/** A path of its own for each run, and a log that does not tell it. */
const P = (): string => join(dir, `s${paths++}`);

same("a connection on a path from start to end", async (over, log0) => {
  const net: Loose = over;
  const p = P();
  const log = (...a: Loose[]) => log0(...a.map((x) => (typeof x === "string" ? x.replaceAll(p, "PATH") : x)));
  const s = net.createServer((c: Loose) => {
    log("server", c.remoteAddress, c.remotePort, c.remoteFamily, c.localAddress, c.address(), c.readyState);
    c.on("data", (d: Loose) => c.end(`re:${d}`));
  });
  s.listen(p);
  await once(s, "listening");
  log("addr", s.address(), s.listening);
  const c = net.connect(p);
  for (const e of ["lookup", "connect", "ready", "end", "finish", "close", "error"])
    c.on(e, (...a: Loose[]) => log("client", e, ...a));
  log("c", c.connecting, c.pending, c.readyState, c.remoteAddress, c.address());
  c.on("data", (d: Loose) => log("data", d));
  await once(c, "connect");
  log("c", c.remoteAddress, c.localAddress, c.localPort, c.address(), c.readyState);
  c.write("hello");
  await closed(c);
  log("c", c.bytesRead, c.bytesWritten);
  log("before", s.address());
  s.close();
  await closed(s);
  log("after", s.address(), s.listening);
});

same("listen and connect on paths in all their forms", async (over, log) => {
  const net: Loose = over;
  const p = P();
  const s = net.createServer((c: Loose) => c.resume());
  await new Promise<void>((r) =>
    s.listen({ path: p, backlog: 3 }, () => {
      log("l");
      r();
    }),
  );
  const c = net.createConnection({ path: p }, () => log("c1"));
  await once(c, "connect");
  const d = net.connect(p, () => log("d1"));
  await once(d, "connect");
  const e = new net.Socket();
  e.connect(p, () => log("e1"));
  await once(e, "connect");
  s.getConnections((er: Loose, k: Loose) => log("count", er, k));
  c.destroy();
  d.destroy();
  e.destroy();
  s.close();
  await closed(s);
});

same("errors of paths: missing, in use, no such directory, too long, twice", async (over, log0) => {
  const net: Loose = over;
  const p = P();
  const log = (...a: Loose[]) =>
    log0(
      ...a.map((x: Loose) => {
        if (x instanceof Error) {
          x.message = x.message.replaceAll(p, "PATH");
          if ((x as Loose).address) (x as Loose).address = (x as Loose).address.replaceAll(p, "PATH");
        }
        return x;
      }),
    );
  const c = net.connect(p);
  const [e] = await once(c, "error");
  log("missing", e);
  await closed(c).catch(() => {});
  const s = net.createServer((c: Loose) => c.resume()).listen(p);
  await once(s, "listening");
  const s2 = net.createServer((c: Loose) => c.resume()).listen(p);
  log("inuse", (await once(s2, "error"))[0], s2.listening, typeof s2.address());
  const s3 = net.createServer((c: Loose) => c.resume()).listen("/no/such/dir/sock");
  log("nodir", (await once(s3, "error"))[0]);
  const d = net.connect("/no/such/dir/sock");
  log("nodir c", (await once(d, "error"))[0]);
  const q = p + "x".repeat(200);
  const s4 = net.createServer((c: Loose) => c.resume());
  caught(log, "long", () => {
    s4.listen(q);
  });
  await Promise.race([
    once(s4, "error").then(([e]) => {
      e.message = e.message.replaceAll(q, "LONG");
      if (e.address) e.address = "LONG";
      log("long", e);
    }),
    sleep(100),
  ]);
  const f = new net.Socket();
  f.on("error", (e: Loose) => {
    e.message = e.message.replaceAll(q, "LONG");
    if (e.address) e.address = "LONG";
    log("long c", e);
  });
  caught(log, "long c", () => {
    f.connect(q);
  });
  await sleep(50);
  f.destroy();
  s4.close();
  s.close();
  await closed(s);
  const again = net.createServer((c: Loose) => c.resume()).listen(p);
  await once(again, "listening");
  again.close();
  await closed(again);
  log("again ok");
  const t = net.createServer((c: Loose) => c.resume());
  caught(log, "twice", () => {
    t.listen(p);
    t.listen(p);
  });
  await sleep(30);
  t.close();
});

same("a listener that is closed leaves no name", async (over, log) => {
  const net: Loose = over;
  const p = P();
  const s = net
    .createServer({}, (x: Loose) => {
      x.on("close", (h: Loose) => log("srv close", h));
      x.resume();
    })
    .listen(p);
  await once(s, "listening");
  const c = net.connect(p);
  await once(c, "connect");
  const gone = closed(s);
  s.close(() => log("server closed"));
  c.end();
  c.resume();
  await closed(c);
  await gone;
  const d = net.connect(p);
  log("gone", (await once(d, "error"))[0].code);
});

same("options of TCP on a path, and resetAndDestroy", async (over, log) => {
  const net: Loose = over;
  const p = P();
  const s = net
    .createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true, pauseOnConnect: true }, (c: Loose) =>
      c.resume().on("end", () => c.end()),
    )
    .listen({ path: p, readableAll: true, writableAll: true });
  await once(s, "listening");
  const c = net.connect({ path: p, noDelay: true, keepAlive: true, timeout: 500 });
  await once(c, "connect");
  log(
    c.setNoDelay() === c,
    c.setKeepAlive(true, 1000) === c,
    c.timeout,
    c.ref() === c,
    c.unref() === c,
    c._handle.constructor.name,
    s._handle.constructor.name,
  );
  caught(log, "rst", () => c.resetAndDestroy());
  c.destroy();
  s.close();
  await closed(s);
});

same("maxConnections on a path: nothing is known of who was dropped", async (over, log) => {
  const net: Loose = over;
  const p = P();
  const s = net.createServer((c: Loose) => c.resume()).listen(p);
  s.maxConnections = 1;
  s.on("drop", (d: Loose) => log("drop", d));
  await once(s, "listening");
  const c = net.connect(p);
  await once(c, "connect");
  const d = net.connect(p);
  d.on("close", (h: Loose) => log("d close", h));
  d.on("error", () => {});
  d.resume();
  await closed(d);
  c.destroy();
  s.close();
  await closed(s);
});

same("8 MB over a path", async (over, log) => {
  const net: Loose = over;
  const p = P();
  let got = 0;
  const s = net
    .createServer((c: Loose) => {
      c.on("data", (d: Loose) => (got += d.length));
      c.on("end", () => {
        log("got", got);
        c.end("done");
      });
    })
    .listen(p);
  await once(s, "listening");
  const c = net.connect(p);
  c.write(Buffer.alloc(5e6, 1));
  c.end(Buffer.alloc(3e6, 2));
  c.on("data", (d: Loose) => log("d", d));
  await closed(c);
  s.close();
  await closed(s);
});

same("destroy with unread bytes is a reset", async (over, log) => {
  const net: Loose = over;
  const p = P();
  const s = net
    .createServer((c: Loose) => {
      c.on("error", (e: Loose) => log("se", e));
      c.on("close", (h: Loose) => log("sc", h));
      c.write(Buffer.alloc(1e6));
    })
    .listen(p);
  await once(s, "listening");
  const c = net.connect(p);
  await once(c, "data");
  c.destroy();
  c.on("close", (h: Loose) => log("cc", h));
  await closed(c);
  s.close();
  await closed(s);
  await sleep(20);
});

same("a write after the peer's end", async (over, log) => {
  const net: Loose = over;
  const p = P();
  const s = net
    .createServer((c: Loose) => {
      c.end();
      c.resume();
    })
    .listen(p);
  await once(s, "listening");
  const c = net.connect(p);
  c.on("end", () => {
    c.write("x", (e: Loose) => log("cb", e));
  });
  c.on("error", (e: Loose) => log("err", e));
  c.resume();
  await closed(c);
  s.close();
  await closed(s);
});

same("abstract names", async (over, log) => {
  const net: Loose = over;
  const p = `\0skbuff-${process.pid}-${paths++}`;
  const s = net.createServer((c: Loose) => c.end("hi")).listen(p);
  s.on("error", (e: Loose) => log("err", e.code));
  await once(s, "listening");
  const c = net.connect({ path: p });
  c.on("data", (d: Loose) => log("data", d));
  c.on("error", (e: Loose) => log("cerr", e.code));
  await closed(c);
  s.close();
  await closed(s);
});

same("abort signals on paths", async (over, log) => {
  const net: Loose = over;
  const p = P();
  const ac = new AbortController();
  const s = net.createServer((c: Loose) => c.resume()).listen({ path: p, signal: ac.signal });
  s.on("close", () => log("close"));
  await once(s, "listening");
  ac.abort();
  await closed(s).catch(() => {});
  const c = net.connect({ path: p, signal: AbortSignal.abort() });
  c.on("error", (e: Loose) => log("err", e.name, e.code));
  c.on("close", (h: Loose) => log("cl", h));
  await closed(c);
});

same("http over a path", async (over, log) => {
  const net: Loose = over;
  const p = P();
  const w = http.createServer((q: Loose, r: Loose) => r.end(q.url));
  const s = net.createServer((c: Loose) => w.emit("connection", c)).listen(p);
  await once(s, "listening");
  const agent = new http.Agent();
  (agent as Loose).createConnection = net.createConnection;
  const text = await new Promise((r, x) =>
    http
      .get({ socketPath: p, path: "/hey", agent }, (res: Loose) => {
        let t = "";
        res.on("data", (d: Loose) => (t += d));
        res.on("end", () => r(t));
      })
      .on("error", x),
  );
  log("t", text);
  s.close();
  await closed(s);
});
