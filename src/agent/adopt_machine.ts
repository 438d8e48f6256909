/** What follows from other CPUs, or from another policy. */
import { withheldText } from "../cpu/withheld.ts";
import { isConfirmed } from "../ledger/delivery.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { applyTopology, type TopologyChange } from "../ledger/topology_change.ts";
import { pendingUpdates } from "../ledger/updates.ts";
import type { Adopted } from "./adopt.ts";
import { readablePort } from "./apply_mode.ts";
import { readAll, withReadings } from "./kernel.ts";
import { degradedLogs, logOf, recoveredLogs } from "./logs.ts";
import type { MachineChange } from "./machine.ts";
import { withLedger } from "./pending.ts";
import type { AgentState } from "./state.ts";

/** CPUs have gone offline or come back; or containers can't have them any more, or again. */
export function adoptMachine(state: AgentState, { topology, offlineRemoved }: MachineChange): Adopted {
  const { policy, topology: { online } } = state.ledger;
  const withheld = withheldText(topology.withheld);
  const now = { before: online.toString(), online: topology.online.toString() };
  const fields = withheld === "" ? now : { ...now, withheld };
  const log = logOf("warn", "the CPUs that are online have changed", undefined, fields);
  const adopted = adoptTopology(state, { topology, policy, offlineRemoved });
  return { ...adopted, logs: [log, ...adopted.logs] };
}

/** CPUs have gone offline or come back, or the administrator has decided otherwise. */
export function adoptTopology(state: AgentState, change: TopologyChange): Adopted {
  const { ledger: before } = state;
  const applied = applyTopology(before, change);
  // An inherited set has changed with the machine.
  const ledger = change.topology === before.topology ? applied : rereadConfirmed(state, applied);
  return {
    state: withLedger(state, ledger),
    updates: state.dryRun || state.standby || state.phase !== "serving" ? [] : pendingUpdates(ledger),
    // On standby it is what was decided before; another agent says what comes of it.
    logs: state.standby ? [] : [...degradedLogs(ledger, before), ...recoveredLogs(before, ledger)],
  };
}

/** The ledger with what the kernel has by now, for those whose cgroups are read. */
function rereadConfirmed(state: AgentState, ledger: Ledger): Ledger {
  const known = ledger.assignments.values().filter(isConfirmed).map(({ container }) => container);
  return withReadings(ledger, readAll(readablePort(state), known));
}
