// Interface address attributes and flags (linux/if_addr.h). Way in: RTM_NEWADDR in rtnetlink.ts.

/** struct ifaddrmsg: family, prefixlen, flags, scope (u8 each), index u32. */
export const IFADDRMSG_LEN = 8;
export const IFADDRMSG_FAMILY = 0;
export const IFADDRMSG_PREFIXLEN = 1;
export const IFADDRMSG_FLAGS = 2;
export const IFADDRMSG_SCOPE = 3;
export const IFADDRMSG_INDEX = 4;

/** struct ifa_cacheinfo: preferred, valid, cstamp, tstamp (u32; lifetimes in s, stamps in 1/100 s). */
export const IFA_CACHEINFO_LEN = 16;
export const INFINITY_LIFE_TIME = 0xffffffff;

export const IFA_UNSPEC = 0;
export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_LABEL = 3;
export const IFA_BROADCAST = 4;
export const IFA_ANYCAST = 5;
export const IFA_CACHEINFO = 6;
export const IFA_MULTICAST = 7;
export const IFA_FLAGS = 8;
export const IFA_RT_PRIORITY = 9;
export const IFA_TARGET_NETNSID = 10;
export const IFA_PROTO = 11;
export const IFA_MAX = 11;
export const IFA_F_SECONDARY = 0x1;
export const IFA_F_TEMPORARY = 0x1;
export const IFA_F_NODAD = 0x2;
export const IFA_F_OPTIMISTIC = 0x4;
export const IFA_F_DADFAILED = 0x8;
export const IFA_F_HOMEADDRESS = 0x10;
export const IFA_F_DEPRECATED = 0x20;
export const IFA_F_TENTATIVE = 0x40;
export const IFA_F_PERMANENT = 0x80;
export const IFA_F_MANAGETEMPADDR = 0x100;
export const IFA_F_NOPREFIXROUTE = 0x200;
export const IFA_F_MCAUTOJOIN = 0x400;
export const IFA_F_STABLE_PRIVACY = 0x800;

export const IFAPROT_UNSPEC = 0;
export const IFAPROT_KERNEL_LO = 1;
export const IFAPROT_KERNEL_RA = 2;
export const IFAPROT_KERNEL_LL = 3;
