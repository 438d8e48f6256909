/** Explanations for people. */
import type { ExplainDocument, ExplanationDocument } from "../status/explain_document.ts";
import { age } from "./status_text.ts";
import { table } from "./table.ts";

type Of<K extends ExplanationDocument["kind"]> = Extract<ExplanationDocument, { kind: K }>;

/** Names of those in a pool may be very many. */
const MAX_NAMES = 12;

export function explainText({ explanations, ...rest }: ExplainDocument, now: number): string {
  const texts = explanations.map((each) => linesOf(each, rest, now).join("\n"));
  const others = rest.more === 0 ? [] : [`${rest.more} more have that name; ask for NAMESPACE/POD`];
  return [...texts, ...others].join("\n\n");
}

type Rest = Omit<ExplainDocument, "explanations">;

function linesOf(explanation: ExplanationDocument, rest: Rest, now: number): string[] {
  switch (explanation.kind) {
    case "container":
      return containerLines(explanation, rest, now);
    case "refused":
      return refusedLines(explanation, now);
    case "cpu":
      return cpuLines(explanation);
  }
}

function containerLines(
  { container, origin, choice, moves }: Of<"container">,
  rest: Rest,
  now: number,
): string[] {
  const {
    namespace,
    pod,
    container: name,
    kind,
    claim,
    cpus,
    numaNodes,
    mems,
    since,
    state,
    reason,
    keptBy,
  } = container;
  return [
    `${namespace}/${pod}/${name}: ${kind}, ${listOf("CPU", cpus)}${
      numaNodes === "" ? "" : `, ${listOf("NUMA node", numaNodes)}`
    }`,
    ...indented([
      ["claim", claim],
      ["from", origin],
      ...choice === undefined ? [] : choiceRows(choice, cpus),
      ["since", `${since ?? "?"} (${age(since, now)})`],
      ["state", reason === undefined ? state : `${state}: ${reason}`],
      ["kept by", `${keptBy}${mems === "" ? "" : `, memory nodes ${mems}`}`],
      ...container.mayRunOn === cpus || container.mayRunOn === ""
        ? []
        : [["pending", `may still be running on ${container.mayRunOn}`]],
      ...moveRows(moves, rest, now),
    ]),
  ];
}

function choiceRows(
  { of, cpus, free, why, next }: NonNullable<Of<"container">["choice"]>,
  current: string,
): string[][] {
  const [first = "", ...others] = why;
  const isMade = of === "admission";
  return [
    ...isMade ? [] : [[
      "decided",
      "before this agent started, or by a restart: how isn't known any more; by what is free now:",
    ]],
    [isMade ? "decided" : "", first],
    ...others.map((each) => ["", each]),
    [isMade ? "free then" : "free now", free],
    ...cpus === current ? [] : [["", isMade ? `it was given ${cpus} then` : `it would be given ${cpus}`]],
    ...next === undefined ? [] : [["next choice", `${next.cpus}: ${next.cost}`]],
  ];
}

function moveRows(moves: Of<"container">["moves"], { dropped, startedAt }: Rest, now: number): string[][] {
  const rows = moves.map(({ at, from, to, for: whom }) =>
    `${at} (${age(at, now)}): from ${from} to ${to}${whom === undefined ? "" : ` for ${whom}`}`
  );
  const known = dropped > 0
    ? "none that is still in the journal"
    : `none since the agent started (${startedAt})`;
  const [first = known, ...others] = rows;
  return [["moves", first], ...others.map((each) => ["", each])];
}

function refusedLines(
  { name, call, at, times, message, claim, inTheWay, toGo }: Of<"refused">,
  now: number,
): string[] {
  const what = call === "CreateContainer" ? "its creation" : "its start";
  const ways = inTheWay.map(({ name, kind, cpus, isHeld, isMovable }) => [
    name,
    isHeld ? `${kind}, ended: held for its pod` : kind,
    listOf("CPU", cpus),
    isMovable ? "may be moved" : "may not be moved",
  ]);
  const [way, ...otherWays] = table(ways);
  return [
    `${name}: refused`,
    ...indented([
      ["why", message],
      ["when", `${what}, ${at} (${age(at, now)}), ${times === 1 ? "once" : `${times} times`}`],
      ...claim === undefined ? [] : [["claim", claim]],
      ...way === undefined ? [] : [["in the way", way], ...otherWays.map((each) => ["", each])],
      ...toGo === undefined
        ? []
        : [["to go", toGo.length === 0 ? "nobody: there is room by now" : toGo.join(", ")]],
      ...toGo === undefined && inTheWay.length > 0
        ? [["to go", "not even all of these would be enough"]]
        : [],
    ]),
  ];
}

const USES: Readonly<Record<Of<"cpu">["use"], string>> = {
  exclusive: "exclusive",
  pinned: "pinned",
  idle: "idle",
  shared: "in the shared pool",
  kept: "kept out of the shared pool",
  unavailable: "not available",
};

function cpuLines({ id, use, place, owners, users, leaving, reasons }: Of<"cpu">): string[] {
  const [reason, ...others] = reasons;
  return [
    `CPU ${id}: ${USES[use]}`,
    ...indented([
      ...place === undefined ? [] : [[
        "place",
        `socket ${place.socket}, NUMA node ${place.node}, last-level cache of ${place.cacheGroup}, core ${place.core}`,
      ]],
      ["owner", owners.length === 0 ? "none" : owners.join(", ")],
      ["may run", names(users)],
      ...leaving.length === 0 ? [] : [["leaving", names(leaving)]],
      ...reason === undefined ? [] : [["why", reason], ...others.map((each) => ["", each])],
    ]),
  ];
}

/** `CPU 3`, `CPUs 2-3`. */
function listOf(what: string, ids: string): string {
  return /^\d+$/.test(ids) ? `${what} ${ids}` : `${what}s ${ids}`;
}

function names(all: readonly string[]): string {
  const shown = all.slice(0, MAX_NAMES).join(", ");
  if (all.length === 0) return "none";
  return all.length > MAX_NAMES ? `${shown} and ${all.length - MAX_NAMES} more` : shown;
}

function indented(rows: readonly (readonly string[])[]): string[] {
  return table(rows).map((line) => `  ${line}`.trimEnd());
}
