/** Failures as files: one JSON value a line, the scenario first, then the events. Lines that begin with # are skipped. */
import type { SimEvent } from "./events.ts";
import { MACHINES } from "./machines.ts";
import { BEFORE, type Scenario } from "./scenario.ts";
import type { Failure, Play } from "./simulate.ts";

export function textOf({ scenario, events, problem }: Failure): string {
  const about = `# ${problem.split("\n")[0]}`;
  return [about, ...[scenario, ...events].map((value) => JSON.stringify(value))].join("\n") + "\n";
}

/** What {@link textOf} has written. Throws where it is something else. */
export function playOf(text: string): Play {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const [scenario, ...events] = lines.map((line) => JSON.parse(line) as unknown);
  if (!isScenario(scenario)) throw new Error("the first line is no scenario of a known machine");
  const odd = events.find((event) => !isEvent(event));
  if (odd !== undefined) throw new Error(`not an event: ${JSON.stringify(odd)}`);
  return { scenario: { ...BEFORE, ...standbyOf(scenario), ...scenario }, events: events as SimEvent[] };
}

/** Of one that was kept when only launched agents had a standby, which was asked last. */
function standbyOf(scenario: Scenario): Pick<Scenario, "standby"> | undefined {
  const isSecond = "second" in scenario && scenario.second === true && scenario.way === "launched";
  return isSecond ? { standby: "last" } : undefined;
}

function isScenario(value: unknown): value is Scenario {
  return typeof value === "object" && value !== null && "machine" in value &&
    typeof value.machine === "string" && Object.hasOwn(MACHINES, value.machine);
}

function isEvent(value: unknown): value is SimEvent {
  return typeof value === "object" && value !== null && "kind" in value;
}
