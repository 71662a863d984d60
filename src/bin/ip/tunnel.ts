// `ip tunnel` and `ip tuntap`: asked of a kernel that has no such driver. Read first: ip-tunnel(8).
// Way in: tunnel(), tuntap().

import { strerror } from "../../uapi/errno.ts";
import { SIOCDEVPRIVATE } from "../../uapi/if.ts";
import { AF_INET, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { ifreq, inetPton } from "../lib/inet.ts";
import type { Run } from "./link_show.ts";
import { MORE_USAGE } from "./usage_more.ts";

/** Each mode's device, which the driver makes and to which the requests go. */
const BASES: readonly (readonly [names: readonly string[], base: string])[] = [
  [["ipip", "ip/ip"], "tunl0"],
  [["gre", "gre/ip"], "gre0"],
  [["sit", "ipv6/ip", "isatap"], "sit0"],
  [["vti", "vti/ip"], "ip_vti0"],
];
/** struct ip_tunnel_parm, behind the name. */
const PARM_LEN = 64;
const SIOCADDTUNNEL = SIOCDEVPRIVATE + 1;
const SIOCDELTUNNEL = SIOCDEVPRIVATE + 2;
const SIOCGETTUNNEL = SIOCDEVPRIVATE;

const FLAGS = [
  "seq",
  "iseq",
  "oseq",
  "csum",
  "icsum",
  "ocsum",
  "nopmtudisc",
  "pmtudisc",
  "ignore-df",
  "allow-localremote",
];
const VALUES = ["key", "ikey", "okey", "dev", "ttl", "hoplimit", "hlim", "tos", "tclass", "dsfield", "fwmark"];

interface Wanted {
  name: string;
  base: string;
}

function parseArgs(ctx: Context, a: Args): Wanted {
  const t: Wanted = { name: "", base: "" };
  for (; a.more; a.skip()) {
    if (a.is("mode")) {
      const mode = a.next();
      const base = BASES.find(([names]) => names.includes(mode))?.[1];
      if (base === undefined) ctx.fail(`Unknown tunnel mode "${a.word}"\n`, 255);
      t.base = base;
    } else if (a.is("remote", "local")) {
      if (a.next() !== "any" && inetPton(a.word) === undefined) {
        ctx.fail(`Error: an IP address is expected rather than "${a.word}"\n`, 1);
      }
    } else if (VALUES.includes(a.word)) a.next();
    else if (!FLAGS.includes(a.word)) {
      if (a.is("name")) a.next();
      else if (a.matches("help")) ctx.fail(MORE_USAGE.tunnel, 255);
      if (t.name !== "") ctx.garbage("name", a.word);
      t.name = a.word;
    }
  }
  return t;
}

function request(ctx: Context, dev: string, cmd: number): number {
  const fd = ctx.sys.socket(AF_INET, SOCK_DGRAM, 0);
  const err = fd < 0 ? fd : ctx.sys.ioctl(fd, cmd, ifreq(dev, PARM_LEN));
  if (fd >= 0) ctx.sys.close(fd);
  return err;
}

function modify(ctx: Context, a: Args, cmd: number): number {
  const t = parseArgs(ctx, a);
  const failed = (what: string, dev: string, err: number): number =>
    err >= 0 ? 0 : ctx.fail(`${what} tunnel "${dev}" failed: ${strerror(err)}\n`, 1);
  if (cmd === SIOCDELTUNNEL) return failed("delete", t.name, request(ctx, t.base || t.name, cmd));
  if (cmd === SIOCGETTUNNEL) return failed("get", t.name, request(ctx, t.name, cmd));
  if (t.base === "") ctx.fail("cannot determine tunnel mode (ipip, gre, vti or sit)\n", 1);
  return failed("add", t.base, request(ctx, t.base, cmd));
}

export function* tunnel(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const word = a.word;
  const rest = a.tail();
  // Devices of the tunnels' types are listed, and no driver here makes one.
  if (!a.more || matches(word, "show") || matches(word, "lst") || matches(word, "list")) {
    parseArgs(ctx, rest);
    return 0;
  }
  if (matches(word, "add")) return modify(ctx, rest, SIOCADDTUNNEL);
  if (matches(word, "change")) return modify(ctx, rest, SIOCGETTUNNEL);
  if (matches(word, "delete")) return modify(ctx, rest, SIOCDELTUNNEL);
  if (matches(word, "prl") || matches(word, "6rd")) {
    const at = rest.words.indexOf("dev");
    const dev = at < 0 ? undefined : rest.words[at + 1];
    if (dev === undefined) ctx.fail("Must specify device\n", 255);
    ctx.fail(`${dev}: ioctl 0 failed: Inappropriate ioctl for device\n`, 1);
  }
  if (matches(word, "help")) ctx.fail(MORE_USAGE.tunnel, 255);
  return ctx.fail(`Command "${word}" is unknown, try "ip tunnel help"\n`, 255);
}

const TUN = "/dev/net/tun";

export function* tuntap(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const word = a.word;
  if (!a.more || matches(word, "show") || matches(word, "lst") || matches(word, "list")) return 0;
  if (matches(word, "help")) ctx.fail(MORE_USAGE.tuntap, 255);
  if (!matches(word, "add") && !matches(word, "delete")) {
    return ctx.fail(`Command "${word}" is unknown, try "ip tuntap help".\n`, 255);
  }
  let mode = false;
  for (const rest = a.tail(); rest.more; rest.skip()) {
    if (rest.is("mode")) {
      mode = ["tun", "tap"].includes(rest.next());
      if (!mode) ctx.fail(`Unknown tunnel mode "${rest.word}"\n`, 255);
    } else if (rest.is("user", "group", "dev", "name")) rest.next();
  }
  if (!mode) ctx.fail("You failed to specify a tunnel mode\n", 1);
  const fd = ctx.sys.open(TUN, 2);
  if (fd < 0) ctx.fail(`open: ${strerror(fd)}\n`, 1);
  ctx.sys.close(fd);
  return 0;
}
