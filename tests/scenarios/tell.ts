/** What came of an event, in lines that a person reads without a manual. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Agent } from "../../src/agent/step.ts";
import type { Assignment } from "../../src/ledger/assignment.ts";
import type { LogRecord } from "../../src/log_record.ts";
import { WordError } from "./words.ts";

/** The state after a block, as texts. */
export interface Told {
  readonly claimed: string;
  readonly degraded: string;
  readonly pool: string;
}

/** `web shrinks to 0-3`: an update of a container whose record named `before`, or none (which is all of `online`). */
export function change(name: string, before: string, after: string, online: CpuSet): string {
  const [from, to] = [before === "" ? online : cpuSet(before), cpuSet(after)];
  if (from.equals(to)) return `${name} keeps ${to}`;
  if (to.isSubsetOf(from)) return `${name} shrinks to ${to}`;
  if (from.isSubsetOf(to)) return `${name} grows to ${to}`;
  return `${name} moves from ${from} to ${to}`;
}

/** A warning or an error, with its container and its reason; nothing for what is said in the reply as well, or to those who debug. */
export function logLines({ level, message, fields = {} }: LogRecord): string[] {
  if ((level !== "warn" && level !== "error") || /^container( resize)? refused$/.test(message)) return [];
  const { namespace, pod, container, reason } = fields;
  const about = pod === undefined ? "" : ` (${namespace}/${pod} container ${container})`;
  return [`${level}: ${message}${about}${reason === undefined ? "" : `: ${reason}`}`];
}

/** The ledger of an agent that knows what runs. */
export function toldOf({ state }: Agent): Told {
  if (state.phase !== "serving") {
    return { claimed: "", degraded: "", pool: `unknown, the agent is ${state.phase}` };
  }
  const all = [...state.ledger.assignments.values()].sort((a, b) => a.container.id < b.container.id ? -1 : 1);
  return {
    claimed: all.filter(({ grant }) => !grant.isEmpty).map(claimText).join("; "),
    degraded: all.filter(({ degraded }) => degraded !== undefined).map(({ container }) => container.id).join(
      ", ",
    ),
    pool: `${state.ledger.sharedPool}`,
  };
}

function claimText({ container: { id, pod, name }, grant, isHeld }: Assignment): string {
  return isHeld ? `held for ${pod}/${name} ${grant}` : `${id} ${grant}`;
}

/** What has changed of the state, and the pool in any case. */
export function stateLines(before: Told | undefined, after: Told): string[] {
  const changed = (["claimed", "degraded"] as const).filter((key) => after[key] !== (before?.[key] ?? ""));
  return [...changed.map((key) => `${key}: ${after[key] || "none"}`), `pool: ${after.pool}`];
}

/** The set that `text` names. */
export function cpuSet(text: string): CpuSet {
  const set = CpuSet.parse(text);
  if (!(set instanceof CpuSet)) throw new WordError(`"${text}" is not a CPU list: ${set.problem}`);
  return set;
}
