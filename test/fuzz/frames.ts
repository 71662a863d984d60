// The frame fuzzer: cases by (seed, index) into a FrameRig, bounds on the way, nothing left at the end; and the search for the
// smallest set of frames that shows a failure. Way in: fuzz_frames(); replay() for the corpus.

import { frames_of_case, Source } from "./frame_gen.ts";
import { type Entry, FrameRig } from "./frame_rig.ts";

export interface Step {
  entry: Entry;
  frame: Uint8Array;
}

export interface FrameFuzzResult {
  frames: number;
  /** Frames that left the machine by the card. */
  answers: number;
  /** Null, or what went wrong and after which frame. */
  failure: { what: string; stack: string; at: number } | null;
  /** Largest values seen. */
  peaks: Record<string, number>;
}

const BURST = 32;

/** What a case does besides its frames, by its own random stream: time passes, programs read and send. */
function between(rig: FrameRig, s: Source): void {
  rig.rig.run(s.one_in(200) ? 31e9 : s.one_in(20) ? 1e9 : 1e6);
  if (s.one_in(2)) rig.tcp.step(s);
  if (s.one_in(4)) rig.drain(1 + s.below(20));
  if (s.one_in(2)) rig.send(`10.0.0.${2 + s.below(40)}`, s.pick([7, 53, 6000]), s.below(1400));
  if (s.one_in(6)) rig.send(`10.1.${s.below(2)}.${2 + s.below(40)}`, 7, s.below(4000));
  // The host behind: what it sends is cut, summed and queued here. Now and then more than the cable takes.
  for (let n = s.one_in(40) ? 60 : s.below(2); n > 0; n--) {
    const size = s.below(s.one_in(3) ? 20_000 : 3000);
    const segment = s.one_in(2) ? 0 : 1 + s.below(1472);
    rig.send_far(s.pick(["172.16.0.1", "10.0.0.8", "10.0.0.1"]), s.pick([7, 9]), size, segment);
  }
}

function first_bug(rig: FrameRig): { what: string; stack: string } | null {
  const bug = rig.k.bugs[0];
  if (bug === undefined) return null;
  const e = bug.error;
  return {
    what: `${bug.where}: ${e instanceof Error ? e.message : String(e)}`,
    stack: e instanceof Error ? (e.stack ?? "") : "",
  };
}

/** Runs `count` frames. */
export function fuzz_frames(count: number, seed: number, progress?: (frames: number) => void): FrameFuzzResult {
  const rig = new FrameRig(seed);
  const peaks: Record<string, number> = {};
  let frames = 0;
  let failure: FrameFuzzResult["failure"] = null;
  let index = 0;
  let bursts = 0;
  let next_report = 100_000;
  const s = new Source(seed, 0x7fffffff);
  try {
    while (frames < count && failure === null) {
      for (let n = 0; n < BURST; ) {
        const entry: Entry = index % 4 === 3 ? "veth" : "nic";
        for (const f of frames_of_case(seed, index)) {
          rig.inject(entry, f);
          n++;
          frames++;
        }
        index++;
      }
      between(rig, s);
      const bug = first_bug(rig);
      if (bug !== null) failure = { ...bug, at: index };
      if (++bursts % 16 === 0 || frames >= count) {
        for (const [name, v] of Object.entries(rig.check_bounds())) peaks[name] = Math.max(peaks[name] ?? 0, v);
      }
      if (frames >= next_report) {
        next_report += 100_000;
        progress?.(frames);
      }
    }
    const answers = rig.port.frames;
    if (failure === null) {
      const left = rig.end();
      const bug = first_bug(rig);
      if (bug !== null) failure = { ...bug, at: index };
      else if (Object.keys(left).length > 0)
        failure = { what: `left over: ${JSON.stringify(left)}`, stack: "", at: index };
    }
    return { frames, answers, failure, peaks };
  } catch (e) {
    const err = e as Error;
    return { frames, answers: 0, failure: { what: err.message, stack: err.stack ?? "", at: index }, peaks };
  }
}

/** Feeds frames one by one to a fresh machine of the kind that `seed` makes. What went wrong, or null. */
export function replay(steps: Step[], seed: number): string | null {
  const rig = new FrameRig(seed);
  const s = new Source(seed, 0x7ffffffe);
  try {
    for (const [i, step] of steps.entries()) {
      rig.inject(step.entry, step.frame);
      if (i % BURST !== BURST - 1) continue;
      rig.rig.run(1e6);
      rig.tcp.step(s);
    }
    rig.rig.run(1e6);
    rig.check_bounds();
    if (rig.k.bugs.length === 0) {
      const left = rig.end();
      if (Object.keys(left).length > 0) return `left over: ${JSON.stringify(left)}`;
    }
    return first_bug(rig)?.what ?? null;
  } catch (e) {
    return (e as Error).message;
  }
}

/** The frames of the cases up to `at`, the last `window` cases of them. */
export function steps_before(seed: number, at: number, window: number): Step[] {
  const out: Step[] = [];
  for (let i = Math.max(0, at - window); i < at; i++) {
    const entry: Entry = i % 4 === 3 ? "veth" : "nic";
    for (const frame of frames_of_case(seed, i)) out.push({ entry, frame });
  }
  return out;
}

const kind_of = (what: string): string => what.replace(/\d+/g, "N");

/** The fewest, then shortest frames that still fail in the same way; null when frames alone do not show it. */
export function minimise(seed: number, at: number, what: string): Step[] | null {
  const same = (steps: Step[]): boolean => {
    const r = replay(steps, seed);
    return r !== null && kind_of(r) === kind_of(what);
  };
  for (const window of [40, 400, 4000]) {
    const all = steps_before(seed, at, window);
    if (same(all)) return shrink(all, same);
  }
  return null;
}

function shrink(all: Step[], same: (steps: Step[]) => boolean): Step[] {
  let steps = all;
  // Halves, then quarters …, are left out as long as it still fails.
  for (let chunk = steps.length >> 1; chunk >= 1; chunk >>= 1) {
    for (let i = 0; i < steps.length; ) {
      const fewer = [...steps.slice(0, i), ...steps.slice(i + chunk)];
      if (fewer.length > 0 && same(fewer)) steps = fewer;
      else i += chunk;
    }
  }
  for (let i = 0; i < steps.length; i++) {
    for (let cut = steps[i]!.frame.length >> 1; cut >= 1; cut >>= 1) {
      const { entry, frame } = steps[i]!;
      const shorter = steps.slice();
      shorter[i] = { entry, frame: frame.subarray(0, frame.length - cut) };
      if (same(shorter)) steps = shorter;
    }
  }
  return steps;
}
