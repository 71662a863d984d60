// Errors with the names, codes, messages and fields of Node's. Way in: nodeError(), errnoException(), exceptionWithHostPort().
// Read first: https://nodejs.org/api/errors.html.

import { inspect } from "node:util";
import { errno_name, strerror } from "../uapi/errno.ts";

export { SystemError } from "./errors.ts";

export interface ErrnoException extends Error {
  errno?: number;
  code?: string;
  syscall?: string;
  address?: string;
  port?: number;
  localAddress?: string;
  localPort?: number;
  hostname?: string;
  dest?: string;
}

/** The words of uv_strerror(), where they are not glibc's in lower case. */
const UV_TEXT: Readonly<Record<string, string>> = {
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "address not available",
  EAFNOSUPPORT: "address family not supported",
  EAGAIN: "resource temporarily unavailable",
  EALREADY: "connection already in progress",
  EBADF: "bad file descriptor",
  ECONNABORTED: "software caused connection abort",
  EDESTADDRREQ: "destination address required",
  EFAULT: "bad address in system call argument",
  EHOSTUNREACH: "host is unreachable",
  EISCONN: "socket is already connected",
  EMSGSIZE: "message too long",
  ENETDOWN: "network is down",
  ENOBUFS: "no buffer space available",
  ENODEV: "no such device",
  ENOTCONN: "socket is not connected",
  ENOTSUP: "operation not supported on socket",
  EPIPE: "broken pipe",
  ETIMEDOUT: "connection timed out",
};

export function uvName(errno: number): string {
  const name = errno_name(errno);
  return name === "EOPNOTSUPP" ? "ENOTSUP" : name;
}
const uvText = (errno: number): string => UV_TEXT[uvName(errno)] ?? strerror(errno).toLowerCase();

/** "read ECONNRESET". */
export function errnoException(errno: number, syscall: string): ErrnoException {
  const code = uvName(errno);
  return Object.assign(new Error(`${syscall} ${code}`) as ErrnoException, { errno, code, syscall });
}

function place(address: string | null | undefined, port: number | undefined): string {
  if (port !== undefined && port > 0) return ` ${address}:${port}`;
  return address ? ` ${address}` : "";
}

/** "connect ECONNREFUSED 10.0.0.1:80 - Local (10.0.0.2:40000)". */
export function exceptionWithHostPort(
  errno: number,
  syscall: string,
  address: string | null | undefined,
  port?: number,
  additional?: string,
): ErrnoException {
  const code = uvName(errno);
  const tail = additional ? ` - Local (${additional})` : "";
  const ex = new Error(`${syscall} ${code}${place(address, port)}${tail}`) as ErrnoException;
  Object.assign(ex, { errno, code, syscall });
  ex.address = address as string;
  if (port) ex.port = port;
  return ex;
}

/** "listen EADDRINUSE: address already in use 10.0.0.1:80". */
export function uvExceptionWithHostPort(
  errno: number,
  syscall: string,
  address: string | null,
  port?: number,
): ErrnoException {
  const code = uvName(errno);
  const ex = new Error(`${syscall} ${code}: ${uvText(errno)}${place(address, port)}`) as ErrnoException;
  Object.assign(ex, { code, errno, syscall });
  ex.address = address as string;
  // A path has the port -1.
  if (port !== undefined && port !== 0) ex.port = port;
  return ex;
}

type ErrorBase = new (message: string) => Error;

/** An error of Node's own: `TypeError [ERR_…]: message`. */
export function nodeError(code: string, message: string, Base: ErrorBase = Error): Error & { code: string } {
  const e = new Base(message) as Error & { code: string };
  Object.defineProperty(e, "toString", {
    value(this: Error) {
      return `${this.name} [${code}]: ${this.message}`;
    },
    enumerable: false,
    writable: true,
    configurable: true,
  });
  // The stack's first line says the code, the name afterwards does not.
  const name = e.name;
  Object.defineProperty(e, "name", { value: `${name} [${code}]`, configurable: true, writable: true });
  Error.captureStackTrace?.(e, nodeError);
  void e.stack;
  Reflect.deleteProperty(e, "name");
  e.code = code;
  return e;
}

export function received(v: unknown): string {
  if (v === null || v === undefined) return ` Received ${v}`;
  if (typeof v === "function") return v.name === "" ? " Received function " : ` Received function ${v.name}`;
  if (typeof v === "object") {
    const name = v.constructor?.name;
    return name ? ` Received an instance of ${name}` : ` Received ${inspect(v, { depth: -1 })}`;
  }
  let text = inspect(v, { colors: false });
  if (text.length > 28) text = `${text.slice(0, 25)}...`;
  return ` Received type ${typeof v} (${text})`;
}

/** `expected`: "of type string", "an instance of Buffer". */
export function invalidArgType(name: string, expected: string, v: unknown): Error {
  const what = name.endsWith(" argument")
    ? `The ${name}`
    : name.includes(".")
      ? `The "${name}" property`
      : `The "${name}" argument`;
  return nodeError("ERR_INVALID_ARG_TYPE", `${what} must be ${expected}.${received(v)}`, TypeError);
}

export function invalidArgValue(name: string, v: unknown, reason = "is invalid"): Error {
  let text = inspect(v);
  if (text.length > 128) text = `${text.slice(0, 128)}...`;
  const kind = name.includes(".") ? "property" : "argument";
  return nodeError("ERR_INVALID_ARG_VALUE", `The ${kind} '${name}' ${reason}. Received ${text}`, TypeError);
}

export function outOfRange(name: string, range: string, v: unknown): Error {
  return nodeError(
    "ERR_OUT_OF_RANGE",
    `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(v)}`,
    RangeError,
  );
}

/** `name`: "Port" or "options.port". Returns the port as a number. */
export function validatePort(port: unknown, name = "Port", allowZero = true): number {
  const ok =
    (typeof port === "number" || typeof port === "string") &&
    (typeof port !== "string" || port.trim() !== "") &&
    +port === +port >>> 0 &&
    +port <= 0xffff &&
    (port !== 0 || allowZero);
  if (ok) return +(port as number) | 0;
  const op = allowZero ? ">=" : ">";
  throw nodeError("ERR_SOCKET_BAD_PORT", `${name} should be ${op} 0 and < 65536.${received(port)}.`, RangeError);
}

export function validateFunction(v: unknown, name: string): void {
  if (typeof v !== "function") throw invalidArgType(name, "of type function", v);
}
export function validateNumber(v: unknown, name: string): void {
  if (typeof v !== "number") throw invalidArgType(name, "of type number", v);
}
export function validateString(v: unknown, name: string): void {
  if (typeof v !== "string") throw invalidArgType(name, "of type string", v);
}
export function validateInt32(v: unknown, name: string, min = -2147483648, max = 2147483647): void {
  validateNumber(v, name);
  if (!Number.isInteger(v)) throw outOfRange(name, "an integer", v);
  if ((v as number) < min || (v as number) > max) throw outOfRange(name, `>= ${min} && <= ${max}`, v);
}
export function validateAbortSignal(v: unknown, name: string): void {
  if (v !== undefined && (v === null || typeof v !== "object" || !("aborted" in v)))
    throw invalidArgType(name, "an instance of AbortSignal", v);
}
