// Generic netlink: the controller alone, which knows no family but itself, so that programs see what they would on a kernel
// without theirs. Mirrors the controller of net/netlink/genetlink.c. Way in: genl_init(), from netlink_proto_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL, ENOENT, EOPNOTSUPP } from "../../uapi/errno.ts";
import { NETLINK_GENERIC, NLM_F_DUMP, NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  NlMsgWriter,
  nla_get_string,
  nla_get_u16,
  nla_put_string,
  nla_put_u16,
  nla_put_u32,
  nlmsg_end,
  nlmsg_parse,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import {
  type NetlinkDump,
  type NlRequest,
  netlink_dump_start,
  netlink_kernel_create,
  nlmsg_unicast,
} from "./af_netlink.ts";

const GENL_ID_CTRL = 16;
/** struct genlmsghdr: cmd u8, version u8, reserved u16. */
const GENL_HDRLEN = 4;
const CTRL_CMD_NEWFAMILY = 1;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const CTRL_ATTR_VERSION = 3;
const CTRL_ATTR_HDRSIZE = 4;
const CTRL_ATTR_MAXATTR = 5;
const CTRL_NAME = "nlctrl";
const CTRL_MAXATTR = 10;

function fill_family(w: NlMsgWriter, req: NlRequest, flags: number): void {
  const at = nlmsg_put(w, GENL_ID_CTRL, flags, req.msg.seq, req.portid, GENL_HDRLEN);
  w.buf[at] = CTRL_CMD_NEWFAMILY;
  w.buf[at + 1] = 2;
  nla_put_string(w, CTRL_ATTR_FAMILY_NAME, CTRL_NAME);
  nla_put_u16(w, CTRL_ATTR_FAMILY_ID, GENL_ID_CTRL);
  nla_put_u32(w, CTRL_ATTR_VERSION, 2);
  nla_put_u32(w, CTRL_ATTR_HDRSIZE, 0);
  nla_put_u32(w, CTRL_ATTR_MAXATTR, CTRL_MAXATTR);
  nlmsg_end(w);
}

function* dump_families(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  fill_family(w, req, NLM_F_MULTI);
  yield;
  return 0;
}

function genl_rcv_msg(req: NlRequest): number {
  const m = req.msg;
  if (m.type !== GENL_ID_CTRL) return -ENOENT;
  if (m.len < GENL_HDRLEN) return -EINVAL;
  if (m.buf[m.off] !== CTRL_CMD_GETFAMILY) return -EOPNOTSUPP;
  if ((m.flags & NLM_F_DUMP) === NLM_F_DUMP) return netlink_dump_start(req, dump_families);
  const tb = nlmsg_parse(m, GENL_HDRLEN);
  const id = tb[CTRL_ATTR_FAMILY_ID];
  const name = tb[CTRL_ATTR_FAMILY_NAME];
  if (id === undefined && name === undefined) return -EINVAL;
  if (id !== undefined && nla_get_u16(id) !== GENL_ID_CTRL) return -ENOENT;
  if (name !== undefined && nla_get_string(name) !== CTRL_NAME) return -ENOENT;
  const w = new NlMsgWriter(128);
  fill_family(w, req, 0);
  return nlmsg_unicast(req, w);
}

export function genl_init(k: Kernel): void {
  netlink_kernel_create(k, NETLINK_GENERIC, { groups: 32, input: genl_rcv_msg });
}
