/** Planted bugs of where containers may be running: the bound, the rule of safety, writes and transactions. */
import type { Planted } from "./planted.ts";

const DELIVERY: readonly Planted[] = [
  {
    file: "src/ledger/delivery.ts",
    part: "updateSent",
    edit: "second branch twice #2",
    breaks: "An update narrows the bound of a starting container, though the runtime may have lost it.",
  },
  {
    file: "src/ledger/delivery.ts",
    part: "updateSent",
    edit: [/!isSame && isStarting\(\w+\)/, "false"],
    breaks: "The record of a starting container is taken for what it was sent.",
  },
  {
    file: "src/ledger/delivery.ts",
    part: "runs",
    edit: [/\{ \.\.\.(\w+), state: "running" \}/, "$1"],
    breaks: "A container counts as starting for ever, and is sent the same again and again.",
  },
  {
    file: "src/ledger/delivery.ts",
    part: "unreadable",
    edit: [/\w+\.union\(record\)/, "mayRunOn"],
    breaks: "A container whose cgroup can't be read any more isn't looked for on the CPUs of its record.",
  },
  {
    file: "src/ledger/delivery.ts",
    part: "unreadable",
    edit: [/\? \{\} : \{ recordUnsure: true as const \}/, "? {} : {}"],
    breaks: "The runtime isn't sent the CPUs of a container whose cgroup can't be read any more.",
  },
  {
    file: "src/ledger/failure.ts",
    part: "failureAfter",
    edit: [/now \+ \w+/, "now"],
    breaks: "A write that fails is tried again without a back-off.",
  },
  {
    file: "src/ledger/failure.ts",
    part: "failureAfter",
    edit: [/\(\w+\?\.tries \?\? 0\) \+ 1/, "1"],
    breaks: "The back-off never grows.",
  },
  {
    file: "src/ledger/failure.ts",
    part: "failureAfter",
    edit: "drop left of ?? #2",
    breaks: "CPUs that a container refused to give up earlier are given to others.",
  },
  {
    file: "src/ledger/delivery.ts",
    part: "seenAtStart",
    edit: [/!delivery\.record\.equals\(cpus\)/, "false as boolean"],
    breaks: "Any set that a cgroup has at its start is taken for an acknowledgement of the record.",
  },
  {
    file: "src/ledger/delivery.ts",
    part: "withoutOffline",
    edit: [/\w+ \? ANYWHERE : bound/, "bound"],
    breaks: "A container all of whose CPUs are offline counts as one without a process.",
  },
];

const SAFETY: readonly Planted[] = [
  {
    file: "src/ledger/conflict.ts",
    part: "blockedFor",
    edit: [/this\.#ofShared\.union\((union\(\w+\))\)/, "$1"],
    breaks: "The rule forgets the shared containers beside one with a grant.",
  },
  {
    file: "src/ledger/conflict.ts",
    part: "conflicts",
    edit: "drop right of ||",
    breaks: "Pinned containers of one CPU wait for each other.",
  },
  {
    file: "src/ledger/assignment.ts",
    part: "mayShare",
    edit: [/return b\.claim\.kind === "pinned";/, "return true;"],
    breaks: "A pinned container is written onto CPUs that an exclusive one hasn't left.",
  },
  {
    file: "src/ledger/conflict.ts",
    part: "deliver",
    edit: [/this\.#set\(.*\);/, ""],
    breaks: "A plan doesn't count on what it has written already, and leaves the rest for later.",
  },
  {
    file: "src/ledger/plan_writes.ts",
    part: "planned",
    edit: [/of losing\)/, "of gaining)"],
    breaks: "Containers that gain CPUs are written before those that lose them.",
  },
  {
    file: "src/ledger/exchange.ts",
    part: "targetOf",
    edit: [/\w+\.intersects\(\w+\) \|\| /, ""],
    breaks: "A container with a grant is written onto CPUs that another hasn't left.",
  },
  {
    file: "src/ledger/plan_writes.ts",
    part: "isDue",
    edit: [/\w+\.retryAt <= \w+\.now/, "true"],
    breaks: "A failed write is tried again with every tick.",
  },
  {
    file: "src/ledger/plan_writes.ts",
    part: "losableBy",
    edit: "drop union",
    breaks: "A container gives up nothing for a claim as long as it keeps one CPU.",
  },
  {
    file: "src/ledger/exchange.ts",
    part: "exchanged",
    edit: [/const next = inCircle\(.*\);/, "const next = undefined as Assignment | undefined;"],
    breaks: "Containers on each other's CPUs stay there for ever.",
  },
];

const TRANSACTIONS: readonly Planted[] = [
  {
    file: "src/agent/transaction.ts",
    part: "carryOut",
    edit: [/leftMs -= result.*;/, ""],
    breaks: "Each try of a call has a deadline of its own, and the runtime drops the plugin.",
  },
  {
    file: "src/agent/transaction.ts",
    part: "carryOut",
    edit: [/decision\.written\(after\)/, "decision.written(ledger)"],
    breaks: "What was written is forgotten, and written again.",
  },
  {
    file: "src/agent/kernel.ts",
    part: "knowledgeOf",
    edit: [/ \|\| \w+\.notRolledBack\.has\(id\)/, ""],
    breaks: "A container that couldn't be rolled back is thought to be where it was.",
  },
  {
    file: "src/agent/kernel.ts",
    part: "exposedBy",
    edit: [/version === 1/, "version > 0"],
    breaks: "A class gets claimed CPUs onto which another program has put a container in it.",
  },
  {
    file: "src/agent/kernel.ts",
    part: "boundOf",
    edit: [/\w+\.union\((\w+)\)/, "$1"],
    breaks:
      "A container that can't be read after a failed write is thought to be where it was to be written.",
  },
  {
    file: "src/agent/decision.ts",
    part: "withLogs",
    edit: [/\.\.\.decision\.logs \?\? \[\]/, ""],
    breaks: "What a write has shown is lost where a warning comes before it.",
  },
  {
    file: "src/agent/transaction.ts",
    part: "carryOut",
    edit: [/logs\.push\(\.\.\.slice\.logs\);/, ""],
    breaks: "That CPUs couldn't be taken once more isn't logged.",
  },
  {
    file: "src/agent/handlers/start_container.ts",
    part: "byCgroupAgain",
    edit: [/return withoutIntruder\(.*\(\) => (.*)\);/, "return $1;"],
    breaks: "A container starts beside one whose cgroup can't be read since its start was verified.",
  },
  {
    file: "src/agent/handlers/update_container.ts",
    part: "updateContainer",
    edit: "if true",
    breaks: "A container grows though claims are suspended.",
  },
  {
    file: "src/ledger/plan_writes.ts",
    part: "lostTo",
    edit: [/\w+\.isEmpty \? \w+ : (\w+);/, "desired;"],
    breaks: "A shared container starts on CPUs that one with a grant hasn't left.",
  },
  {
    file: "src/agent/handlers/apply_claim.ts",
    part: "applyClaim",
    edit: [/if \(holder !== undefined\)/, "if (false as boolean && holder !== undefined)"],
    breaks: "CPUs are promised on which another container still runs.",
  },
  {
    file: "src/agent/handlers/start_container.ts",
    part: "checked",
    edit: [/!cpus\.intersects\(\w+\.claimed\)/, "true"],
    breaks: "A shared container starts on claimed CPUs.",
  },
  {
    file: "src/agent/handlers/start_container.ts",
    part: "isOn",
    edit: "if true",
    breaks: "A container starts on CPUs on which another runs that the runtime should have moved.",
  },
  {
    file: "src/agent/compare.ts",
    part: "runtimeVerdict",
    edit: [/!\w+\.suspects\.has\([^;]*\);/, "false;"],
    breaks: "An update that is under way is taken for drift.",
  },
];

const FENCES: readonly Planted[] = [
  {
    file: "src/ledger/planned_fences.ts",
    part: "#meets",
    edit: [/bound\.intersects\((\w+)\)/, "!$1.isEmpty"],
    breaks: "A container is written to CPUs none of which its fence has, and runs on all of that.",
  },
  {
    file: "src/ledger/planned_fences.ts",
    part: "open",
    edit: [/this\.#bound\((\w+)\)\.difference\(.*\);/, "CpuSet.empty;"],
    breaks: "A container's own set grows onto exclusive CPUs before its fence keeps it off them.",
  },
  {
    file: "src/ledger/conflict.ts",
    part: "blockedForFence",
    edit: [/exclusive\.union/, "exclusive.intersection"],
    breaks: "A class gets CPUs that an exclusive container is still on.",
  },
  {
    file: "src/ledger/conflict.ts",
    part: "blockedForFence",
    edit: [/all\.intersection\(own\(\)\)/, "all"],
    breaks: "Two classes wait for containers in each other, and none is ever moved.",
  },
  {
    file: "src/ledger/shared_pools.ts",
    part: "constructor",
    edit: [/this\.#fence = online\.difference\(exclusive\)/, "this.#fence = online"],
    breaks: "QoS classes aren't kept off exclusive CPUs, though their containers count on it.",
  },
  {
    file: "src/agent/fences.ts",
    part: "fencedFirst",
    edit: [/id === own \|\| /, "id === own && "],
    breaks: "A class that systemd has emptied isn't noticed when the next pod runs.",
  },
];

export const CORE: readonly Planted[] = [...DELIVERY, ...SAFETY, ...TRANSACTIONS, ...FENCES];
