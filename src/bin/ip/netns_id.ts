// The numbers by which namespaces know each other, and the names of /run/netns. Read first: ip-netns(8).
// Way in: netnsId(), netnsName().

import { NETNSA_FD, NETNSA_NSID } from "../../uapi/net_namespace.ts";
import { nla_get_s32, nla_put_u32, nlmsg_parse } from "../../uapi/nlattr.ts";
import { RTGENMSG_LEN, RTM_GETNSID } from "../../uapi/rtnetlink.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Run } from "./link_show.ts";

/** The number that a named namespace has here, -1 when it has none. */
export function* netnsId(run: Run, name: string): Blocking<number> {
  const { sys } = run.ctx;
  const fd = sys.open(`/var/run/netns/${name}`, 0);
  if (fd < 0) return -1;
  const w = run.rtnl.request(RTM_GETNSID, 0, RTGENMSG_LEN);
  nla_put_u32(w, NETNSA_FD, fd);
  const m = yield* run.rtnl.ask(w, true);
  sys.close(fd);
  return m === undefined ? -1 : nla_get_s32(nlmsg_parse(m, RTGENMSG_LEN)[NETNSA_NSID]);
}

/** The name of the namespace that has this number here. */
export function* netnsName(run: Run, id: number): Blocking<string | undefined> {
  for (const name of run.ctx.sys.netns_list()) if ((yield* netnsId(run, name)) === id) return name;
  return undefined;
}
