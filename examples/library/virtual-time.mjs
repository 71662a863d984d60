import { createWorld } from "skbuff";

const world = createWorld({ seed: 1 });
const a = world.createMachine({ hostname: "a", nics: [{ ip: "10.0.0.1/24" }] });
const b = world.createMachine({ hostname: "b", nics: [{ ip: "10.0.0.2/24" }] });
world.connect(a.nics[0], b.nics[0], { rate: 1e9, delay_ns: 5_000_000, impair: { loss: 0.2 } });
world.run(3e9); // the links come up

const print = (bytes) => process.stdout.write(bytes.slice());
const ping = a.exec("ping -c 5 10.0.0.2; ip neigh", { stdout: print });
const exitCode = world.wait(ping);

a.poweroff();
b.poweroff();
process.exitCode = exitCode;
