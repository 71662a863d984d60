/* lwIP as the comparison needs it: no OS, IPv4, ARP, UDP, forwarding, software checksums unless NO_CHECKSUM. */
#ifndef SKBUFF_BENCH_LWIPOPTS_H
#define SKBUFF_BENCH_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TIMERS 1
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_ICMP 1
#define LWIP_UDP 1
#define LWIP_TCP 0
#define LWIP_DHCP 0
#define LWIP_DNS 0
#define LWIP_IGMP 0
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0
#define LWIP_STATS 0
#define IP_FORWARD 1
#define ETHARP_SUPPORT_STATIC_ENTRIES 1
#define ETHARP_TRUST_IP_MAC 0

#define MEM_ALIGNMENT 8
#define MEM_SIZE (4 * 1024 * 1024)
#define MEMP_NUM_PBUF 256
#define PBUF_POOL_SIZE 512
#define PBUF_POOL_BUFSIZE 1600

#ifdef NO_CHECKSUM
#define CHECKSUM_GEN_UDP 0
#define CHECKSUM_CHECK_UDP 0
#endif

#endif
