// One SIOCETHTOOL call: a struct behind an ifreq, with accessors for its fields, and how ethtool words failures.
// Read first: uapi/ethtool.ts on the one-buffer convention. Way in: `new Request(dev, CMD, bytes)`.

import { ENODEV, strerror } from "../../uapi/errno.ts";
import { ETHTOOL_DATA } from "../../uapi/ethtool.ts";
import { SIOCETHTOOL } from "../../uapi/if.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { cstring, getUint64, ifreq, setUint64, view } from "../lib/inet.ts";
import { printError } from "../lib/io.ts";

export interface Context {
  sys: Sys;
  fd: number;
  dev: string;
  json: boolean;
}

export class Request {
  readonly bytes: Uint8Array;
  private readonly dv: DataView;

  constructor(dev: string, cmd: number, length: number) {
    this.bytes = ifreq(dev, length);
    this.dv = view(this.bytes);
    this.set(0, cmd);
  }

  /** 0 or -errno. */
  send(c: Context): number {
    return c.sys.ioctl(c.fd, SIOCETHTOOL, this.bytes);
  }

  /** The same for what takes its time. */
  *sendAndWait(c: Context): Blocking<number> {
    return yield* c.sys.ioctl_wait(c.fd, SIOCETHTOOL, this.bytes);
  }

  get(at: number): number {
    return this.dv.getUint32(ETHTOOL_DATA + at, true);
  }

  set(at: number, value: number): void {
    this.dv.setUint32(ETHTOOL_DATA + at, value, true);
  }

  get8(at: number): number {
    return this.bytes[ETHTOOL_DATA + at];
  }

  set8(at: number, value: number): void {
    this.bytes[ETHTOOL_DATA + at] = value;
  }

  get64(at: number): number {
    return getUint64(this.dv, ETHTOOL_DATA + at);
  }

  set64(at: number, value: number): void {
    setUint64(this.dv, ETHTOOL_DATA + at, value);
  }

  /** What stands behind the fields. */
  data(at: number, length: number): Uint8Array {
    return this.bytes.subarray(ETHTOOL_DATA + at, ETHTOOL_DATA + at + length);
  }

  text(at: number, max: number): string {
    return cstring(this.bytes, ETHTOOL_DATA + at, max);
  }
}

/**
 * Debian's ethtool asks over generic netlink where the kernel has it, and words errors as the kernel's extended ack does.
 * DIFF: here the ioctls carry everything; the words are the same.
 */
export function* netlinkError(c: Context, err: number, status: number, extack = ""): Blocking<number> {
  let text = "";
  if (err === -ENODEV) text += "netlink error: no device matches name (offset 24)\n";
  else if (extack !== "") text += `netlink error: ${extack}\n`;
  yield* printError(c.sys, `${text}netlink error: ${strerror(err)}\n`);
  return status;
}

/** "Cannot get driver information: Operation not supported". */
export function* cannot(c: Context, what: string, err: number, status: number): Blocking<number> {
  yield* printError(c.sys, `Cannot ${what}: ${strerror(err)}\n`);
  return status;
}

/** Wrong command line: ethtool refuses without a word about which. */
export function* badArguments(sys: Sys): Blocking<number> {
  yield* printError(sys, "ethtool: bad command line argument(s)\nFor more information run ethtool -h\n");
  return 1;
}

/** "name value" pairs of the -G, -L, -C, -A kind: field numbers and what they shall be (of words: which one), or a message. */
export function parsePairs(
  option: string,
  words: readonly string[],
  names: Readonly<Record<string, number>>,
  kinds: Readonly<Record<string, "bool" | readonly string[]>> = {},
): Map<number, number> | string {
  const out = new Map<number, number>();
  for (let i = 0; i < words.length; i += 2) {
    const [name, value] = [words[i], words[i + 1]];
    const field = Object.hasOwn(names, name) ? names[name] : undefined;
    if (field === undefined) return `ethtool (${option}): unknown parameter '${name}'\n`;
    if (value === undefined) return `ethtool (${option}): no value for parameter '${name}'\n`;
    const kind = kinds[name] === "bool" ? ["off", "on"] : kinds[name];
    const n = kind === undefined ? integer(value) : kind.indexOf(value);
    if (Number.isNaN(n) || n < 0) return `ethtool (${option}): invalid value '${value}' for parameter '${name}'\n`;
    out.set(field, n);
  }
  return out;
}

/** strtoul(3) with base 0; NaN for anything else. */
export function integer(text: string): number {
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) return Number(text);
  if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8);
  return /^\d+$/.test(text) && Number(text) <= 0xffffffff ? Number(text) : Number.NaN;
}
