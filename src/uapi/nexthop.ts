// Nexthop objects (linux/nexthop.h). Way in: RTM_NEWNEXTHOP in rtnetlink.ts.

/** struct nhmsg: family, scope, protocol, resvd (u8 each), flags u32. */
export const NHMSG_LEN = 8;
export const NHMSG_FAMILY = 0;
export const NHMSG_SCOPE = 1;
export const NHMSG_PROTOCOL = 2;
export const NHMSG_FLAGS = 4;

/** struct nexthop_grp: id u32, weight u8 (minus 1), 3 reserved. */
export const NEXTHOP_GRP_LEN = 8;

export const NEXTHOP_GRP_TYPE_MPATH = 0;
export const NEXTHOP_GRP_TYPE_RES = 1;
export const NEXTHOP_GRP_TYPE_MAX = 1;

export const NHA_UNSPEC = 0;
export const NHA_ID = 1;
export const NHA_GROUP = 2;
export const NHA_GROUP_TYPE = 3;
export const NHA_BLACKHOLE = 4;
export const NHA_OIF = 5;
export const NHA_GATEWAY = 6;
export const NHA_ENCAP_TYPE = 7;
export const NHA_ENCAP = 8;
export const NHA_GROUPS = 9;
export const NHA_MASTER = 10;
export const NHA_FDB = 11;
export const NHA_RES_GROUP = 12;
export const NHA_RES_BUCKET = 13;
export const NHA_MAX = 13;
export const NHA_RES_GROUP_UNSPEC = 0;
export const NHA_RES_GROUP_PAD = 0;
export const NHA_RES_GROUP_BUCKETS = 1;
export const NHA_RES_GROUP_IDLE_TIMER = 2;
export const NHA_RES_GROUP_UNBALANCED_TIMER = 3;
export const NHA_RES_GROUP_UNBALANCED_TIME = 4;
export const NHA_RES_GROUP_MAX = 4;
export const NHA_RES_BUCKET_UNSPEC = 0;
export const NHA_RES_BUCKET_PAD = 0;
export const NHA_RES_BUCKET_INDEX = 1;
export const NHA_RES_BUCKET_IDLE_TIME = 2;
export const NHA_RES_BUCKET_NH_ID = 3;
export const NHA_RES_BUCKET_MAX = 3;
