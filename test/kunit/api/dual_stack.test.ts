// "::" for both families, and mapped addresses, over Node's modules and over a machine's: what needs no IPv6 address.
// Read first: https://nodejs.org/api/net.html, serverlisten; ipv6(7).

import { once } from "node:events";
import type nodeNet from "node:net";
import type { Loose } from "../../lib/over.ts";
import { closed, same } from "./same.ts";

same("net: a server without an address, ipv6Only, mapped addresses, a port that is taken", async (net, log) => {
  const served = async (where: nodeNet.ListenOptions, hosts: string[]): Promise<void> => {
    const server = net.createServer((s) => {
      log("server", s.remoteAddress, s.remoteFamily, s.localAddress, s.localFamily, s.address());
      s.end();
    });
    server.listen({ port: 0, ...where });
    await once(server, "listening");
    log("listening", server.address());
    for (const host of hosts) {
      const c = net.connect((server.address() as nodeNet.AddressInfo).port, host);
      c.on("connect", () => log("client", c.remoteAddress, c.remoteFamily, c.localAddress, c.localFamily));
      c.on("error", (e) => log("client", e));
      c.resume();
      await closed(c);
    }
    server.close();
    await closed(server);
  };
  await served({}, ["127.0.0.1", "::ffff:127.0.0.1"]);
  await served({ host: "::ffff:127.0.0.1" }, ["127.0.0.1"]);
  await served({ host: "::", ipv6Only: true }, ["127.0.0.1"]);
  const first = net.createServer().listen(0, "0.0.0.0");
  await once(first, "listening");
  const second = net.createServer().listen((first.address() as nodeNet.AddressInfo).port);
  log("taken", (await once(second, "error"))[0]);
  first.close();
  await closed(first);
});

same("dgram: udp6 sockets hear IPv4 and answer it, unless ipv6Only", async (_net, log, { dgram }) => {
  const bound = async (options: Loose, port = 0): Promise<Loose> => {
    const s = dgram.createSocket(options);
    s.bind(port);
    await once(s, "listening");
    return s;
  };
  const six = await bound("udp6");
  log("six", six.address());
  const four = dgram.createSocket("udp4");
  four.send("there", six.address().port, "127.0.0.1");
  const [there, from] = await once(six, "message");
  log("six", there, from.address, from.family, from.size);
  six.send("back", from.port, from.address, (e: Error | null, n: number) => log("sent", e, n));
  const [back, sender] = await once(four, "message");
  log("four", back, sender.address, sender.family);
  six.connect(from.port, "::ffff:127.0.0.1");
  await once(six, "connect");
  log("six", six.remoteAddress(), six.address().address);
  for (const s of [four, six]) {
    s.close();
    await closed(s);
  }
  const only = await bound({ type: "udp6", ipv6Only: true });
  const beside = await bound("udp4", only.address().port);
  log("beside", beside.address().address);
  for (const s of [only, beside]) {
    s.close();
    await closed(s);
  }
});
