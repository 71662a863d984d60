// Socket monitoring (linux/sock_diag.h, linux/inet_diag.h). Read first: sock_diag(7).

/** struct inet_diag_sockid: sport, dport u16 BE; src, dst u32[4] BE; if u32; cookie u32[2]. */
export const INET_DIAG_SOCKID_LEN = 48;

/** struct inet_diag_req_v2: family, protocol, ext, pad (u8); states u32; id inet_diag_sockid. */
export const INET_DIAG_REQ_V2_LEN = 56;
export const INET_DIAG_REQ_V2_STATES = 4;
export const INET_DIAG_REQ_V2_ID = 8;

/** struct inet_diag_msg: family, state, timer, retrans (u8); id; expires, rqueue, wqueue, uid, inode (u32). */
export const INET_DIAG_MSG_LEN = 72;
export const INET_DIAG_MSG_ID = 4;
export const INET_DIAG_MSG_EXPIRES = 52;
export const INET_DIAG_MSG_RQUEUE = 56;
export const INET_DIAG_MSG_WQUEUE = 60;
export const INET_DIAG_MSG_UID = 64;
export const INET_DIAG_MSG_INODE = 68;

/** struct inet_diag_bc_op: code u8, yes u8, no u16; inet_diag_hostcond: family, prefix_len u8, pad, port i32, addr. */
export const INET_DIAG_BC_OP_LEN = 4;
export const INET_DIAG_HOSTCOND_LEN = 8;

export const SOCK_DIAG_BY_FAMILY = 20;
export const SOCK_DESTROY = 21;

export const SK_MEMINFO_RMEM_ALLOC = 0;
export const SK_MEMINFO_RCVBUF = 1;
export const SK_MEMINFO_WMEM_ALLOC = 2;
export const SK_MEMINFO_SNDBUF = 3;
export const SK_MEMINFO_FWD_ALLOC = 4;
export const SK_MEMINFO_WMEM_QUEUED = 5;
export const SK_MEMINFO_OPTMEM = 6;
export const SK_MEMINFO_BACKLOG = 7;
export const SK_MEMINFO_DROPS = 8;
export const SK_MEMINFO_VARS = 9;

export const SKNLGRP_NONE = 0;
export const SKNLGRP_INET_TCP_DESTROY = 1;
export const SKNLGRP_INET_UDP_DESTROY = 2;
export const SKNLGRP_INET6_TCP_DESTROY = 3;
export const SKNLGRP_INET6_UDP_DESTROY = 4;
export const SKNLGRP_MAX = 4;

export const TCPDIAG_GETSOCK = 18;

export const INET_DIAG_GETSOCK_MAX = 24;
export const INET_DIAG_NOCOOKIE = 4294967295;
export const INET_DIAG_REQ_NONE = 0;
export const INET_DIAG_REQ_BYTECODE = 1;
export const INET_DIAG_REQ_SK_BPF_STORAGES = 2;
export const INET_DIAG_REQ_PROTOCOL = 3;
export const INET_DIAG_REQ_MAX = 3;
export const INET_DIAG_BC_NOP = 0;
export const INET_DIAG_BC_JMP = 1;
export const INET_DIAG_BC_S_GE = 2;
export const INET_DIAG_BC_S_LE = 3;
export const INET_DIAG_BC_D_GE = 4;
export const INET_DIAG_BC_D_LE = 5;
export const INET_DIAG_BC_AUTO = 6;
export const INET_DIAG_BC_S_COND = 7;
export const INET_DIAG_BC_D_COND = 8;
export const INET_DIAG_BC_DEV_COND = 9;
export const INET_DIAG_BC_MARK_COND = 10;
export const INET_DIAG_BC_S_EQ = 11;
export const INET_DIAG_BC_D_EQ = 12;
export const INET_DIAG_BC_CGROUP_COND = 13;
export const INET_DIAG_NONE = 0;
export const INET_DIAG_MEMINFO = 1;
export const INET_DIAG_INFO = 2;
export const INET_DIAG_VEGASINFO = 3;
export const INET_DIAG_CONG = 4;
export const INET_DIAG_TOS = 5;
export const INET_DIAG_TCLASS = 6;
export const INET_DIAG_SKMEMINFO = 7;
export const INET_DIAG_SHUTDOWN = 8;
export const INET_DIAG_DCTCPINFO = 9;
export const INET_DIAG_PROTOCOL = 10;
export const INET_DIAG_SKV6ONLY = 11;
export const INET_DIAG_LOCALS = 12;
export const INET_DIAG_PEERS = 13;
export const INET_DIAG_PAD = 14;
export const INET_DIAG_MARK = 15;
export const INET_DIAG_BBRINFO = 16;
export const INET_DIAG_CLASS_ID = 17;
export const INET_DIAG_MD5SIG = 18;
export const INET_DIAG_ULP_INFO = 19;
export const INET_DIAG_SK_BPF_STORAGES = 20;
export const INET_DIAG_CGROUP_ID = 21;
export const INET_DIAG_SOCKOPT = 22;
export const INET_DIAG_MAX = 22;
