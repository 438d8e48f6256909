/** Which test runs on which node: where there is one, side by side as far as it has room; where there are several, one a worker. */
import type { NodeView } from "./check.ts";
import type { EventLog } from "./events.ts";
import { isAlone, type Test } from "./suite.ts";

/** A node as the tests have it. */
interface Node {
  readonly view: NodeView;
  /** CPUs that the tests there may still claim: one is always left to the pool. */
  free: number;
  /** Tests there. */
  running: number;
  /** A test has it for itself. */
  isWhole: boolean;
}

/** Nodes that a test has, until they are given back. */
export interface Taken {
  /** Where its pods run. */
  readonly view: NodeView;
  readonly nodes: readonly Node[];
  readonly test: string;
  readonly worker: number;
  readonly claims: number;
}

export class Nodes {
  /** Those that aren't set aside. */
  #inUse: readonly Node[];
  readonly #areSeveral: boolean;

  constructor(views: readonly NodeView[], private readonly log: Pick<EventLog, "add">) {
    const free = (view: NodeView) => view.room - 1;
    this.#inUse = views.map((view) => ({ view, free: free(view), running: 0, isWhole: false }));
    this.#areSeveral = views.length > 1;
  }

  /** How many tests can run at one time, of so many workers. */
  workers(most: number): number {
    return this.#areSeveral ? Math.min(most, this.#inUse.length) : most;
  }

  /** A node with room for the test, all of them if it does something to all; undefined: not now. */
  take(title: string, test: Test, worker: number): Taken | undefined {
    const isWhole = this.#areSeveral || isAlone(test);
    const fits = (node: Node) => isWhole ? node.running === 0 : !node.isWhole && test.needs <= node.free;
    const nodes = test.everywhere
      ? this.#inUse.every(fits) ? this.#inUse : []
      : this.#inUse.filter(fits).slice(0, 1);
    const [first] = nodes;
    if (first === undefined) return undefined;
    for (const node of nodes) {
      node.running++;
      node.free -= test.needs;
      node.isWhole = isWhole;
    }
    const taken = { view: first.view, nodes, test: title, worker, claims: test.needs };
    this.#note("taken", taken);
    return taken;
  }

  /** Of several nodes, one whose test has failed isn't used any more, unless it is the last. */
  giveBack(taken: Taken, hasFailed: boolean): void {
    for (const node of taken.nodes) {
      node.running--;
      node.free += taken.claims;
      node.isWhole = false;
    }
    const isSetAside = hasFailed && this.#inUse.length > 1;
    if (isSetAside) this.#inUse = this.#inUse.filter(({ view }) => view !== taken.view);
    this.#note(isSetAside ? "set aside" : "given back", taken);
  }

  #note(what: "taken" | "given back" | "set aside", { view, nodes, test, worker }: Taken): void {
    const more = nodes.filter((node) => node.view !== view).map((node) => node.view.name);
    this.log.add({ kind: "node", what, test, worker, node: [view.name, ...more].join(", ") });
  }
}
