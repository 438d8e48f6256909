import { type Mode, MODES } from "./agent_child.ts";
import { comparison } from "./compare.ts";
import { synchronizeWith } from "./reception.ts";
import type { Figure, Section } from "./report.ts";
import type { Build, Machine, Stage } from "./stage.ts";
import { summarize } from "./statistics.ts";
import { population, subjectOf } from "./subjects.ts";

const RUNS = 7;
const RUNNING = [0, 100, 500];
/** ms, on a machine of 64 CPUs. */
const REGISTERED_GOAL = 100;
const GOAL_CPUS = 64;

const UNTIL = ["registered", "synchronized"] as const;

interface Cell {
  readonly mode: Mode;
  readonly machine: Machine;
  readonly running: number;
  readonly synchronize: readonly Uint8Array[];
  /** ms, by build; the same runs of all builds are compared. */
  readonly starts: readonly {
    readonly build: Build;
    readonly took: Record<typeof UNTIL[number], number[]>;
  }[];
}

/** How long after its start the agent is registered, and knows what runs. */
export async function measureStart(stage: Stage): Promise<Section[]> {
  const cells = MODES.flatMap((mode) =>
    stage.machines.flatMap((machine) =>
      RUNNING.map((running): Cell => {
        const synchronize = synchronizeWith(population(running, machine.cpus).map(subjectOf));
        const starts = stage.builds.map((build) => ({ build, took: { registered: [], synchronized: [] } }));
        return { mode, machine, running, synchronize, starts };
      })
    )
  );
  // Round by round, so that what else the machine does meets all of them alike.
  for (let run = 0; run < RUNS; run++) {
    for (const [at, { mode, machine, synchronize, starts }] of cells.entries()) {
      stage.progress("start", run * cells.length + at, RUNS * cells.length);
      for (const { build, took } of run % 2 === 0 ? starts : starts.toReversed()) {
        await stage.agent(mode, machine, synchronize, ({ startedAt }, guest) => {
          took.registered.push(guest.registeredAt - startedAt);
          took.synchronized.push(guest.synchronizedAt - startedAt);
          return Promise.resolve();
        }, { executable: build.executable });
      }
    }
  }
  return sectionsOf(cells, stage.builds.length > 1);
}

function sectionsOf(cells: readonly Cell[], isCompared: boolean): Section[] {
  const dimensions = ["mode", "CPUs", "running", "until"];
  const times = {
    title: "Start",
    note:
      "From the start of the process until the runtime has its registration, and its answer to Synchronize " +
      "with so many running containers that aren't placed yet.",
    dimensions: [...dimensions, ...isCompared ? ["build"] : []],
    percentiles: false,
    figures: cells.flatMap(timesOf),
  };
  if (!isCompared) return [times];
  const note = "How many times as much this build takes as the other, in the same round.";
  const figures = cells.flatMap((cell) =>
    UNTIL.map((until) => {
      const [these, those] = cell.starts.map(({ took }) => took[until]);
      return comparison([...labelsOf(cell), until], these ?? [], those ?? []);
    })
  );
  return [times, { title: "Start, compared round by round", note, dimensions, percentiles: false, figures }];
}

function timesOf(cell: Cell): Figure[] {
  return cell.starts.flatMap(({ build, took }) =>
    UNTIL.map((until): Figure => ({
      labels: [...labelsOf(cell), until, ...cell.starts.length > 1 ? [build.name || "this"] : []],
      unit: "ms",
      summary: summarize(took[until]),
      ...(until === "registered" && cell.machine.cpus === GOAL_CPUS ? { goal: REGISTERED_GOAL } : {}),
    }))
  );
}

function labelsOf({ mode, machine, running }: Cell): string[] {
  return [mode, `${machine.cpus}`, `${running}`];
}
