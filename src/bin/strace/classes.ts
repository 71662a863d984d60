// Which calls `-e trace=` means: names, %classes, /regex/, "!" for all others. Read first: strace(1), "Filtering". Way in: parse_trace().

const NET = [
  ..."accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg".split(
    " ",
  ),
  ..."sendmsg sendto setsockopt shutdown socket socketpair".split(" "),
];
const FILE = "chdir execve getcwd mkdir newfstatat open openat readlink rmdir stat unlink unlinkat umount2".split(" ");
const DESC = [
  ..."close dup dup2 dup3 epoll_create1 epoll_ctl epoll_wait fcntl fstat getdents64 ioctl lseek newfstatat openat".split(
    " ",
  ),
  ..."pipe pipe2 poll ppoll read readv select sendfile splice tee write writev setns".split(" "),
];
const PROCESS = "clone execve exit exit_group fork kill vfork wait4 waitid".split(" ");
const SIGNAL = "kill rt_sigaction rt_sigprocmask rt_sigreturn".split(" ");
const OTHER = [
  ..."brk clock_nanosleep getpid getppid getrandom mmap mprotect munmap nanosleep sched_setaffinity sched_yield".split(
    " ",
  ),
  ..."sethostname setpgid socketcall syslog uname unshare".split(" "),
];

const CLASSES: ReadonlyMap<string, readonly string[]> = new Map([
  ["net", NET],
  ["network", NET],
  ["file", FILE],
  ["desc", DESC],
  ["process", PROCESS],
  ["signal", SIGNAL],
  ["clock", ["clock_gettime", "clock_nanosleep"]],
  ["memory", ["brk", "mmap", "mprotect", "munmap"]],
  ["stat", ["stat"]],
  ["fstat", ["fstat", "newfstatat"]],
  ["ipc", []],
  ["creds", []],
  ["pure", ["getpid", "getppid"]],
]);
/** Classes that need no "%" (the older spelling). */
const BARE: ReadonlySet<string> = new Set(["file", "process", "network", "signal", "ipc", "desc", "memory"]);
const KNOWN: readonly string[] = [...new Set([...NET, ...FILE, ...DESC, ...PROCESS, ...SIGNAL, ...OTHER])];

export type CallFilter = (name: string) => boolean;

/** The calls that a set means, or strace's words about what is wrong with it. */
export function parse_trace(set: string): CallFilter | string {
  const not = set.startsWith("!");
  const text = not ? set.slice(1) : set;
  const wanted = new Set<string>();
  if (text === "all") return () => !not;
  if (text === "none") return () => not;
  for (const item of text.split(",")) {
    const optional = item.startsWith("?");
    const word = optional ? item.slice(1) : item;
    const members = CLASSES.get(word.startsWith("%") ? word.slice(1) : BARE.has(word) ? word : "");
    if (members !== undefined) for (const m of members) wanted.add(m);
    else if (word.startsWith("/")) {
      let re: RegExp;
      try {
        re = new RegExp(word.slice(1));
      } catch {
        return `regcomp: ${word.slice(1)}: Invalid regular expression`;
      }
      for (const k of KNOWN) if (re.test(k)) wanted.add(k);
    } else if (KNOWN.includes(word)) wanted.add(word);
    else if (!optional) return `invalid system call '${item}'`;
  }
  return (name) => wanted.has(name) !== not;
}
