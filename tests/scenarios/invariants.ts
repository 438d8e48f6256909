/** What must hold after every event, whatever a script expects. */
import { isUnconfined, mayShare } from "../../src/ledger/assignment.ts";
import { checkPools } from "../../src/ledger/holdings.ts";
import assert from "node:assert/strict";
import type { Agent } from "../../src/agent/step.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { ContainerState, type ContainerUpdate } from "../../src/nri/gen/nri_pb.ts";
import { type Box, cpuOf } from "./fake_runtime.ts";
import type { FakeKernel } from "../kit/fake_kernel.ts";
import { cpuSet } from "./tell.ts";

/** Each container at most once in a reply, never the one that is being created, and never an empty set. */
export function checkReply(updates: readonly ContainerUpdate[], created?: string): void {
  const seen = new Set(created === undefined ? [] : [created]);
  for (const { containerId, linux } of updates) {
    assert(!seen.has(containerId), `the reply names ${containerId} twice, or it is the one being created`);
    seen.add(containerId);
    assert(linux?.resources?.cpu?.cpus, `the reply has an update without CPUs for ${containerId}`);
    assert.equal(linux.resources.cpu.mems, "", `the reply changes the memory of ${containerId}, which runs`);
  }
}

/**
 * In the order of a reply a CPU is left by one container before another gets it: nobody who runs is still on what
 * `id` gains by its new set, unless both are shared or both are pinned.
 */
export function checkHandOver(
  id: string,
  cpus: string,
  boxes: Iterable<Box>,
  agent: Agent,
  kernel?: FakeKernel,
): void {
  const places = placesOf(boxes, agent, kernel);
  const { assignments } = agent.state.ledger;
  const own = places.find(({ box }) => box.container.id === id);
  if (own === undefined) return;
  const gained = cpuSet(cpus).difference(own.cpus);
  for (const { box, cpus, kind } of places) {
    if (box === own.box || (kind === own.kind && kind !== "exclusive")) continue;
    if (sharePod(assignments, box, own.box)) continue;
    const both = cpus.intersection(gained);
    assert(both.isEmpty, `${id} is given ${both}, which ${box.container.id} has not left yet`);
  }
}

/**
 * Nobody is on a CPU that is exclusively another's, and no shared container on a claimed one, as the runtime's record
 * has it once the reply was applied. A container that only starts may still be owed its set.
 */
export function checkRecords(boxes: Iterable<Box>, agent: Agent, kernel?: FakeKernel): void {
  checkPools(agent.state.ledger);
  const places = placesOf(boxes, agent, kernel);
  const claimed = CpuSet.unionOf(places.filter(({ kind }) => kind !== "shared").map(({ cpus }) => cpus));
  for (const { box, cpus, kind } of places) {
    const { id } = box.container;
    assert(!cpus.isEmpty, `${id} has no CPU that is online`);
    if (kind === "shared") {
      assert(
        !cpus.intersects(claimed),
        `${id} is shared and on ${cpus.intersection(claimed)}, which are claimed`,
      );
    }
    if (kind !== "exclusive") continue;
    for (const other of places) {
      const isOwn = other.box === box || sharePod(agent.state.ledger.assignments, other.box, box);
      const both = isOwn ? CpuSet.empty : other.cpus.intersection(cpus);
      assert(both.isEmpty, `${id} has CPUs ${both} for itself, and ${other.box.container.id} is on them`);
    }
  }
}

/** Whether two are on CPUs that their pod shares. */
function sharePod(assignments: Agent["state"]["ledger"]["assignments"], one: Box, other: Box): boolean {
  const [a, b] = [one, other].map(({ container: { id } }) => assignments.get(id));
  return a !== undefined && b !== undefined && !a.grant.isEmpty && mayShare(a, b);
}

interface Place {
  readonly box: Box;
  /** Where the runtime's record has it. */
  readonly cpus: CpuSet;
  readonly kind: "pinned" | "exclusive" | "shared";
}

/** The running containers that the agent knows; none where it doesn't decide. */
function placesOf(boxes: Iterable<Box>, { state }: Agent, kernel: FakeKernel | undefined): Place[] {
  if (state.phase !== "serving" || state.standby || state.dryRun) return [];
  return [...boxes].filter(({ told, container }) => {
    const assignment = state.ledger.assignments.get(container.id);
    return told && kernel?.sets.has(container.id) !== false &&
      container.state === ContainerState.CONTAINER_RUNNING && assignment !== undefined &&
      !isUnconfined(assignment);
  }).map((box) => ({
    box,
    cpus: placeOf(box, state.ledger.topology.online, kernel),
    kind: kindOf(box, state.ledger),
  }));
}

/** By its cgroup, where there is one; else by the record. */
function placeOf(box: Box, online: CpuSet, kernel: FakeKernel | undefined): CpuSet {
  const written = kernel?.sets.get(box.container.id);
  if (written !== undefined && !written.isEmpty) return written;
  const { cpus } = cpuOf(box);
  return cpus === "" ? online : cpuSet(cpus).intersection(online);
}

function kindOf({ container }: Box, ledger: Agent["state"]["ledger"]): Place["kind"] {
  const assignment = ledger.assignments.get(container.id);
  if (assignment === undefined || assignment.grant.isEmpty) return "shared";
  return assignment.claim.kind === "pinned" ? "pinned" : "exclusive";
}
