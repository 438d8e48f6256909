/**
 * Kubernetes manifests → the pods that one node would run of them. Only what a container runtime gets to see is
 * read; everything else in a manifest is left alone.
 */
import { parseAllDocuments } from "yaml";
import { milliValue, QuantityError, wholeValue } from "./quantity.ts";
import type { Amounts, Demands, PodDemands } from "./resources.ts";

/** The manifest can't be run; the message says where and what would be right. */
export class ManifestError extends Error {
  override name = "ManifestError";
}

/** One container of a pod; a `sidecar` is an init container with `restartPolicy: Always`. */
export interface ContainerSpec extends Demands {
  name: string;
  role: "init" | "sidecar" | "main";
}

/** One pod, in the order in which kubelet starts its containers. Its uid is given to it when it runs. */
export interface PodSpec {
  name: string;
  namespace: string;
  annotations: Record<string, string>;
  containers: ContainerSpec[];
  /** `spec.resources`, where the manifest has it. */
  podLevel?: Demands;
}

type Mapping = Record<string, unknown>;

const MAX_REPLICAS = 10_000;

/** An object of a manifest, and the pods that one node would run of it; undefined: it is of a kind that runs none. */
export interface Workload {
  /** `Deployment web`. */
  readonly name: string;
  readonly pods?: readonly PodSpec[];
}

/**
 * The pods of a YAML text of one or more documents: a Pod is itself, a StatefulSet gives its replicas (named with an
 * ordinal from 0), so do a Deployment, a ReplicaSet, a ReplicationController and a Job (from 1), a DaemonSet and a CronJob
 * give one, a List what is in it.
 * @throws {ManifestError}
 */
export function readManifests(text: string): PodSpec[] {
  return readWorkloads(text).flatMap(({ name, pods }) => {
    if (pods !== undefined) return pods;
    const kinds = [...WORKLOADS.keys()].join(", ");
    throw new ManifestError(`${name} can't be run on a node; write a Pod, ${kinds}`);
  });
}

/**
 * The same, with the objects that run no pods.
 * @throws {ManifestError}
 */
export function readWorkloads(text: string): Workload[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new ManifestError(`the manifest is not valid YAML: ${error.message.split(":\n")[0]}`);
    const object: unknown = document.toJS();
    return object === null ? [] : workloadsOf(mapping(object, "a manifest"));
  });
}

/** What the pod's resources depend on. */
export function demandsOf(pod: PodSpec): PodDemands {
  return {
    containers: pod.containers.filter((each) => each.role === "main"),
    initContainers: pod.containers
      .filter((each) => each.role !== "main")
      .map((each) => ({ ...each, restarts: each.role === "sidecar" })),
    ...(pod.podLevel ? { podLevel: pod.podLevel } : {}),
  };
}

/** How many pods one node runs of an object of that kind, and from which ordinal their names count. */
interface Running {
  readonly first: number;
  /** The key of the spec that has their number; absent: one. */
  readonly count?: "replicas" | "parallelism";
}

const WORKLOADS: ReadonlyMap<string, Running> = new Map([
  ["Deployment", { first: 1, count: "replicas" }],
  ["StatefulSet", { first: 0, count: "replicas" }],
  ["DaemonSet", { first: 1 }],
  ["ReplicaSet", { first: 1, count: "replicas" }],
  ["ReplicationController", { first: 1, count: "replicas" }],
  ["Job", { first: 1, count: "parallelism" }],
  ["CronJob", { first: 1 }],
]);

function workloadsOf(object: Mapping): Workload[] {
  const kind = text(object.kind, "kind");
  if (Array.isArray(object.items)) {
    return object.items.flatMap((item) => workloadsOf(mapping(item, `an item of a ${kind}`)));
  }
  const metadata = mapping(object.metadata, `the metadata of a ${kind}`);
  const name = text(metadata.name ?? prefixIn(metadata.generateName), `metadata.name of a ${kind}`);
  const where = `${kind} ${name}`;
  const running = WORKLOADS.get(kind);
  if (kind !== "Pod" && running === undefined) return [{ name: where }];
  const namespace = metadata.namespace === undefined
    ? "default"
    : text(metadata.namespace, `namespace of ${where}`);
  const spec = mapping(object.spec, `the spec of ${where}`);
  const pods = running === undefined
    ? [podOf(name, namespace, metadata, spec, where)]
    : replicasOf({ name, namespace, where, spec: kind === "CronJob" ? jobOf(spec, where) : spec }, running);
  return [{ name: where, pods }];
}

/** What the API server makes a name from: `render-` for `render-x7k2p`. */
function prefixIn(generateName: unknown): unknown {
  return typeof generateName === "string" ? generateName.replace(/-$/, "") : generateName;
}

function jobOf(spec: Mapping, where: string): Mapping {
  const template = mapping(spec.jobTemplate, `spec.jobTemplate of ${where}`);
  return mapping(template.spec, `spec.jobTemplate.spec of ${where}`);
}

interface Template {
  readonly name: string;
  readonly namespace: string;
  readonly where: string;
  readonly spec: Mapping;
}

function replicasOf({ name, namespace, where, spec }: Template, { first, count }: Running): PodSpec[] {
  const template = mapping(spec.template, `spec.template of ${where}`);
  const metadata = mapping(template.metadata ?? {}, `the template of ${where}`);
  const number = count === undefined ? 1 : replicas(spec[count], `${count} of ${where}`);
  return Array.from(
    { length: number },
    (_, ordinal) => podOf(`${name}-${first + ordinal}`, namespace, metadata, template.spec, where),
  );
}

function replicas(given: unknown, what: string): number {
  const count = given ?? 1;
  if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > MAX_REPLICAS) {
    throw new ManifestError(`${what} must be a whole number from 0 to ${MAX_REPLICAS}`);
  }
  return count;
}

function podOf(name: string, namespace: string, metadata: Mapping, given: unknown, where: string): PodSpec {
  const spec = mapping(given, `the pod spec of ${where}`);
  const containers = [
    ...list(spec.initContainers ?? [], `initContainers of ${where}`).map((each) =>
      initContainer(each, where)
    ),
    ...list(spec.containers, `containers of ${where}`).map((each) => containerOf(each, "main", where)),
  ];
  const names = new Set(containers.map((each) => each.name));
  if (names.size < containers.length) {
    throw new ManifestError(`two containers of ${where} have the same name`);
  }
  return {
    name,
    namespace,
    annotations: texts(metadata.annotations, `annotations of ${where}`),
    containers,
    ...(spec.resources === undefined ? {} : { podLevel: demands(spec.resources, where) }),
  };
}

function initContainer(given: unknown, where: string): ContainerSpec {
  const { restartPolicy } = mapping(given, `an init container of ${where}`);
  return containerOf(given, restartPolicy === "Always" ? "sidecar" : "init", where);
}

function containerOf(given: unknown, role: ContainerSpec["role"], where: string): ContainerSpec {
  const container = mapping(given, `a container of ${where}`);
  const name = text(container.name, `the name of a container of ${where}`);
  return { name, role, ...demands(container.resources ?? {}, `container ${name} of ${where}`) };
}

/** Requests default to the limits, as the API server writes them into the pod. */
function demands(given: unknown, where: string): Demands {
  const resources = mapping(given, `resources of ${where}`);
  const limits = amounts(resources.limits, `limits of ${where}`);
  return { requests: { ...limits, ...amounts(resources.requests, `requests of ${where}`) }, limits };
}

function amounts(given: unknown, where: string): Amounts {
  const { cpu, memory } = mapping(given ?? {}, where);
  try {
    return {
      ...(cpu === undefined ? {} : { cpu: milliValue(quantity(cpu)) }),
      ...(memory === undefined ? {} : { memory: wholeValue(quantity(memory)) }),
    };
  } catch (error) {
    if (error instanceof QuantityError) {
      throw new ManifestError(`${where}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

function quantity(value: unknown): string | number {
  return typeof value === "string" || typeof value === "number" ? value : JSON.stringify(value);
}

function mapping(value: unknown, what: string): Mapping {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Mapping;
  throw new ManifestError(`${what} must be a mapping of keys to values`);
}

function list(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new ManifestError(`${what} must be a list`);
}

function text(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new ManifestError(`${what} must be a text`);
}

function texts(given: unknown, where: string): Record<string, string> {
  const entries = Object.entries(mapping(given ?? {}, where));
  const odd = entries.find(([, value]) => typeof value !== "string");
  if (odd) throw new ManifestError(`${where}: the value of ${odd[0]} must be a text; put it in quotes`);
  return Object.fromEntries(entries) as Record<string, string>;
}
