/* Workloads W2 and W3 on lwIP: UDP between two interfaces back to back, IPv4 forwarding between two. One thread, no OS.
   Natively main() prints packets per second of CPU; as WebAssembly, JavaScript calls bench_init() and bench_run(). */
#include <string.h>

#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip4.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "netif/ethernet.h"

#define BURST 16
#define RING 64

static struct netif if_a, if_b;
static struct udp_pcb *tx, *rx;
static ip_addr_t addr_a, addr_b;
static u8_t payload[2048], app[2048], frame[2048];
static int size, forwarding;
static u32_t received, now_ms;

/* The cable: frames wait here until the other end is polled. */
static struct pbuf *ring[2][RING];
static unsigned head[2], tail[2];

u32_t sys_now(void) { return now_ms; }

static err_t on_cable(struct netif *n, struct pbuf *p) {
  int to = n == &if_a ? 1 : 0;
  struct pbuf *q;
  if (forwarding) {
    /* The frame has left the router: that is what is counted. */
    received++;
    return ERR_OK;
  }
  if (tail[to] - head[to] == RING) return ERR_MEM;
  q = pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_POOL);
  if (q == NULL) return ERR_MEM;
  pbuf_copy(q, p);
  ring[to][tail[to]++ % RING] = q;
  return ERR_OK;
}

static void poll(int which, struct netif *n) {
  while (head[which] != tail[which]) {
    struct pbuf *p = ring[which][head[which]++ % RING];
    if (n->input(p, n) != ERR_OK) pbuf_free(p);
  }
}

static err_t if_init(struct netif *n) {
  n->name[0] = 'e';
  n->name[1] = 'n';
  n->mtu = 1500;
  n->hwaddr_len = 6;
  memcpy(n->hwaddr, n == &if_a ? "\2\0\0\0\0\1" : "\2\0\0\0\0\2", 6);
  n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
  n->output = etharp_output;
  n->linkoutput = on_cable;
  return ERR_OK;
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port) {
  (void)arg, (void)pcb, (void)from, (void)port;
  if (pbuf_copy_partial(p, app, sizeof app, 0) == size) received++;
  pbuf_free(p);
}

static u16_t sum16(const u8_t *b, int n) {
  u32_t s = 0;
  for (int i = 0; i < n; i += 2) s += (b[i] << 8) | b[i + 1];
  while (s >> 16) s = (s & 0xffff) + (s >> 16);
  return (u16_t)~s;
}

__attribute__((export_name("bench_init"))) int bench_init(int forward, int bytes) {
  ip4_addr_t mask, gw, a, b;
  forwarding = forward;
  size = bytes;
  lwip_init();
  IP4_ADDR(&mask, 255, 255, 255, 0);
  IP4_ADDR(&gw, 0, 0, 0, 0);
  IP4_ADDR(&a, 10, 0, 0, 1);
  if (forward) IP4_ADDR(&b, 10, 0, 1, 1);
  else IP4_ADDR(&b, 10, 0, 0, 2);
  netif_add(&if_a, &a, &mask, &gw, NULL, if_init, ethernet_input);
  netif_add(&if_b, &b, &mask, &gw, NULL, if_init, ethernet_input);
  netif_set_up(&if_a);
  netif_set_up(&if_b);
  ip_addr_copy_from_ip4(addr_a, a);
  ip_addr_copy_from_ip4(addr_b, b);
  if (forward) {
    struct eth_addr far = ETH_ADDR(2, 0, 0, 0, 9, 9);
    ip4_addr_t next;
    u16_t c;
    IP4_ADDR(&next, 10, 0, 1, 2);
    if (etharp_add_static_entry(&next, &far) != ERR_OK) return -1;
    memset(frame, 0, sizeof frame);
    memcpy(frame, if_a.hwaddr, 6);
    memcpy(frame + 6, &far, 6);
    frame[12] = 8;
    frame[14] = 0x45;
    frame[16] = (u8_t)((bytes - 14) >> 8);
    frame[17] = (u8_t)(bytes - 14);
    frame[22] = 64;
    frame[23] = 17;
    memcpy(frame + 26, "\12\0\0\2", 4);
    memcpy(frame + 30, "\12\0\1\2", 4);
    c = sum16(frame + 14, 20);
    frame[24] = (u8_t)(c >> 8);
    frame[25] = (u8_t)c;
    return 0;
  }
  tx = udp_new();
  rx = udp_new();
  udp_bind(tx, &addr_a, 5000);
  udp_bind(rx, &addr_b, 6000);
  udp_recv(rx, on_datagram, NULL);
  memset(payload, 0x5a, sizeof payload);
  return 0;
}

static void udp_burst(void) {
  for (int i = 0; i < BURST; i++) {
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)size, PBUF_RAM);
    if (p == NULL) continue;
    pbuf_take(p, payload, (u16_t)size);
    udp_sendto_if(tx, p, &addr_b, 6000, &if_a);
    pbuf_free(p);
  }
  poll(1, &if_b);
  poll(0, &if_a);
}

static void forward_burst(void) {
  for (int i = 0; i < BURST; i++) {
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)size, PBUF_POOL);
    if (p == NULL) continue;
    pbuf_take(p, frame, (u16_t)size);
    if (if_a.input(p, &if_a) != ERR_OK) pbuf_free(p);
  }
}

/* About `n` packets; returns how many arrived. */
__attribute__((export_name("bench_run"))) int bench_run(int n) {
  u32_t before = received;
  for (int i = 0; i < n; i += BURST) {
    if (forwarding) forward_burst();
    else udp_burst();
  }
  now_ms++;
  sys_check_timeouts();
  return (int)(received - before);
}

#ifndef __wasm__
#include <time.h>

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double work(double seconds) {
  double t0 = cpu(), t = t0;
  double n = 0;
  while (t - t0 < seconds) {
    n += bench_run(4096);
    t = cpu();
  }
  return n / (t - t0);
}

/* lwip_bench udp|forward BYTES SECONDS */
int main(int argc, char **argv) {
  if (argc < 4) return 2;
  if (bench_init(argv[1][0] == 'f', atoi(argv[2])) < 0) return 1;
  work(0.2);
  printf("{\"value\":%.0f}\n", work(atof(argv[3])));
  return 0;
}
#endif
