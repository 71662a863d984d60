// A program of ours as a promise: runs on the machine, in its time, with its sockets. Way in: runTask(machine, name, fn).

import { ECANCELED } from "../uapi/errno.ts";
import type { Blocking, Sys } from "../uapi/sys.ts";
import { SystemError } from "./errors.ts";
import type { Machine } from "./machine.ts";

/** What `fn` returned, in a macrotask. Rejects with ECANCELED when the machine is switched off before. */
export function runTask<T>(machine: Machine, comm: string, fn: (sys: Sys) => Blocking<T>): Promise<T> {
  const { loop } = machine;
  loop.ref();
  return new Promise<T>((done, fail) => {
    let value: T;
    let ended = false;
    const p = machine.spawn(
      function* (sys) {
        value = yield* fn(sys);
        ended = true;
        return 0;
      },
      [comm],
    );
    p.exited.then(() => {
      loop.defer(() => {
        loop.unref();
        if (ended) done(value);
        else fail(new SystemError(-ECANCELED, comm));
      });
    });
  });
}
