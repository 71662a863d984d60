/* The Linux kernel at W2 and W3: one thread with a socket in each of two network namespaces sends bursts by sendmmsg and takes them
   by recvmmsg. All of it, softirqs included, runs on the core that the thread is pinned to; time is the CPU time of the thread and of
   that core's ksoftirqd.
   kernel_udp NETNS_A NETNS_B ADDR_B BYTES SECONDS KSOFTIRQD_PID */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST 32

static double ksoftirqd(const char *pid) {
  char path[64];
  double ns = 0;
  FILE *f;
  snprintf(path, sizeof path, "/proc/%s/schedstat", pid);
  f = fopen(path, "r");
  if (f == NULL) return 0;
  if (fscanf(f, "%lf", &ns) != 1) ns = 0;
  fclose(f);
  return ns * 1e-9;
}

static double cpu(const char *pid) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9 + ksoftirqd(pid);
}

static int in_netns(const char *name) {
  char path[128];
  int fd;
  snprintf(path, sizeof path, "/run/netns/%s", name);
  fd = open(path, O_RDONLY);
  if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
    perror(path);
    exit(1);
  }
  close(fd);
  return socket(AF_INET, SOCK_DGRAM, 0);
}

int main(int argc, char **argv) {
  static unsigned char out[2048], in[BURST][2048];
  struct mmsghdr tx[BURST], rx[BURST];
  struct iovec txv[BURST], rxv[BURST];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(6000)};
  int size, a, b;
  double seconds, sent = 0, got = 0, t0 = 0, t;
  if (argc < 7) return 2;
  size = atoi(argv[4]);
  seconds = atof(argv[5]);
  a = in_netns(argv[1]);
  b = in_netns(argv[2]);
  inet_pton(AF_INET, argv[3], &to.sin_addr);
  if (bind(b, (struct sockaddr *)&to, sizeof to) < 0) return 1;
  memset(tx, 0, sizeof tx);
  memset(rx, 0, sizeof rx);
  for (int i = 0; i < BURST; i++) {
    txv[i] = (struct iovec){out, size};
    tx[i].msg_hdr.msg_iov = &txv[i];
    tx[i].msg_hdr.msg_iovlen = 1;
    tx[i].msg_hdr.msg_name = &to;
    tx[i].msg_hdr.msg_namelen = sizeof to;
    rxv[i] = (struct iovec){in[i], sizeof in[i]};
    rx[i].msg_hdr.msg_iov = &rxv[i];
    rx[i].msg_hdr.msg_iovlen = 1;
  }
  /* ARP, then what it left in the queue. */
  sendmmsg(a, tx, 1, 0);
  usleep(100000);
  recvmmsg(b, rx, BURST, MSG_DONTWAIT, NULL);
  t = t0 = cpu(argv[6]);
  while (t - t0 < seconds) {
    for (int i = 0; i < 32; i++) {
      int n = sendmmsg(a, tx, BURST, 0);
      if (n > 0) sent += n;
      n = recvmmsg(b, rx, BURST, MSG_DONTWAIT, NULL);
      if (n > 0) got += n;
    }
    t = cpu(argv[6]);
  }
  printf("{\"value\":%.0f,\"sent\":%.0f,\"received\":%.0f,\"ns\":%.1f}\n", got / (t - t0), sent, got, (t - t0) / got * 1e9);
  return 0;
}
