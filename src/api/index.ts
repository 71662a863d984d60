// `import { createMachine } from "skbuff"`.

export { Tty } from "../kernel/fs/pipe.ts";
export type { Program, Sys } from "../uapi/sys.ts";
export { DgramApi, DgramSocket, type RemoteInfo, SystemError } from "./dgram.ts";
export {
  createMachine,
  Machine,
  type MachineOptions,
  type Platform,
  Process,
  type SpawnOptions,
  TextCollector,
} from "./machine.ts";
export { type Cable, connect, createWorld, type World } from "./world.ts";
