// Errors of a machine's own calls, for Node and browsers alike. Those with Node's words are in node_errors.ts.

import { errno_name, strerror } from "../uapi/errno.ts";

/** An errno as Node reports it: code "EADDRINUSE", syscall "bind". */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  constructor(errno: number, call: string) {
    super(`${call} ${errno_name(errno)}: ${strerror(errno)}`);
    this.code = errno_name(errno);
    this.errno = errno;
    this.syscall = call;
  }
}
