/**
 * Ours and kubelet's choices side by side on the named machines; `deno run -A tests/unit/cpu/kubelet_table.ts` prints them
 * as Markdown, and with `worse` only those where ours is worse by any measure.
 */
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { discover } from "../../../src/cpu/discover.ts";
import { take } from "../../../src/cpu/take.ts";
import type { Topology } from "../../../src/cpu/topology.ts";
import { machine, machineNames } from "../../kit/machines/tree.ts";
import { reader } from "../../kit/sysfs.ts";
import { kubeletDistributed, kubeletPacked } from "./kubelet_oracle.ts";

export type Kind = "packed" | "spread";

/** What a choice costs; of each the less the better. */
export interface Measures {
  /** CPUs on the node that has the most of them. */
  readonly largest: number;
  /** Whole cores of which it takes a part. */
  readonly broken: number;
  /** CPUs it takes other than by the whole core. */
  readonly loose: number;
  readonly groups: number;
  readonly nodes: number;
  readonly sockets: number;
}

/** What counts for each: kubelet spreads over the fewest nodes that can hold a claim, we over all. */
export const MEASURES: Record<Kind, readonly (keyof Measures)[]> = {
  packed: ["sockets", "nodes", "groups", "loose", "broken"],
  spread: ["largest", "loose", "broken"],
};

export interface Row {
  readonly kind: Kind;
  readonly topology: Topology;
  readonly machine: string;
  /** What is taken already. */
  readonly state: string;
  readonly count: number;
  readonly ours: CpuSet;
  readonly kubelets: CpuSet;
  readonly our: Measures;
  readonly their: Measures;
}

const COUNTS = [1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/** Both get the same: CPU 0's core is reserved, since kubelet insists on a reservation. */
export function rows(kind: Kind, names: readonly string[] = machineNames()): Row[] {
  return names.flatMap((name) => {
    const { topology } = discover(reader(machine(name)));
    const reserved = topology.threadsOf(topology.online.first() ?? 0);
    return Object.entries(states(topology, reserved)).flatMap(([state, claimed]) =>
      COUNTS.flatMap((count) => {
        const free = topology.online.difference(reserved).difference(claimed);
        const kubelet = kind === "packed" ? kubeletPacked : kubeletDistributed;
        const ours = take({ topology, free, claimed, count, placement: kind });
        const kubelets = ours && kubelet(topology, free, count);
        if (ours === undefined || kubelets === undefined) return [];
        const [our, their] = [ours, kubelets].map((cpus) => measure(topology, free, cpus));
        return our && their
          ? [{ kind, topology, machine: name, state, count, ours, kubelets, our, their }]
          : [];
      })
    );
  });
}

/** Nothing; what kubelet leaves after claims of many sizes have come and some have gone; any third of the CPUs. */
function states(topology: Topology, reserved: CpuSet): Record<string, CpuSet> {
  const held: CpuSet[] = [];
  let free = topology.online.difference(reserved);
  const sizes = [3, 4, 1, 8, 2, 6, 2, 5];
  for (let i = 0; free.size > topology.online.size / 3; i++) {
    const cpus = kubeletPacked(topology, free, Math.min(sizes[i % sizes.length] ?? 1, free.size));
    if (cpus === undefined) break;
    held.push(cpus);
    free = free.difference(cpus);
  }
  const stayed = CpuSet.unionOf(held.filter((_, i) => i % 3 !== 1));
  const any = topology.online.toArray().filter((id) => (Math.imul(id + 1, 2654435761) >>> 8) % 3 === 0);
  return { nothing: CpuSet.empty, claims: stayed, ragged: CpuSet.from(any).difference(reserved) };
}

function measure(topology: Topology, free: CpuSet, cpus: CpuSet): Measures {
  const cores = topology.groups.cores.filter((core) => core.intersects(cpus) && !core.isSubsetOf(cpus));
  const touched = (parts: readonly CpuSet[]) => parts.filter((part) => part.intersects(cpus)).length;
  return {
    largest: Math.max(...topology.groups.numaNodes.map((node) => node.intersection(cpus).size)),
    broken: cores.filter((core) => core.isSubsetOf(free)).length,
    loose: CpuSet.unionOf(cores).intersection(cpus).size,
    groups: touched(topology.groups.cacheGroups),
    nodes: touched(topology.groups.numaNodes),
    sockets: touched(topology.groups.sockets),
  };
}

/** The measures by which ours is worse. */
export function worse({ kind, our, their }: Row): (keyof Measures)[] {
  return MEASURES[kind].filter((name) => our[name] > their[name]);
}

export function better({ kind, our, their }: Row): (keyof Measures)[] {
  return MEASURES[kind].filter((name) => our[name] < their[name]);
}

function printed(row: Row): string {
  const figures = (m: Measures) => MEASURES[row.kind].map((name) => m[name]).join(" / ");
  const list = (cpus: CpuSet) => `${cpus}`.length > 40 ? `${`${cpus}`.slice(0, 39)}…` : `${cpus}`;
  const [wins, losses] = [better(row), worse(row)];
  const verdict = wins.length + losses.length === 0
    ? "same"
    : [wins.length > 0 && `ours: ${wins.join()}`, losses.length > 0 && `kubelet: ${losses.join()}`]
      .filter((text) => text !== false).join("; ");
  const cells = [
    row.machine,
    row.state,
    row.count,
    list(row.ours),
    list(row.kubelets),
    figures(row.our),
    figures(row.their),
  ];
  return `| ${[...cells, verdict].join(" | ")} |`;
}

function summary(kind: Kind, all: readonly Row[]): string[] {
  const lines = MEASURES[kind].map((name) => {
    const wins = all.filter(({ our, their }) => our[name] < their[name]).length;
    const losses = all.filter(({ our, their }) => our[name] > their[name]).length;
    return `| ${name} | ${wins} | ${all.length - wins - losses} | ${losses} |`;
  });
  return ["| fewer | ours | same | kubelet |", "|---|---|---|---|", ...lines];
}

if (import.meta.main) {
  for (const kind of ["packed", "spread"] as const) {
    const all = rows(kind);
    const shown = Deno.args[0] === "worse" ? all.filter((row) => worse(row).length > 0) : all;
    console.log(`\n## ${kind}: ${all.length} choices\n\n${summary(kind, all).join("\n")}\n`);
    console.log(
      `| machine | taken | CPUs | ours | kubelet's | ours: ${
        MEASURES[kind].join(" / ")
      } | kubelet's | fewer |`,
    );
    console.log("|---|---|---|---|---|---|---|---|");
    for (const row of shown) console.log(printed(row));
  }
}
