// Monitoring of packet sockets (linux/packet_diag.h). Read first: sock_diag(7).

/** struct packet_diag_req: family, protocol u8, pad u16, ino, show u32, cookie u32[2]. */
export const PACKET_DIAG_REQ_LEN = 20;

/** struct packet_diag_msg: family, type u8, num u16 (ethertype, host order), ino u32, cookie u32[2]. */
export const PACKET_DIAG_MSG_LEN = 16;

/** struct packet_diag_info: index, version, reserve, copy_thresh, tstamp, flags (u32). */
export const PACKET_DIAG_INFO_LEN = 24;

export const PACKET_SHOW_INFO = 0x1;
export const PACKET_SHOW_MCLIST = 0x2;
export const PACKET_SHOW_RING_CFG = 0x4;
export const PACKET_SHOW_FANOUT = 0x8;
export const PACKET_SHOW_MEMINFO = 0x10;
export const PACKET_SHOW_FILTER = 0x20;
export const PACKET_DIAG_INFO = 0;
export const PACKET_DIAG_MCLIST = 1;
export const PACKET_DIAG_RX_RING = 2;
export const PACKET_DIAG_TX_RING = 3;
export const PACKET_DIAG_FANOUT = 4;
export const PACKET_DIAG_UID = 5;
export const PACKET_DIAG_MEMINFO = 6;
export const PACKET_DIAG_FILTER = 7;
export const PACKET_DIAG_MAX = 7;
