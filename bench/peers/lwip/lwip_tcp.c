/* Workloads W1, W4 and W5 on lwIP: TCP between two interfaces back to back. One thread, no OS, the raw API with callbacks.
   Natively main() prints work per second of CPU; as WebAssembly, JavaScript calls bench_init() and bench_run(). */
#include <string.h>

#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip4.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

#define RING 4096
#define PORT 5001
#define UNDER_WAY 16
#define IN_FLIGHT 64
#define MAX_CONNECTIONS 10000
#define CHUNK (128 * 1024)

static struct netif if_a, if_b;
static ip_addr_t addr_a, addr_b;
static u8_t payload[CHUNK], app[65536];
static char workload;
static int connections;
static u32_t now_ms;
static double bytes, trips;
static struct tcp_pcb *client[MAX_CONNECTIONS], *server[MAX_CONNECTIONS];
static int accepted, connected, at, warm;

/* The cable: frames wait here until the other end is polled. */
static struct pbuf *ring[2][RING];
static unsigned head[2], tail[2];

u32_t sys_now(void) { return now_ms; }

static err_t on_cable(struct netif *n, struct pbuf *p) {
  int to = n == &if_a ? 1 : 0;
  struct pbuf *q;
  if (tail[to] - head[to] == RING) return ERR_MEM;
  q = pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_POOL);
  if (q == NULL) return ERR_MEM;
  pbuf_copy(q, p);
  ring[to][tail[to]++ % RING] = q;
  return ERR_OK;
}

static int poll(int which, struct netif *n) {
  int any = head[which] != tail[which];
  while (head[which] != tail[which]) {
    struct pbuf *p = ring[which][head[which]++ % RING];
    if (n->input(p, n) != ERR_OK) pbuf_free(p);
  }
  return any;
}

static void settle(void) {
  while (poll(1, &if_b) | poll(0, &if_a)) {
  }
}

static void pass(u32_t ms) {
  for (u32_t i = 0; i < ms; i += 250) {
    now_ms += ms < 250 ? ms : 250;
    sys_check_timeouts();
    settle();
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

static err_t take(struct tcp_pcb *pcb, struct pbuf *p) {
  u16_t len = p->tot_len;
  pbuf_copy_partial(p, app, len, 0);
  tcp_recved(pcb, len);
  pbuf_free(p);
  return ERR_OK;
}

static err_t server_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
  (void)arg, (void)err;
  if (p == NULL) return ERR_OK;
  if (workload == 'b') {
    bytes += p->tot_len;
    return take(pcb, p);
  }
  if (p->tot_len == 64) {
    take(pcb, p);
    tcp_write(pcb, app, 64, TCP_WRITE_FLAG_COPY);
    tcp_output(pcb);
    return ERR_OK;
  }
  return take(pcb, p);
}

static err_t client_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
  (void)arg, (void)err;
  if (p == NULL) return ERR_OK;
  if (p->tot_len == 64) trips++;
  return take(pcb, p);
}

static void fill(struct tcp_pcb *pcb) {
  for (;;) {
    u32_t room = tcp_sndbuf(pcb);
    if (room > 65535) room = 65535;
    if (room < 1448 || tcp_write(pcb, payload, (u16_t)room, TCP_WRITE_FLAG_COPY) != ERR_OK) break;
  }
  tcp_output(pcb);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len) {
  (void)arg, (void)len;
  /* As a program that poll() wakes: when a third is free. */
  if (tcp_sndbuf(pcb) > TCP_SND_BUF / 3) fill(pcb);
  return ERR_OK;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err) {
  (void)arg, (void)pcb, (void)err;
  connected++;
  return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err) {
  (void)arg, (void)err;
  server[accepted++] = pcb;
  tcp_recv(pcb, server_recv);
  tcp_nagle_disable(pcb);
  return ERR_OK;
}

/* `n` more connections, all of them at once in batches. */
static int connect_all(int n) {
  int first = connected, want = connected + n;
  for (int i = first; i < want; i++) {
    struct tcp_pcb *p = tcp_new();
    if (p == NULL) return -1;
    client[i] = p;
    tcp_bind_netif(p, &if_a);
    tcp_recv(p, client_recv);
    tcp_nagle_disable(p);
    if (tcp_connect(p, &addr_b, PORT, on_connected) != ERR_OK) return -1;
    /* The first one's SYN asks for the address; lwIP keeps one packet meanwhile. */
    if ((i & 15) == 15 || i == want - 1 || !warm) settle();
    warm = 1;
  }
  return connected == want && accepted == want ? 0 : -1;
}

/* 'b' bulk, 'c' connect and close, 'r' round trips over `count` connections. */
__attribute__((export_name("bench_init"))) int bench_init(int what, int count) {
  ip4_addr_t mask, gw, a, b;
  struct tcp_pcb *l;
  workload = (char)what;
  connections = count;
  lwip_init();
  IP4_ADDR(&mask, 255, 255, 255, 0);
  IP4_ADDR(&gw, 0, 0, 0, 0);
  IP4_ADDR(&a, 10, 0, 0, 1);
  IP4_ADDR(&b, 10, 0, 0, 2);
  netif_add(&if_a, &a, &mask, &gw, NULL, if_init, ethernet_input);
  netif_add(&if_b, &b, &mask, &gw, NULL, if_init, ethernet_input);
  netif_set_up(&if_a);
  netif_set_up(&if_b);
  ip_addr_copy_from_ip4(addr_a, a);
  ip_addr_copy_from_ip4(addr_b, b);
  l = tcp_new();
  if (l == NULL || tcp_bind(l, &addr_b, PORT) != ERR_OK || (l = tcp_listen(l)) == NULL) return -1;
  tcp_bind_netif(l, &if_b);
  tcp_accept(l, on_accept);
  memset(payload, 0x5a, sizeof payload);
  if (workload == 'c') return 0;
  if (workload == 'b') connections = 1;
  if (connect_all(connections) < 0) return -1;
  if (workload == 'b') {
    tcp_sent(client[0], on_sent);
    fill(client[0]);
  }
  pass(1000);
  return 0;
}

/* Some of the work; returns bits/1000 of bulk, connections, or round trips. */
__attribute__((export_name("bench_run"))) double bench_run(int n) {
  double done = 0;
  if (workload == 'b') {
    double before = bytes;
    for (int i = 0; i < n; i++) {
      poll(1, &if_b);
      poll(0, &if_a);
      if (head[1] == tail[1]) fill(client[0]);
    }
    done = (bytes - before) * 8 / 1000;
  } else if (workload == 'c') {
    for (int i = 0; i < n; i += UNDER_WAY) {
      connected = accepted = 0;
      if (connect_all(UNDER_WAY) < 0) break;
      for (int j = 0; j < UNDER_WAY; j++) {
        tcp_close(client[j]);
        tcp_close(server[j]);
      }
      settle();
      done += UNDER_WAY;
    }
  } else {
    double before = trips;
    for (int i = 0; i < n; i += IN_FLIGHT) {
      for (int j = 0; j < IN_FLIGHT; j++) {
        struct tcp_pcb *p = client[(at + j) % connections];
        tcp_write(p, payload, 64, TCP_WRITE_FLAG_COPY);
        tcp_output(p);
      }
      settle();
      at = (at + IN_FLIGHT) % connections;
    }
    done = trips - before;
  }
  now_ms++;
  sys_check_timeouts();
  settle();
  return done;
}

#ifndef __wasm__
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double work(double seconds) {
  double t0 = cpu(), t = t0, n = 0;
  while (t - t0 < seconds) {
    n += bench_run(1024);
    t = cpu();
  }
  return n / (t - t0);
}

/* lwip_tcp bulk|conn|rr|idle CONNECTIONS SECONDS: Gbit/s, connections or round trips per second, bytes of an end. */
int main(int argc, char **argv) {
  if (argc < 4) return 2;
  if (bench_init(argv[1][0], atoi(argv[2])) < 0) return 1;
  if (argv[1][0] == 'i') {
    /* They stand in a pool of fixed size; an end holds no more than that while it is idle. */
    printf("{\"value\":%u}\n", (unsigned)LWIP_MEM_ALIGN_SIZE(sizeof(struct tcp_pcb)));
    return 0;
  }
  work(0.2);
  printf("{\"value\":%.6f}\n", work(atof(argv[3])) * (argv[1][0] == 'b' ? 1e-6 : 1));
  return 0;
}
#endif
