/** What a plan is shown as: a table, what moved and what was refused, and the CPU map. */
import { cpuMap, type MapStyle, type Owner } from "../draw/cpu_map.ts";
import type { PlannedContainer, PlannedNode } from "../plan/plan_pods.ts";
import { ownersAmong } from "./marks.ts";
import { table } from "./table.ts";

/** Planned pods of several manifests, on one node. */
export interface PlannedManifests {
  readonly node: PlannedNode;
  readonly containers: readonly PlannedContainer[];
  /** Annotations that have no effect as they are spelt: a sentence for each. */
  readonly misspelt: readonly string[];
  /** Objects that run no pods. */
  readonly others: readonly string[];
  /** How many more pods fit, by the object that they are of; undefined: any number. Absent: not asked for. */
  readonly capacity?: ReadonlyMap<string, number | undefined>;
}

export function planText(plan: PlannedManifests, style: MapStyle): string {
  const { containers, others } = plan;
  const rows = containers.map((each) => [nameOf(each), ...cells(plan, each)]);
  const notes = [...plan.misspelt.map((each) => `error: ${each}`), ...containers.flatMap(notesOf)];
  const refused = containers.filter(({ outcome }) => outcome === "refused").length;
  const summary = `${counted(containers.length - refused, "container")} placed, ${refused} refused` +
    (others.length === 0 ? "" : `; ${counted(others.length, "object")} without containers`);
  return [
    ...table([["CONTAINER", "KIND", "CPUS", "MEMORY NODES"], ...rows]),
    ...notes.length === 0 ? [] : ["", ...notes],
    ...plan.capacity === undefined ? [] : ["", ...capacityText(plan.capacity)],
    "",
    cpuMap(plan.node.ledger.topology, ownersOf(plan), style).trimEnd(),
    "",
    summary,
  ].join("\n");
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** The same for programs. */
export function planJson({ node, containers, misspelt, others, capacity }: PlannedManifests): unknown {
  return {
    version: 1,
    containers: containers.map((each) => ({
      namespace: each.pod.namespace,
      pod: each.pod.name,
      container: each.name,
      outcome: each.outcome,
      warnings: each.warnings,
      ...(each.outcome === "refused" ? { reason: each.why } : {}),
      ...(each.outcome === "placed"
        ? {
          kind: each.kind,
          cpus: `${currentCpus(node, each)}`,
          mems: `${each.mems}`,
          degraded: each.degraded,
          moved: each.moved.map(({ name, from, to }) => ({ name, from: `${from}`, to: `${to}` })),
        }
        : {}),
    })),
    misspelt,
    sharedPool: `${node.ledger.sharedPool}`,
    ignored: others,
    ...(capacity === undefined ? {} : {
      capacity: [...capacity].map(([name, more]) => ({ name, more: more ?? "any number" })),
    }),
  };
}

type Placed = Extract<PlannedContainer, { outcome: "placed" }>;

/** Where it ends up, after all that has moved it; an init container: where it was. */
function currentCpus({ ledger }: PlannedNode, { id, cpus }: Placed) {
  const assignment = ledger.assignments.get(id);
  return assignment === undefined ? cpus : ledger.desired(assignment);
}

function nameOf({ pod, name }: PlannedContainer): string {
  return `${pod.namespace}/${pod.name}/${name}`;
}

function cells({ node }: PlannedManifests, container: PlannedContainer): string[] {
  switch (container.outcome) {
    case "refused":
      return ["refused", "", ""];
    case "unmanaged":
      return ["unmanaged", "any", ""];
    case "placed": {
      const { kind, degraded, role, mems } = container;
      const what = degraded === undefined ? kind : "degraded";
      const cpus = currentCpus(node, container);
      return [role === "init" ? `${what} (init)` : what, `${cpus}`, mems.isEmpty ? "any" : `${mems}`];
    }
  }
}

function notesOf(container: PlannedContainer): string[] {
  const name = nameOf(container);
  return [
    ...container.outcome === "refused" ? [`refused: ${container.why}`] : [],
    ...container.outcome === "placed" && container.degraded !== undefined
      ? [`degraded: ${name}: ${container.degraded}`]
      : [],
    ...container.outcome === "placed"
      ? container.moved.map(({ name: who, from, to }) => `moved: ${who} from ${from} to ${to} for ${name}`)
      : [],
    ...container.warnings.map((warning) => `warning: ${name}: ${warning}`),
  ];
}

function capacityText(capacity: ReadonlyMap<string, number | undefined>): string[] {
  return table([
    ["MORE OF", "FIT"],
    ...[...capacity].map(([name, more]) => [name, more === undefined ? "any number" : `${more}`]),
  ]);
}

function ownersOf({ node: { ledger } }: PlannedManifests): Owner[] {
  return ownersAmong(
    ledger.inOrder().map((assignment) => {
      const { container: { namespace, pod, name }, claim, grant } = assignment;
      const kind = grant.isEmpty || claim.kind === "group" ? "shared" : claim.kind;
      return { kind, namespace, pod, container: name, cpus: ledger.desired(assignment) };
    }),
  );
}
