/** The look at a whole node after each step of a test. */
import { eventually } from "../../system/node/eventually.ts";
import { Unmet } from "./expect.ts";
import type { KubePod } from "./kube.ts";
import type { Machine, Seen } from "./node_cgroups.ts";
import { wishOf } from "./wish.ts";
import { claimed, isUnplaced, listText, overlapsOf, overlapText } from "./overlaps.ts";

/** A node as it can be looked at. */
export interface NodeView extends Machine {
  readonly name: string;
  /** How many CPUs pods of the tests may ask for, the one that is left to the pool included. */
  readonly room: number;
  /** Whether the agent keeps the classes of kubelet off exclusive CPUs. */
  readonly isFenced: boolean;
  look(): Promise<Seen[]>;
  /** The same container anew; undefined when nothing of it lives. */
  again(seen: Seen): Promise<Seen | undefined>;
  classCpus(name: "burstable" | "besteffort"): Promise<readonly number[]>;
  /** Where a container's CPUs are written; only of nodes of this machine. */
  cpusetFile?(seen: Seen): string;
}

const CLASSES = ["burstable", "besteffort"] as const;
/** Others' pods come and go meanwhile, so a look at which everything is in place may have to be repeated. */
const SETTLED = { patienceMs: 30_000, pauseMs: 20 };

/**
 * At once: no two containers overlap that mustn't. Within moments: each has exactly what its pod asked for, the shared
 * ones what the claims leave, memory nodes only the pinned ones, and every container that runs by the API is there.
 */
export async function checkNode(
  view: NodeView,
  pods: () => readonly KubePod[],
  patienceMs = SETTLED.patienceMs,
): Promise<void> {
  const all = await view.look();
  for (const overlap of overlapsOf(all)) {
    const again = [await view.again(overlap.other), await view.again(overlap.one)].filter((each) =>
      each !== undefined
    );
    const [real] = overlapsOf(again);
    if (real !== undefined) {
      throw new Unmet("two containers are on CPUs that they mustn't share", "", overlapText(real));
    }
  }
  await eventually(() => settled(view, pods), { ...SETTLED, patienceMs });
}

async function settled(view: NodeView, pods: () => readonly KubePod[]): Promise<void> {
  const all = await view.look();
  const here = pods().filter(({ spec }) => spec.nodeName === view.name);
  const held = heldCpus(here, all);
  const problems = [
    ...all.flatMap((each) => misplacement(view, each, all, held)),
    ...await fenceProblems(view, all),
    ...missing(here, all),
  ];
  const [first] = problems;
  if (first !== undefined) throw first;
}

/**
 * What is wrong with one container's sets. Exported for tests.
 *
 * @param held CPUs, nobody says which, that are kept for containers between two lives
 */
export function misplacement(
  view: Pick<NodeView, "cpus" | "memsOf">,
  seen: Seen,
  all: readonly Seen[],
  held = 0,
): Unmet[] {
  const { name, wish, cpus, mems } = seen;
  const found: Unmet[] = [];
  const differs = (what: string, expected: readonly number[], is: readonly number[]) => {
    if (listText(expected) !== listText(is)) {
      found.push(new Unmet(`${name} ${what}`, listText(expected), listText(is)));
    }
  };
  if (wish.kind === "pinned") {
    differs("(pinned)", wish.cpus, cpus);
    differs("(memory nodes)", view.memsOf(wish.cpus), mems);
    return found;
  }
  differs("(memory nodes)", view.memsOf(view.cpus), mems);
  const forbidden = new Set(wish.forbidden);
  if (wish.kind === "exclusive") {
    if (isUnplaced(seen)) found.push(new Unmet(`${name} (exclusive)`, `${wish.count} CPUs`, listText(cpus)));
    const hit = cpus.filter((cpu) => forbidden.has(cpu));
    if (hit.length > 0) found.push(new Unmet(`${name}: forbidden CPUs`, "none of them", listText(hit)));
    return found;
  }
  const taken = claimed(all);
  const pool = view.cpus.filter((cpu) => !taken.has(cpu));
  const allowed = pool.filter((cpu) => !forbidden.has(cpu));
  // Where the pool has nothing else left, a container that runs uses what it forbids.
  const expected = allowed.length > 0 ? allowed : pool;
  const isHeld = cpus.every((cpu) => expected.includes(cpu)) && expected.length - cpus.length <= held;
  if (!isHeld) differs("(shared)", expected, cpus);
  return found;
}

/**
 * What a container has for itself is its pod's until the pod ends: how many CPUs are kept for containers that have
 * ended and may come back, or whose pod has others.
 */
function heldCpus(pods: readonly KubePod[], all: readonly Seen[]): number {
  const there = new Set(all.map(({ id }) => id));
  const counts = pods.flatMap((pod) => {
    const { containerStatuses = [], initContainerStatuses = [] } = pod.status;
    const ended = [...containerStatuses, ...initContainerStatuses].filter((
      { containerID = "", restartCount },
    ) => (containerID !== "" || restartCount > 0) && !there.has(containerID.replace(/^.*:\/\//, "")));
    return ended.map(({ name }) => {
      const container = [...pod.spec.containers, ...pod.spec.initContainers ?? []].find((each) =>
        each.name === name
      );
      const wish = container && wishOf(pod, container);
      return wish?.kind === "pinned" ? wish.cpus.length : wish?.kind === "exclusive" ? wish.count : 0;
    });
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

async function fenceProblems(view: NodeView, all: readonly Seen[]): Promise<Unmet[]> {
  if (!view.isFenced) return [];
  const exclusive = new Set(all.filter(({ wish }) => wish.kind === "exclusive").flatMap(({ cpus }) => cpus));
  const found: Unmet[] = [];
  for (const name of CLASSES) {
    const cpus = await view.classCpus(name);
    const hit = cpus.filter((cpu) => exclusive.has(cpu));
    if (hit.length > 0) {
      found.push(new Unmet(`the class ${name} isn't fenced`, "no exclusive CPU", listText(hit)));
    }
  }
  return found;
}

/** Of what runs by the API's word. */
function missing(pods: readonly KubePod[], all: readonly Seen[]): Unmet[] {
  const there = new Set(all.map(({ id }) => id));
  return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined).flatMap((
    { metadata, status },
  ) =>
    (status.containerStatuses ?? []).filter(({ state }) => state.running)
      .filter(({ containerID = "" }) => !there.has(containerID.replace(/^.*:\/\//, "")))
      .map(({ name }) =>
        new Unmet(`${metadata.namespace}/${metadata.name}/${name} runs by the API and not on the node`)
      )
  );
}
