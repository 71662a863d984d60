// Sockets for programs of tests.

import assert from "node:assert/strict";
import { AF_INET, SOCK_DGRAM } from "../../src/uapi/socket.ts";
import type { Sys } from "../../src/uapi/sys.ts";

/** struct sockaddr_in. */
export function sockaddr(address: string, port: number): Uint8Array {
  const sa = new Uint8Array(16);
  const dv = new DataView(sa.buffer);
  dv.setUint16(0, AF_INET, true);
  dv.setUint16(2, port);
  address.split(".").forEach((b, i) => {
    sa[4 + i] = Number(b);
  });
  return sa;
}

/** "10.0.0.1:53" */
export const nameOf = (sa: Uint8Array): string => `${sa.subarray(4, 8).join(".")}:${(sa[2]! << 8) | sa[3]!}`;

/** A UDP socket, bound. */
export function udpSocket(sys: Sys, address: string, port: number, before?: (fd: number) => void): number {
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  assert.ok(fd >= 0);
  before?.(fd);
  assert.equal(sys.bind(fd, sockaddr(address, port)), 0);
  return fd;
}
