import { createMachine } from "skbuff";
import { NodePlatform, openTap } from "skbuff/node";

// A machine that this computer's kernel can reach: needs root or CAP_NET_ADMIN.
const host = new NodePlatform();
const tap = openTap(host, { name: "skb0" });
const machine = createMachine({ host, nics: [{ port: tap, ip: "10.9.0.2/24" }] });
await machine.ready(); // the link is up: nothing that is sent from here on is lost

const echo = machine.dgram.createSocket("udp4").bind(7);
echo.on("message", (msg, from) => {
  console.log(`${msg.length} bytes from ${from.address}:${from.port}`);
  echo.send(msg, from.port, from.address);
});
console.log("now: sudo ip addr add 10.9.0.1/24 dev skb0; ping 10.9.0.2; echo hello | nc -u -w1 10.9.0.2 7");
