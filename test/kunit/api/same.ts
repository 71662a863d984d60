// The same program over node:net (dgram, dns) and over a machine's: what it saw must be the same, event by event.
// Way in: same(name, scenario).

import assert from "node:assert/strict";
import nodeDgram from "node:dgram";
import nodeDns from "node:dns";
import { once } from "node:events";
import nodeNet from "node:net";
import { test } from "node:test";
import type { Loose } from "../../lib/over.ts";
import { solo } from "../../selftests/api/rig.ts";

export type Net = typeof nodeNet;
export type Log = (...what: unknown[]) => void;
export interface Modules {
  dgram: typeof nodeDgram;
  dns: typeof nodeDns;
}
export type Scenario = (net: Net, log: Log, modules: Modules) => Promise<void>;

/** Ports and file descriptors differ; all else must not. */
export function plain(v: unknown): unknown {
  if (v instanceof Error) {
    const { name, message } = v;
    return {
      ...(plain({ ...v }) as object),
      name,
      message: message.replace(/:\d{4,5}\b/g, ":PORT"),
      ...(v instanceof AggregateError && { errors: v.errors.map(plain) }),
    };
  }
  if (Buffer.isBuffer(v)) return v.toString("latin1");
  if (typeof v === "number" && v >= 10_000 && v < 65_536) return "PORT";
  if (Array.isArray(v)) return v.map(plain);
  if (v !== null && typeof v === "object")
    return Object.fromEntries(
      Object.entries(v)
        .filter(([, x]) => x !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([k, x]) => [k, plain(x)]),
    );
  return v;
}

/** The order holds for each first word of the log by itself: between two sockets there is none. */
export function same(name: string, scenario: Scenario): void {
  test(name, async () => {
    const run = async (net: Net, modules: Modules): Promise<Record<string, unknown[]>> => {
      const seen: Record<string, unknown[]> = {};
      await scenario(
        net,
        (...what) => {
          const who = typeof what[0] === "string" ? what[0] : "";
          (seen[who] ??= []).push(JSON.parse(JSON.stringify(what.map(plain))));
          if (process.env.SHOW) console.log(...what.map(plain));
        },
        modules,
      );
      return seen;
    };
    const expected = await run(nodeNet, { dgram: nodeDgram, dns: nodeDns });
    const { m, end } = solo();
    try {
      const modules = { dgram: m.dgram, dns: m.dns } as unknown as Modules;
      assert.deepEqual(await run(m.net as unknown as Net, modules), expected);
      assert.notDeepEqual(expected, {});
    } finally {
      end();
    }
  });
}

export const caught = (log: Log, name: string, fn: () => unknown): void => {
  try {
    fn();
    log(name, "no error");
  } catch (e) {
    log(name, e, String((e as Error).stack).split("\n")[0]);
  }
};

/** A server on the loopback, and its port. */
export async function listen(
  net: Net,
  options: nodeNet.ServerOpts,
  handler: (s: nodeNet.Socket) => void,
): Promise<[nodeNet.Server, number]> {
  const server = net.createServer(options, handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  return [server, (server.address() as nodeNet.AddressInfo).port];
}

/** Everything an emitter says, in order. */
export function watch(
  log: Log,
  who: string,
  s: { on(event: string, fn: (...a: never[]) => void): unknown },
  events = "lookup connect ready end finish close error timeout",
): void {
  for (const e of events.split(" ")) s.on(e, (...a) => log(who, e, ...(a as Loose[])));
}

export const closed = (e: { once(event: "close", fn: () => void): unknown }): Promise<void> =>
  new Promise((r) => void e.once("close", () => r()));
