// `import { createMachine } from "skbuff"` where there is no Node: nothing that this file reaches imports a Node module. Node
// gets node.ts under the same name, with node:net, node:dgram and node:dns for each machine.

export { Tty } from "../kernel/fs/pipe.ts";
export type { Program, Sys } from "../uapi/sys.ts";
export { SystemError } from "./errors.ts";
export {
  createMachine,
  Machine,
  type MachineOptions,
  type NicOptions,
  type Platform,
  Process,
  type SpawnOptions,
  TextCollector,
} from "./machine.ts";
export { SocketError, type WebApi } from "./web/index.ts";
export { type Cable, connect, createWorld, type PlayOptions, World } from "./world.ts";
