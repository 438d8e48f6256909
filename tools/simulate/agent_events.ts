/** What happens to agents and their connections, and what their host does for them. */
import type { Listing } from "../../src/agent/early.ts";
import type { CpuUpdate } from "../../src/ledger/updates.ts";
import { adoptable, counted, scanned } from "./cri.ts";
import type { AgentEvent } from "./events.ts";
import type { Instance, Sequence } from "./instance.ts";
import { adopted, missedBy, promote, taken } from "./handover.ts";
import { wakeNext } from "./time.ts";
import { isPassive, isServing, isStandby, onlineOf, revisionOf, viewOf } from "./view.ts";
import type { World } from "./world.ts";

/** Lets it happen to the agents. */
export function playAgentEvent(world: World, event: AgentEvent): void {
  const { owner, runtime } = world;
  switch (event.kind) {
    case "cut":
      if (owner?.joined) owner.cut = { side: event.side, at: event.at };
      return;
    case "drop":
      return owner?.lose();
    case "connect":
      return connect(world);
    case "sync":
      for (const each of world.instances) synchronize(world, each, event.parts);
      return;
    case "join":
      for (const each of world.instances) each.joined ||= each.connected && each.synced;
      return;
    case "restartAgent":
      return restartAgent(world);
    case "restartRuntime":
      return restartRuntime(world);
    case "promote":
      return void promote(world);
    case "released":
      return owner?.feed({ kind: "released", now: world.now });
    case "resumed":
      // What it has seen of threads it finds anew.
      owner?.pinsItself.clear();
      return owner?.feed({ kind: "resumed", now: world.now });
    case "list":
      if (owner !== undefined && owner.listsAsked > 0) {
        owner.listsAsked--;
        owner.listsTaken.push(adoptable(runtime));
      }
      return;
    case "listed":
      return listed(world);
    case "count":
      if (owner !== undefined && owner.countsAsked > 0) {
        owner.countsAsked--;
        owner.countsTaken.push(counted(runtime));
      }
      return;
    case "counted": {
      const living = owner?.countsTaken.shift();
      return living && owner?.feed({ kind: "counted", living });
    }
    case "wake":
      return void wakeNext(world);
    case "scanned":
      return scannedClaims(world);
    case "ground":
      return updateTopology(world);
  }
}

function connect(world: World): void {
  for (const each of world.instances) {
    if (each.dead || each.connected) continue;
    each.connect(world.now, world.topology, world.scenario.nri);
    // containerd 1.7.24 never synchronizes a plugin that it has launched.
    if (each.connected && world.runtime.isLegacyLaunched) each.joined = true;
  }
}

function synchronize(world: World, each: Instance, parts: number): void {
  if (!each.connected || each.joined || each.synced || world.runtime.isLegacyLaunched) return;
  const exemptMissed = missedBy(world);
  if (!world.runtime.synchronize(each, parts)) return;
  each.synced = true;
  each.blind = false;
  if (!isStandby(each.agent)) exemptMissed();
  if (world.scenario.nri !== "0.6") each.joined = true;
}

function restartAgent(world: World): void {
  const { way } = world.scenario;
  const isFollowed = way === "external" && promote(world);
  if (isFollowed) return world.replaceEnded();
  world.owner?.end();
  if (way === "external") world.launch();
}

function restartRuntime(world: World): void {
  if (world.scenario.way === "external") { for (const each of world.instances) each.lose(); }
  world.runtime.restart();
  if (world.scenario.way === "external") return;
  for (const each of world.instances) each.end();
  world.launch();
}

function listed(world: World): void {
  const { owner } = world;
  const listing = owner?.listsTaken.shift();
  if (owner === undefined || listing === undefined) return;
  const exemptMissed = missedBy(world);
  const before = viewOf(owner.agent);
  const revision = revisionOf(owner.agent);
  // What replies have sent since it was taken isn't in it, and is asked for once more.
  const late = lateRecords(world, listing).filter((id) => !world.offRecord.has(id));
  for (const id of late) world.offRecord.add(id);
  owner.feed({ kind: "listed", listing });
  const { placed } = viewOf(owner.agent);
  for (const id of late) {
    // Until it knows better it asks again.
    if (placed.get(id)?.record?.toString() === world.runtime.containers.get(id)?.record.cpus) {
      world.offRecord.delete(id);
    }
  }
  if (isServing(owner.agent) && revisionOf(owner.agent) !== revision) {
    taken(world, owner, exemptMissed, before);
  }
}

/** Containers whose records have other CPUs than when they were listed, where these are in the kernel all the same. */
function lateRecords({ runtime, scenario }: World, { containers }: Listing): string[] {
  const late = containers.filter(({ id, linux }) =>
    (linux?.resources?.cpu?.cpus ?? "") !== (runtime.containers.get(id)?.record.cpus ?? "")
  );
  return scenario.mode === "kernel" ? late.map(({ id }) => id) : [];
}

function scannedClaims(world: World): void {
  const { owner } = world;
  if (owner === undefined || owner.scansAsked === 0) return;
  owner.scansAsked--;
  if (isServing(owner.agent) || isPassive(owner.agent)) return;
  owner.feed({ kind: "scanned", claims: scanned(world.runtime) });
  owner.blind = true;
}

/** The CRI is asked for the next container of an `apply`; without it the rest is forgotten. */
export function applyNext(world: World, number: number, reachable: boolean): void {
  const { owner } = world;
  const sequence = owner?.sequences.find((each) => each.number === number);
  if (owner === undefined || sequence === undefined || sequence.busy) return;
  if (!reachable && !sequence.begun) forget(world, sequence.left.splice(0));
  sequence.begun = true;
  const [change] = sequence.left.splice(0, 1);
  if (change !== undefined && !(reachable && ask(world, sequence, change))) notApplied(world, change.id);
  if (sequence.left.length > 0 || sequence.busy) return;
  owner.sequences.splice(owner.sequences.indexOf(sequence), 1);
}

function ask(world: World, sequence: Sequence, { id, cpus }: CpuUpdate): boolean {
  const container = world.runtime.containers.get(id);
  if (container === undefined) return false;
  const agreed = world.runtime.update(container, { cpus: cpus.toString() }, sequence) === "agreed";
  sequence.busy = agreed;
  return agreed;
}

function forget(world: World, changes: readonly CpuUpdate[]): void {
  for (const { id } of changes) {
    if (world.runtime.containers.has(id)) world.exemptions.give(id, "apply failed");
  }
}

/** The CRI answers its update of a container with an error. */
export function notApplied(world: World, id: string): void {
  if (world.runtime.containers.has(id)) world.exemptions.give(id, "apply failed");
  world.owner?.feed({ kind: "notApplied", now: world.now, id });
}

function updateTopology(world: World): void {
  for (const id of world.runtime.containers.keys()) world.windows.open(id, "kept");
  const { now, topology } = world;
  for (const each of world.instances) {
    if (each.dead || onlineOf(each.agent).equals(topology.online)) continue;
    each.feed({ kind: "topology", now, topology, offlineRemoved: world.scenario.cgroups === 1 });
  }
  adopted(world, "hotplug");
}
