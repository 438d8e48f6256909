/** The plugins' answers to one call, merged as NRI does: a container's CPUs may be set once, or the call fails. */
import type { ContainerAdjustment, ContainerUpdate, LinuxResources } from "../../src/nri/gen/nri_pb.ts";
import { merged, type Resources } from "./pods.ts";

/** One container's share of an answer. */
export interface Update {
  readonly id: string;
  readonly resources: Resources;
}

/** The fields that a message gives. */
export function resourcesOf(message: LinuxResources | undefined): Resources {
  const { cpu, memory } = message ?? {};
  return merged({}, {
    shares: Number(cpu?.shares?.value ?? 0n),
    quota: Number(cpu?.quota?.value ?? 0n),
    period: Number(cpu?.period?.value ?? 0n),
    memory: Number(memory?.limit?.value ?? 0n),
    cpus: cpu?.cpus ?? "",
    mems: cpu?.mems ?? "",
  });
}

export function updatesOf(updates: readonly ContainerUpdate[]): Update[] {
  return updates.map(({ containerId, linux }) => ({
    id: containerId,
    resources: resourcesOf(linux?.resources),
  }));
}

export function adjustedOf(adjust: ContainerAdjustment | undefined): Resources {
  return resourcesOf(adjust?.linux?.resources);
}

/** The merged answer, or why there is none. */
export interface Merged {
  own: Resources;
  /** By how many. */
  answered: number;
  readonly others: Map<string, Resources>;
  conflict?: string;
}

export function nothingMerged(asked: Resources = {}): Merged {
  return { own: asked, answered: 0, others: new Map() };
}

/** Takes one plugin's answer in. `creating` and `updating` are the container that the call is about. */
export function merge(
  into: Merged,
  own: Resources,
  updates: readonly Update[],
  subject: { readonly creating?: string; readonly updating?: string },
): void {
  into.own = merged(into.own, own);
  const seen = new Set<string>();
  for (const { id, resources } of updates) {
    if (id === subject.creating) into.conflict = `it asks for an update of ${id}, which is being created`;
    if (seen.has(id) || into.others.has(id)) into.conflict = `it sets fields of ${id} twice`;
    seen.add(id);
    if (id === subject.updating) into.own = merged(into.own, resources);
    else into.others.set(id, resources);
  }
}
