// Wire layouts of Ethernet, ARP, IPv4, ICMP and UDP: offsets within each header, read as
// `dv.getUint16(skb.network_header + IPH_TOT_LEN)`. All multi-byte fields are big-endian (RFC 791, 792, 768, 826).

export const ETH_ALEN = 6;
export const ETH_HLEN = 14;
export const ETH_ZLEN = 60;
export const ETH_DATA_LEN = 1500;
export const ETH_FRAME_LEN = 1514;
export const ETH_FCS_LEN = 4;
/** Offsets: destination, source, type. */
export const ETH_DST = 0;
export const ETH_SRC = 6;
export const ETH_PROTO = 12;

export const ETH_P_LOOP = 0x0060;
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_RARP = 0x8035;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_IPV6 = 0x86dd;
export const ETH_P_8021AD = 0x88a8;
export const ETH_P_802_3_MIN = 0x0600;
export const ETH_P_802_3 = 0x0001;
export const ETH_P_ALL = 0x0003;
export const ETH_P_802_2 = 0x0004;

// IPv4 (RFC 791)
export const IPH_VER_IHL = 0;
export const IPH_TOS = 1;
export const IPH_TOT_LEN = 2;
export const IPH_ID = 4;
export const IPH_FRAG_OFF = 6;
export const IPH_TTL = 8;
export const IPH_PROTOCOL = 9;
export const IPH_CHECK = 10;
export const IPH_SADDR = 12;
export const IPH_DADDR = 16;
export const IPH_LEN = 20;
export const IP_CE = 0x8000;
export const IP_DF = 0x4000;
export const IP_MF = 0x2000;
export const IP_OFFSET = 0x1fff;
export const IPDEFTTL = 64;
export const MAX_IPOPTLEN = 40;
export const IPTOS_RT_MASK = 0x1c;
export const INET_DSCP_MASK = 0xfc;
export const IPOPT_END = 0;
export const IPOPT_NOOP = 1;
export const IPOPT_SEC = 130;
export const IPOPT_LSRR = 131;
export const IPOPT_TIMESTAMP = 68;
export const IPOPT_CIPSO = 134;
export const IPOPT_RR = 7;
export const IPOPT_SID = 136;
export const IPOPT_SSRR = 137;
export const IPOPT_RA = 148;

// ICMP (RFC 792)
export const ICMPH_TYPE = 0;
export const ICMPH_CODE = 1;
export const ICMPH_CHECK = 2;
export const ICMPH_ID = 4;
export const ICMPH_SEQ = 6;
/** Gateway address of a redirect; the MTU of "fragmentation needed" is at 6. */
export const ICMPH_GATEWAY = 4;
export const ICMPH_MTU = 6;
export const ICMPH_LEN = 8;
export const ICMP_ECHOREPLY = 0;
export const ICMP_DEST_UNREACH = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETERPROB = 12;
export const ICMP_TIMESTAMP = 13;
export const ICMP_TIMESTAMPREPLY = 14;
export const ICMP_INFO_REQUEST = 15;
export const ICMP_INFO_REPLY = 16;
export const ICMP_ADDRESS = 17;
export const ICMP_ADDRESSREPLY = 18;
export const ICMP_EXT_ECHO = 42;
export const ICMP_EXT_ECHOREPLY = 43;
export const NR_ICMP_TYPES = 18;
export const ICMP_NET_UNREACH = 0;
export const ICMP_HOST_UNREACH = 1;
export const ICMP_PROT_UNREACH = 2;
export const ICMP_PORT_UNREACH = 3;
export const ICMP_FRAG_NEEDED = 4;
export const ICMP_SR_FAILED = 5;
export const ICMP_NET_UNKNOWN = 6;
export const ICMP_HOST_UNKNOWN = 7;
export const ICMP_HOST_ISOLATED = 8;
export const ICMP_NET_ANO = 9;
export const ICMP_HOST_ANO = 10;
export const ICMP_NET_UNR_TOS = 11;
export const ICMP_HOST_UNR_TOS = 12;
export const ICMP_PKT_FILTERED = 13;
export const ICMP_PREC_VIOLATION = 14;
export const ICMP_PREC_CUTOFF = 15;
export const NR_ICMP_UNREACH = 15;
export const ICMP_REDIR_NET = 0;
export const ICMP_REDIR_HOST = 1;
export const ICMP_EXC_TTL = 0;
export const ICMP_EXC_FRAGTIME = 1;

// UDP (RFC 768)
export const UDPH_SOURCE = 0;
export const UDPH_DEST = 2;
export const UDPH_LEN = 4;
export const UDPH_CHECK = 6;
export const UDP_HLEN = 8;

// TCP (RFC 9293)
/** The high four bits of this byte: header length in words. */
export const TCPH_LEN = 20;
export const TCPH_SOURCE = 0;
export const TCPH_DEST = 2;
export const TCPH_SEQ = 4;
export const TCPH_ACK = 8;
export const TCPH_DOFF = 12;
export const TCPH_FLAGS = 13;
export const TCPH_WINDOW = 14;
export const TCPH_CHECK = 16;
export const TCPH_URG = 18;

// ARP (RFC 826) for Ethernet and IPv4
export const ARPH_HRD = 0;
export const ARPH_PRO = 2;
export const ARPH_HLN = 4;
export const ARPH_PLN = 5;
export const ARPH_OP = 6;
export const ARPH_SHA = 8;
export const ARPH_SIP = 14;
export const ARPH_THA = 18;
export const ARPH_TIP = 24;
export const ARPH_LEN = 28;
export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;
export const ARPOP_RREQUEST = 3;
export const ARPOP_RREPLY = 4;
export const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;
export const ARPHRD_NONE = 0xfffe;
