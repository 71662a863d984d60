// Corners of node:dgram and node:dns, each run over Node's and over a machine's.
// Read first: https://nodejs.org/api/dgram.html, https://nodejs.org/api/dns.html.

import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import type { Loose } from "../../lib/over.ts";
import { closed, type Log, same } from "./same.ts";

const B = async (dgram: Loose, o: Loose = "udp4", address = "127.0.0.1"): Promise<Loose> => {
  const s = dgram.createSocket(o);
  s.bind(0, address);
  await once(s, "listening");
  return s;
};

const caught = (log: Log, name: string, fn: () => unknown): void => {
  try {
    const r = fn();
    log(name, "no error", r !== null && typeof r === "object" ? "an object" : r);
  } catch (e) {
    log(name, e, String((e as Error).stack).split("\n")[0]);
  }
};

same("dgram: createSocket() with odd options", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  for (const o of [
    undefined,
    null,
    "udp5",
    "UDP4",
    5,
    {},
    { type: "x" },
    { type: "udp4", lookup: 5 },
    { type: "udp4", recvBufferSize: "x" },
    { type: "udp4", sendBufferSize: "x" },
    { type: "udp4", signal: 5 },
    { type: "udp4", signal: {} },
    [],
    true,
    { type: "udp4", reuseAddr: "x" },
    { type: "udp4", ipv6Only: 1 },
    { type: "udp4", receiveBlockList: 5 },
    { type: "udp4", sendBlockList: 5 },
  ] as Loose[])
    caught(log, inspect(o), () => {
      const s = dgram.createSocket(o);
      s.close();
      return s.type;
    });
});

same("dgram: bind() in all its forms", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  for (const f of [
    [],
    [0],
    [0, "127.0.0.1"],
    [{ port: 0 }],
    [{ address: "127.0.0.1" }],
    [{ port: 0, address: "127.0.0.1", exclusive: true }],
    [null],
    [undefined],
    ["0"],
    [{}],
    [0, "localhost"],
    [0, null],
    [0, ""],
    ["abc"],
    [-1],
    [65536],
    [{ port: -1 }],
    [{ port: 70000 }],
    [{ port: "x" }],
    [0, 5],
    [0, {}],
    [true],
    [1.5],
    [{ fd: -1 }],
    [{ fd: 99999 }],
    [0, "9.9.9.9"],
    [0, "::1"],
  ] as Loose[]) {
    const n = inspect(f);
    const s = dgram.createSocket("udp4");
    s.on("error", (e: Loose) => log(n, "error", e));
    s.on("listening", () => log(n, "listening", s.address().address, s.address().family));
    try {
      const r = s.bind(...f);
      log(n, "ret", r === s);
      await once(s, "listening").catch(() => {});
    } catch (e) {
      log(n, e);
    }
    try {
      s.close();
    } catch (e) {
      log(n, "close", e);
    }
  }
});

same("dgram: an address in use", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const a = await B(dgram);
  const b = dgram.createSocket("udp4");
  b.bind(a.address().port, "127.0.0.1");
  log("e", (await once(b, "error"))[0]);
  b.bind(0);
  await once(b, "listening");
  log("ok");
  b.close();
  const c = dgram.createSocket({ type: "udp4", reuseAddr: true });
  c.on("error", (e: Loose) => log("c", e.code));
  c.bind(a.address().port, "127.0.0.1");
  await sleep(20);
  c.close();
  a.close();
});

same("dgram: send() in all its forms", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const a = await B(dgram);
  const port = a.address().port;
  const got: Loose[] = [];
  a.on("message", (m: Loose, r: Loose) => got.push([m.toString("latin1"), r.family, r.size]));
  const s = dgram.createSocket("udp4");
  const cb = (n: string) => (e: Loose, k: Loose) => log(n, e, k);
  const buf = Buffer.from("hello world");
  s.send(buf, port, cb("1"));
  s.send(buf, port, "127.0.0.1", cb("2"));
  s.send(buf, 6, 5, port, cb("3"));
  s.send(buf, 0, 5, port, "127.0.0.1", cb("4"));
  s.send("text", port, cb("5"));
  s.send(["a", "b", Buffer.from("c")], port, "127.0.0.1", cb("6"));
  s.send(new Uint8Array([65, 66]), port, cb("7"));
  s.send(new DataView(new ArrayBuffer(3)), port, cb("8"));
  s.send("", port, cb("9"));
  s.send([], port, cb("10"));
  s.send(buf, port, "localhost", cb("11"));
  s.send("txt", 1, 2, port, "127.0.0.1", cb("12"));
  s.send(new Uint16Array([0x4142]), port, cb("13"));
  while (got.length < 13) await sleep(5);
  await sleep(5);
  log("got", got.sort());
  s.close();
  a.close();
});

same("dgram: send() that is refused", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const s = dgram.createSocket("udp4");
  s.on("error", (e: Loose) => log("ev", e));
  const b = Buffer.from("abc");
  const bad: Loose[][] = [
    [],
    [b],
    [b, 0],
    [b, -1],
    [b, 65536],
    [b, "x"],
    [b, 0, 1],
    [b, 0, 1, 0],
    [b, 5, 1, 9],
    [b, 0, 10, 9],
    [b, -1, 1, 9],
    [5, 9],
    [{}, 9],
    [null, 9],
    [undefined, 9],
    [true, 9],
    [["a", 5], 9],
    [b, 9, 5],
    [b, 9, {}],
    [b, 9, true],
    [b, 9, []],
    [b, 9, null],
    [b, 9, undefined],
    [b, 9, ""],
    [b, 9, () => {}, 5],
    [b, NaN],
    [b, 1.5],
    [b, {}],
    ["s", 0, 1, 9],
    [new ArrayBuffer(2), 9],
    [b, "0", 1, 9],
    [b, 0, "1", 9],
  ];
  for (const f of bad) caught(log, inspect(f), () => s.send(...f));
  await sleep(60);
  s.close();
});

same("dgram: sendto() that is refused", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const s = dgram.createSocket("udp4");
  s.on("error", (e: Loose) => log("ev", e.code));
  for (const f of [
    [],
    ["b"],
    ["b", 0],
    ["b", 0, 1],
    ["b", 0, 1, 1],
    ["b", "0", 1, 1, "a"],
    ["b", 0, "1", 1, "a"],
    ["b", 0, 1, "1", "a"],
    ["b", 0, 1, 1, 5],
    [Buffer.from("a"), 0, 1, 9, "127.0.0.1", () => log("done")],
  ] as Loose[])
    caught(log, inspect(f), () => s.sendto(...f));
  await sleep(40);
  s.close();
});

same("dgram: connect, disconnect, and what each allows", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const a = await B(dgram);
  const port = a.address().port;
  const s = dgram.createSocket("udp4");
  caught(log, "dis", () => s.disconnect());
  for (const f of [[], [0], ["x"], [-1], [65536], [null], [1.5]] as Loose[])
    caught(log, `bad${inspect(f)}`, () => s.connect(...f));
  s.connect(port, (e: Loose) => log("cb", e));
  caught(log, "again", () => s.connect(port));
  await once(s, "connect");
  log("r", s.remoteAddress().address, s.remoteAddress().family);
  caught(log, "again", () => s.connect(port));
  caught(log, "sendto addr", () => s.send("x", port, "127.0.0.1"));
  caught(log, "sendto port", () => s.send("x", port));
  s.send("ok", (e: Loose, n: Loose) => log("sent", e, n));
  s.send(Buffer.from("abcdef"), 1, 2, (e: Loose, n: Loose) => log("sent2", e, n));
  const [m] = await once(a, "message");
  log("m", m);
  s.disconnect();
  caught(log, "ra", () => s.remoteAddress());
  caught(log, "dis2", () => s.disconnect());
  s.send("z", port, (e: Loose, n: Loose) => log("sent3", e, n));
  await sleep(20);
  s.close();
  a.close();
  const t = dgram.createSocket("udp4");
  t.connect(port, "127.0.0.1");
  await once(t, "connect");
  t.on("error", (e: Loose) => log("err", e));
  t.send("x", (e: Loose) => log("s", e));
  await once(t, "error").catch(() => {});
  t.send("y", (e: Loose) => log("s2", e));
  await once(t, "error").catch(() => {});
  t.close();
});

same("dgram: close() with work to do, before listening, by Symbol.asyncDispose", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const s = dgram.createSocket("udp4");
  s.on("close", () => log("close"));
  s.send("x", 9, "127.0.0.1", (e: Loose) => log("send", e));
  s.close(() => log("cb"));
  await sleep(50);
  const t = dgram.createSocket("udp4");
  t.close();
  t.on("close", () => log("t close"));
  await sleep(10);
  const u = await B(dgram);
  u.close("notfn" as Loose);
  await closed(u);
  const v = dgram.createSocket("udp4");
  v.bind(0);
  v.close();
  v.on("listening", () => log("v listening"));
  await sleep(20);
  const w = dgram.createSocket("udp4");
  log("ad", typeof w[Symbol.asyncDispose]);
  await w[Symbol.asyncDispose]?.();
  caught(log, "wclosed", () => w.close());
});

same("dgram: abort signals", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const ac = new AbortController();
  const s = dgram.createSocket({ type: "udp4", signal: ac.signal });
  s.on("close", () => log("close"));
  s.on("error", (e: Loose) => log("err", e));
  s.bind(0);
  await once(s, "listening");
  ac.abort();
  await sleep(10);
  const t = dgram.createSocket({ type: "udp4", signal: AbortSignal.abort() });
  t.on("close", () => log("t"));
  await sleep(10);
  caught(log, "tc", () => t.close());
});

same("dgram: options of a socket with odd values", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const s = await B(dgram, { type: "udp4", recvBufferSize: 20000, sendBufferSize: 30000 });
  log("b", s.getRecvBufferSize(), s.getSendBufferSize());
  s.setRecvBufferSize(8192);
  s.setSendBufferSize(9000);
  log("b", s.getRecvBufferSize(), s.getSendBufferSize());
  for (const v of [undefined, null, "x", -1, 0, 256, 1.5, NaN, 1] as Loose[]) {
    caught(log, "ttl", () => s.setTTL(v));
    caught(log, "mttl", () => s.setMulticastTTL(v));
    caught(log, "rb", () => s.setRecvBufferSize(v));
  }
  for (const v of [undefined, true, 0, 1, "x"] as Loose[]) {
    caught(log, "bc", () => s.setBroadcast(v));
    caught(log, "ml", () => s.setMulticastLoopback(v));
  }
  for (const v of [undefined, 5, "x", "1.2.3.4", "127.0.0.1", "0.0.0.0", "::1", ""] as Loose[])
    caught(log, "mi", () => s.setMulticastInterface(v));
  for (const v of [undefined, 5, "x", "1.2.3.4", "224.0.0.251", ""] as Loose[]) {
    caught(log, "am", () => s.addMembership(v, "127.0.0.1"));
    caught(log, "dm", () => s.dropMembership(v, "127.0.0.1"));
  }
  caught(log, "ssm", () => s.addSourceSpecificMembership(5 as Loose, "x"));
  caught(log, "ssm", () => s.addSourceSpecificMembership("1.1.1.1", 5 as Loose));
  caught(log, "ssm", () => s.addSourceSpecificMembership("1.1.1.1", "232.1.1.1", "127.0.0.1"));
  caught(log, "ssm", () => s.dropSourceSpecificMembership("1.1.1.1", "232.1.1.1", "127.0.0.1"));
  caught(log, "ssm", () => s.dropSourceSpecificMembership("1.1.1.1", "232.1.1.1", "127.0.0.1"));
  log("q", s.getSendQueueSize(), s.getSendQueueCount());
  s.close();
});

same("dgram: the largest datagram, and one more byte", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const a = await B(dgram);
  a.on("message", (m: Loose) => log("m", m.length));
  const s = dgram.createSocket("udp4");
  s.send(Buffer.alloc(65507), a.address().port, (e: Loose, n: Loose) => log("s", e, n));
  s.send(Buffer.alloc(65508), a.address().port, (e: Loose, n: Loose) => log("s2", e, n));
  await once(a, "message");
  await sleep(5);
  s.close();
  a.close();
});

same("dgram: AsyncLocalStorage", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const als = new AsyncLocalStorage<string>();
  const a = await als.run("server", () => B(dgram));
  als.run("msg", () => a.on("message", () => log("m", als.getStore())));
  await als.run("client", async () => {
    const s = dgram.createSocket("udp4");
    s.send("x", a.address().port, () => log("cb", als.getStore()));
    await once(a, "message");
    await sleep(10);
    s.close(() => log("close", als.getStore()));
    await closed(s);
  });
  a.close();
});

same("dgram: this of the callbacks", async (_net, log, modules) => {
  const { dgram }: Loose = modules;
  const a = dgram.createSocket("udp4");
  a.bind(0, "127.0.0.1", function (this: Loose) {
    log("this", this === a);
  });
  await once(a, "listening");
  a.once("message", function (this: Loose, m: Loose, r: Loose) {
    log("mt", this === a, Object.keys(r));
  });
  a.send("x", a.address().port, "127.0.0.1");
  await once(a, "message");
  a.close(function (this: Loose) {
    log("ct", this === a);
  });
  await sleep(10);
});

same("dns: lookup() with odd arguments", async (_net, log, modules) => {
  const { dns }: Loose = modules;
  const L = (n: string, ...a: Loose[]) =>
    new Promise<void>((r) => {
      try {
        dns.lookup(...a, (e: Loose, ...x: Loose[]) => {
          log(n, e, ...x);
          r();
        });
      } catch (e) {
        log(n, e);
        r();
      }
    });
  await L("num", "127.0.0.1");
  await L("all", "127.0.0.1", { all: true });
  await L("v6", "::1");
  await L("fam", "127.0.0.1", 6);
  await L("fam", "127.0.0.1", { family: 6 });
  await L("empty", "");
  await L("emptyall", "", { all: true });
  await L("null", null);
  await L("undef", undefined);
  await L("false", false);
  await L("obj", {});
  await L("num5", 5);
  await L("true", true);
  await L("localhost", "localhost", 4);
  await L("localhost", "localhost", { family: "IPv4" });
  await L("lh", "localhost", { all: true, family: 4 });
  for (const o of [
    { family: 5 },
    { family: "x" },
    { hints: "x" },
    { hints: 5000 },
    { hints: 1 },
    { all: "x" },
    { verbatim: "x" },
    { order: "x" },
    { order: "ipv4first" },
    { verbatim: false },
    "x",
    true,
    { family: "IPv4" },
    { family: null },
    { hints: null },
    { all: null },
  ] as Loose[])
    await L(inspect(o), "127.0.0.1", o);
  caught(log, "nocb", () => dns.lookup("x"));
  caught(log, "badcb", () => dns.lookup("x", {}, 5));
});

same("dns: promises.lookup() with odd arguments", async (_net, log, modules) => {
  const { dns }: Loose = modules;
  const p = dns.promises;
  const L = async (n: string, ...a: Loose[]) => {
    try {
      const r = p.lookup(...a);
      log(n, await r);
    } catch (e) {
      log(n, e);
    }
  };
  await L("num", "127.0.0.1");
  await L("all", "127.0.0.1", { all: true });
  await L("empty", "");
  await L("emptyall", "", { all: true });
  await L("null", null);
  await L("obj", {});
  await L("lh", "localhost", { family: 4 });
  await L("fam", "x", { family: 9 });
  await L("hints", "x", { hints: 9999 });
  await L("opt", "x", 5);
  await L("opt", "127.0.0.1", "x");
});

same("dns: servers, orders, resolvers, and what is refused", async (_net, log, modules) => {
  const { dns }: Loose = modules;
  log(
    "k",
    ["ADDRCONFIG", "ALL", "V4MAPPED", "NODATA", "NOTFOUND", "TIMEOUT", "CANCELLED"].map((k) => dns[k]),
  );
  log(
    "f",
    [
      "lookup",
      "lookupService",
      "resolve",
      "resolve4",
      "resolve6",
      "resolveAny",
      "resolveCaa",
      "resolveCname",
      "resolveMx",
      "resolveNaptr",
      "resolveNs",
      "resolvePtr",
      "resolveSoa",
      "resolveSrv",
      "resolveTxt",
      "reverse",
      "setServers",
      "getServers",
      "setDefaultResultOrder",
      "getDefaultResultOrder",
      "Resolver",
    ].map((k) => [k, typeof dns[k], typeof dns.promises[k]]),
  );
  caught(log, "sd", () => dns.setDefaultResultOrder("x"));
  caught(log, "sd", () => {
    dns.setDefaultResultOrder("ipv4first");
    return dns.getDefaultResultOrder();
  });
  dns.setDefaultResultOrder("verbatim");
  for (const v of [
    undefined,
    5,
    "x",
    {},
    [5],
    ["x"],
    ["1.2.3.4:abc"],
    ["127.0.0.1"],
    ["[::1]:53"],
    ["127.0.0.1:5353"],
    [""],
    ["1.2.3.4:99999"],
  ] as Loose[])
    caught(log, `ss${inspect(v)}`, () => {
      const r = new dns.Resolver();
      r.setServers(v);
      return JSON.stringify(r.getServers());
    });
  for (const o of [
    5,
    "x",
    { timeout: "x" },
    { timeout: -2 },
    { timeout: 1.5 },
    { tries: 0 },
    { tries: "x" },
    { tries: -1 },
    null,
  ] as Loose[])
    caught(log, `R${inspect(o)}`, () => {
      new dns.Resolver(o);
    });
  for (const f of [
    ["resolve"],
    ["resolve", 5],
    ["resolve", "x"],
    ["resolve", "x", "A"],
    ["resolve", "x", "Q", () => {}],
    ["resolve", "x", 5, () => {}],
    ["resolve4", "x", {}],
    ["resolve4"],
    ["reverse"],
    ["reverse", "x", () => {}],
    ["reverse", 5, () => {}],
    ["lookupService"],
    ["lookupService", "x", 80, () => {}],
    ["lookupService", "127.0.0.1", "x", () => {}],
    ["lookupService", "127.0.0.1", 80],
    ["lookupService", "127.0.0.1", 80, 5],
    ["lookupService", "127.0.0.1", -1, () => {}],
    ["lookupService", 5, 80, () => {}],
  ] as Loose[])
    caught(log, inspect(f), () => {
      dns[f[0]](...f.slice(1));
    });
  for (const f of [
    ["resolve", 5],
    ["resolve", "x", "Q"],
    ["resolve4", 5],
    ["reverse", "x"],
    ["reverse", 5],
    ["lookupService", "x", 1],
    ["lookupService", "127.0.0.1", "x"],
    ["lookupService"],
  ] as Loose[]) {
    try {
      log(`P${inspect(f)}`, await dns.promises[f[0]](...f.slice(1)));
    } catch (e) {
      log(`P${inspect(f)}`, e);
    }
  }
  log("svc", await dns.promises.lookupService("127.0.0.1", 22).then((r: Loose) => [r.hostname, r.service]));
});
