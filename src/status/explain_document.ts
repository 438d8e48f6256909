/** The answer to `GET /api/v1/explain?of=NAME`: why a container, a refused one or a CPU is as it is. */
// The small variant of zod, as in src/config.
import * as z from "zod/mini";
import type { ChoiceView, ContainerExplanation, Explanation, RefusalExplanation } from "../agent/explain.ts";
import type { CpuExplanation } from "../agent/explain_cpu.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { costOf, sentencesOf } from "./choice_words.ts";
import { containerSchema, VERSION } from "./document.ts";
import { claimText, containerDocument, type Surroundings } from "./status_document.ts";

const choice = z.object({
  /** `admission`: the choice as it was made; `now`: made before this agent started, so this is what would be chosen now. */
  of: z.enum(["admission", "now"]),
  cpus: z.string(),
  /** The CPUs that it could be chosen from. */
  free: z.string(),
  placement: z.string(),
  /** Why these, in sentences for people; the last one names the rung of the ladder that decided. */
  why: z.array(z.string()),
  /** The rung of the ladder (src/cpu/score.ts) that decided; absent: there was no other choice. */
  rung: z.optional(z.string()),
  /** The next choice, and what it would have cost. */
  next: z.optional(z.object({ cpus: z.string(), cost: z.string() })),
});

const move = z.object({
  at: z.string(),
  from: z.string(),
  to: z.string(),
  /** The container that it was moved for; absent: for none, or it isn't known. */
  for: z.optional(z.string()),
});

const placed = z.object({
  kind: z.literal("container"),
  container: containerSchema,
  /** What its claim follows from. */
  origin: z.string(),
  choice: z.optional(choice),
  moves: z.array(move),
});

const refused = z.object({
  kind: z.literal("refused"),
  /** `namespace/pod/container`. */
  name: z.string(),
  call: z.enum(["CreateContainer", "StartContainer"]),
  /** The last time. */
  at: z.string(),
  times: z.number(),
  message: z.string(),
  claim: z.optional(z.string()),
  inTheWay: z.array(z.object({
    name: z.string(),
    kind: z.string(),
    cpus: z.string(),
    isHeld: z.boolean(),
    isMovable: z.boolean(),
  })),
  /** Which of these would have to go; empty: there is room by now; absent: all of them wouldn't be enough, or it isn't known. */
  toGo: z.optional(z.array(z.string())),
});

const cpu = z.object({
  kind: z.literal("cpu"),
  id: z.number(),
  use: z.enum(["exclusive", "pinned", "idle", "shared", "kept", "unavailable"]),
  place: z.optional(z.object({
    core: z.string(),
    cacheGroup: z.string(),
    node: z.number(),
    socket: z.number(),
  })),
  owners: z.array(z.string()),
  users: z.array(z.string()),
  leaving: z.array(z.string()),
  reasons: z.array(z.string()),
});

export const explainSchema = z.object({
  service: z.literal("weka-cpuset"),
  version: z.literal(VERSION),
  /** When the agent was started: what was decided before is known by what is left of it. */
  startedAt: z.string(),
  /** Log records that are no longer kept: there may have been more moves. */
  dropped: z.number(),
  explanations: z.array(z.discriminatedUnion("kind", [placed, refused, cpu])),
  /** How many more have the name: ask for one of them. */
  more: z.number(),
  /** Where nothing has the name that was asked for: all names that there are. */
  names: z.optional(z.array(z.string())),
});

export type ExplainDocument = z.infer<typeof explainSchema>;
export type ExplanationDocument = ExplainDocument["explanations"][number];
export type MoveDocument = z.infer<typeof move>;

/** As the agent has logged it, by the runtime's id. */
export interface LoggedMove extends MoveDocument {
  readonly id: string;
}

export function explanationDocument(
  explanation: Explanation,
  moves: readonly LoggedMove[],
  around: Surroundings,
): ExplanationDocument {
  switch (explanation.kind) {
    case "container":
      return placedDocument(explanation, moves, around);
    case "refused":
      return refusedDocument(explanation, around);
    case "cpu":
      return cpuDocument(explanation);
  }
}

function placedDocument(
  { view, origin, choice }: ContainerExplanation,
  moves: readonly LoggedMove[],
  around: Surroundings,
): ExplanationDocument {
  return {
    kind: "container",
    container: containerDocument(view, around),
    origin,
    ...(choice === undefined ? {} : { choice: choiceDocument(choice) }),
    moves: moves.filter(({ id }) => id === view.container.id).map(({ id: _, ...move }) => move),
  };
}

function choiceDocument({ of, cpus, request, explained }: ChoiceView) {
  const { next } = explained;
  return {
    of,
    cpus: `${cpus}`,
    free: `${request.free}`,
    placement: request.placement ?? "packed",
    why: sentencesOf(request, explained),
    ...(next === undefined ? {} : { rung: next.rung, next: { cpus: `${next.cpus}`, cost: costOf(next) } }),
  };
}

function refusedDocument(
  { refused, inTheWay, toGo }: RefusalExplanation,
  { timeOf }: Surroundings,
): ExplanationDocument {
  const { container, claim, message, call, at, times } = refused;
  return {
    kind: "refused",
    name: nameOf(container),
    call,
    at: timeOf(at),
    times,
    message,
    ...(claim === undefined ? {} : { claim: claimText(claim) }),
    inTheWay: inTheWay.map(({ container, claim, cpus, ...rest }) => ({
      name: nameOf(container),
      kind: claim,
      cpus: `${cpus}`,
      ...rest,
    })),
    ...(toGo === undefined ? {} : { toGo: toGo.map(nameOf) }),
  };
}

function cpuDocument(
  { id, use, place, owners, users, leaving, reasons }: CpuExplanation,
): ExplanationDocument {
  return {
    kind: "cpu",
    id,
    use,
    ...(place === undefined
      ? {}
      : { place: { ...place, core: `${place.core}`, cacheGroup: `${place.cacheGroup}` } }),
    owners: owners.map(({ container }) => nameOf(container)),
    users: users.map(nameOf),
    leaving: leaving.map(nameOf),
    reasons: [...reasons],
  };
}

function nameOf({ namespace, pod, name }: ContainerRef): string {
  return `${namespace}/${pod}/${name}`;
}
