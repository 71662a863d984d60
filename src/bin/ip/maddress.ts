// `ip maddress`: multicast addresses from /proc/net/{dev_mcast,igmp,igmp6}; add and del by ioctl.

import { strerror } from "../../uapi/errno.ts";
import { IFREQ_DATA, IFREQ_LEN, SIOCADDMULTI, SIOCDELMULTI } from "../../uapi/if.ts";
import { AF_INET, AF_INET6, AF_PACKET, AF_UNSPEC, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { utf8_encode } from "../../uapi/utf8.ts";
import { formatInet4, formatInet6, formatLinkAddress, parseLinkAddress } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { readFile } from "../lib/io.ts";
import type { Run } from "./link_show.ts";
import { MADDRESS_USAGE } from "./usage.ts";

interface Group {
  index: number;
  name: string;
  family: number;
  text: string;
  users: number;
  isStatic: boolean;
}

function unhex(s: string): Uint8Array {
  const out = new Uint8Array(s.length >> 1);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(s.slice(2 * i, 2 * i + 2), 16);
  return out;
}

function* lines(run: Run, path: string): Blocking<string[]> {
  const text = yield* readFile(run.ctx.sys, path);
  return typeof text === "number" ? [] : text.split("\n").filter((l) => l !== "");
}

function* read(run: Run, dev: string | undefined): Blocking<Group[]> {
  const out: Group[] = [];
  const family = run.ctx.opt.family;
  const want = (f: number): boolean => family === AF_UNSPEC || family === f;
  const add = (g: Group): void => {
    if (dev === undefined || dev === g.name) out.push(g);
  };
  if (want(AF_PACKET))
    for (const line of yield* lines(run, "/proc/net/dev_mcast")) {
      const [index, name, users, fixed, hex] = line.trim().split(/\s+/);
      if (hex === undefined) continue;
      const text = formatLinkAddress(unhex(hex), 1);
      add({ index: Number(index), name, family: AF_PACKET, text, users: Number(users), isStatic: fixed !== "0" });
    }
  if (want(AF_INET)) {
    let index = 0;
    let name = "";
    for (const line of yield* lines(run, "/proc/net/igmp")) {
      const device = /^([0-9]+)\s+(\S+)\s*:/.exec(line);
      if (device !== null) {
        index = Number(device[1]);
        name = device[2];
        continue;
      }
      const group = /^\s+([0-9A-Fa-f]{8})\s+([0-9]+)/.exec(line);
      if (group === null || index === 0) continue;
      // The address as the host-order number it is in memory.
      const text = formatInet4(unhex(group[1]).reverse());
      add({ index, name, family: AF_INET, text, users: Number(group[2]), isStatic: false });
    }
  }
  if (want(AF_INET6))
    for (const line of yield* lines(run, "/proc/net/igmp6")) {
      const [index, name, hex, users] = line.trim().split(/\s+/);
      if (users === undefined) continue;
      const text = formatInet6(unhex(hex));
      add({ index: Number(index), name, family: AF_INET6, text, users: Number(users), isStatic: false });
    }
  return out;
}

function* show(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  let dev: string | undefined;
  for (; a.more; a.skip()) {
    if (a.is("dev")) a.next();
    else if (a.matches("help")) ctx.fail(MADDRESS_USAGE, 255);
    if (dev !== undefined) ctx.garbage("dev", a.word);
    dev = a.word;
  }
  const groups = (yield* read(run, dev)).sort((x, y) => x.index - y.index);
  ctx.startJson();
  let current = 0;
  const close = (): void => {
    if (current === 0) return;
    ctx.closeArray();
    ctx.closeObject();
  };
  for (const g of groups) {
    if (g.index !== current) {
      close();
      current = g.index;
      ctx.openObject();
      ctx.put("ifindex", g.index, `${g.index}:`);
      ctx.put("ifname", g.name, `${ctx.paint("ifname", `\t${g.name}`)}\n`);
      ctx.openArray("maddr");
    }
    ctx.openObject();
    if (g.family === AF_PACKET) ctx.put("link", g.text, `\tlink  ${ctx.paint("mac", g.text)}`);
    else {
      const family = g.family === AF_INET ? "inet" : "inet6";
      ctx.put("family", family, `\t${family.padEnd(5)} `);
      ctx.put("address", g.text, ctx.paint(g.family === AF_INET ? "inet" : "inet6", g.text));
    }
    if (g.users !== 1) ctx.put("users", g.users, ` users ${g.users}`);
    if (g.isStatic) ctx.put("features", "static", " static");
    ctx.text("\n");
    ctx.closeObject();
  }
  close();
  ctx.endJson();
  return 0;
}

function* modify(run: Run, a: Args, command: number): Blocking<number> {
  const ctx: Context = run.ctx;
  const ifr = new Uint8Array(IFREQ_LEN);
  let dev: string | undefined;
  let address: Uint8Array | undefined;
  for (; a.more; a.skip()) {
    if (a.is("dev")) dev = a.next();
    else {
      if (a.matches("address")) a.next();
      if (a.matches("help")) ctx.fail(MADDRESS_USAGE, 255);
      if (address !== undefined) ctx.garbage("address", a.word);
      address = parseLinkAddress(ctx, a.word);
      if (address.length !== 6) ctx.fail(`Error: Invalid address length ${address.length} - must be 6 bytes\n`, 1);
    }
  }
  if (dev === undefined) ctx.fail('Not enough information: "dev" is required.\n', 255);
  ifr.set(utf8_encode(dev).subarray(0, 15));
  if (address !== undefined) ifr.set(address, IFREQ_DATA + 2);
  const fd = ctx.sys.socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) ctx.fail(`Cannot create socket: ${strerror(fd)}\n`, 1);
  const err = ctx.sys.ioctl(fd, command, ifr);
  ctx.sys.close(fd);
  if (err < 0) ctx.fail(`ioctl: ${strerror(err)}\n`, 1);
  return 0;
}

export function* maddress(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) return yield* show(run, a);
  const word = a.word;
  const rest = a.tail();
  if (matches(word, "add")) return yield* modify(run, rest, SIOCADDMULTI);
  if (matches(word, "delete")) return yield* modify(run, rest, SIOCDELMULTI);
  if (matches(word, "list") || matches(word, "show") || matches(word, "lst")) return yield* show(run, rest);
  if (matches(word, "help")) ctx.fail(MADDRESS_USAGE, 255);
  return ctx.fail(`Command "${word}" is unknown, try "ip maddr help".\n`, 255);
}
