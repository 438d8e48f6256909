// What has to hold whatever went wrong before, judged by the kernel's own files: the one check after every fault.
import assert from "node:assert/strict";
import { ContainerState } from "../../../src/cri/gen/cri_pb.ts";
import { eventually } from "./eventually.ts";
import { cpuset, findHierarchy } from "./machine.ts";
import { type TestNode, WISH } from "./node.ts";
import type { Wish } from "./pods.ts";
import { cgroupOf } from "./sweep.ts";

/** A running container. */
export interface Found {
  readonly id: string;
  /** For people: its pod. */
  readonly pod: string;
  readonly wish: Wish;
  /** What its cgroup has. */
  readonly cpus: readonly number[];
}

/** The active agent at present, with what it has logged. */
export interface Speaker {
  readonly lines: readonly string[];
}

/**
 * Resolves with all running containers as soon as nothing is wrong with them: no CPU of a pinned or exclusive one is
 * another's too (pinned ones may share), and each has what it wants, or `agent` has said that it hasn't.
 */
export async function comesRight(node: TestNode, agent: Speaker): Promise<Found[]> {
  return await eventually(async () => {
    const found = await running(node);
    assert.deepEqual(violations(found, agent.lines), []);
    return found;
  });
}

/** What is wrong with the containers, a sentence each. */
export function violations(found: readonly Found[], said: readonly string[]): string[] {
  const unplaced = found.filter((each) => !isPlaced(each) && !isReported(each, said))
    .map((each) => `${each.pod} asks for ${describe(each.wish)}, has ${each.cpus}, and that isn't logged`);
  const owners = found.filter((each) =>
    each.wish.kind !== "shared" && isPlaced(each) && !isReported(each, said)
  );
  const overlaps = owners.flatMap((owner) =>
    found.filter((other) => intrudes(other, owner)).map((other) =>
      `${other.pod} (${other.wish.kind}) has ${other.cpus}, but ${owner.pod} (${owner.wish.kind}) has ${owner.cpus}`
    )
  );
  return [...unplaced, ...overlaps];
}

function isPlaced({ wish, cpus }: Found): boolean {
  switch (wish.kind) {
    case "shared":
      return cpus.length > 0;
    case "pinned":
      return `${cpus}` === `${wish.cpus}`;
    case "exclusive":
      return cpus.length === wish.count;
  }
}

/** What is repaired at once, and excuses nothing. */
const DRIFT = "cpuset changed by another program";

/** A warning names it, and no later line says that it is over. */
function isReported({ id }: Found, said: readonly string[]): boolean {
  const about = said.filter((line) => line.includes(id));
  const last = about.findLastIndex((line) => /level=(warn|error)/.test(line) && !line.includes(DRIFT));
  return last >= 0 && !about.slice(last).some((line) => line.includes("no longer degraded"));
}

function intrudes(other: Found, owner: Found): boolean {
  if (other === owner || (other.wish.kind === "pinned" && owner.wish.kind === "pinned")) return false;
  return other.cpus.some((cpu) => owner.cpus.includes(cpu));
}

function describe(wish: Wish): string {
  return wish.kind === "pinned"
    ? `CPUs ${wish.cpus}`
    : wish.kind === "exclusive"
    ? `${wish.count} CPUs for itself`
    : "CPUs";
}

/** All containers that run, as the runtime lists them; throws if there are processes in the cgroup of another. */
export async function running(node: TestNode): Promise<Found[]> {
  const listed = await node.cri.listContainers({});
  const containers = listed.containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING);
  const { items } = await node.cri.listPodSandbox({});
  const known = [...containers.map(({ id }) => id), ...items.map(({ id }) => id)];
  const unknown = withProcesses(findHierarchy().root + cgroupOf(node.dir)).filter((path) =>
    !known.some((id) => path.includes(id))
  );
  assert.deepEqual(unknown, [], "cgroups with processes that the runtime doesn't list as running");
  return await Promise.all(containers.map(async ({ id, podSandboxId, labels }) => ({
    id,
    pod: items.find((each) => each.id === podSandboxId)?.metadata?.name ?? id,
    wish: JSON.parse(labels[WISH] ?? "") as Wish,
    cpus: cpuset(await node.pid(id)).cpus,
  })));
}

function withProcesses(directory: string): string[] {
  const below = [...Deno.readDirSync(directory)].filter(({ isDirectory }) => isDirectory);
  const inhabited = Deno.readTextFileSync(`${directory}/cgroup.procs`).trim() !== "";
  return [
    ...(inhabited ? [directory] : []),
    ...below.flatMap(({ name }) => withProcesses(`${directory}/${name}`)),
  ];
}
