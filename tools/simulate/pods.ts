/** What pods ask for, as values that a list of events can hold. */

/** CPU and memory figures as kubelet sends them; the CPU list as runtime and agent write it. */
export interface Resources {
  readonly shares?: number;
  readonly quota?: number;
  readonly period?: number;
  readonly memory?: number;
  readonly cpus?: string;
  readonly mems?: string;
}

export interface ContainerSpec {
  readonly name: string;
  readonly resources: Resources;
}

export type Qos = "guaranteed" | "burstable" | "besteffort";

export interface PodSpec {
  readonly namespace: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly qos: Qos;
  readonly containers: readonly ContainerSpec[];
  /** Of the pod as a whole, in CPUs, as with resources of the pod's own; absent: it isn't reported. */
  readonly limit?: number;
  /** Its RuntimeClass' handler, which has no process in the containers' own cgroups; absent: the node's default runtime. */
  readonly handler?: "gvisor" | "unknown";
}

/** The record after an update: what isn't given, or is zero or empty, stays as it is. */
export function merged(record: Resources, update: Resources): Resources {
  const given = Object.entries(update).filter(([, value]) =>
    value !== undefined && value !== 0 && value !== ""
  );
  return given.length === 0 ? record : { ...record, ...Object.fromEntries(given) };
}

/** The figures of a request, and a limit that equals it where `limited`; in thousandths of a CPU. */
export function figures(milliCpu: number, limited: boolean): Resources {
  const shares = Math.min(262_144, Math.max(2, Math.floor(milliCpu * 1024 / 1000)));
  const base = { shares, period: 100_000 };
  return limited && milliCpu > 0 ? { ...base, quota: milliCpu * 100, memory: 2 ** 20 } : base;
}
