// What goes wrong with a web socket: SocketError of the Sockets API, DOMException of Direct Sockets.

import type { SystemError } from "../errors.ts";

/** A TypeError whose message begins with "SocketError: " (Sockets API, "SocketError"). */
export class SocketError extends TypeError {
  constructor(message: string, options?: ErrorOptions) {
    super(`SocketError: ${message}`, options);
  }
}

/** "connect ECONNREFUSED: Connection refused"; the errno is in its `cause`. */
export const socketError = (e: SystemError): SocketError => new SocketError(e.message, { cause: e });

/** What Direct Sockets rejects with when the network says no. */
export function networkError(e: SystemError): DOMException {
  const error = new DOMException(e.message, "NetworkError");
  Object.defineProperty(error, "cause", { value: e, configurable: true, writable: true });
  return error;
}

export const invalidState = (message: string): DOMException => new DOMException(message, "InvalidStateError");
