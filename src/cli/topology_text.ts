/** A machine, drawn. */
import type { NumaNode, Topology } from "../cpu/topology.ts";
import { cpuMap, type MapStyle } from "../draw/cpu_map.ts";
import { table } from "./table.ts";

export function topologyText(topology: Topology, warnings: readonly string[], style: MapStyle): string {
  const { online, present, isolated, nohzFull } = topology;
  const facts = [
    ["online", `${online}`],
    ["offline", `${present.difference(online)}`],
    ["isolated", `${isolated.intersection(online)}`],
    ["tickless", `${nohzFull.intersection(online)}`],
  ].filter(([, cpus]) => cpus !== "");
  return [
    summary(topology),
    ...table(facts),
    "",
    cpuMap(topology, [], style).trimEnd(),
    "",
    ...nodeTable(topology.nodes),
    "",
    ...cacheLines(topology),
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join("\n");
}

/** `2 sockets, 4 NUMA nodes, 4 caches, 32 cores, 64 CPUs`. */
function summary({ groups, nodes, cores, online }: Topology): string {
  return [
    counted(groups.sockets.length, "socket"),
    counted(nodes.length, "NUMA node"),
    counted(groups.cacheGroups.length, "last-level cache"),
    counted(cores.length, "core"),
    counted(online.size, "CPU"),
  ].join(", ");
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function nodeTable(nodes: readonly NumaNode[]): string[] {
  const ids = nodes.map(({ id }) => id);
  return table([
    ["NODE", "MEMORY", ...ids.map((id) => `TO ${id}`), "CPUS"],
    ...nodes.map(({ id, hasMemory, distances, cpus }) => [
      `${id}`,
      hasMemory ? "yes" : "none",
      ...ids.map((other) => `${distances.get(other) ?? "?"}`),
      cpus.isEmpty ? "none" : `${cpus}`,
    ]),
  ]);
}

function cacheLines({ groups }: Topology): string[] {
  return table([["CACHE", "CPUS"], ...groups.cacheGroups.map((cpus, index) => [`${index}`, `${cpus}`])]);
}
