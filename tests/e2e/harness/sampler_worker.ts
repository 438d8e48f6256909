/**
 * A thread of its own, so that nothing else keeps it from looking: every 50 ms at all containers of the nodes, until it
 * gets a message; then it answers with what it has seen, a {@link Sampled}.
 */
import { hereMs } from "../../system/node/slowness.ts";
import { NodeCgroups, type Seen } from "./node_cgroups.ts";
import { isUnplaced, listText, type Overlap, overlapsOf, overlapText } from "./overlaps.ts";
import { PERIOD_MS, type Sampled } from "./sampler.ts";

/** Of those that are kept to be shown. */
const MAX_SHOWN = 20;

// deno-lint-ignore no-explicit-any
const thread = self as any;
let nodes: NodeCgroups[] = [];
const seen = new Set<string>();
/** Who has been seen with what it asked for, and at how many looks in a row it had something else since. */
const placed = new Set<string>();
const suspects = new Map<string, number>();
/** A second: a resize in place changes a set before the quota by which it is judged; in between is a call of runc. */
const LOOKS = 1000 / PERIOD_MS;
const unplaced = new Map<string, string>();
/** Of these, those that haven't been seen since with what they asked for and nobody else there. */
const unsettled = new Set<string>();
const overlapping = new Map<string, string>();
const onPinned = new Map<string, string>();
const total = { samples: 0, longestMs: 0 };

/**
 * Whether two overlap at one moment. Cpusets are read one after the other, and a CPU may have gone from one container
 * to the other in between: so the first is read again after the second.
 */
function isReal(cgroups: NodeCgroups, { one, other }: Overlap): boolean {
  const second = cgroups.again(other);
  const first = cgroups.again(one);
  return first !== undefined && second !== undefined && overlapsOf([first, second]).length > 0 &&
    cgroups.again(other) !== undefined;
}

function look(cgroups: NodeCgroups): void {
  const all = cgroups.look();
  for (const each of all) {
    seen.add(each.id);
    lookAt(cgroups, each);
  }
  const overlaps = overlapsOf(all).filter((overlap) => isReal(cgroups, overlap));
  for (const overlap of overlaps) {
    const both = [overlap.one, overlap.other];
    // Whoever has other CPUs than it asked for is counted as that, also while it is corrected, and others after it.
    if (both.some((each) => isUnplaced(each) || unsettled.has(each.id))) continue;
    const kept = both.some(({ wish }) => wish.kind === "exclusive") ? overlapping : onPinned;
    for (const each of both) note(kept, each, overlapText(overlap));
  }
  const contested = new Set(overlaps.flatMap(({ one, other }) => [one.id, other.id]));
  for (const each of all) if (!isUnplaced(each) && !contested.has(each.id)) unsettled.delete(each.id);
}

function lookAt(cgroups: NodeCgroups, each: Seen): void {
  const { id } = each;
  const isWrong = isUnplaced(each) && isStill(cgroups, each);
  const looks = isWrong ? (suspects.get(id) ?? 0) + 1 : 0;
  suspects.set(id, looks);
  if (isWrong && (!placed.has(id) || looks > LOOKS)) noteUnplaced(each);
  if (!isWrong) placed.add(id);
}

function noteUnplaced(each: Seen): void {
  note(unplaced, each, unplacedText(each));
  unsettled.add(each.id);
}

function isStill(cgroups: NodeCgroups, each: Seen): boolean {
  const again = cgroups.again(each);
  return again !== undefined && isUnplaced(again);
}

function unplacedText({ name, wish, cpus }: Seen): string {
  return `${name}: ${JSON.stringify(wish)} has ${listText(cpus)}`;
}

function note(kept: Map<string, string>, { id }: Seen, text: string): void {
  if (!kept.has(id)) kept.set(id, `${new Date().toISOString()} ${text}`);
}

let last = performance.now();
function tick(): void {
  const now = performance.now();
  total.longestMs = Math.max(total.longestMs, now - last);
  last = now;
  for (const each of nodes) look(each);
  total.samples++;
}

thread.onmessage = ({ data }: MessageEvent<{ nodes?: string[] }>) => {
  if (data.nodes !== undefined) {
    nodes = data.nodes.map((node) => new NodeCgroups(node));
    last = performance.now();
    setInterval(tick, hereMs(PERIOD_MS));
    return;
  }
  const sampled: Sampled = {
    samples: total.samples,
    longestMs: Math.round(total.longestMs),
    containers: seen.size,
    unplaced: unplaced.size,
    overlapping: overlapping.size,
    onPinned: onPinned.size,
    shown: [...overlapping.values(), ...onPinned.values(), ...unplaced.values()].slice(0, MAX_SHOWN),
  };
  thread.postMessage(sampled);
};
