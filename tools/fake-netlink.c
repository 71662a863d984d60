/* Shows the real tc a qdisc that this kernel lacks: LD_PRELOAD this, and the answer to RTM_GETQDISC is the file FAKE_REPLY.
 * record-netlink.mjs compiles and uses it for its "fake" scenes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static char reply[65536];
static size_t length;
static int pending;

/* Every message in the reply answers request `seq` of port `pid`. */
static void address(unsigned seq, unsigned pid) {
  for (size_t at = 0; at + sizeof(struct nlmsghdr) <= length;) {
    struct nlmsghdr *h = (struct nlmsghdr *)(reply + at);
    h->nlmsg_seq = seq;
    h->nlmsg_pid = pid;
    at += NLMSG_ALIGN(h->nlmsg_len);
  }
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags) {
  ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
  const struct nlmsghdr *h = m->msg_iov[0].iov_base;
  pending = h->nlmsg_type == RTM_GETQDISC;
  if (pending) {
    struct sockaddr_nl self;
    socklen_t n = sizeof self;
    FILE *f = fopen(getenv("FAKE_REPLY"), "r");
    length = fread(reply, 1, sizeof reply, f);
    fclose(f);
    getsockname(fd, (struct sockaddr *)&self, &n);
    address(h->nlmsg_seq, self.nl_pid);
    return m->msg_iov[0].iov_len;
  }
  return real(fd, m, flags);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags) {
  ssize_t (*real)(int, struct msghdr *, int) = dlsym(RTLD_NEXT, "recvmsg");
  if (!pending) return real(fd, m, flags);
  m->msg_flags = 0;
  m->msg_namelen = sizeof(struct sockaddr_nl);
  memset(m->msg_name, 0, m->msg_namelen);
  ((struct sockaddr_nl *)m->msg_name)->nl_family = AF_NETLINK;
  if (!(flags & MSG_PEEK)) memcpy(m->msg_iov[0].iov_base, reply, length);
  return length;
}
