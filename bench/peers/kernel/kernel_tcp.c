/* The Linux kernel at W1, W4, W5 and W6: one thread with the sockets of both ends in two network namespaces, joined by a veth, or with
   both in one over its loopback. All of it, softirqs included, runs on the core that the thread is pinned to; time is the CPU time of
   the thread and of that core's ksoftirqd. The windows are what Linux makes of them, congestion control is the namespace's.
   kernel_tcp bulk|conn|rr|idle NETNS_A NETNS_B ADDR_B CONNECTIONS SECONDS KSOFTIRQD_PID */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 5001
#define CHUNK (128 * 1024)
#define UNDER_WAY 16
#define IN_FLIGHT 64

static int ns_a, ns_b, listener, connections;
static int *a_end, *b_end;
static struct sockaddr_in to = {.sin_family = AF_INET};

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double cpu(const char *pid) {
  struct timespec t;
  char path[64];
  double ns = 0;
  FILE *f;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  snprintf(path, sizeof path, "/proc/%s/schedstat", pid);
  f = fopen(path, "r");
  if (f != NULL) {
    if (fscanf(f, "%lf", &ns) != 1) ns = 0;
    fclose(f);
  }
  return t.tv_sec + t.tv_nsec * 1e-9 + ns * 1e-9;
}

/* Bytes in all slabs of the computer. */
static double slabs(void) {
  char line[128];
  double kb = 0;
  FILE *f = fopen("/proc/meminfo", "r");
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    if (sscanf(line, "Slab: %lf", &kb) == 1) break;
  }
  if (f != NULL) fclose(f);
  return kb * 1024;
}

static int enter(const char *name) {
  char path[128];
  int fd;
  snprintf(path, sizeof path, "/run/netns/%s", name);
  fd = open(path, O_RDONLY);
  if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) die(path);
  return fd;
}

static int tcp(int flags) {
  int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
  if (fd < 0) die("socket");
  return fd;
}

/* One connection: its softirqs run inside connect(). */
static void dial(int *a, int *b) {
  struct timespec nap = {0, 20000};
  *a = tcp(SOCK_NONBLOCK);
  if (connect(*a, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) die("connect");
  for (int i = 0; (*b = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0; i++) {
    if (i == 10000) die("accept");
    nanosleep(&nap, NULL);
  }
}

static double bulk(void) {
  static char out[CHUNK], in[CHUNK];
  double got = 0;
  for (int i = 0; i < 64; i++) {
    ssize_t n;
    if (write(a_end[0], out, sizeof out) < 0 && errno != EAGAIN) die("write");
    while ((n = read(b_end[0], in, sizeof in)) > 0) got += n;
  }
  return got * 8e-9;
}

static double conn(void) {
  for (int i = 0; i < UNDER_WAY; i++) dial(&a_end[i], &b_end[i]);
  for (int i = 0; i < UNDER_WAY; i++) {
    close(a_end[i]);
    close(b_end[i]);
  }
  return UNDER_WAY;
}

static double rr(void) {
  static int at;
  char buf[64];
  double done = 0;
  memset(buf, 0, sizeof buf);
  for (int j = 0; j < IN_FLIGHT; j++)
    if (write(a_end[(at + j) % connections], buf, sizeof buf) != sizeof buf) die("write");
  for (int j = 0; j < IN_FLIGHT; j++) {
    int fd = b_end[(at + j) % connections];
    if (read(fd, buf, sizeof buf) == sizeof buf && write(fd, buf, sizeof buf) < 0) die("write");
  }
  for (int j = 0; j < IN_FLIGHT; j++) done += read(a_end[(at + j) % connections], buf, sizeof buf) == sizeof buf;
  at = (at + IN_FLIGHT) % connections;
  return done;
}

int main(int argc, char **argv) {
  struct rlimit files = {65536, 65536};
  int one = 1;
  double (*step)(void), n = 0, t0 = 0, t = 0, seconds;
  if (argc < 8) return 2;
  step = argv[1][0] == 'b' ? bulk : argv[1][0] == 'c' ? conn : rr;
  connections = step == bulk ? 1 : atoi(argv[5]);
  seconds = atof(argv[6]);
  setrlimit(RLIMIT_NOFILE, &files);
  a_end = calloc(connections + UNDER_WAY, sizeof *a_end);
  b_end = calloc(connections + UNDER_WAY, sizeof *b_end);
  inet_pton(AF_INET, argv[4], &to.sin_addr);
  to.sin_port = htons(PORT);
  ns_b = enter(argv[3]);
  listener = tcp(SOCK_NONBLOCK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&to, sizeof to) < 0 || listen(listener, 4096) < 0) die("listen");
  ns_a = enter(argv[2]);
  if (argv[1][0] == 'i') {
    n = slabs();
    for (int i = 0; i < connections; i++) dial(&a_end[i], &b_end[i]);
    printf("{\"value\":%.0f}\n", (slabs() - n) / connections / 2);
    return 0;
  }
  if (step != conn)
    for (int i = 0; i < connections; i++) dial(&a_end[i], &b_end[i]);
  /* Windows and buffers settle. */
  for (int i = 0; i < 200; i++) step();
  t = t0 = cpu(argv[7]);
  while (t - t0 < seconds) {
    for (int i = 0; i < 16; i++) n += step();
    t = cpu(argv[7]);
  }
  printf("{\"value\":%.6f}\n", n / (t - t0));
  return 0;
}
