// machine.dgram beside node:dgram, and machine.dns beside node:dns: the same program over both must see the same.
// Read first: https://nodejs.org/api/dgram.html, https://nodejs.org/api/dns.html.

import assert from "node:assert/strict";
import nodeDgram from "node:dgram";
import nodeDns from "node:dns";
import { once } from "node:events";
import { test } from "node:test";
import type { Loose } from "../../lib/over.ts";
import { duo, solo } from "../../selftests/api/rig.ts";

type Log = (...what: unknown[]) => void;

function plain(v: unknown): unknown {
  if (v instanceof Error) return { ...(plain({ ...v }) as object), message: v.message.replace(/:\d{4,5}\b/g, ":PORT") };
  if (Buffer.isBuffer(v)) return v.toString("latin1");
  if (typeof v === "number" && v >= 10_000 && v < 65_536) return "PORT";
  if (Array.isArray(v)) return v.map(plain);
  if (v !== null && typeof v === "object") return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]));
  return v;
}

function same(name: string, scenario: (dgram: typeof nodeDgram, dns: typeof nodeDns, log: Log) => Promise<void>): void {
  test(name, async () => {
    const run = async (dgram: Loose, dns: Loose): Promise<unknown[]> => {
      const seen: unknown[] = [];
      await scenario(dgram, dns, (...what) => {
        seen.push(JSON.parse(JSON.stringify(what.map(plain))));
        if (process.env.SHOW) console.log(...what.map(plain));
      });
      return seen;
    };
    const expected = await run(nodeDgram, nodeDns);
    const { m, end } = solo();
    try {
      assert.deepEqual(await run(m.dgram, m.dns), expected);
      assert.ok(expected.length > 0);
    } finally {
      end();
    }
  });
}

const caught = (log: Log, name: string, fn: () => unknown): void => {
  try {
    const r = fn();
    log(name, typeof r === "object" ? null : (r ?? null));
  } catch (e) {
    log(name, (e as Error).name, e);
  }
};

same("dgram: arguments that are refused", async (dgram, _dns, log) => {
  const open: nodeDgram.Socket[] = [];
  const s = (): Loose => {
    open.push(dgram.createSocket("udp4"));
    return open.at(-1);
  };
  const bad: [string, () => unknown][] = [
    ["type", () => dgram.createSocket("udp5" as never)],
    ["type {}", () => dgram.createSocket({} as never)],
    ["lookup", () => dgram.createSocket({ type: "udp4", lookup: 1 } as never)],
    ["recvBufferSize", () => dgram.createSocket({ type: "udp4", recvBufferSize: "x" } as never)],
    ["signal", () => dgram.createSocket({ type: "udp4", signal: {} } as never)],
    ["address", () => s().address()],
    ["send()", () => s().send()],
    ["send('x')", () => s().send("x")],
    ["send port 0", () => s().send("x", 0)],
    ["send port 70000", () => s().send("x", 70_000)],
    ["send 5", () => s().send(5, 1)],
    ["send [5]", () => s().send([5], 1)],
    ["length", () => s().send(Buffer.alloc(5), 3, 5, 80)],
    ["offset", () => s().send(Buffer.alloc(5), 8, 5, 80)],
    ["address 5", () => s().send("x", 80, 5)],
    ["connect 70000", () => s().connect(70_000)],
    ["connect 0", () => s().connect(0)],
    ["disconnect", () => s().disconnect()],
    ["remoteAddress", () => s().remoteAddress()],
    ["setBroadcast", () => s().setBroadcast(true)],
    ["setTTL", () => s().setTTL("x")],
    ["setMulticastInterface", () => s().setMulticastInterface(5)],
    ["addMembership", () => s().addMembership()],
    ["addSourceSpecificMembership", () => s().addSourceSpecificMembership(1, 2)],
    ["setRecvBufferSize text", () => s().setRecvBufferSize("x")],
  ];
  for (const [name, fn] of bad) caught(log, name, fn);
  for (const x of open) x.close();
  const closed = dgram.createSocket("udp4");
  closed.close();
  for (const name of ["close", "address", "bind"] as const) caught(log, `closed ${name}`, () => closed[name]());
});

same("dgram: bind, send in all its forms, options, connect, a refusal, close", async (dgram, _dns, log) => {
  const a = dgram.createSocket("udp4");
  log(a.bind(0, "127.0.0.1", () => log("bound")) === a);
  await once(a, "listening");
  const port = a.address().port;
  log(a.address());
  caught(log, "twice", () => a.bind());
  const b = dgram.createSocket({ type: "udp4", reuseAddr: true });
  const sent: [string, Loose[]][] = [
    ["text", ["hello", port, "127.0.0.1"]],
    ["buffer", [Buffer.from("buf"), port, "127.0.0.1"]],
    ["part", [Buffer.from("0123456789"), 2, 3, port, "127.0.0.1"]],
    ["list", [[Buffer.from("x"), "y", new Uint8Array([122])], port, "127.0.0.1"]],
    ["empty", [Buffer.alloc(0), port, "127.0.0.1"]],
    ["no address", ["default", port]],
  ];
  for (const [name, args] of sent) {
    const got = once(a, "message");
    (b as Loose).send(...args, (e: Error | null, n: number) => log(name, e, n));
    const [msg, rinfo] = await got;
    log(name, msg, rinfo.address, rinfo.family, rinfo.size);
  }
  log(a.setTTL(5), a.setMulticastTTL(3), a.setMulticastLoopback(true), a.getSendQueueSize(), a.getSendQueueCount());
  a.setBroadcast(true);
  for (const [name, fn] of [
    ["ttl", () => a.setTTL(300)],
    ["mttl", () => a.setMulticastTTL(300)],
    ["if", () => a.setMulticastInterface("x")],
    ["join", () => a.addMembership("1.2.3.4")],
    ["join where", () => a.addMembership("224.0.0.114", "9.9.9.9")],
    ["leave", () => a.dropMembership("224.0.0.114", "127.0.0.1")],
  ] as [string, () => unknown][])
    caught(log, name, fn);
  b.send(Buffer.alloc(70_000), port, "127.0.0.1", (e) => log("too long", e));
  const c = dgram.createSocket("udp4");
  c.connect(9, "127.0.0.1");
  await once(c, "connect");
  log(c.remoteAddress());
  caught(log, "connect again", () => c.connect(9));
  caught(log, "send to", () => (c as Loose).send("x", 0, 1, 9, "127.0.0.1"));
  c.send("nobody there");
  log((await once(c, "error"))[0]);
  c.disconnect();
  caught(log, "disconnect again", () => c.disconnect());
  const d = dgram.createSocket("udp4").bind(1, "9.9.9.9");
  log((await once(d, "error"))[0]);
  for (const s of [a, b, c, d]) {
    s.close();
    await once(s, "close");
  }
  const ac = new AbortController();
  const e = dgram.createSocket({ type: "udp4", signal: ac.signal });
  ac.abort();
  await once(e, "close");
  log("aborted");
});

same("dns: numbers, localhost, arguments", async (_dgram, dns, log) => {
  const bad: [string, () => unknown][] = [
    ["host", () => dns.lookup(5 as never, () => {})],
    ["callback", () => (dns as Loose).lookup("x")],
    ["family", () => dns.lookup("x", { family: 7 }, () => {})],
    ["hints", () => dns.lookup("x", { hints: 1 }, () => {})],
    ["all", () => dns.lookup("x", { all: 1 as never }, () => {})],
    ["rrtype", () => dns.resolve("x", "Y" as never, () => {})],
    ["lookupService", () => dns.lookupService("x", 1, () => {})],
    ["lookupService port", () => dns.lookupService("1.1.1.1", 70_000, () => {})],
    ["setServers", () => new dns.Resolver().setServers(["x"])],
    ["setServers 5", () => new dns.Resolver().setServers(5 as never)],
    ["timeout", () => new dns.Resolver({ timeout: -5 })],
  ];
  for (const [name, fn] of bad) caught(log, name, fn);
  log(await dns.promises.lookup("127.0.0.1"), await dns.promises.lookup("::1", { all: true }));
  log(await dns.promises.lookup("localhost", { family: 4 }));
  await new Promise<void>((r) =>
    dns.lookup("localhost", { family: 4, all: true }, (e, a) => {
      log(e, a.length > 0, a[0]);
      r();
    }),
  );
  log(dns.NOTFOUND, dns.promises.NODATA, dns.ADDRCONFIG);
});

test("dns over two machines: hosts, a server's answers by type, what is not there", async () => {
  const { world, a, b, end } = duo();
  b.writeFile(
    "/etc/dns/lab.zone",
    '$TTL 60\n@ SOA ns root 1 2 3 4 5\n@ NS ns\nns A 10.0.0.2\nwww A 10.0.0.7\nwww A 10.0.0.8\nalias CNAME www\n@ MX 10 mail\ntxt TXT "hello world"\n',
  );
  a.writeFile("/etc/resolv.conf", "nameserver 10.0.0.2\noptions timeout:1 attempts:1\n");
  a.writeFile("/etc/hosts", "127.0.0.1 localhost\n10.0.0.9 in-hosts\n");
  await world.until(
    (async () => {
      assert.deepEqual(a.dns.promises.getServers(), ["10.0.0.2"]);
      assert.deepEqual(await a.dns.promises.lookup("in-hosts"), { address: "10.0.0.9", family: 4 });
      assert.deepEqual(await a.dns.promises.reverse("10.0.0.9"), ["in-hosts"]);
      assert.deepEqual(await a.dns.promises.lookupService("10.0.0.9", 22), { hostname: "in-hosts", service: "ssh" });
      // Nobody serves: the port is closed.
      await assert.rejects(a.dns.promises.lookup("www.lab"), {
        code: "EAI_AGAIN",
        syscall: "getaddrinfo",
        errno: -3001,
        hostname: "www.lab",
      });
      await assert.rejects(a.dns.promises.resolve4("www.lab"), {
        code: "ECONNREFUSED",
        syscall: "queryA",
        message: "queryA ECONNREFUSED www.lab",
      });
      const dnsd = b.exec("dnsd");
      const { promises: dns } = a.dns;
      assert.deepEqual(await dns.resolve4("www.lab"), ["10.0.0.7", "10.0.0.8"]);
      assert.deepEqual(await dns.resolve4("www.lab", { ttl: true }), [
        { address: "10.0.0.7", ttl: 60 },
        { address: "10.0.0.8", ttl: 60 },
      ]);
      assert.deepEqual(await dns.resolve("alias.lab", "CNAME"), ["www.lab"]);
      assert.deepEqual(await dns.resolveMx("lab"), [{ exchange: "mail.lab", priority: 10 }]);
      assert.deepEqual(await dns.resolveTxt("txt.lab"), [["hello world"]]);
      assert.deepEqual(await dns.resolveNs("lab"), ["ns.lab"]);
      assert.equal(((await dns.resolveSoa("lab")) as { serial: number }).serial, 1);
      assert.deepEqual(await dns.lookup("alias.lab", { all: true }), [
        { address: "10.0.0.7", family: 4 },
        { address: "10.0.0.8", family: 4 },
      ]);
      await assert.rejects(dns.resolve4("nope.lab"), { code: "ENOTFOUND", message: "queryA ENOTFOUND nope.lab" });
      await assert.rejects(dns.resolveMx("www.lab"), { code: "ENODATA", syscall: "queryMx" });
      await assert.rejects(dns.lookup("nope.lab"), {
        code: "ENOTFOUND",
        errno: -3008,
        message: "getaddrinfo ENOTFOUND nope.lab",
      });
      const silent = new dns.Resolver({ timeout: 100, tries: 1 });
      silent.setServers(["10.0.0.77"]);
      const pending = silent.resolve4("www.lab");
      silent.cancel();
      await assert.rejects(pending, { code: "ECANCELLED" });
      await assert.rejects(silent.resolve4("www.lab"), { code: "ETIMEOUT" });
      dnsd.kill(15);
      await dnsd.exited;
    })(),
    600e9,
  );
  end();
});
