// Checking the attributes of a request against what their receiver expects. Mirrors lib/nlattr.c and the policies of
// include/net/netlink.h. Way in: nlmsg_parse_deprecated(), nlmsg_parse_deprecated_strict().

import { EINVAL, ERANGE } from "../../uapi/errno.ts";
import { type NlAttr, type NlAttrs, nla_align, nla_for_each } from "../../uapi/nlattr.ts";
import { type NlRequest, nl_err } from "./af_netlink.ts";

export const NLA_UNSPEC = 0;
export const NLA_U8 = 1;
export const NLA_U16 = 2;
export const NLA_U32 = 3;
export const NLA_U64 = 4;
/** `len` is the longest string without NUL. */
export const NLA_STRING = 5;
export const NLA_FLAG = 6;
export const NLA_NESTED = 8;
export const NLA_NUL_STRING = 10;
/** `len` is the most. */
export const NLA_BINARY = 11;
export const NLA_S32 = 14;
export const NLA_REJECT = 18;
/** Exactly `len`, and at least `len`. */
export const NLA_EXACT_LEN = 20;
export const NLA_MIN_LEN = 21;

export interface NlaPolicyEntry {
  readonly type: number;
  readonly len?: number;
}
/** By attribute type; the highest one listed is the highest known. */
export type NlaPolicy = readonly (NlaPolicyEntry | undefined)[];

export const U8: NlaPolicyEntry = { type: NLA_U8 };
export const U16: NlaPolicyEntry = { type: NLA_U16 };
export const U32: NlaPolicyEntry = { type: NLA_U32 };
export const U64: NlaPolicyEntry = { type: NLA_U64 };
export const S32: NlaPolicyEntry = { type: NLA_S32 };
export const FLAG: NlaPolicyEntry = { type: NLA_FLAG };
export const NESTED: NlaPolicyEntry = { type: NLA_NESTED };

/** Builds a policy from [type, entry] pairs. */
export function policy_of(max: number, entries: readonly (readonly [number, NlaPolicyEntry])[]): NlaPolicy {
  const out: (NlaPolicyEntry | undefined)[] = new Array<undefined>(max + 1).fill(undefined);
  for (const [type, entry] of entries) out[type] = entry;
  return out;
}

const int_len: readonly number[] = [0, 1, 2, 4, 8];

/** 0, or -errno: what is wrong with one attribute. */
function validate_nla(a: NlAttr, p: NlaPolicyEntry): number {
  const len = p.len ?? 0;
  switch (p.type) {
    case NLA_U8:
    case NLA_U16:
    case NLA_U32:
    case NLA_U64:
      return a.len < int_len[p.type]! ? -ERANGE : 0;
    case NLA_S32:
      return a.len < 4 ? -ERANGE : 0;
    case NLA_FLAG:
      return a.len > 0 ? -ERANGE : 0;
    case NLA_NUL_STRING:
    case NLA_STRING: {
      let n = 0;
      while (n < a.len && a.buf[a.off + n] !== 0) n++;
      if (p.type === NLA_NUL_STRING && n === a.len) return -EINVAL;
      if (a.len < 1 && p.type === NLA_STRING) return -ERANGE;
      return len > 0 && n > len ? -ERANGE : 0;
    }
    case NLA_BINARY:
      return len > 0 && a.len > len ? -ERANGE : 0;
    case NLA_NESTED:
      return a.len !== 0 && a.len < 4 ? -ERANGE : 0;
    case NLA_EXACT_LEN:
      return a.len !== len ? -ERANGE : 0;
    case NLA_MIN_LEN:
      return a.len < len ? -ERANGE : 0;
    case NLA_REJECT:
      return -EINVAL;
    default:
      return 0;
  }
}

function validate_list(
  req: NlRequest,
  list: readonly NlAttr[],
  tb: NlAttrs,
  policy: NlaPolicy,
  strict: boolean,
): number {
  for (const a of list) {
    if (a.type === 0 || a.type >= policy.length) {
      if (strict && a.type >= policy.length) return req.bad(a, "Unknown attribute type", -EINVAL);
      continue;
    }
    const p = policy[a.type];
    const err = p !== undefined ? validate_nla(a, p) : 0;
    if (err < 0) return req.bad(a, "Attribute failed policy validation", err);
    tb[a.type] = a;
  }
  return 0;
}

/** Bytes behind the last whole attribute. */
function leftover(off: number, len: number, list: readonly NlAttr[]): number {
  const last = list.length > 0 ? list[list.length - 1]! : null;
  return last === null ? len : off + len - Math.min(off + len, last.off + nla_align(last.len));
}

function parse(req: NlRequest, hdrlen: number, tb: NlAttrs, policy: NlaPolicy, strict: boolean): number {
  const m = req.msg;
  const skip = nla_align(hdrlen);
  if (m.len < hdrlen) return nl_err(req.extack, "Invalid header length", -EINVAL);
  if (m.len <= skip) return 0;
  const list = nla_for_each(m.buf, m.dv, m.off + skip, m.len - skip);
  const err = validate_list(req, list, tb, policy, strict);
  if (err < 0) return err;
  if (strict && leftover(m.off + skip, m.len - skip, list) > 0) {
    return nl_err(req.extack, "bytes leftover after parsing attributes", -EINVAL);
  }
  return 0;
}

/** Attributes behind a header of `hdrlen` bytes into `tb`; unknown ones are ignored. 0 or -errno. */
export function nlmsg_parse_deprecated(req: NlRequest, hdrlen: number, tb: NlAttrs, policy: NlaPolicy): number {
  return parse(req, hdrlen, tb, policy, false);
}

/** The same, but unknown attributes and trailing bytes are refused. */
export function nlmsg_parse_deprecated_strict(req: NlRequest, hdrlen: number, tb: NlAttrs, policy: NlaPolicy): number {
  return parse(req, hdrlen, tb, policy, true);
}

/** Attributes nested in `a`. */
export function nla_parse_nested_deprecated(
  req: NlRequest,
  a: NlAttr,
  tb: NlAttrs,
  policy: NlaPolicy,
  skip = 0,
): number {
  if (a.len < skip) return req.bad(a, "", -EINVAL);
  const list = nla_for_each(a.buf, a.dv, a.off + skip, a.len - skip);
  return validate_list(req, list, tb, policy, false);
}
