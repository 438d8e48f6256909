import { MODES } from "./agent_child.ts";
import { synchronizeWith } from "./reception.ts";
import type { Figure, Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { summarize } from "./statistics.ts";
import { population, subjectOf } from "./subjects.ts";

const RUNS = 7;
const RUNNING = [0, 100, 500];
/** ms, on a machine of 64 CPUs. */
const REGISTERED_GOAL = 100;
const GOAL_CPUS = 64;

/** How long after its start the agent is registered, and knows what runs. */
export async function measureStart(stage: Stage): Promise<Section[]> {
  const cells = MODES.flatMap((mode) =>
    stage.machines.flatMap((machine) =>
      RUNNING.map((running) => ({
        mode,
        machine,
        running,
        synchronize: synchronizeWith(population(running, machine.cpus).map(subjectOf)),
        registered: [] as number[],
        synchronized: [] as number[],
      }))
    )
  );
  // Round by round, so that what else the machine does meets all of them alike.
  for (let run = 0; run < RUNS; run++) {
    for (const [at, { mode, machine, synchronize, registered, synchronized }] of cells.entries()) {
      stage.progress("start", run * cells.length + at, RUNS * cells.length);
      await stage.agent(mode, machine, synchronize, ({ startedAt }, guest) => {
        registered.push(guest.registeredAt - startedAt);
        synchronized.push(guest.synchronizedAt - startedAt);
        return Promise.resolve();
      });
    }
  }
  const figures = cells.flatMap(
    ({ mode, machine: { cpus }, running, registered, synchronized }): Figure[] => {
      const labels = [mode, `${cpus}`, `${running}`];
      const goal = cpus === GOAL_CPUS ? { goal: REGISTERED_GOAL } : {};
      return [
        { labels: [...labels, "registered"], unit: "ms", summary: summarize(registered), ...goal },
        { labels: [...labels, "synchronized"], unit: "ms", summary: summarize(synchronized) },
      ];
    },
  );
  return [{
    title: "Start",
    note:
      "From the start of the process until the runtime has its registration, and its answer to Synchronize " +
      "with so many running containers that aren't placed yet.",
    dimensions: ["mode", "CPUs", "running", "until"],
    percentiles: false,
    figures,
  }];
}
