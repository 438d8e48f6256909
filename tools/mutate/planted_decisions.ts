/** Planted bugs of deciding: CPUs and ledger. */
import type { Planted } from "./planted.ts";

export const CPU: readonly Planted[] = [
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
    breaks: "A range is written one CPU too long, so that the runtime gets another container's CPU.",
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

export const LEDGER: readonly Planted[] = [
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
    part: "allowedNow",
    edit: [/const blocked = [^;]*;/, "const blocked = CpuSet.empty;"],
    breaks: "A shared container is put on CPUs that a moved one is only now vacating.",
  },
  {
    file: "src/ledger/updates.ts",
    part: "planUpdates",
    edit: [/ \|\| isStarting\(\w+\)/, ""],
    breaks:
      "What was sent to a starting container is taken for done, and others get the CPUs that it may still be on.",
  },
  {
    file: "src/ledger/updates.ts",
    part: "planUpdates",
    edit: [/\w+\.isPartial \|\| /, ""],
    breaks: "CPUs that couldn't be sent yet, because they had to be vacated first, are never sent.",
  },
  {
    file: "src/ledger/shared_pools.ts",
    part: "desired",
    edit: "drop right of &&",
    breaks: "A strict reservation is open to everybody, not to the system alone.",
  },
  {
    file: "src/ledger/shared_pools.ts",
    part: "#without",
    edit: "second branch twice",
    breaks: "A shared container that forbids all of the pool keeps its CPUs, which others got.",
  },
  {
    file: "src/ledger/held.ts",
    part: "hold",
    edit: "second branch twice",
    breaks: "The CPUs of an ended container are anybody's, and it doesn't find them again.",
  },
  {
    file: "src/ledger/ledger.ts",
    part: "#holding",
    edit: "first branch twice",
    breaks: "No container is updated when the pool has changed.",
  },
  {
    file: "src/ledger/make_way.ts",
    part: "openTo",
    edit: [/closedTo\(\w+, \w+\)/, "named.difference(named)"],
    breaks: "A move forgets what the pod forbids.",
  },
  {
    file: "src/ledger/make_way.ts",
    part: "openTo",
    edit: "drop union",
    breaks: "A container is moved onto the CPUs of the pinned one for which it is moved.",
  },
  {
    file: "src/ledger/make_way.ts",
    part: "openTo",
    edit: [/\{ mems, /, "{ "],
    breaks: "A move ignores the memory nodes to which the container is bound.",
  },
  {
    file: "src/ledger/make_way.ts",
    part: "moveAway",
    edit: [/=> !mayMove\(\w+, \w+\)/, "=> false"],
    breaks: "A container that may not be moved is moved.",
  },
  {
    file: "src/ledger/assignment.ts",
    part: "mayMove",
    edit: [/!pinsItself\(\w+\)/, "true"],
    breaks: "A container that was seen to pin its own threads is moved off the CPUs of their masks.",
  },
  {
    file: "src/ledger/claimed_cpus.ts",
    part: "withoutPinned",
    edit: [/(\w+\[id\]) === 0/, "($1 ?? 0) <= 1"],
    breaks: "A CPU counts as free while the last but one who is pinned to it still runs.",
  },
  {
    file: "src/ledger/claimed_cpus.ts",
    part: "withoutPinned",
    edit: [/\w+\[id\] === 0/, "false"],
    breaks: "Pinned CPUs are never free again.",
  },
  {
    file: "src/ledger/candidates.ts",
    part: "spare",
    edit: [/minShared/, "minShared + 1"],
    breaks: "The shared pool falls one CPU below its minimum.",
  },
  {
    file: "src/ledger/candidates.ts",
    part: "freeFor",
    edit: [/\.difference\(\w+\.systemReserved\)/, ""],
    breaks: "Reserved CPUs are given exclusively.",
  },
  {
    file: "src/ledger/pod_set.ts",
    part: "overPodLimit",
    edit: [/isOver \?/, "false ?"],
    breaks: "The containers of a pod take more exclusive CPUs than the pod may have.",
  },
  {
    file: "src/ledger/candidates.ts",
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
    edit: [/moveBack\((.*), .*\)/, "$1"],
    breaks: "Containers that were moved for a creation that failed aren't put back.",
  },
  {
    file: "src/ledger/release.ts",
    part: "releaseSandbox",
    edit: "drop filter",
    breaks: "The late end of a pod's first sandbox takes the claims of its second one.",
  },
  {
    file: "src/ledger/release.ts",
    part: "release",
    edit: [/retryDegraded\((.*)\)/, "$1"],
    breaks: "Degraded containers are never retried.",
  },
  {
    file: "src/ledger/plan.ts",
    part: "predecessorsOf",
    edit: [/=> .*\)\./, "=> false)."],
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
    edit: [/\.\.\.predecessors.*\), /, ""],
    breaks: "Containers that were moved for a first attempt aren't put back when the second one fails.",
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
    part: "fromOwn",
    edit: [/grow\(\{ \.\.\.\w+\((.*)\), own \}\)/, "takeExclusive($1)"],
    breaks: "A container that grows is put on other CPUs altogether.",
  },
  {
    file: "src/ledger/degraded.ts",
    part: "retryDegraded",
    edit: [/(\w+)\((\w+)\((\w+)\)\)/, "$2($1($3))"],
    breaks: "Exclusive containers take the CPUs of a degraded pinned one.",
  },
  {
    file: "src/ledger/pod_set.ts",
    part: "madeRoomInPod",
    edit: [/ - claim\.count;/, ";"],
    breaks:
      "The containers that share a pod's CPUs keep all of them beside one with figures of its own: the pod has twice its limit.",
  },
  {
    file: "src/ledger/recover.ts",
    part: "byAge",
    edit: "swap branches",
    breaks: "After a restart the younger of two keeps the CPUs that both claim.",
  },
];
