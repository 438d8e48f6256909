/**
 * Synchronize: the runtime tells which containers it has, possibly in several messages, and the
 * ledger is rebuilt from that alone.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import { assume, type Change, changes } from "../ledger/changes.ts";
import { type Claim, describe } from "../ledger/claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { release } from "../ledger/plan.ts";
import { type Found, recover } from "../ledger/recover.ts";
import { refuse } from "../ledger/refusal.ts";
import type { LogRecord } from "../log_record.ts";
import { ProtocolError } from "../wire/errors.ts";
import {
  type Container,
  ContainerState,
  type PodSandbox,
  PodSandboxSchema,
  type SynchronizeRequest,
  SynchronizeResponseSchema,
} from "./gen/nri_pb.ts";
import { type Listing, NOTHING_EARLY, withEarly } from "./early.ts";
import { advance } from "./lifecycle.ts";
import type { Node, Reply, Served } from "./node.ts";
import { readClaim, recordOf, refOf } from "./read_claim.ts";
import { updatesOf } from "./write_reply.ts";

/** More containers than any node has: kubelet's default is 110 pods, its largest tested is some hundreds. */
const MAX_CONTAINERS = 65536;

/** The answer of a Synchronize that changes nothing. */
export function neutralSynchronize(more: boolean): Reply {
  return {
    kind: "answer",
    payload: toBinary(SynchronizeResponseSchema, create(SynchronizeResponseSchema, { more })),
  };
}

/** A part that others will follow: kept, and answered with `more`. */
export function gather(node: Node, part: SynchronizeRequest): Served {
  const parts = [...node.parts, part];
  const containers = parts.reduce((sum, p) => sum + p.containers.length + p.pods.length, 0);
  if (containers > MAX_CONTAINERS || parts.length > MAX_CONTAINERS) {
    throw new ProtocolError("overflow", `Synchronize has more than ${MAX_CONTAINERS} pods and containers`);
  }
  return { node: { ...node, parts }, reply: neutralSynchronize(true), logs: [] };
}

/** The last part: the ledger is rebuilt, and what differs from it is corrected in the answer. */
export function synchronize(node: Node, last: SynchronizeRequest): Served {
  const parts = [...node.parts, last];
  const listing = {
    pods: parts.flatMap((part) => part.pods),
    containers: parts.flatMap((part) => part.containers),
  };
  const rebuilt = rebuild(node, listing);
  const sent = changes(rebuilt.ledger);
  const update = node.dryRun ? [] : updatesOf(sent);
  const payload = toBinary(SynchronizeResponseSchema, create(SynchronizeResponseSchema, { update }));
  return {
    node: known({ ...node, untold: new Set() }, assume(rebuilt.ledger, sent)),
    reply: { kind: "answer", payload },
    logs: [...rebuilt.logs, summary("synchronized", rebuilt.ledger, sent.length)],
  };
}

/** What came of a list that no call brought: there is no reply that could carry the corrections. */
export interface Adopted {
  readonly node: Node;
  /** What differs, in the order in which it is to be put right; it stays owed until it is. */
  readonly owed: readonly Change[];
  readonly logs: readonly LogRecord[];
}

/** The ledger is rebuilt from a list that the agent has fetched by itself. */
export function adoptListing(node: Node, listing: Listing): Adopted {
  const { ledger, logs } = rebuild(node, listing);
  const untold = new Set(ledger.assignments.keys());
  const said = summary("synchronized from the CRI", ledger, changes(ledger).length);
  return adopted({ ...node, untold }, ledger, [...logs, said]);
}

/**
 * The last resort, where nobody tells which containers run: `claims`, the CPUs that somebody seems to have for
 * itself, are treated as pinned, so that no new container is given them.
 */
export function adoptClaims(node: Node, claims: CpuSet): Adopted {
  const { ledger, logs } = rebuild(node, { pods: [], containers: [] });
  const container = {
    id: "unknown",
    name: "unknown",
    pod: "unknown",
    namespace: "unknown",
    podUid: "",
    sandboxId: "",
  };
  const holder = {
    container,
    claim: { kind: "pinned", cpus: claims },
    grant: claims,
    record: claims,
  } as const;
  const message = "degraded: the running containers are unknown, the CPUs that seem taken are left alone";
  const record: LogRecord = { level: "error", message, fields: { claims: claims.toString() } };
  return adopted(node, claims.isEmpty ? ledger : ledger.with(holder), [...logs, record]);
}

/** Of the containers whose ends may never be told, those that aren't among the living are released. */
export function forgetEnded(node: Node, living: ReadonlySet<string>): Adopted {
  const left = [...node.untold].filter((id) => node.ledger.assignments.has(id));
  const ended = left.filter((id) => !living.has(id));
  const ledger = ended.reduce((next, id) => release(next, id), node.ledger);
  const logs = ended.map((id): LogRecord => ({
    level: "info",
    message: "released, its end wasn't told",
    fields: { container: id },
  }));
  const untold = new Set(left.filter((id) => living.has(id)));
  return {
    node: { ...node, ledger, untold },
    owed: node.dryRun || ended.length === 0 ? [] : changes(ledger),
    logs,
  };
}

function adopted(node: Node, ledger: Ledger, logs: readonly LogRecord[]): Adopted {
  const phase = advance(node.phase, "listed") ?? node.phase;
  return { node: known({ ...node, phase }, ledger), owed: node.dryRun ? [] : changes(ledger), logs };
}

function known(node: Node, ledger: Ledger): Node {
  return { ...node, parts: [], early: NOTHING_EARLY, ledger };
}

function rebuild(node: Node, listing: Listing): { ledger: Ledger; logs: LogRecord[] } {
  const { found, logs } = findContainers(node.topology, withEarly(listing, node.early));
  const ledger = recover(node.topology, node.policy, found);
  return { ledger, logs: [...logs, ...degradedLogs(ledger)] };
}

type Finding = { found: Found[]; logs: LogRecord[] };

function findContainers(topology: Topology, listing: Listing): Finding {
  const pods = new Map(listing.pods.map((pod) => [pod.id, pod]));
  const all: Finding = { found: [], logs: [] };
  const unique = new Map(listing.containers.map((container) => [container.id, container]));
  for (const container of unique.values()) {
    if (container.state === ContainerState.CONTAINER_STOPPED) continue;
    const { found, logs } = findContainer(topology, pods.get(container.podSandboxId), container);
    all.found.push(...found);
    all.logs.push(...logs);
  }
  return all;
}

function findContainer(topology: Topology, pod: PodSandbox | undefined, container: Container): Finding {
  const ref = refOf(pod ?? create(PodSandboxSchema, { name: "unknown", namespace: "unknown" }), container);
  const record = recordOf(container);
  const base = {
    container: ref,
    createdAt: container.createdAt,
    starting: container.state === ContainerState.CONTAINER_CREATED,
    ...(record === undefined ? {} : { record }),
  };
  const read = pod === undefined
    ? refuse(ref, "unavailable", "the runtime didn't list its pod")
    : readClaim(pod, container);
  if (read.kind === "refusal") {
    // It runs already, so it can't be refused any more; it gets the pool until somebody mends its pod.
    const claim = { kind: "shared", forbidden: CpuSet.empty } as const;
    return { found: [{ ...base, claim, degraded: read.message }], logs: [] };
  }
  const logs = [...read.warnings, ...memoryWarnings(topology, read.claim, container)];
  return {
    found: [{ ...base, claim: read.claim }],
    logs: logs.map((message) => ({ level: "warn", message, fields: { pod: describe(ref) } })),
  };
}

/** Rewriting `cpuset.mems` of a live container would migrate its memory, so a wrong one is only reported. */
function memoryWarnings(topology: Topology, claim: Claim, container: Container): string[] {
  if (claim.kind !== "pinned") return [];
  const wanted = topology.memoryNodesOf(claim.cpus);
  const mems = container.linux?.resources?.cpu?.mems ?? "";
  const single = topology.nodes.length < 2;
  if (single || wanted.isEmpty || mems === wanted.toString()) return [];
  return [`memory nodes not set to ${wanted}, recreate the pod`];
}

function degradedLogs(ledger: Ledger): LogRecord[] {
  return [...ledger.assignments.values()].flatMap(({ container, degraded }) =>
    degraded === undefined ? [] : [{
      level: "warn",
      message: `degraded to the shared pool: ${degraded}`,
      fields: { pod: describe(container) },
    }]
  );
}

function summary(message: string, ledger: Ledger, updates: number): LogRecord {
  const kinds = { pinned: 0, exclusive: 0, shared: 0 };
  for (const { claim, grant } of ledger.assignments.values()) kinds[grant.isEmpty ? "shared" : claim.kind]++;
  const fields = { ...kinds, pool: ledger.sharedPool.toString(), updates };
  return { level: "info", message, fields };
}
