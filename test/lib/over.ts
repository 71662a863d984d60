// Loads an npm package unchanged, with net, dgram and dns of a machine in the place of Node's. Way in: over({ ws: machine }).

// Loads an npm package unchanged, with net, dgram and dns of a machine in the place of Node's. Way in: over({ ws: machine }).

import Module, { createRequire } from "node:module";
import type { Machine } from "../../src/api/node.ts";

// biome-ignore lint/suspicious/noExplicitAny: packages without types
export type Loose = any;
type Load = (request: string, parent: { filename?: string } | undefined, isMain: boolean) => unknown;

/** `packages`: directory name under node_modules → the machine that it runs on. Returns a require() for them. */
export function over(packages: Record<string, Machine>): { require(id: string): Loose; end(): void } {
  const mod = Module as unknown as { _load: Load };
  const load = mod._load;
  const owner = (file: string | undefined): Machine | undefined => {
    if (file === undefined) return undefined;
    for (const [name, m] of Object.entries(packages)) if (file.includes(`/node_modules/${name}/`)) return m;
    return undefined;
  };
  mod._load = function (request, parent, isMain) {
    const bare = request.replace(/^node:/, "");
    const m = owner(parent?.filename);
    if (m !== undefined) {
      if (bare === "net") return m.net;
      if (bare === "dgram") return m.dgram;
      if (bare === "dns") return m.dns;
      if (bare === "dns/promises") return m.dns.promises;
    }
    return load.call(this, request, parent, isMain);
  };
  return {
    require: createRequire(import.meta.url),
    end() {
      mod._load = load;
    },
  };
}
