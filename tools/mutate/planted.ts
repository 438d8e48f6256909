/**
 * Bugs that must not come: each is a small edit which somebody might make in good faith, and which some unit test has
 * to notice (`deno run -A tools/mutate/main.ts --planted`). An edit whose text isn't there exactly once any more is no edit:
 * a test says so, and it is to be brought in line with the code.
 */
export interface Planted {
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
  /** What the edit breaks. */
  readonly breaks: string;
}

const CPU: readonly Planted[] = [
  {
    file: "src/cpu/cpu_list.ts",
    find: "addRange(words, range.first, range.last);",
    replace: "addRange(words, range.first, Math.max(range.first, range.last - 1));",
    breaks: "The last CPU of a range in a list is lost.",
  },
  {
    file: "src/cpu/cpu_list.ts",
    find: "`${first}-${end - 1}`",
    replace: "`${first}-${end}`",
    breaks: "A range is written one CPU too long, so that the runtime gets somebody else's CPU.",
  },
  {
    file: "src/cpu/words.ts",
    find: "const low = index === firstWord ? -1 << (first & 31) : -1;",
    replace: "const low = -1 << (first & 31);",
    breaks: "A range over several words loses the low CPUs of each word after the first.",
  },
  {
    file: "src/cpu/footprint.ts",
    find: `return placement === "full-cores" || placement === "single-thread";`,
    replace: `return placement === "full-cores";`,
    breaks: "The idle siblings of a single-thread claim are given to others.",
  },
  {
    file: "src/cpu/topology.ts",
    find: "homes.set(node.id, node.hasMemory ? node.id : nearest.id);",
    replace: "homes.set(node.id, node.id);",
    breaks: "A node without memory is named in cpuset.mems, which the kernel refuses.",
  },
  {
    file: "src/cpu/free_cores.ts",
    find: `return anyIn(core.threads, claimed) ? "orphan" : "stray";`,
    replace: `return anyIn(core.threads, claimed) ? "stray" : "orphan";`,
    breaks: "An odd CPU is taken beside a reserved one before a core is used up that others have broken.",
  },
  {
    file: "src/cpu/regrow.ts",
    find: "free: own, claimed, count,",
    replace: "free: topology.online, claimed, count,",
    breaks: "A container that shrinks is put on CPUs that it never had.",
  },
  {
    file: "src/cpu/free_counts.ts",
    find: "if (spared.free < first.free) yield",
    replace: "if (false) yield",
    breaks: "The core of CPU 0 is given away like any other.",
  },
];

const LEDGER: readonly Planted[] = [
  {
    file: "src/ledger/updates.ts",
    find: "if (after.isSubsetOf(before)) return 0;",
    replace: "if (after.isSubsetOf(before)) return 3;",
    breaks: "Those who only lose CPUs are told last, when others already have these.",
  },
  {
    file: "src/ledger/updates.ts",
    find: "if (before.isSubsetOf(after)) return 3;",
    replace: "if (before.isSubsetOf(after)) return 0;",
    breaks: "Those who only gain CPUs are told before those who leave them.",
  },
  {
    file: "src/ledger/updates.ts",
    find: "const taboo = vacating.difference(before);",
    replace: "const taboo = CpuSet.empty;",
    breaks: "A shared container is put on CPUs that a moved one is only now leaving.",
  },
  {
    file: "src/ledger/updates.ts",
    find: "if (move.later || assignment.starting || held || (move.inKernel && !assignment.grant.isEmpty)) {",
    replace: "if (move.later || held || (move.inKernel && !assignment.grant.isEmpty)) {",
    breaks:
      "What was sent to a starting container is taken for done, and others get the CPUs that it may still be on.",
  },
  {
    file: "src/ledger/assignment.ts",
    find: "if (assignment.starting) return { ...assignment, sent: cpus };",
    replace: "",
    breaks:
      "The record of a starting container is taken for what it was sent, though the runtime may have lost that.",
  },
  {
    file: "src/ledger/updates.ts",
    find: "if (move.later || assignment.starting || held || (move.inKernel && !assignment.grant.isEmpty)) {",
    replace: "if (assignment.starting || held || (move.inKernel && !assignment.grant.isEmpty)) {",
    breaks: "CPUs that couldn't be said yet, because somebody had to leave them first, are never said.",
  },
  {
    file: "src/ledger/ledger.ts",
    find: 'if (claim.kind === "shared" && claim.system) return',
    replace: 'if (claim.kind === "shared") return',
    breaks: "A strict reservation is open to everybody, not to the system alone.",
  },
  {
    file: "src/ledger/ledger.ts",
    find: "const result = allowed.isEmpty ? pool : allowed;",
    replace: "const result = allowed;",
    breaks: "A shared container that forbids all of the pool is left where it is, on CPUs that others got.",
  },
  {
    file: "src/ledger/recent.ts",
    find: ".slice(-MAX_RECENT)",
    replace: "",
    breaks: "What is remembered of ended containers grows for ever.",
  },
  {
    file: "src/ledger/ledger.ts",
    find: "...(followed ? { unsettled: undefined } : {})",
    replace: "...{}",
    breaks: "Nobody is told when the pool has changed.",
  },
  {
    file: "src/ledger/move.ts",
    find: "return free.difference(before.policy.systemReserved).difference(claim.forbidden);",
    replace: "return free.difference(before.policy.systemReserved);",
    breaks: "A move forgets what the pod forbids.",
  },
  {
    file: "src/ledger/move.ts",
    find: "return free.difference(before.policy.systemReserved).difference(claim.forbidden);",
    replace: "return free.difference(claim.forbidden);",
    breaks: "A move takes reserved CPUs.",
  },
  {
    file: "src/ledger/move.ts",
    find: "const free = cpusNear(before.topology, mems).difference(others).difference(before.contested);",
    replace: "const free = before.topology.online.difference(others);",
    breaks: "A move leaves the memory nodes to which the container is bound.",
  },
  {
    file: "src/ledger/move.ts",
    find: "const fixed = holders.find(({ claim }) => !claim.movable);",
    replace: "const fixed = holders.find(() => false);",
    breaks: "A container that may not be moved is moved.",
  },
  {
    file: "src/ledger/pools.ts",
    find: "filter((id) => sharers[id] === 0)",
    replace: "filter((id) => (sharers[id] ?? 0) <= 1)",
    breaks: "A CPU counts as free while the last but one who is pinned to it still runs.",
  },
  {
    file: "src/ledger/pools.ts",
    find: "filter((id) => sharers[id] === 0)",
    replace: "filter(() => false)",
    breaks: "Pinned CPUs are never free again.",
  },
  {
    file: "src/ledger/room.ts",
    find: "ledger.sharedPool.size - ledger.policy.minShared",
    replace: "ledger.sharedPool.size - ledger.policy.minShared + 1",
    breaks: "The shared pool falls one CPU below its minimum.",
  },
  {
    file: "src/ledger/room.ts",
    find: "return ledger.sharedPool.difference(ledger.policy.systemReserved).difference(forbidden);",
    replace: "return ledger.sharedPool.difference(forbidden);",
    breaks: "Reserved CPUs are given exclusively.",
  },
  {
    file: "src/ledger/room.ts",
    find: "if (used + claim.count <= claim.podLimit) return undefined;",
    replace: "return undefined;",
    breaks: "The containers of a pod take more exclusive CPUs than the pod may have.",
  },
  {
    file: "src/ledger/room.ts",
    find: "const left = ledger.sharedPool.difference(footprint(ledger.topology, cpus, placement)).size;",
    replace: "const left = ledger.sharedPool.difference(cpus).size;",
    breaks: "Idle siblings aren't counted against the minimum of the shared pool.",
  },
  {
    file: "src/ledger/pin.ts",
    find: `if (missing !== undefined) return obstacle(`,
    replace: `if (missing === "") return obstacle(`,
    breaks: "A container is pinned to a CPU that isn't online.",
  },
  {
    file: "src/ledger/release.ts",
    find: "const next = moveBack(ledger.without(id), displaced);",
    replace: "const next = ledger.without(id);",
    breaks: "Who was moved for a creation that failed isn't put back.",
  },
  {
    file: "src/ledger/release.ts",
    find: ".forgetting(podUid)",
    replace: "",
    breaks: "CPUs are kept for containers whose pod has ended.",
  },
  {
    file: "src/ledger/release.ts",
    find: "return serveWanting(leave(ledger, id));",
    replace: "return leave(ledger, id);",
    breaks: "Degraded containers are never tried again.",
  },
  {
    file: "src/ledger/plan.ts",
    find: "ledger.ofPod(podUid).find(({ container }) => container.name === name && container.id !== id)",
    replace: "ledger.ofPod(podUid).find(() => false)",
    breaks: "A restarted container doesn't supersede the one before, which may never be told to have ended.",
  },
  {
    file: "src/ledger/plan.ts",
    find: "record === undefined ? next : next.with({ ...assignment, record })",
    replace: "next",
    breaks: "The container being created is named among the updates, which fails its creation.",
  },
  {
    file: "src/ledger/plan.ts",
    find: "const displaced = [...predecessor?.displaced ?? [], ...room.displaced];",
    replace: "const displaced = room.displaced;",
    breaks: "Who was moved for a first attempt isn't put back when the second one fails.",
  },
  {
    file: "src/ledger/progress.ts",
    find: "const { starting: _, ...rest } = assignment;",
    replace: "const rest = assignment;",
    breaks: "A container counts as starting for ever, and is told the same again and again.",
  },
  {
    file: "src/ledger/topology_change.ts",
    find: "const all = struck ?",
    replace: "const all = !struck ?",
    breaks: "On cgroup v1 a CPU that comes back is written to nobody, though the kernel has struck it.",
  },
  {
    file: "src/ledger/degraded.ts",
    find: "ownable(ledger.topology, claim, grant.intersection(free), free)",
    replace: "ownable(ledger.topology, claim, grant, free)",
    breaks: "An exclusive container keeps CPUs that went offline.",
  },
  {
    file: "src/ledger/resize.ts",
    find: "const cpus = grow({ ...requestOf(others, container, claim, free.union(grant)), own: grant });",
    replace: "const cpus = takeExclusive(others, container, claim, free.union(grant));",
    breaks: "A container that grows is put on other CPUs altogether.",
  },
  {
    file: "src/ledger/degraded.ts",
    find: "return serveExclusive(servePinned(ledger));",
    replace: "return servePinned(serveExclusive(ledger));",
    breaks: "Exclusive containers take the CPUs that a degraded pinned one has waited for.",
  },
  {
    file: "src/ledger/recover.ts",
    find: "return a.createdAt < b.createdAt ? -1 : 1;",
    replace: "return a.createdAt < b.createdAt ? 1 : -1;",
    breaks: "After a restart the younger of two keeps the CPUs that both claim.",
  },
];

const WIRE_AND_CALLS: readonly Planted[] = [
  {
    file: "src/agent/handlers/start_container.ts",
    find: "const own = node.dryRun ? undefined : changeOf(ledger, id);",
    replace: "const own = undefined;",
    breaks: "An update that was lost during a start isn't repaired.",
  },
  {
    file: "src/agent/handlers/start_container.ts",
    find: "const settled = settle(node.ledger, container.id);",
    replace: "const settled = node.ledger;",
    breaks: "The end of a pinned container moves others that have long settled.",
  },
  {
    file: "src/agent/handlers/update_container.ts",
    find: "return kept.isEmpty ? cpus : kept;",
    replace: "return cpus;",
    breaks: "A resize grows in one step onto CPUs that others leave in the same reply.",
  },
  {
    file: "src/agent/handlers/update_container.ts",
    find: "payload: updateReply([...others, ...said])",
    replace: "payload: updateReply(others)",
    breaks: "An update that names CPUs of its own replaces those of the container.",
  },
  {
    file: "src/agent/pending.ts",
    find: "return owes ? { ...rest, owing: { since: node.now } } : rest;",
    replace: "return rest;",
    breaks: "What is owed is forgotten: the pool never grows again by itself.",
  },
  {
    file: "src/agent/pending.ts",
    find: "if (owes === (node.owing !== undefined)) return next;",
    replace: "if (!owes && node.owing === undefined) return next;",
    breaks: "Each new end makes growth wait from the beginning, so that it may never come.",
  },
  {
    file: "src/agent/pending.ts",
    find: ".sent.map(({ id, cpus }) => ({ id, cpus }));",
    replace: ".sent.slice(0, 0).map(({ id, cpus }) => ({ id, cpus }));",
    breaks: "Who has to leave CPUs that are another's by now is left there until the next reply.",
  },
  {
    file: "src/agent/synchronize_parts.ts",
    find: "const parts = together(node, last);",
    replace: "const parts = [last];",
    breaks: "The first parts of a Synchronize in several are dropped.",
  },
  {
    file: "src/agent/found_containers.ts",
    find: "if (container.state === ContainerState.CONTAINER_STOPPED) continue;",
    replace: "",
    breaks: "Stopped containers hold CPUs after a restart.",
  },
  {
    file: "src/agent/found_containers.ts",
    find: "starting: container.state === ContainerState.CONTAINER_CREATED,",
    replace: "",
    breaks: "A container that is only starting when the agent comes back is taken for running.",
  },
  {
    file: "src/nri/read_claim.ts",
    find: "return limit === undefined || limit < count ? {} : { podLimit: limit };",
    replace: "return {};",
    breaks: "The limit of the pod as a whole isn't read.",
  },
  {
    file: "src/agent/early.ts",
    find: "...containers.filter(({ id }) => !early.has(id) || early.get(id) !== undefined),",
    replace: "...containers,",
    breaks: "A container that ended while the list was fetched holds its CPUs for ever.",
  },
  {
    file: "src/nri/whole_cpus.ts",
    find: "return period > 0n && quota % period === 0n ? quota / period : undefined;",
    replace: "return period > 0n ? quota / period : undefined;",
    breaks: "Half a CPU more is asked for, and a whole one is given.",
  },
  {
    file: "src/nri/qos.ts",
    find: `const at = names.lastIndexOf("kubepods");`,
    replace: `const at = names.indexOf("kubepods");`,
    breaks: "In a node that is itself a pod, the outer pod's class is taken for the inner one's.",
  },
  {
    file: "src/nri/write_reply.ts",
    find: "if (set === undefined) encoded.set(cpus, set = linuxOf(cpus));",
    replace: "if (set === undefined) encoded.set(updates[0]?.cpus ?? cpus, set = linuxOf(cpus));",
    breaks: "Of several different updates in one reply, one gets the CPUs of another.",
  },
  {
    file: "src/agent/step.ts",
    find: "if (error instanceof ProtocolError) throw error;",
    replace: "",
    breaks: "A broken wire is answered as if it were a bug, and goes on being broken.",
  },
  {
    file: "src/agent/step.ts",
    find: 'const apply: Output[] = owed.length === 0 ? [] : [{ kind: "apply", changes: owed }];',
    replace: "const apply: Output[] = [];",
    breaks: "What no reply could carry is never brought about.",
  },
  {
    file: "src/agent/rebuild.ts",
    find: "if (link.scanned || now - link.askedAt < LIST_TIMEOUT) return idle(agent);",
    replace: "if (now - link.askedAt < LIST_TIMEOUT) return idle(agent);",
    breaks: "The cgroup tree is scanned anew with every tick.",
  },
  {
    file: "src/agent/rebuild.ts",
    find: "const next = adopt(agent, (node) => forgetEnded(node, living));",
    replace: "const next = idle(agent);",
    breaks: "Containers whose ends are never told hold their CPUs for ever.",
  },
  {
    file: "src/wire/mux.ts",
    find: "this.#remaining -= count;",
    replace: "this.#remaining = 0;",
    breaks: "A trunk frame that comes in two reads loses the beat.",
  },
  {
    file: "src/wire/mux.ts",
    find: "const first = Math.min(message.length, FIRST_FRAME);",
    replace: "const first = message.length;",
    breaks: "A long message goes as one trunk frame, for which the runtime closes the connection.",
  },
  {
    file: "src/wire/session.ts",
    find: "this.#nextCall += 2;",
    replace: "this.#nextCall += 1;",
    breaks: "Our second call has an even stream id.",
  },
  {
    file: "src/wire/session.ts",
    find: "if (stream <= this.#lastRequest) {",
    replace: "if (stream < this.#lastRequest) {",
    breaks: "A stream id may be used twice.",
  },
  {
    file: "src/wire/ttrpc.ts",
    find: "if (this.#queue.length < FRAME_HEADER + length) return undefined;",
    replace: "if (this.#queue.length < length) return undefined;",
    breaks: "A message is cut before its last bytes have come.",
  },
  {
    file: "src/wire/byte_queue.ts",
    find: "if (this.#head + needed > this.capacity) this.#makeRoom(needed);",
    replace: "if (needed > this.capacity) this.#makeRoom(needed);",
    breaks: "Bytes are written behind the end of the buffer.",
  },
];

export const PLANTED: readonly Planted[] = [...CPU, ...LEDGER, ...WIRE_AND_CALLS];

/** The text of its file with the bug in it; throws where the edit's text doesn't occur exactly once. */
export function planted({ file, find, replace }: Planted, source: string): string {
  const times = source.split(find).length - 1;
  if (times !== 1) {
    throw new Error(`${file}: the planted bug's text occurs ${times} times, not once: ${find}`);
  }
  return source.replace(find, () => replace);
}
