// `import { createMachine } from "skbuff"`.

export { Tty } from "../kernel/fs/pipe.ts";
export type { Program, Sys } from "../uapi/sys.ts";
export { DgramApi, DgramSocket, type RemoteInfo } from "./dgram.ts";
export type { DnsApi } from "./dns.ts";
export {
  createMachine,
  Machine,
  type MachineOptions,
  type Platform,
  Process,
  type SpawnOptions,
  TextCollector,
} from "./machine.ts";
export { NetApi, type NetServer, type NetSocket } from "./net.ts";
export { SystemError } from "./node_errors.ts";
export { type Cable, connect, createWorld, type PlayOptions, type World } from "./world.ts";
