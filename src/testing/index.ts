// `skbuff/testing`: a machine under a clock of one's own, and packetdrill over it. Way in: new TestStack(), runScript().

export * as constants from "./constants.ts";
export { ScriptError } from "./packetdrill/ast.ts";
export { parse_script as parseScript } from "./packetdrill/parser.ts";
export { type RunOptions, type RunResult, runScript } from "./packetdrill/sim.ts";
export { PendingCall, type SentPacket, TestStack, type TestStackOptions } from "./stack.ts";
