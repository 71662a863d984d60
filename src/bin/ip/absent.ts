// Objects of ip whose part of the kernel is not there: usage, what can be empty is, and the rest fails as on such a kernel.
// Read first: ip(8). Way in: OBJECTS of ip.ts.

import { CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, GENL_HDRLEN, GENL_ID_CTRL } from "../../uapi/genetlink.ts";
import { NETLINK_GENERIC, NETLINK_XFRM } from "../../uapi/netlink.ts";
import { nla_put_string } from "../../uapi/nlattr.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Args } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { openNetlink } from "../iproute/rtnl.ts";
import type { Run } from "./link_show.ts";
import { MORE_USAGE } from "./usage_more.ts";

type Command = (run: Run, a: Args) => Blocking<number>;

const LIST = ["show", "lst", "list"];
const lists = (a: Args): boolean => !a.more || LIST.some((l) => matches(a.word, l));

/** Help, or that the command is not known. */
function refuse(run: Run, a: Args, name: string): never {
  if (matches(a.word, "help")) run.ctx.fail(MORE_USAGE[name], 255);
  return run.ctx.fail(`Command "${a.word}" is unknown, try "ip ${name} help".\n`, 255);
}

export function* mroute(run: Run, a: Args): Blocking<number> {
  if (!lists(a)) refuse(run, a, "mroute");
  // No routes of groups: nothing forwards multicast.
  const selectors = ["table", "iif", "from", "to", "root", "match", "exact"];
  for (const rest = a.tail(); rest.more; rest.skip()) {
    if (!selectors.includes(rest.word)) {
      run.ctx.fail(`Error: ??? prefix is expected rather than "${rest.word}".\n`, 1);
    }
    rest.next();
  }
  return 0;
}

export function* vrf(run: Run, a: Args): Blocking<number> {
  const { ctx } = run;
  if (lists(a)) {
    ctx.raw(`Name              Table\n${"-".repeat(23)}\nNo VRF has been configured\n`);
    return 0;
  }
  if (matches(a.word, "exec") && a.left === 1) ctx.fail("No VRF name specified\n", 1);
  if (matches(a.word, "pids") && a.left === 1) ctx.fail("Invalid arguments\n", 1);
  if (matches(a.word, "identify")) return 0;
  return refuse(run, a, "vrf");
}

/** An object behind a family of generic netlink, for which the kernel is asked first. */
export const generic = (name: string, family: string): Command =>
  function* (run, a) {
    const { ctx } = run;
    if (!a.more || a.is("help")) ctx.fail(MORE_USAGE[name], 255);
    const genl = openNetlink(ctx, NETLINK_GENERIC);
    try {
      const w = genl.request(GENL_ID_CTRL, 0, GENL_HDRLEN);
      w.buf[w.msg + 16] = CTRL_CMD_GETFAMILY;
      w.buf[w.msg + 17] = 1;
      nla_put_string(w, CTRL_ATTR_FAMILY_NAME, family);
      if ((yield* genl.ask(w)) === undefined) return ctx.fail("Error talking to the kernel\n", 1);
    } finally {
      genl.close();
    }
    return ctx.fail(`Object "${name}" is not supported here.\n`, 1);
  };

export function* xfrm(run: Run, a: Args): Blocking<number> {
  const objects = ["state", "policy", "monitor"];
  if (!a.more || a.is("help") || !objects.some((o) => matches(a.word, o))) run.ctx.fail(MORE_USAGE.xfrm, 255);
  openNetlink(run.ctx, NETLINK_XFRM).close();
  return run.ctx.fail(`Object "xfrm" is not supported here.\n`, 1);
}

/** The rest can tell what it would take, and no more. */
export const onlyHelp = (name: string): Command =>
  function* (run, a) {
    if (matches(a.word, "help")) run.ctx.fail(MORE_USAGE[name], 255);
    return run.ctx.fail(`Object "${name}" is not supported here.\n`, 1);
  };
