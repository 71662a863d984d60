// A stream socket as Node's net wants it: callbacks in the async context that made it, Buffers for bytes.
// Way in: new TcpHandle(machine).

import { AsyncResource } from "node:async_hooks";
import type { NodeMachine } from "./node.ts";
import { READ_SIZE, StreamHandle } from "./stream_handle.ts";

export { UV_EOF } from "./stream_handle.ts";

export class TcpHandle extends StreamHandle {
  /** Callbacks run in the context (AsyncLocalStorage) that made the socket, not in that of whoever sent the packet. */
  private readonly resource: AsyncResource = new AsyncResource("TCPWRAP");

  constructor(machine: NodeMachine, fd = -1) {
    super(machine, fd);
  }

  /** http.Agent asks for it. */
  getAsyncId(): number {
    return this.resource.asyncId();
  }
  protected override enter(fn: () => void): void {
    this.resource.runInAsyncScope(fn);
  }
  protected override accepted(fd: number): TcpHandle {
    return new TcpHandle(this.machine as NodeMachine, fd);
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
