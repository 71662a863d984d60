// Two machines on a cable in virtual time that plays by itself, for tests with promises; and one in real time on its loopback.
// Way in: duo(), solo().

import assert from "node:assert/strict";
import { createMachine, createWorld, type Machine, type PlayOptions, type World } from "../../../src/api/node.ts";
import { NodePlatform } from "../../../src/arch/node/index.ts";
import type { WireOptions } from "../../../src/hw/wire.ts";

export interface Duo {
  world: World;
  a: Machine;
  b: Machine;
  end(): void;
}

export function duo(cable: WireOptions = {}, seed = 1, play: PlayOptions = {}): Duo {
  const world = createWorld({ seed });
  const a = world.createMachine({ hostname: "a", debug: true, nics: [{ ip: "10.0.0.1/24" }] });
  const b = world.createMachine({ hostname: "b", debug: true, nics: [{ ip: "10.0.0.2/24" }] });
  world.connect(a.nics[0]!, b.nics[0]!, { rate: 1e9, delay_ns: 100_000, ...cable });
  world.run(3e9);
  world.play(play);
  return {
    world,
    a,
    b,
    end() {
      world.pause();
      // TIME_WAIT and what the protocol has still to say.
      world.run(200e9);
      for (const m of [a, b]) {
        assert.equal(m.kernel.bugs.length, 0, String(m.kernel.bugs[0]));
        m.poweroff();
        for (const [what, n] of Object.entries(m.live())) assert.equal(n, 0, `${m.hostname}: ${what}`);
      }
    },
  };
}

export function solo(): { m: Machine; end(): void } {
  const host = new NodePlatform();
  const m = createMachine({ host });
  return {
    m,
    end() {
      m.poweroff();
      host.stop();
    },
  };
}
