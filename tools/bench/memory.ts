import { MODES, type Usage } from "./agent_child.ts";
import { Peer } from "./peer.ts";
import { synchronizeWith } from "./reception.ts";
import type { Figure, Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { summarize } from "./statistics.ts";
import { population } from "./subjects.ts";

const RUNS = 5;
/** After so many creations the process is looked at. */
const LOOKS = [0, 100, 1000];
/** Of a start, in MiB; that of a rest is in events.ts. */
const RESIDENT_GOAL = 64;

const SHOWN: readonly { name: string; unit: string; of: (usage: Usage) => number }[] = [
  { name: "resident (VmRSS)", unit: "MiB", of: (usage) => usage.resident },
  { name: "of that its own (RssAnon)", unit: "MiB", of: (usage) => usage.own },
  { name: "peak (VmHWM)", unit: "MiB", of: (usage) => usage.peak },
  { name: "CPU time", unit: "ms", of: (usage) => usage.cpuTime },
];

/** Memory and CPU time of the process when it has started, and after so many creations. */
export async function measureMemory(stage: Stage): Promise<Section[]> {
  const cells = MODES.flatMap((mode) =>
    stage.machines.map((machine) => ({ mode, machine, usages: LOOKS.map((): Usage[] => []) }))
  );
  for (let run = 0; run < RUNS; run++) {
    for (const [at, { mode, machine, usages }] of cells.entries()) {
      stage.progress("memory", run * cells.length + at, RUNS * cells.length);
      await stage.agent(mode, machine, synchronizeWith([]), async (agent, { ask }) => {
        const peer = new Peer(ask);
        const wanted = population(Math.max(...LOOKS), machine.cpus);
        let created = 0;
        for (const [look, count] of LOOKS.entries()) {
          for (const each of wanted.slice(created, count)) await peer.create(each);
          created = count;
          usages[look]?.push(agent.usage());
        }
      });
    }
  }
  const figures = cells.flatMap(({ mode, machine: { cpus }, usages }) =>
    usages.flatMap((those, look) =>
      SHOWN.map(({ name, unit, of }, row): Figure => ({
        labels: [mode, `${cpus}`, `${LOOKS[look]}`, name],
        unit,
        summary: summarize(those.map(of)),
        ...(mode === "launched" && look === 0 && row === 0 ? { goal: RESIDENT_GOAL } : {}),
      }))
    )
  );
  return [{
    title: "Memory and CPU time",
    note: "As the kernel counts for the process, from its start; after so many creations.",
    dimensions: ["mode", "CPUs", "created", "what"],
    percentiles: false,
    figures,
  }];
}
