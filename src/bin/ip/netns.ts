// `ip netns`: named network namespaces, by the calls that Sys has for them.

import { ENOENT, strerror } from "../../uapi/errno.ts";
import { NETNSA_FD, NETNSA_NSID } from "../../uapi/net_namespace.ts";
import { nla_get_s32, nla_put_u32, nlmsg_parse } from "../../uapi/nlattr.ts";
import { RTM_GETNSID, RTM_NEWNSID } from "../../uapi/rtnetlink.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { parseInteger } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import type { Run } from "./link_show.ts";
import { NETNS_USAGE } from "./usage.ts";

function* idOf(run: Run, name: string): Blocking<number> {
  const fd = run.ctx.sys.open(`/var/run/netns/${name}`, 0);
  if (fd < 0) return -1;
  const w = run.rtnl.request(RTM_GETNSID, 0, 1);
  nla_put_u32(w, NETNSA_FD, fd);
  const m = yield* run.rtnl.ask(w, true);
  run.ctx.sys.close(fd);
  return m === undefined ? -1 : nla_get_s32(nlmsg_parse(m, 1)[NETNSA_NSID]);
}

function* list(run: Run): Blocking<number> {
  const ctx: Context = run.ctx;
  ctx.startJson();
  for (const name of ctx.sys.netns_list()) {
    ctx.openObject();
    ctx.put("name", name, name);
    const id = yield* idOf(run, name);
    if (id >= 0) ctx.put("id", id, ` (id: ${id})`);
    ctx.text("\n");
    ctx.closeObject();
  }
  ctx.endJson();
  return 0;
}

/** Exit status of a child: its own, or 128 + signal as shells say. */
export const exitStatus = (status: number): number =>
  (status & 0x7f) !== 0 ? 128 + (status & 0x7f) : (status >> 8) & 0xff;

function* execIn(run: Run, name: string, words: string[]): Blocking<number> {
  const ctx: Context = run.ctx;
  const { sys } = ctx;
  if (!sys.netns_list().includes(name)) ctx.fail(`Cannot open network namespace "${name}": ${strerror(ENOENT)}\n`, 255);
  const program = sys.lookup_program(words[0]);
  if (program === null) {
    ctx.error(`exec of "${words[0]}" failed: ${strerror(ENOENT)}\n`);
    return 1;
  }
  yield* ctx.flush();
  const pid = sys.spawn(program, words, { netns: name });
  if (pid < 0) {
    ctx.error(`exec of "${words[0]}" failed: ${strerror(pid)}\n`);
    return 1;
  }
  const [, status] = yield* sys.wait4(pid, 0);
  return exitStatus(status);
}

function* exec(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (ctx.opt.all) {
    if (!a.more) ctx.fail("No command specified\n", 1);
    let status = 0;
    for (const name of ctx.sys.netns_list()) {
      ctx.raw(`\nnetns: ${name}\n`);
      status = (yield* execIn(run, name, a.rest())) || status;
    }
    return status;
  }
  if (!a.more) ctx.fail("No netns name specified\n", 1);
  const name = a.word;
  a.skip();
  if (!a.more) ctx.fail("No command specified\n", 1);
  return yield* execIn(run, name, a.rest());
}

function checkName(ctx: Context, name: string): void {
  if (name === "" || name.includes("/") || name === "." || name === ".." || name.length > 255)
    ctx.fail(`Invalid netns name "${name}"\n`, 1);
}

function remove(ctx: Context, name: string): number {
  const err = ctx.sys.netns_del(name);
  if (err >= 0) return 0;
  ctx.error(`Cannot remove namespace file "/run/netns/${name}": ${strerror(err)}\n`);
  return 1;
}

function* set(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) ctx.fail("No netns name specified\n", 1);
  const name = a.word;
  a.skip();
  if (!a.more) ctx.fail("No nsid specified\n", 1);
  const id = a.is("auto") ? -1 : parseInteger(a.word);
  if (id === undefined || (id < 0 && !a.is("auto"))) ctx.invalidArgument("Invalid nsid\n", a.word);
  const fd = ctx.sys.open(`/var/run/netns/${name}`, 0);
  if (fd < 0) ctx.fail(`Cannot open network namespace "${name}": ${strerror(fd)}\n`, 1);
  const w = run.rtnl.request(RTM_NEWNSID, 0, 1);
  nla_put_u32(w, NETNSA_FD, fd);
  nla_put_u32(w, NETNSA_NSID, id);
  const ok = yield* run.rtnl.talk(w);
  ctx.sys.close(fd);
  return ok ? 0 : 2;
}

export function* netns(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const { sys } = ctx;
  if (!a.more) return yield* list(run);
  const word = a.word;
  const rest = a.tail();
  if (matches(word, "list") || matches(word, "show") || matches(word, "lst")) return yield* list(run);
  if (matches(word, "help")) ctx.fail(NETNS_USAGE, 255);
  if (matches(word, "add")) {
    if (!rest.more) ctx.fail("No netns name specified\n", 1);
    checkName(ctx, rest.word);
    const err = sys.netns_add(rest.word);
    if (err < 0) ctx.fail(`Cannot create namespace file "/run/netns/${rest.word}": ${strerror(err)}\n`, 1);
    return 0;
  }
  if (matches(word, "set")) return yield* set(run, rest);
  if (matches(word, "delete")) {
    if (!rest.more && !ctx.opt.all) ctx.fail("No netns name specified\n", 1);
    if (ctx.opt.all) return sys.netns_list().reduce((status, name) => remove(ctx, name) || status, 0);
    return remove(ctx, rest.word);
  }
  if (matches(word, "exec")) return yield* exec(run, rest);
  if (matches(word, "list-id")) return 0;
  for (const missing of ["identify", "pids", "monitor", "attach"])
    if (matches(word, missing)) ctx.fail(`ip netns ${missing} is not supported here.\n`, 1);
  return ctx.fail(`Command "${word}" is unknown, try "ip netns help".\n`, 255);
}
