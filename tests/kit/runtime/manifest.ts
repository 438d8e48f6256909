// Kubernetes manifests → the pods that one node would run of them. Only what a container runtime gets to see is
// read; everything else in a manifest is left alone.

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
  labels: Record<string, string>;
  annotations: Record<string, string>;
  containers: ContainerSpec[];
  /** `spec.resources`, where the manifest has it. */
  podLevel?: Demands;
}

type Mapping = Record<string, unknown>;

const MAX_REPLICAS = 10_000;

/**
 * The pods of a YAML text of one or more documents: a Pod is itself, a Deployment and a StatefulSet give their
 * replicas (named with an ordinal, from 0 for the StatefulSet and from 1 for the Deployment), a DaemonSet gives
 * one. Throws a {@link ManifestError}.
 */
export function readManifests(text: string): PodSpec[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new ManifestError(`the manifest is not valid YAML: ${error.message}`);
    const object: unknown = document.toJS();
    return object === null ? [] : podsOf(mapping(object, "a manifest"));
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

function podsOf(object: Mapping): PodSpec[] {
  const kind = text(object.kind, "kind");
  const metadata = mapping(object.metadata, `the metadata of a ${kind}`);
  const name = text(metadata.name, `metadata.name of a ${kind}`);
  const where = `${kind} ${name}`;
  const namespace = metadata.namespace === undefined
    ? "default"
    : text(metadata.namespace, `namespace of ${where}`);
  const spec = mapping(object.spec, `the spec of ${where}`);
  if (kind === "Pod") return [podOf(name, namespace, metadata, spec, where)];
  const template = () => mapping(spec.template, `spec.template of ${where}`);
  const podNamed = (podName: string) =>
    podOf(
      podName,
      namespace,
      mapping(template().metadata ?? {}, `the template of ${where}`),
      template().spec,
      where,
    );
  switch (kind) {
    case "DaemonSet":
      return [podNamed(`${name}-1`)];
    case "Deployment":
      return ordinals(spec.replicas, where).map((ordinal) => podNamed(`${name}-${ordinal + 1}`));
    case "StatefulSet":
      return ordinals(spec.replicas, where).map((ordinal) => podNamed(`${name}-${ordinal}`));
    default:
      throw new ManifestError(
        `${where} can't be run on a node; write a Pod, Deployment, DaemonSet or StatefulSet`,
      );
  }
}

function ordinals(replicas: unknown, where: string): number[] {
  const count = replicas ?? 1;
  if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > MAX_REPLICAS) {
    throw new ManifestError(`replicas of ${where} must be a whole number from 0 to ${MAX_REPLICAS}`);
  }
  return Array.from({ length: count }, (_, ordinal) => ordinal);
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
    labels: texts(metadata.labels, `labels of ${where}`),
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
