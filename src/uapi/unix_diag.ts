// Monitoring of unix sockets (linux/unix_diag.h). Read first: sock_diag(7).

/** struct unix_diag_req: family, protocol u8, pad u16, states, ino, show u32, cookie u32[2]. */
export const UNIX_DIAG_REQ_LEN = 24;

/** struct unix_diag_msg: family, type, state, pad u8, ino u32, cookie u32[2]. */
export const UNIX_DIAG_MSG_LEN = 16;

export const UDIAG_SHOW_NAME = 0x1;
export const UDIAG_SHOW_VFS = 0x2;
export const UDIAG_SHOW_PEER = 0x4;
export const UDIAG_SHOW_ICONS = 0x8;
export const UDIAG_SHOW_RQLEN = 0x10;
export const UDIAG_SHOW_MEMINFO = 0x20;
export const UDIAG_SHOW_UID = 0x40;

export const UNIX_DIAG_NAME = 0;
export const UNIX_DIAG_VFS = 1;
export const UNIX_DIAG_PEER = 2;
export const UNIX_DIAG_ICONS = 3;
export const UNIX_DIAG_RQLEN = 4;
export const UNIX_DIAG_MEMINFO = 5;
export const UNIX_DIAG_SHUTDOWN = 6;
export const UNIX_DIAG_UID = 7;
export const UNIX_DIAG_MAX = 7;
