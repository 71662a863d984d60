// Web streams between two machines: node examples/library/web-streams.mjs. The same program runs in a browser, bundled.
import { createWorld } from "skbuff";

const world = createWorld({ seed: 1 });
const a = world.createMachine({ hostname: "a", nics: [{ ip: "10.0.0.1/24" }] });
const b = world.createMachine({ hostname: "b", nics: [{ ip: "10.0.0.2/24" }] });
world.connect(a.nics[0], b.nics[0]);
world.play();
await Promise.all([a.ready(), b.ready()]);

const server = new b.web.TCPServerSocket("0.0.0.0", { localPort: 7 });
const { readable: connections } = await server.opened;
const socket = a.web.connect("10.0.0.2:7"); // or: new a.web.TCPSocket("10.0.0.2", 7)
const { value: accepted } = await connections.getReader().read();
const { readable, writable } = await accepted.opened;
readable.pipeTo(writable);
await socket.writable.getWriter().write(new TextEncoder().encode("hello"));
console.log(new TextDecoder().decode((await socket.readable.getReader().read()).value));
await socket.close();
world.pause();
