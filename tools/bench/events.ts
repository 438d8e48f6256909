// The executable on made-up nodes by CPUs and by containers: its start, every kind of request, CPU time and memory;
// beside another build where there is one.

import { comparison } from "./compare.ts";
import type { Figure, Section } from "./report.ts";
import {
  ALL_KINDS,
  AT_REST,
  type Cell,
  CPU_TIMES,
  measureCell,
  REGISTERED,
  REQUESTS,
  RESIDENT,
  RESTARTED,
  type Samples,
  SYNCHRONIZED,
} from "./side_by_side.ts";
import type { Contestant } from "./side.ts";
import type { Machine, Stage } from "./stage.ts";
import { summarize } from "./statistics.ts";

const LIVE = [10, 100, 1000, 4000];
export const APPLIES = ["kernel-first", "runtime"] as const;

/** Of which two programs the ratio is taken. */
export type Pair = readonly [these: string, those: string];

export interface Measured extends Cell {
  readonly samples: Samples;
}

/** Below what the median should be with 1000 containers; ms, MiB. */
const GOALS_AT = 1000;
const GOALS: Readonly<Record<string, number>> = {
  [ALL_KINDS]: 1000,
  "create exclusive, runtime": 3,
  [RESIDENT]: 72,
  [AT_REST]: 10,
};

/** By requests and by what else there is, with `BASE` beside each other. */
export async function measureEvents(stage: Stage): Promise<Section[]> {
  const contestants = stage.builds.flatMap(({ name, executable }) =>
    APPLIES.map((apply) => ours(apply, executable, name === "" ? apply : `${apply}, ${name}`))
  );
  const pairs = stage.builds.slice(1).flatMap(({ name }) =>
    APPLIES.map((apply): Pair => [apply, `${apply}, ${name}`])
  );
  const cells = cellsOf(stage.machines, Deno.env.get("CELLS") ?? "");
  return sectionsOf("", await measureAll(stage, "events", contestants, cells), pairs);
}

/**
 * Every machine with every number of containers, or those that `asked` names, as CPUs and containers: `64x1000,512x10`.
 * @throws {Error} one sentence, if it names another one
 */
export function cellsOf(
  machines: readonly Machine[],
  asked: string,
  counts: readonly number[] = LIVE,
): Cell[] {
  const all = machines.flatMap((machine) => counts.map((live) => ({ machine, live })));
  const nameOf = ({ machine, live }: Cell) => `${machine.cpus}x${live}`;
  const names = asked.split(",").filter(Boolean);
  const unknown = names.find((name) => !all.some((cell) => nameOf(cell) === name));
  if (unknown !== undefined) {
    throw new Error(`CELLS names ${unknown}; there are ${all.map(nameOf).join(", ")}`);
  }
  return names.length === 0 ? all : all.filter((cell) => names.includes(nameOf(cell)));
}

/** The agent with one value of `apply`. */
export function ours(apply: typeof APPLIES[number], executable: string, name: string): Contestant {
  return {
    name,
    executable,
    mode: "external",
    env: { WEKA_CPUSET_APPLY: apply },
    writes: apply === "kernel-first",
  };
}

export async function measureAll(
  stage: Stage,
  part: string,
  contestants: readonly Contestant[],
  cells: readonly Cell[],
): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const [at, cell] of cells.entries()) {
    stage.progress(part, at, cells.length);
    measured.push({ ...cell, samples: await measureCell(stage, contestants, cell) });
  }
  return measured;
}

export function sectionsOf(title: string, measured: readonly Measured[], pairs: readonly Pair[]): Section[] {
  const common = { dimensions: ["CPUs", "live", "what", "program"] };
  const note = "A fifth of the containers is pinned and a fifth exclusive, up to a fifth of the CPUs; " +
    "the rest is shared. Cpusets are plain files.";
  const figures = (names: readonly string[]) => measured.flatMap((cell) => figuresOf(cell, names));
  const whole = [REGISTERED, SYNCHRONIZED, RESTARTED, ...CPU_TIMES, AT_REST, RESIDENT];
  const sections = [
    {
      ...common,
      title: `Requests by kind${title}`,
      note: `The runtime's wait for the answer. ${note}`,
      percentiles: true,
      figures: figures(REQUESTS),
    },
    {
      ...common,
      title: `Start, CPU time and memory${title}`,
      note:
        `Again: killed and started anew. Requests: a container is created, started, updated and stopped. ${note}`,
      percentiles: false,
      figures: figures(whole),
    },
  ];
  if (pairs.length === 0) return sections;
  const comparison = {
    title: `The same, compared round by round${title}`,
    note: "Of two programs in the same round: how many times as much the one takes as the other.",
    dimensions: ["CPUs", "live", "what", "ratio"],
    percentiles: false,
    figures: measured.flatMap((cell) => ratiosOf(cell, pairs)),
  };
  return [...sections, comparison];
}

function figuresOf({ machine, live, samples }: Measured, names: readonly string[]): Figure[] {
  return names.flatMap((what) =>
    [...samples.get(what) ?? []].map(([program, values]): Figure => {
      const goal = live === GOALS_AT ? GOALS[what] ?? GOALS[`${what}, ${program}`] : undefined;
      return {
        labels: [`${machine.cpus}`, `${live}`, what, program],
        unit: what === RESIDENT ? "MiB" : "ms",
        summary: summarize(values),
        ...(goal === undefined ? {} : { goal }),
      };
    })
  );
}

function ratiosOf({ machine, live, samples }: Measured, pairs: readonly Pair[]): Figure[] {
  return [...samples].flatMap(([what, byProgram]) =>
    pairs.map(([one, other]) =>
      comparison(
        [`${machine.cpus}`, `${live}`, what, `${one} : ${other}`],
        byProgram.get(one) ?? [],
        byProgram.get(other) ?? [],
      )
    )
  ).filter(({ summary }) => Number.isFinite(summary.median)); // who takes nothing at rest has no ratio
}
