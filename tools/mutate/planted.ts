/**
 * Bugs that must not come: each is a small edit which somebody might make in good faith, and which some unit test has
 * to notice (`deno run -A tools/mutate/main.ts --planted`). `anchors.ts` finds its place.
 */
import type { Anchored } from "./anchors.ts";

export interface Planted extends Anchored {
  /** What the edit breaks. */
  readonly breaks: string;
}

const CPU: readonly Planted[] = [
  {
    file: "src/cpu/cpu_list.ts",
    part: "parseCpuList",
    edit: [/range\.last/, "Math.max(range.first, range.last - 1)"],
    breaks: "The last CPU of a range in a list is lost.",
  },
  {
    file: "src/cpu/cpu_list.ts",
    part: "formatCpuList",
    edit: [/ - 1\}/, "}"],
    breaks: "A range is written one CPU too long, so that the runtime gets somebody else's CPU.",
  },
  {
    file: "src/cpu/words.ts",
    part: "addRange",
    edit: "first branch twice",
    breaks: "A range over several words loses the low CPUs of each word after the first.",
  },
  {
    file: "src/cpu/footprint.ts",
    part: "ownsCores",
    edit: "drop right of ||",
    breaks: "The idle siblings of a single-thread claim are given to others.",
  },
  {
    file: "src/cpu/topology.ts",
    part: "memoryNodes",
    edit: "first branch twice #2",
    breaks: "A node without memory is named in cpuset.mems, which the kernel refuses.",
  },
  {
    file: "src/cpu/free_cores.ts",
    part: "coreState",
    edit: "swap branches",
    breaks: "An odd CPU is taken beside a reserved one before a core is used up that others have broken.",
  },
  {
    file: "src/cpu/regrow.ts",
    part: "shrink",
    edit: [/free: \w+/, "free: topology.online"],
    breaks: "A container that shrinks is put on CPUs that it never had.",
  },
  {
    file: "src/cpu/free_counts.ts",
    part: "withoutAndWithZero",
    edit: "if false #2",
    breaks: "The core of CPU 0 is given away like any other.",
  },
];

const LEDGER: readonly Planted[] = [
  {
    file: "src/ledger/updates.ts",
    part: "orderOf",
    edit: [/0;/, "3;"],
    breaks: "Containers that only lose CPUs are updated last, when others already have these.",
  },
  {
    file: "src/ledger/updates.ts",
    part: "orderOf",
    edit: [/3;/, "0;"],
    breaks: "Containers that only gain CPUs are updated before those that lose them.",
  },
  {
    file: "src/ledger/updates.ts",
    part: "within",
    edit: [/const (\w+) = \w+\.difference\(\w+\);/, "const $1 = CpuSet.empty;"],
    breaks: "A shared container is put on CPUs that a moved one is only now vacating.",
  },
  {
    file: "src/ledger/updates.ts",
    part: "planUpdates",
    edit: "drop right of ||",
    breaks:
      "What was sent to a starting container is taken for done, and others get the CPUs that it may still be on.",
  },
  {
    file: "src/ledger/assignment.ts",
    part: "withRecord",
    edit: "if false",
    breaks:
      "The record of a starting container is taken for what it was sent, though the runtime may have lost that.",
  },
  {
    file: "src/ledger/updates.ts",
    part: "planUpdates",
    edit: "drop left of ||",
    breaks: "CPUs that couldn't be sent yet, because they had to be vacated first, are never sent.",
  },
  {
    file: "src/ledger/ledger.ts",
    part: "desired",
    edit: "drop right of &&",
    breaks: "A strict reservation is open to everybody, not to the system alone.",
  },
  {
    file: "src/ledger/ledger.ts",
    part: "#without",
    edit: "second branch twice #2",
    breaks: "A shared container that forbids all of the pool keeps its CPUs, which others got.",
  },
  {
    file: "src/ledger/recent.ts",
    part: "remember",
    edit: "drop slice",
    breaks: "What is remembered of ended containers grows for ever.",
  },
  {
    file: "src/ledger/ledger.ts",
    part: "#holding",
    edit: "second branch twice",
    breaks: "No container is updated when the pool has changed.",
  },
  {
    file: "src/ledger/move.ts",
    part: "candidatesFor",
    edit: "drop difference #6",
    breaks: "A move forgets what the pod forbids.",
  },
  {
    file: "src/ledger/move.ts",
    part: "candidatesFor",
    edit: "drop difference #5",
    breaks: "A move takes reserved CPUs.",
  },
  {
    file: "src/ledger/move.ts",
    part: "candidatesFor",
    edit: [/cpusNear\((\w+\.topology), \w+\)/, "$1.online"],
    breaks: "A move ignores the memory nodes to which the container is bound.",
  },
  {
    file: "src/ledger/move.ts",
    part: "moveAway",
    edit: [/=> !\w+\.movable/, "=> false"],
    breaks: "A container that may not be moved is moved.",
  },
  {
    file: "src/ledger/pools.ts",
    part: "withoutPinned",
    edit: [/(\w+\[id\]) === 0/, "($1 ?? 0) <= 1"],
    breaks: "A CPU counts as free while the last but one who is pinned to it still runs.",
  },
  {
    file: "src/ledger/pools.ts",
    part: "withoutPinned",
    edit: [/\w+\[id\] === 0/, "false"],
    breaks: "Pinned CPUs are never free again.",
  },
  {
    file: "src/ledger/room.ts",
    part: "spare",
    edit: [/minShared/, "minShared + 1"],
    breaks: "The shared pool falls one CPU below its minimum.",
  },
  {
    file: "src/ledger/room.ts",
    part: "freeFor",
    edit: "drop difference",
    breaks: "Reserved CPUs are given exclusively.",
  },
  {
    file: "src/ledger/room.ts",
    part: "overPodLimit",
    edit: "if true #2",
    breaks: "The containers of a pod take more exclusive CPUs than the pod may have.",
  },
  {
    file: "src/ledger/room.ts",
    part: "leavesEnough",
    edit: [/footprint\(\w+\.topology, (\w+), \w+\)/, "$1"],
    breaks: "Idle siblings aren't counted against the minimum of the shared pool.",
  },
  {
    file: "src/ledger/pin.ts",
    part: "makeRoom",
    edit: "if false",
    breaks: "A container is pinned to a CPU that isn't online.",
  },
  {
    file: "src/ledger/release.ts",
    part: "removeContainer",
    edit: [/moveBack\((.*), \w+\)/, "$1"],
    breaks: "Containers that were moved for a creation that failed aren't put back.",
  },
  {
    file: "src/ledger/release.ts",
    part: "releaseSandbox",
    edit: "drop forgetting",
    breaks: "CPUs are kept for containers whose pod has ended.",
  },
  {
    file: "src/ledger/release.ts",
    part: "release",
    edit: [/\w+\((\w+\(.*\))\)/, "$1"],
    breaks: "Degraded containers are never retried.",
  },
  {
    file: "src/ledger/plan.ts",
    part: "predecessorOf",
    edit: [/=> .*;/, "=> false);"],
    breaks: "A restarted container doesn't supersede the one before, whose end may never be reported.",
  },
  {
    file: "src/ledger/plan.ts",
    part: "granted",
    edit: "first branch twice #3",
    breaks: "The container being created is named among the updates, which fails its creation.",
  },
  {
    file: "src/ledger/plan.ts",
    part: "admitPinned",
    edit: [/\.\.\.[^,[]+ \?\? \[\], /, ""],
    breaks: "Containers that were moved for a first attempt aren't put back when the second one fails.",
  },
  {
    file: "src/ledger/progress.ts",
    part: "markRunning",
    edit: [/\{ \w+: _, \.\.\.(\w+) \}/, "$1"],
    breaks: "A container counts as starting for ever, and is sent the same again and again.",
  },
  {
    file: "src/ledger/topology_change.ts",
    part: "applyTopology",
    edit: "swap branches",
    breaks:
      "On cgroup v1 a CPU that comes back is written to no container, though the kernel has removed it.",
  },
  {
    file: "src/ledger/degraded.ts",
    part: "placeExclusive",
    edit: "drop intersection #2",
    breaks: "An exclusive container keeps CPUs that went offline.",
  },
  {
    file: "src/ledger/resize.ts",
    part: "resized",
    edit: [/grow\(\{ \.\.\.\w+\((.*)\), own: \w+ \}\)/, "takeExclusive($1)"],
    breaks: "A container that grows is put on other CPUs altogether.",
  },
  {
    file: "src/ledger/degraded.ts",
    part: "retryDegraded",
    edit: [/(\w+)\((\w+)\((\w+)\)\)/, "$2($1($3))"],
    breaks: "Exclusive containers take the CPUs of a degraded pinned one.",
  },
  {
    file: "src/ledger/recover.ts",
    part: "byAge",
    edit: "swap branches",
    breaks: "After a restart the younger of two keeps the CPUs that both claim.",
  },
];

const WIRE_AND_CALLS: readonly Planted[] = [
  {
    file: "src/agent/handlers/start_container.ts",
    part: "postStartContainer",
    edit: "first branch twice #2",
    breaks: "An update that was lost during a start isn't repaired.",
  },
  {
    file: "src/agent/handlers/start_container.ts",
    part: "startContainer",
    edit: [/= \w+\((\w+\.ledger), container\.id\)/, "= $1"],
    breaks: "The end of a pinned container moves others that were moved for it long ago.",
  },
  {
    file: "src/agent/handlers/update_container.ts",
    part: "ownUpdate",
    edit: "first branch twice",
    breaks: "A resize grows in one step onto CPUs that others vacate in the same reply.",
  },
  {
    file: "src/agent/handlers/update_container.ts",
    part: "updateContainer",
    edit: [/\[\.\.\.(\w+), \.\.\.\w+\]/, "$1"],
    breaks: "An update that names CPUs of its own replaces those of the container.",
  },
  {
    file: "src/agent/pending.ts",
    part: "withLedger",
    edit: "second branch twice",
    breaks: "What is pending is forgotten: the pool never grows again by itself.",
  },
  {
    file: "src/agent/pending.ts",
    part: "withLedger",
    edit: [/(\w+) === \((\w+\.\w+) !== undefined\)/, "!$1 && $2 === undefined"],
    breaks: "Each new end delays growth from the beginning, so that it may never come.",
  },
  {
    file: "src/agent/pending.ts",
    part: "immediateUpdates",
    edit: [/\.map\(/, ".slice(0, 0).map("],
    breaks: "A container that runs on CPUs that are another's by now keeps them until the next reply.",
  },
  {
    file: "src/agent/synchronize_parts.ts",
    part: "whole",
    edit: [/together\(\w+, (\w+)\)/, "[$1]"],
    breaks: "The first parts of a Synchronize in several are dropped.",
  },
  {
    file: "src/agent/found_containers.ts",
    part: "findContainers",
    edit: "if false",
    breaks: "Stopped containers hold CPUs after a restart.",
  },
  {
    file: "src/agent/found_containers.ts",
    part: "findContainer",
    edit: [/starting: [^,]+,/, ""],
    breaks: "A container that is only starting when the agent comes back is taken for running.",
  },
  {
    file: "src/nri/read_claim.ts",
    part: "podLimit",
    edit: "first branch twice",
    breaks: "The limit of the pod as a whole isn't read.",
  },
  {
    file: "src/agent/early.ts",
    part: "mergeEarlyEvents",
    edit: "drop filter #3",
    breaks: "A container that ended while the list was fetched holds its CPUs for ever.",
  },
  {
    file: "src/nri/whole_cpus.ts",
    part: "wholeQuota",
    edit: "drop right of &&",
    breaks: "Half a CPU more is asked for, and a whole one is given.",
  },
  {
    file: "src/nri/qos.ts",
    part: "belowKubepods",
    edit: [/lastIndexOf/, "indexOf"],
    breaks: "In a node that is itself a pod, the outer pod's class is taken for the inner one's.",
  },
  {
    file: "src/nri/write_reply.ts",
    part: "withUpdates",
    edit: [/\.set\((\w+), (\w+ = )/, ".set(updates[0]?.cpus ?? $1, $2"],
    breaks: "Of several different updates in one reply, one gets the CPUs of another.",
  },
  {
    file: "src/agent/step.ts",
    part: "serveOrExplain",
    edit: "if false",
    breaks: "A broken wire is answered as if it were a bug, and goes on being broken.",
  },
  {
    file: "src/agent/step.ts",
    part: "answer",
    edit: "first branch twice #3",
    breaks: "What no reply could carry is never applied.",
  },
  {
    file: "src/agent/rebuild.ts",
    part: "runRebuild",
    edit: "drop left of || #2",
    breaks: "The cgroup tree is scanned anew with every tick.",
  },
  {
    file: "src/agent/rebuild.ts",
    part: "counted",
    edit: [/adopt\(\w+, .*\);/, "idle(agent);"],
    breaks: "Containers whose ends are never reported hold their CPUs for ever.",
  },
  {
    file: "src/wire/mux.ts",
    part: "next",
    edit: [/-= \w+/, "= 0"],
    breaks: "A trunk frame that comes in two reads loses the beat.",
  },
  {
    file: "src/wire/mux.ts",
    part: "encodeTrunk",
    edit: [/Math\.min\((\w+\.length), \w+\)/, "$1"],
    breaks: "A long message goes as one trunk frame, for which the runtime closes the connection.",
  },
  {
    file: "src/wire/session.ts",
    part: "call",
    edit: "one less #3",
    breaks: "Our second call has an even stream id.",
  },
  {
    file: "src/wire/session.ts",
    part: "#nextRequest",
    edit: "<= to <",
    breaks: "A stream id may be used twice.",
  },
  {
    file: "src/wire/ttrpc.ts",
    part: "next",
    edit: [/< \w+ \+ (\w+)\)/, "< $1)"],
    breaks: "A message is cut before its last bytes have come.",
  },
  {
    file: "src/wire/byte_queue.ts",
    part: "push",
    edit: [/this\.#\w+ \+ (\w+) > /, "$1 > "],
    breaks: "Bytes are written behind the end of the buffer.",
  },
];

export const PLANTED: readonly Planted[] = [...CPU, ...LEDGER, ...WIRE_AND_CALLS];
