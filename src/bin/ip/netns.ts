// `ip netns`: named network namespaces, by the calls that Sys has for them.

import { ENOENT, strerror } from "../../uapi/errno.ts";
import { NETNSA_CURRENT_NSID, NETNSA_FD, NETNSA_NSID, NETNSA_TARGET_NSID } from "../../uapi/net_namespace.ts";
import { type NlMsg, nla_get_s32, nla_put_u32, nlmsg_parse } from "../../uapi/nlattr.ts";
import { RTGENMSG_LEN, RTM_DELNSID, RTM_GETNSID, RTM_NEWNSID } from "../../uapi/rtnetlink.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { parseInteger } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { processes } from "../lib/processes.ts";
import { waitFor } from "../lib/wait.ts";
import type { Run } from "./link_show.ts";
import { netnsId } from "./netns_id.ts";
import { NETNS_USAGE } from "./usage.ts";

function* list(run: Run): Blocking<number> {
  const ctx: Context = run.ctx;
  ctx.startJson();
  for (const name of ctx.sys.netns_list()) {
    ctx.openObject();
    ctx.put("name", name, name);
    const id = yield* netnsId(run, name);
    if (id >= 0) ctx.put("id", id, ` (id: ${id})`);
    ctx.text("\n");
    ctx.closeObject();
  }
  ctx.endJson();
  return 0;
}

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
  return yield* waitFor(sys, pid);
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
  checkName(ctx, name);
  a.skip();
  if (!a.more) ctx.fail("No command specified\n", 1);
  return yield* execIn(run, name, a.rest());
}

function checkName(ctx: Context, name: string): void {
  if (name === "" || name.includes("/") || name === "." || name === ".." || name.length > 255)
    ctx.fail(`Invalid netns name "${name}"\n`, 255);
}

/** A number, "x" otherwise refused as iproute2 words it. */
function nsid(ctx: Context, a: Args, what: string): number {
  const id = parseInteger(a.next());
  if (id === undefined || id < 0) ctx.invalidArgument(`"${what}" value is invalid`, a.word);
  return id;
}

/** The names by the numbers that namespaces have here. */
function* namesById(run: Run): Blocking<Map<number, string>> {
  const names = new Map<number, string>();
  for (const name of run.ctx.sys.netns_list()) {
    const id = yield* netnsId(run, name);
    if (id >= 0) names.set(id, name);
  }
  return names;
}

function putId(ctx: Context, m: NlMsg, names: ReadonlyMap<number, string>): void {
  const tb = nlmsg_parse(m, RTGENMSG_LEN);
  ctx.openObject();
  const id = nla_get_s32(tb[NETNSA_NSID]);
  ctx.put("nsid", id, `nsid ${id} `);
  const current = tb[NETNSA_CURRENT_NSID];
  const here = current === undefined ? -1 : nla_get_s32(current);
  if (current !== undefined) {
    ctx.put("current-nsid", here, `current-nsid ${here < 0 ? "unassigned" : here} `);
  }
  const name = names.get(here < 0 ? id : here);
  if (name !== undefined) ctx.put("name", name, `(iproute2 netns name: ${name})`);
  ctx.text("\n");
  ctx.closeObject();
}

/** Of `ip monitor`. */
export function* printNsid(run: Run, m: NlMsg): Blocking<void> {
  if (m.type === RTM_DELNSID) run.ctx.text("Deleted ");
  putId(run.ctx, m, yield* namesById(run));
}

function* listId(run: Run, a: Args): Blocking<number> {
  const { ctx, rtnl } = run;
  let target: number | undefined;
  let only: number | undefined;
  for (; a.more; a.skip()) {
    if (a.is("target-nsid")) target = nsid(ctx, a, "target-nsid");
    else if (a.is("nsid")) only = nsid(ctx, a, "nsid");
    else ctx.fail(NETNS_USAGE, 255);
  }
  const names = yield* namesById(run);
  const w = rtnl.request(RTM_GETNSID, 0, RTGENMSG_LEN);
  if (target !== undefined) nla_put_u32(w, NETNSA_TARGET_NSID, target);
  ctx.startJson();
  if (only === undefined) for (const m of yield* rtnl.dumpOrExit(w)) putId(ctx, m, names);
  else {
    nla_put_u32(w, NETNSA_NSID, only);
    const m = yield* rtnl.ask(w);
    if (m === undefined) return 2;
    putId(ctx, m, names);
  }
  ctx.endJson();
  return 0;
}

const inode = (sys: Sys, path: string): number => {
  const s = sys.stat(path);
  return typeof s === "number" ? s : s.st_ino;
};

/** Which name the namespace of a process has. */
function identify(ctx: Context, a: Args): number {
  if (a.left > 1) ctx.fail("extra arguments specified\n", 1);
  const who = a.more ? a.word : "self";
  if (who !== "self" && !/^\d+$/.test(who)) ctx.fail(`Specified string '${who}' is not a pid\n`, 1);
  const { sys } = ctx;
  const ino = inode(sys, `/proc/${who}/ns/net`);
  if (ino < 0) ctx.fail(`Cannot open network namespace: ${strerror(ino)}\n`, 1);
  for (const name of sys.netns_list()) if (inode(sys, `/run/netns/${name}`) === ino) ctx.raw(`${name}\n`);
  return 0;
}

function pids(ctx: Context, a: Args): number {
  if (!a.more) ctx.fail("No netns name specified\n", 1);
  if (a.left > 1) ctx.fail("extra arguments specified\n", 1);
  const { sys } = ctx;
  const ino = inode(sys, `/var/run/netns/${a.word}`);
  if (ino < 0) ctx.fail(`Cannot open network namespace: ${strerror(ino)}\n`, 1);
  for (const pid of processes(sys)) if (inode(sys, `/proc/${pid}/ns/net`) === ino) ctx.raw(`${pid}\n`);
  return 0;
}

/** A name for the namespace of a process: there is no call for it here. */
function attach(ctx: Context, a: Args): number {
  if (a.left < 2) ctx.fail("No netns name and PID specified\n", 1);
  const pid = parseInteger(a.following);
  if (pid === undefined) ctx.fail(`Invalid PID: ${a.following}\n`, 1);
  checkName(ctx, a.word);
  return ctx.fail("ip netns attach is not supported here.\n", 1);
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
  if (id === undefined || (id < 0 && !a.is("auto"))) ctx.invalidArgument('Invalid "netnsid" value', a.word);
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
    checkName(ctx, rest.word);
    return remove(ctx, rest.word);
  }
  if (matches(word, "exec")) return yield* exec(run, rest);
  if (matches(word, "list-id")) return yield* listId(run, rest);
  if (matches(word, "identify")) return identify(ctx, rest);
  if (matches(word, "pids")) return pids(ctx, rest);
  if (matches(word, "attach")) return attach(ctx, rest);
  if (matches(word, "monitor")) ctx.fail("ip netns monitor is not supported here.\n", 1);
  return ctx.fail(`Command "${word}" is unknown, try "ip netns help".\n`, 255);
}
