/**
 * RunPodSandbox: a pod's first processes are about to run. systemd may have emptied the set of the fence around it while
 * its class had no pods; nothing is refused for that, and what can't be written now is retried in the background.
 */
import { isGroup } from "../../ledger/groups.ts";
import { afterWrites, planWrites } from "../../ledger/plan_writes.ts";
import type { PodSandbox } from "../../nri/gen/nri_pb.ts";
import { podRefOf } from "../../nri/read_claim.ts";
import { type Decision, unchanged, withLogs } from "../decision.ts";
import { fencedFirst } from "../fences.ts";
import { withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";

export function runPodSandbox(state: AgentState, pod: PodSandbox): Decision {
  if (state.phase !== "serving") return unchanged(state);
  return fencedFirst(state, podRefOf(pod), (known) => {
    const { ledger } = known;
    const planned = planWrites(ledger, { kind: "losses" });
    // What is behind a fence may have to be written before it: then that is left to the background.
    const behind = new Set(planned.map(({ assignment }) => assignment.fence));
    const writes = planned.filter(({ assignment: { container } }) => !behind.has(container.id))
      .filter(({ assignment, cpus }) => isGroup(assignment) && cpus.isSubsetOf(ledger.mayRunOn(assignment)));
    return {
      kind: "write",
      ledger,
      writes,
      after: afterWrites(ledger, writes),
      written: (after) => unchanged(withLedger(known, after)),
      failed: ({ learn, logs }) => withLogs(unchanged(withLedger(known, learn(ledger))), logs),
    };
  });
}
