/** UpdatePodSandbox: a pod as a whole may use more or less from now on; its reply carries nothing. */
import { retryDegraded } from "../../ledger/degraded.ts";
import { withPodLimit } from "../../ledger/pod_set.ts";
import type { LinuxResources, PodSandbox } from "../../nri/gen/nri_pb.ts";
import { type Decision, unchanged } from "../decision.ts";
import { newlyDegradedLogs, recoveredLogs } from "../logs.ts";
import { immediateUpdates, withLedger } from "../pending.ts";
import { newLimit } from "../pod_resources.ts";
import type { AgentState } from "../state.ts";

export function updatePodSandbox(
  state: AgentState,
  { pod, resources }: { readonly pod: PodSandbox; readonly resources: LinuxResources | undefined },
): Decision {
  const limit = newLimit(resources);
  if (limit === undefined || state.phase !== "serving") return unchanged(state);
  const limited = withPodLimit(state.ledger, { podUid: pod.uid }, limit);
  const ledger = limited === state.ledger ? limited : retryDegraded(limited);
  return {
    ...unchanged(withLedger(state, ledger)),
    logs: [...newlyDegradedLogs(state.ledger, ledger), ...recoveredLogs(state.ledger, ledger)],
    background: immediateUpdates(state, ledger),
  };
}
