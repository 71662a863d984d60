/* lwIP as the comparison needs it: no OS, IPv4, ARP, UDP, forwarding, software checksums unless NO_CHECKSUM; with BENCH_TCP, TCP with
   windows of 256 KiB and timestamps, as Linux has them, and room for TCP_PCBS connection ends. */
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
#ifdef BENCH_TCP
#define LWIP_TCP 1
#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#define TCP_WND (256 * 1024)
#define TCP_SND_BUF (256 * 1024)
#define TCP_SND_QUEUELEN 1024
#define TCP_SNDLOWAT 32768
#define LWIP_TCP_TIMESTAMPS 1
#define MEMP_NUM_TCP_SEG 8192
#define MEMP_NUM_TCP_PCB TCP_PCBS
#else
#define LWIP_TCP 0
#endif
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
#ifdef BENCH_TCP
#define PBUF_POOL_SIZE 4096
#else
#define PBUF_POOL_SIZE 512
#endif
#define PBUF_POOL_BUFSIZE 1600

#ifdef NO_CHECKSUM
#define CHECKSUM_GEN_UDP 0
#define CHECKSUM_GEN_TCP 0
#define CHECKSUM_CHECK_TCP 0
#define CHECKSUM_CHECK_UDP 0
#endif

#endif
