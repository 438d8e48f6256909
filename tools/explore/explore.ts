/** All nodes that can be reached, breadth-first: the shortest way to a problem is found first. */
import { keyOf } from "./canonical.ts";
import { type Event, eventsOf } from "./events.ts";
import { problemOf } from "./invariants.ts";
import { KeySet } from "./key_set.ts";
import type { Mode, Node } from "./node.ts";
import { type Doubles, Player } from "./player.ts";
import { unrestOf } from "./rest.ts";

export interface Limits {
  readonly depth: number;
  readonly ms: number;
  /** Nodes of one depth: more aren't kept in memory. */
  readonly nodes?: number;
  readonly doubles?: Doubles;
}

/** All nodes of one depth were gone on from. */
export interface Level {
  readonly depth: number;
  /** New nodes there. */
  readonly states: number;
  /** Events played so far. */
  readonly transitions: number;
}

export interface Found {
  readonly problem: string;
  readonly path: readonly Event[];
}

export interface Explored {
  readonly mode: Mode;
  /** The greatest depth that was explored wholly. */
  readonly depth: number;
  readonly states: number;
  readonly transitions: number;
  readonly found: readonly Found[];
}

/** A node, and how it was reached. */
interface Reached {
  readonly node: Node;
  readonly from: Reached | undefined;
  readonly event: Event | undefined;
}

/** Other problems than the first that are looked for, each of another cause. */
const MAX_FOUND = 10;

export function explore(
  mode: Mode,
  { depth: last, ms, nodes = Infinity, doubles }: Limits,
  onLevel: (level: Level) => void = () => {},
): Explored {
  const end = performance.now() + ms;
  const player = new Player(mode, doubles);
  const [known, restful] = [new KeySet(), new KeySet()];
  const found = new Map<string, Found>();
  const report = (problem: string, path: readonly Event[]) => {
    const cause = problem.replaceAll(/\d[a-c]|[\d,-]+/g, "…");
    if (!found.has(cause)) found.set(cause, { problem, path });
  };
  const first: Reached = { node: player.empty, from: undefined, event: undefined };
  known.add(keyOf(first.node));
  let [level, depth, transitions] = [[first], 0, 0];
  const result = () => ({ mode, depth, states: known.size, transitions, found: [...found.values()] });
  onLevel({ depth, states: 1, transitions });
  while (depth < last && level.length > 0 && found.size === 0) {
    const next: Reached[] = [];
    for (const from of level) {
      if (performance.now() > end || next.length > nodes || found.size >= MAX_FOUND) return result();
      for (const event of eventsOf(from.node)) {
        const { node, problem: first } = player.play(from.node, event);
        transitions++;
        const key = keyOf(node);
        if (first === undefined && !known.add(key)) continue;
        const reached = { node, from, event };
        const problem = first ?? problemOf(node);
        if (problem !== undefined) {
          report(problem, pathTo(reached));
          continue;
        }
        const unrest = unrestOf(player, node, restful);
        if (unrest !== undefined) report(unrest.problem, [...pathTo(reached), ...unrest.events]);
        else next.push(reached);
      }
    }
    [level, depth] = [next, depth + 1];
    onLevel({ depth, states: next.length, transitions });
  }
  return result();
}

function pathTo(reached: Reached): Event[] {
  const path: Event[] = [];
  for (let at: Reached | undefined = reached; at !== undefined; at = at.from) {
    if (at.event !== undefined) path.push(at.event);
  }
  return path.reverse();
}
