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

/** How a node was reached. */
interface Path {
  readonly event: Event;
  readonly from: Path | undefined;
}

interface Reached {
  readonly node: Node;
  readonly path: Path | undefined;
}

/** Problems of one depth that are looked for, each of another cause. */
const MAX_FOUND = 10;
/** Nodes that are kept in memory to go on from, each of some 4 kB; beyond that those of the next depth are only checked. */
const MAX_KEPT = 600_000;

export function explore(
  mode: Mode,
  { depth: last, ms, doubles }: Limits,
  onLevel: (level: Level) => void = () => {},
): Explored {
  const end = performance.now() + ms;
  const search = new Search(mode, doubles);
  let [level, depth] = [search.first, 0];
  onLevel({ depth, states: 1, transitions: 0 });
  while (depth < last && level.length > 0 && search.found.size === 0) {
    const states = search.known.size;
    const next: Reached[] = [];
    for (const from of level) {
      if (performance.now() > end || search.found.size >= MAX_FOUND) return search.result(depth);
      search.goOn(from, next, MAX_KEPT - level.length);
    }
    depth++;
    onLevel({ depth, states: search.known.size - states, transitions: search.transitions });
    if (next.length >= MAX_KEPT - level.length) break;
    level = next;
  }
  return search.result(depth);
}

class Search {
  readonly known = new KeySet();
  readonly found = new Map<string, Found>();
  readonly first: Reached[];
  transitions = 0;
  readonly #restful = new KeySet();
  readonly #player: Player;

  constructor(private readonly mode: Mode, doubles: Doubles | undefined) {
    this.#player = new Player(mode, doubles);
    const node = this.#player.empty;
    this.known.add(keyOf(node));
    this.first = [{ node, path: undefined }];
  }

  /**
   * Lets each event happen that can happen there; what is new and as it should be is added to `next`, which keeps
   * so many at most.
   */
  goOn(from: Reached, next: Reached[], most: number): void {
    for (const event of eventsOf(from.node)) {
      const { node, problem: first } = this.#player.play(from.node, event);
      this.transitions++;
      const isNew = this.known.add(keyOf(node));
      if (first === undefined && !isNew) continue;
      const path = { event, from: from.path };
      const problem = first ?? problemOf(node);
      const unrest = problem === undefined ? unrestOf(this.#player, node, this.#restful) : undefined;
      if (problem !== undefined) this.#report(problem, eventsTo(path));
      else if (unrest !== undefined) this.#report(unrest.problem, [...eventsTo(path), ...unrest.events]);
      else if (next.length < most) next.push({ node, path });
    }
  }

  #report(problem: string, path: readonly Event[]): void {
    const cause = problem.replaceAll(/\d[a-c]|[\d,-]+/g, "…");
    if (!this.found.has(cause)) this.found.set(cause, { problem, path });
  }

  result(depth: number): Explored {
    const { mode, known: { size: states }, transitions, found } = this;
    return { mode, depth, states, transitions, found: [...found.values()] };
  }
}

function eventsTo(last: Path): Event[] {
  const events: Event[] = [];
  for (let at: Path | undefined = last; at !== undefined; at = at.from) events.push(at.event);
  return events.reverse();
}
