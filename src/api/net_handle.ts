// A stream socket as Node's net wants it: callbacks in the async context that made it, Buffers for bytes.
// Way in: new TcpHandle(machine), new PipeHandle(machine), handleOf(machine, fd).

import { AsyncResource } from "node:async_hooks";
import { sockfd_lookup } from "../net/socket.ts";
import { AF_UNIX } from "../uapi/socket.ts";
import type { NodeMachine } from "./node.ts";
import { READ_SIZE, StreamHandle } from "./stream_handle.ts";

export { UV_EOF } from "./stream_handle.ts";

/** What both kinds have. */
export class NodeHandle extends StreamHandle {
  /** Callbacks run in the context (AsyncLocalStorage) that made the socket, not in that of whoever sent the packet. */
  private readonly resource: AsyncResource;

  constructor(machine: NodeMachine, fd: number, type: string) {
    super(machine, fd);
    this.resource = new AsyncResource(type);
  }

  /** http.Agent asks for it. */
  getAsyncId(): number {
    return this.resource.asyncId();
  }
  protected override enter(fn: () => void): void {
    this.resource.runInAsyncScope(fn);
  }
  /** Whoever connected has no context here, and the listener's is not the connection's. */
  protected override accepted(fd: number): NodeHandle {
    const machine = this.machine as NodeMachine;
    return machine.outside.runInAsyncScope(() => handleOf(machine, fd));
  }
  protected override buffer(): Uint8Array {
    const { loop } = this.machine;
    loop.readBuffer ??= Buffer.allocUnsafeSlow(READ_SIZE);
    return loop.readBuffer;
  }
  /** Always a Buffer, whoever made the room. */
  protected override keep(buf: Uint8Array, n: number): Uint8Array {
    if (n * 2 < buf.length) return Buffer.from(buf.subarray(0, n));
    this.machine.loop.readBuffer = null;
    return Buffer.from(buf.buffer, buf.byteOffset, n);
  }
}

// Programs ask for the constructor's name: Node's are called TCP and Pipe.
class TCP extends NodeHandle {
  constructor(machine: NodeMachine, fd = -1) {
    super(machine, fd, "TCPWRAP");
  }
}
class Pipe extends NodeHandle {
  constructor(machine: NodeMachine, fd = -1) {
    super(machine, fd, "PIPEWRAP");
  }
  /** readableAll, writableAll: on a machine everybody is root. */
  fchmod(_mode: number): number {
    return 0;
  }
}

export { Pipe as PipeHandle, TCP as TcpHandle };

/** Takes a descriptor of the machine's pid 1 over; its `fd` is -1 when there is none. */
export function handleOf(machine: NodeMachine, fd: number): NodeHandle {
  const sock = sockfd_lookup(machine.init, fd);
  return typeof sock !== "number" && sock.ops.family === AF_UNIX ? new Pipe(machine, fd) : new TCP(machine, fd);
}
