/** The thread of one mode. */
import { explore, type Explored, type Level } from "./explore.ts";
import type { Mode } from "./node.ts";

export interface Job {
  readonly mode: Mode;
  readonly depth: number;
  readonly ms: number;
}

export type Report =
  | ({ readonly kind: "level"; readonly mode: Mode } & Level)
  | ({ readonly kind: "end" } & Explored);

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Job>) => void;
  postMessage(report: Report): void;
};
scope.onmessage = ({ data: { mode, ...limits } }) => {
  const explored = explore(mode, limits, (level) => scope.postMessage({ kind: "level", mode, ...level }));
  scope.postMessage({ kind: "end", ...explored });
};
