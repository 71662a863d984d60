// A program: sends its arguments to the echo service (port 7) of a host and prints what comes back.
import { AF_INET, SOCK_DGRAM } from "../../src/uapi/socket.ts";
import type { Program } from "../../src/uapi/sys.ts";

export const shout: Program = function* (sys, argv) {
  const [host, ...words] = argv.slice(1);
  const to = Uint8Array.of(AF_INET, 0, 0, 7, ...host.split(".").map(Number), 0, 0, 0, 0, 0, 0, 0, 0);
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  yield* sys.sendto(fd, new TextEncoder().encode(words.join(" ").toUpperCase()), 0, to);
  const buf = new Uint8Array(2000);
  const n = yield* sys.recvfrom(fd, buf, 0, null);
  yield* sys.write(1, buf.subarray(0, n));
  yield* sys.write(1, Uint8Array.of(10));
  return 0;
};
