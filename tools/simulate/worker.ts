/** One thread of a simulation. */
import type { Answer, Job } from "./job.ts";
import { drawScenario } from "./scenario.ts";
import { shrink } from "./shrink.ts";
import { failureOf, playNode } from "./simulate.ts";
import { type Played, Tally } from "./tally.ts";

function work(job: Job): Answer {
  if (job.kind === "shrink") return { kind: "shrunk", failure: shrink(failureOf(job.violation)) };
  const tally = new Tally();
  for (const { seed, count } of job.nodes) playNode(drawScenario(seed, job.chosen), count, tally);
  return { kind: "played", played: played(tally) };
}

/** Without what can't go to another thread. */
function played({ coverage: { kinds, pairs, containerPairs }, ...counts }: Tally): Played {
  return { ...counts, coverage: { kinds, pairs, containerPairs } };
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Job>) => void;
  postMessage(answer: Answer): void;
};
scope.onmessage = ({ data }) => scope.postMessage(work(data));
