/** The status of a node for people: a summary, the CPU map, a line for each container. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import { cpuMap, type MapStyle, type Owner } from "../draw/cpu_map.ts";
import type { ContainerDocument, StatusDocument } from "../status/document.ts";
import { ownersAmong } from "./marks.ts";
import { table } from "./table.ts";

/** What is shown of all containers; absent: all. */
export interface Filter {
  readonly pod?: string;
  readonly namespace?: string;
}

export function statusText(
  status: StatusDocument,
  topology: Topology,
  filter: Filter,
  style: MapStyle,
  now: number,
): string {
  const shown = status.containers.filter((each) => matches(each, filter));
  const rows = shown.map((each) => [
    `${each.namespace}/${each.pod}/${each.container}`,
    each.kind,
    each.cpus,
    each.numaNodes,
    age(each.since, now),
    each.state,
    each.keptBy,
    each.reason ?? "",
  ]);
  return [
    ...summary(status, now),
    "",
    cpuMap(topology, ownersOf(status), style).trimEnd(),
    "",
    ...rows.length === 0
      ? ["no containers"]
      : table([["CONTAINER", "KIND", "CPUS", "NODES", "SINCE", "STATE", "KEPT BY", ""], ...rows]),
  ].join("\n");
}

function matches({ pod, namespace }: ContainerDocument, filter: Filter): boolean {
  return (filter.pod === undefined || pod === filter.pod) &&
    (filter.namespace === undefined || namespace === filter.namespace);
}

const PASSIVE =
  "released: every container may use every CPU until weka-cpuset resume, or until the agent is started again";

function summary({ agent, node, containers, groups }: StatusDocument, now: number): string[] {
  const counts = Object.entries(Object.groupBy(containers, ({ state }) => state))
    .map(([state, those]) => `${those?.length ?? 0} ${state}`);
  const weak = groups.filter(({ reason }) => reason !== undefined);
  return [
    ...table([
      [
        "agent",
        `${agent.version}, ${agent.mode}, ${agent.phase}${agent.dryRun ? ", dry run" : ""}, up ${
          age(agent.startedAt, now)
        }`,
      ],
      ["containers", counts.length === 0 ? "none" : `${containers.length}: ${counts.join(", ")}`],
      ["shared pool", node.sharedPool],
      ["exclusive", node.exclusive === "" ? "none" : node.exclusive],
      ["pinned", node.pinned === "" ? "none" : node.pinned],
      ...node.reserved === "" ? [] : [["reserved", node.reserved]],
    ]),
    ...(node.withheld ?? []).map(({ cpus, why }) =>
      `${/^\d+$/.test(cpus) ? `CPU ${cpus} is` : `CPUs ${cpus} are`} ${why}`
    ),
    ...agent.phase === "passive" ? [PASSIVE] : [],
    ...node.claimsSuspended === undefined ? [] : [`claims are refused: ${node.claimsSuspended}`],
    ...agent.pendingSince === undefined ? [] : [`updates pending for ${age(agent.pendingSince, now)}`],
    ...weak.map(({ path, reason }) => `${path}: ${reason}`),
  ];
}

/** One that has no CPUs of its own lives in the pool, whatever it claims. */
function ownersOf({ containers, node }: StatusDocument): Owner[] {
  const claimed = setOf(node.exclusive).union(setOf(node.pinned));
  return ownersAmong(containers.map((each) => {
    const cpus = setOf(each.cpus);
    return { ...each, kind: cpus.isSubsetOf(claimed) ? each.kind : "shared", cpus };
  }));
}

function setOf(list: string): CpuSet {
  const set = CpuSet.parse(list);
  return set instanceof CpuSet ? set : CpuSet.empty;
}

const UNITS: readonly [string, number][] = [["d", 86_400], ["h", 3600], ["m", 60]];

/** `3d`, `5h`, `12m`, `40s`: as kubectl shows it. */
export function age(since: string | undefined, now: number): string {
  if (since === undefined) return "?";
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  const [unit, length] = UNITS.find(([, length]) => seconds >= 2 * length) ?? ["s", 1];
  return `${Math.floor(seconds / length)}${unit}`;
}
