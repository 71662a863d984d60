// Linux's constants by their names, for callers of TestStack.

export * from "../uapi/errno.ts";
export * from "../uapi/fcntl.ts";
export * from "../uapi/socket.ts";
export * from "../uapi/tcp.ts";
