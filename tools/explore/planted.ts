/** Faults that are planted in the agent or its port, one in each of thirteen rules: the exploration has to find them all. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { NEUTRAL, type Response, unchanged } from "../../src/agent/decision.ts";
import { serve } from "../../src/agent/serve.ts";
import type { CpusetPort } from "../../src/cgroup/port.ts";
import type { AgentState } from "../../src/agent/state.ts";
import { step } from "../../src/agent/step.ts";
import { failureOf } from "../../src/ledger/delivery.ts";
import { CreateContainerResponseSchema, SynchronizeRequestSchema } from "../../src/nri/gen/nri_pb.ts";
import type { Call } from "../../src/nri/methods.ts";
import { CLASS, type Mode } from "./node.ts";
import type { Doubles } from "./player.ts";
import type { Tree } from "./tree.ts";

export interface Planted {
  /** The rule that it breaks, and how. */
  readonly breaks: string;
  readonly mode: Mode;
  readonly doubles: Doubles;
}

type Serve = NonNullable<Doubles["serve"]>;

/** Served otherwise, for calls of these kinds. */
function serving(kinds: readonly Call["kind"][], other: Serve): Doubles {
  return { serve: (state, call) => kinds.includes(call.kind) ? other(state, call) : serve(state, call) };
}

function withState(response: Response, change: (state: AgentState) => AgentState): Response {
  return { ...response, state: change(response.state) };
}

export const PLANTED: readonly Planted[] = [
  {
    breaks: "what is confirmed was read back: a write isn't carried out",
    mode: "kernel",
    doubles: {
      port: (tree) => ({
        version: tree.version,
        writable: true,
        read: (container) => tree.read(container),
        population: (container) => tree.population(container),
        write: () => ({ kind: "done", tookMs: 0 }),
      }),
    },
  },
  {
    breaks: "a start is verified: it is answered at once",
    mode: "kernel",
    doubles: serving(["StartContainer"], unchanged),
  },
  {
    breaks: "others leave with the reply that gives their CPUs away: it names only the new container",
    mode: "runtime",
    doubles: serving(["CreateContainer"], (state, call) => {
      const response = serve(state, call);
      return response.reply.kind === "refuse"
        ? response
        : { ...response, reply: { kind: "answer", payload: withoutUpdates(response.reply.payload) } };
    }),
  },
  {
    breaks: "an end frees what the container had: it is forgotten",
    mode: "kernel",
    doubles: serving(["StopContainer", "RemoveContainer", "StopPodSandbox"], unchanged),
  },
  {
    breaks: "a bound is narrowed by a read alone: a failed write narrows it too",
    mode: "kernel",
    doubles: { serve: (state, call) => withState(serve(state, call), narrowed) },
  },
  {
    breaks: "the ledger follows the machine: a CPU that goes offline isn't noticed",
    mode: "kernel",
    doubles: {
      step: (agent, input) => input.kind === "topology" ? { agent, outputs: [] } : step(agent, input),
    },
  },
  {
    breaks: "what others have written is repaired: nothing is compared",
    mode: "kernel",
    doubles: { serve: (state, call) => withState(serve(state, call), (s) => ({ ...s, reconcileMs: 0 })) },
  },
  {
    breaks: "who runs is known after a restart: pinned and exclusive containers alone are listed",
    mode: "kernel",
    doubles: serving(["Synchronize"], (state, call) => serve(state, withoutShared(call))),
  },
  {
    breaks: "a refused call changes nothing: another container loses its claim",
    mode: "kernel",
    doubles: serving(["CreateContainer"], (state, call) => {
      const response = serve(state, call);
      return response.reply.kind === "refuse" ? withState(response, withoutFirst) : response;
    }),
  },
  {
    breaks: "what fits is admitted: a second exclusive container is refused",
    mode: "runtime",
    doubles: serving(["CreateContainer"], (state, call) => {
      const response = serve(state, call);
      const count = response.state.ledger.assignments.values().filter(({ claim }) =>
        claim.kind === "exclusive"
      ).length;
      const reply = { kind: "refuse", reason: "unavailable", message: "there is one already" } as const;
      return count > 1 && response.reply !== NEUTRAL ? { ...response, state, reply } : response;
    }),
  },
  {
    breaks: "a class is kept off exclusive CPUs: it isn't written",
    mode: "fence",
    doubles: { port: withoutClass },
  },
  {
    breaks: "a class has left exclusive CPUs before the reply: it leaves them later",
    mode: "fence",
    doubles: serving(["CreateContainer"], narrowedLater),
  },
  {
    breaks: "a class that others have written is written again: it isn't noticed",
    mode: "fence",
    doubles: { port: takenForKnown },
  },
];

/** The port, on which the class is never read or written. */
function withoutClass(port: CpusetPort): CpusetPort {
  return {
    version: port.version,
    writable: true,
    read: (container) => port.read(container),
    population: (container) => port.population(container),
    write: (writes, ms) => port.write(writes.filter(({ container }) => !container.isGroup), ms),
  };
}

/** The class is narrowed by the next tick. */
function narrowedLater(state: AgentState, call: Call): Response {
  const { cpusets } = state;
  const before = state.ledger.assignments.get(CLASS);
  if (cpusets === undefined || before === undefined) return serve(state, call);
  const { mayRunOn } = before;
  return withState(serve({ ...state, cpusets: withoutClass(cpusets) }, call), (after) => ({
    ...after,
    cpusets,
    ledger: after.ledger.update(CLASS, (group) => ({ ...group, mayRunOn })),
  }));
}

/** What is read of the class is what is known already. */
function takenForKnown(tree: Tree): CpusetPort {
  const { version } = tree;
  return {
    version,
    writable: true,
    population: (container) => tree.population(container),
    write: (writes, ms) => tree.write(writes, ms),
    read(container) {
      const known = container.isGroup && tree.node.agent?.state.ledger.assignments.get(container.id);
      return known ? { kind: "values", cpus: known.mayRunOn } : tree.read(container);
    },
  };
}

function withoutUpdates(payload: Uint8Array): Uint8Array {
  const { adjust } = fromBinary(CreateContainerResponseSchema, payload);
  const alone = create(CreateContainerResponseSchema, adjust === undefined ? {} : { adjust });
  return toBinary(CreateContainerResponseSchema, alone);
}

function narrowed(state: AgentState): AgentState {
  const { ledger } = state;
  const next = ledger.failed.reduce(
    (next, { container: { id } }) =>
      next.update(id, (a) => failureOf(a) === undefined ? a : { ...a, mayRunOn: ledger.desired(a) }),
    ledger,
  );
  return next === ledger ? state : { ...state, ledger: next };
}

function withoutShared(call: Call): Call {
  if (call.kind !== "Synchronize") return call;
  const { pods, containers } = call.request;
  const left = containers.filter(({ linux }) => (linux?.resources?.cpu?.cpus ?? "") !== "");
  return { ...call, request: create(SynchronizeRequestSchema, { pods, containers: left }) };
}

function withoutFirst(state: AgentState): AgentState {
  const [id] = state.ledger.assignments.keys();
  return id === undefined ? state : { ...state, ledger: state.ledger.without(id) };
}
