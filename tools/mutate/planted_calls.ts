/** Planted bugs of the wire and of answering calls. */
import type { Planted } from "./planted.ts";

export const CALLS: readonly Planted[] = [
  {
    file: "src/agent/handlers/started.ts",
    part: "postStartContainer",
    edit: [/\? \[\] : \[\w+\]/, "? [] : []"],
    breaks: "An update that was lost during a start isn't repaired.",
  },
  {
    file: "src/agent/handlers/start_container.ts",
    part: "withoutDisplaced",
    edit: [/\w+ === undefined/, "true"],
    breaks: "The end of a pinned container moves others that were moved for it long ago.",
  },
  {
    file: "src/agent/limits.ts",
    part: "isNarrowed",
    edit: [/\.isSubsetOf\((\w+)\)/, ".intersects($1)"],
    breaks:
      "A grant counts as confirmed though a cgroup above the container lets it have only a part of that.",
  },
  {
    file: "src/agent/handlers/update_container.ts",
    part: "ownUpdate",
    edit: "first branch twice",
    breaks: "A resize grows in one step onto CPUs that others vacate in the same reply.",
  },
  {
    file: "src/agent/handlers/update_container.ts",
    part: "answered",
    edit: [/updateReply\(\[\.\.\.(\w+), \.\.\.\w+\]\)/, "updateReply($1)"],
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
    edit: [/isRunning: [^,]+,/, "isRunning: true,"],
    breaks: "A container that is only starting when the agent comes back is taken for running.",
  },
  {
    file: "src/nri/read_claim.ts",
    part: "podLimit",
    edit: [/podLimit: limit, /, ""],
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
    file: "src/agent/quotas.ts",
    part: "quotaInReply",
    edit: [/return -1;/, "return undefined;"],
    breaks: "An update of kubelet's gives a container with CPUs of its own its quota back.",
  },
  {
    file: "src/nri/write_reply.ts",
    part: "withUpdates",
    edit: [/\.set\((\w+), (\w+ = )/, ".set(updates[0]?.cpus ?? $1, $2"],
    breaks: "Of several different updates in one reply, one gets the CPUs of another.",
  },
  {
    file: "src/agent/answer.ts",
    part: "serveOrExplain",
    edit: "if false",
    breaks: "A broken wire is answered as if it were a bug, and goes on being broken.",
  },
  {
    file: "src/agent/answer.ts",
    part: "consequencesOf",
    edit: "first branch twice",
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
