/* W7: a kernel client's UDP and TCP round trips and TCP connections per second, and a server for them where the kernel is on both sides.
   tap_load udp ADDR PORT BYTES SECONDS WINDOW     datagrams that came back, WINDOW of them under way
   tap_load conn ADDR PORT SECONDS PARALLEL        connect, FIN of both ends; PARALLEL under way
   tap_load rr ADDR PORT BYTES SECONDS             median of TCP round trips one after another, in us
   tap_load serve                                  echo on port 7 of UDP and TCP, discard on TCP port 9, until killed */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST 32
#define LOST_MS 20

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in address(const char *addr, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, addr, &a.sin_addr) != 1) die(addr);
  return a;
}

static char buffers[BURST][65536];
static struct iovec iov[BURST];
static struct mmsghdr msgs[BURST];
static struct sockaddr_in names[BURST];

static void prepare(size_t bytes, int named) {
  for (int i = 0; i < BURST; i++) {
    iov[i] = (struct iovec){buffers[i], bytes};
    memset(&msgs[i], 0, sizeof msgs[i]);
    msgs[i].msg_hdr.msg_iov = &iov[i];
    msgs[i].msg_hdr.msg_iovlen = 1;
    if (named) {
      msgs[i].msg_hdr.msg_name = &names[i];
      msgs[i].msg_hdr.msg_namelen = sizeof names[i];
    }
  }
}

static double udp(const char *addr, int port, size_t bytes, double seconds, int window) {
  struct sockaddr_in to = address(addr, port);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), away = 0;
  long back = 0;
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
  double start = now(), end = start + seconds, t = start;
  while ((t = now()) < end) {
    while (away < window) {
      int n = window - away < BURST ? window - away : BURST;
      prepare(bytes, 0);
      n = sendmmsg(fd, msgs, n, 0);
      if (n <= 0) break;
      away += n;
    }
    struct pollfd p = {fd, POLLIN, 0};
    if (poll(&p, 1, LOST_MS) == 0) {
      away = 0;
      continue;
    }
    prepare(sizeof buffers[0], 0);
    int n = recvmmsg(fd, msgs, BURST, MSG_DONTWAIT, NULL);
    if (n > 0) {
      back += n;
      away = away > n ? away - n : 0;
    }
  }
  return back / (t - start);
}

static int dial(int ep, struct sockaddr_in *to) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) die("socket");
  if (connect(fd, (struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS) die("connect");
  struct epoll_event e = {.events = EPOLLOUT, .data.fd = fd};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0) die("epoll_ctl");
  return fd;
}

static double conn(const char *addr, int port, double seconds, int parallel) {
  struct sockaddr_in to = address(addr, port);
  int ep = epoll_create1(0);
  long done = 0;
  for (int i = 0; i < parallel; i++) dial(ep, &to);
  double start = now(), end = start + seconds, t = start;
  while ((t = now()) < end) {
    struct epoll_event e[64];
    int n = epoll_wait(ep, e, 64, 100);
    for (int i = 0; i < n; i++) {
      int fd = e[i].data.fd, err = 0;
      socklen_t len = sizeof err;
      char byte;
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
      if (err != 0) {
        errno = err;
        die("connection");
      }
      if (e[i].events & EPOLLIN) {
        if (read(fd, &byte, 1) != 0) die("read");
        close(fd);
        done++;
        dial(ep, &to);
      } else {
        struct epoll_event in = {.events = EPOLLIN, .data.fd = fd};
        shutdown(fd, SHUT_WR);
        epoll_ctl(ep, EPOLL_CTL_MOD, fd, &in);
      }
    }
  }
  return done / (t - start);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double rr(const char *addr, int port, int bytes, double seconds) {
  static double us[1000000];
  struct sockaddr_in to = address(addr, port);
  int fd = socket(AF_INET, SOCK_STREAM, 0), n = 0, one = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  for (double start = now(), t = start; n < 1000000 && t < start + seconds;) {
    double sent = t;
    if (write(fd, buffers[0], bytes) != bytes) die("write");
    for (int got = 0; got < bytes;) {
      ssize_t r = read(fd, buffers[1], bytes - got);
      if (r <= 0) die("read");
      got += r;
    }
    t = now();
    us[n++] = (t - sent) * 1e6;
  }
  qsort(us, n, sizeof *us, by_size);
  return us[n / 2];
}

static void serve(void) {
  struct sockaddr_in a = address("0.0.0.0", 7);
  int u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
  int t = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  static char echoes[65536];
  if (bind(u, (struct sockaddr *)&a, sizeof a) < 0) die("bind");
  if (bind(t, (struct sockaddr *)&a, sizeof a) < 0 || listen(t, 1024) < 0) die("listen");
  a.sin_port = htons(9);
  if (bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 1024) < 0) die("listen");
  struct epoll_event e[64] = {{.events = EPOLLIN, .data.fd = u}};
  epoll_ctl(ep, EPOLL_CTL_ADD, u, e);
  e[0].data.fd = l;
  epoll_ctl(ep, EPOLL_CTL_ADD, l, e);
  e[0].data.fd = t;
  epoll_ctl(ep, EPOLL_CTL_ADD, t, e);
  for (;;) {
    int n = epoll_wait(ep, e, 64, -1);
    for (int i = 0; i < n; i++) {
      int fd = e[i].data.fd;
      if (fd == u) {
        prepare(sizeof buffers[0], 1);
        int got = recvmmsg(u, msgs, BURST, MSG_DONTWAIT, NULL);
        for (int k = 0; k < got; k++) iov[k].iov_len = msgs[k].msg_len;
        if (got > 0) sendmmsg(u, msgs, got, 0);
      } else if (fd == l || fd == t) {
        int c;
        while ((c = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          struct epoll_event in = {.events = EPOLLIN, .data.fd = c};
          setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          if (c < (int)sizeof echoes) echoes[c] = fd == t;
          epoll_ctl(ep, EPOLL_CTL_ADD, c, &in);
        }
      } else {
        ssize_t got = read(fd, buffers[0], sizeof buffers[0]);
        if (got <= 0 || (echoes[fd] && write(fd, buffers[0], got) != got)) close(fd);
      }
    }
  }
}

int main(int argc, char **argv) {
  double value;
  if (argc == 2 && strcmp(argv[1], "serve") == 0) serve();
  if (argc == 7 && strcmp(argv[1], "udp") == 0)
    value = udp(argv[2], atoi(argv[3]), atoi(argv[4]), atof(argv[5]), atoi(argv[6]));
  else if (argc == 6 && strcmp(argv[1], "conn") == 0)
    value = conn(argv[2], atoi(argv[3]), atof(argv[4]), atoi(argv[5]));
  else if (argc == 6 && strcmp(argv[1], "rr") == 0)
    value = rr(argv[2], atoi(argv[3]), atoi(argv[4]), atof(argv[5]));
  else {
    fprintf(stderr, "usage: tap_load udp ADDR PORT BYTES SECONDS WINDOW | conn ADDR PORT SECONDS PARALLEL | rr ADDR PORT BYTES SECONDS | serve\n");
    return 2;
  }
  printf("{\"value\": %.1f}\n", value);
  return 0;
}
