// What strace.test.ts does with our system calls, for real strace: cc calls.c -o calls && strace ./calls 2> golden/calls.txt
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <poll.h>
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/utsname.h>
#include <sys/random.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_packet.h>
#include <linux/if_ether.h>
#include <linux/errqueue.h>
#include <time.h>
#include <sched.h>
int main(void){
 char big[300]; for(int i=0;i<300;i++) big[i]=i;
 struct sockaddr_in a={.sin_family=AF_INET,.sin_port=htons(40009)}; inet_aton("127.0.0.1",&a.sin_addr);
 struct sockaddr_in b=a; b.sin_port=htons(40010); struct sockaddr_in f; socklen_t l=sizeof f;
 int one=1, v; socklen_t vl=sizeof v;
 int s=socket(AF_INET,SOCK_DGRAM,0), t=socket(AF_INET,SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC,IPPROTO_UDP);
 setsockopt(s,SOL_SOCKET,SO_REUSEADDR,&one,sizeof one);
 setsockopt(s,SOL_IP,IP_TTL,&one,4); setsockopt(s,SOL_IP,IP_RECVERR,&one,4);setsockopt(s,SOL_IP,IP_RECVTTL,&one,4);
 setsockopt(s,SOL_IP,IP_MTU_DISCOVER,(int[]){2},4);
 struct timeval tv={1,500000}; setsockopt(s,SOL_SOCKET,SO_RCVTIMEO,&tv,sizeof tv);
 setsockopt(s,SOL_SOCKET,SO_BINDTODEVICE,"lo",3);
 bind(s,(void*)&a,sizeof a); bind(t,(void*)&b,sizeof b);
 bind(t,(void*)&b,sizeof b);
 getsockname(s,(void*)&f,&l);
 getsockopt(s,SOL_SOCKET,SO_ERROR,&v,&vl);
 getsockopt(s,SOL_SOCKET,SO_RCVBUF,&v,&vl);
 recvfrom(t,big,300,0,NULL,NULL);
 sendto(s,"hello\n\t\"q\\\0011\0",14,0,(void*)&b,sizeof b);
 struct pollfd p[2]={{t,POLLIN,0},{s,POLLIN|POLLOUT|POLLERR,0}};
 poll(p,1,1000);poll(p,2,-1);
 l=sizeof f; recvfrom(t,big,300,0,(void*)&f,&l);
 poll(p,1,5);
 connect(s,(void*)&b,sizeof b);
 for(int i=0;i<300;i++) big[i]=i;
 sendto(s,big,300,MSG_DONTWAIT|MSG_CONFIRM,NULL,0);
 send(s,"abc",3,MSG_NOSIGNAL);
 write(s,"x",1); 
 read(t,big,300);
 struct iovec io[2]={{"ab",2},{"cdef",4}};
 struct msghdr m={.msg_name=NULL,.msg_iov=io,.msg_iovlen=2};
 sendmsg(s,&m,0);
 char ctl[256]; char r1[100]; struct iovec ri={r1,100}; 
 setsockopt(t,SOL_IP,IP_RECVTTL,&one,4); setsockopt(t,SOL_IP,IP_PKTINFO,&one,4);setsockopt(t,SOL_SOCKET,SO_TIMESTAMP,&one,4);
 struct msghdr rm={.msg_name=&f,.msg_namelen=sizeof f,.msg_iov=&ri,.msg_iovlen=1,.msg_control=ctl,.msg_controllen=256};
 recvmsg(t,&rm,0);
 rm=(struct msghdr){.msg_name=&f,.msg_namelen=sizeof f,.msg_iov=&ri,.msg_iovlen=1,.msg_control=ctl,.msg_controllen=256};
 write(s,"ttl",3);
 recvmsg(t,&rm,MSG_PEEK);
 struct msghdr mn={.msg_name=&b,.msg_namelen=sizeof b,.msg_iov=io,.msg_iovlen=1};
 sendmsg(s,&mn,MSG_DONTWAIT);
 shutdown(s,SHUT_WR);
 close(99); socket(77,1,0); socket(AF_INET,SOCK_STREAM|0x10,99); socket(AF_INET,SOCK_RAW,IPPROTO_ICMP);
 socket(AF_PACKET,SOCK_DGRAM,htons(ETH_P_IP)); socket(AF_PACKET,SOCK_RAW,htons(ETH_P_ALL));
 sendto(s,"x",1,0,(void*)&b,8);
 int n=socket(AF_NETLINK,SOCK_RAW|SOCK_CLOEXEC,NETLINK_ROUTE);
 struct sockaddr_nl nl={.nl_family=AF_NETLINK,.nl_groups=0x11}; bind(n,(void*)&nl,sizeof nl);
 struct {struct nlmsghdr h; struct rtgenmsg g; char pad[3];} rq={{20,RTM_GETLINK,NLM_F_REQUEST|NLM_F_DUMP,77,0},{AF_PACKET}};
 nl.nl_groups=0; sendto(n,&rq,20,0,(void*)&nl,sizeof nl);
 getsockname(n,(void*)&nl,(l=sizeof nl,&l));
 int pk=socket(AF_PACKET,SOCK_RAW,0); struct sockaddr_ll ll={.sll_family=AF_PACKET,.sll_protocol=htons(ETH_P_ARP),.sll_ifindex=1,.sll_halen=6,.sll_pkttype=PACKET_OUTGOING,.sll_addr={1,2,3,4,5,6}};
 bind(pk,(void*)&ll,sizeof ll);
 int q[2]; pipe(q); fcntl(q[0],F_SETFL,O_RDONLY|O_NONBLOCK); fcntl(q[0],F_GETFL); fcntl(q[0],F_GETFD); fcntl(q[0],F_SETFD,FD_CLOEXEC); fcntl(q[0],F_DUPFD,20);
 read(q[0],big,10); dup(q[0]); dup2(q[1],30);
 int e=epoll_create1(EPOLL_CLOEXEC); struct epoll_event ev={EPOLLIN|EPOLLET,{.u64=7}},out[4]; epoll_ctl(e,EPOLL_CTL_ADD,q[0],&ev); epoll_ctl(e,EPOLL_CTL_DEL,q[0],NULL);
 epoll_ctl(e,EPOLL_CTL_ADD,q[0],&ev); write(q[1],"z",1); epoll_wait(e,out,4,-1);epoll_wait(e,out,4,0);
 struct ifreq ir={0}; strcpy(ir.ifr_name,"lo"); ioctl(s,SIOCGIFINDEX,&ir); ioctl(s,SIOCGIFFLAGS,&ir); ioctl(s,SIOCGIFADDR,&ir); ioctl(s,SIOCGIFMTU,&ir); ioctl(s,SIOCGIFHWADDR,&ir);
 strcpy(ir.ifr_name,"nope"); ioctl(s,SIOCGIFINDEX,&ir);
 isatty(q[0]); 
 char c2[64];ioctl(s,FIONREAD,c2); 
 getpid(); getppid(); kill(99999,SIGTERM); nanosleep(&(struct timespec){0,1000},0); sched_yield(); open("/nope",O_RDONLY); mkdir("/nope/d",0755); rmdir("/nope/d"); unlink("/nope"); wait4(-1,&v,WNOHANG,NULL);
 accept4(s,0,0,SOCK_CLOEXEC); listen(s,5);
 struct sockaddr un2={AF_UNSPEC}; connect(s,&un2,16);
 connect(s,(void*)&(struct sockaddr_in6){.sin6_family=AF_INET6,.sin6_port=htons(9)},28);
 return 5; }
