/** How many CPUs a container or a pod may use, from the figures that kubelet derives from requests and limits. */
import { MAX_CPU_ID } from "../cpu/cpu_set.ts";
import type { LinuxCPU } from "./gen/nri_pb.ts";

/** kubelet's cap on CPU shares (pkg/kubelet/cm, MaxShares), which is the kernel's on cgroup v1. */
const MAX_SHARES = 262144n;
const SHARES_PER_CPU = 1024n;

/** More CPUs than this no kernel has; a request for more can never be served. */
export const MAX_CPUS = MAX_CPU_ID + 1;

/** The figures of NRI, where 0 and nothing at all both mean "not given". */
export interface Figures {
  readonly shares: bigint;
  /** Microseconds of CPU time in each period; negative: as many as it likes. */
  readonly quota: bigint;
  /** Microseconds. */
  readonly period: bigint;
}

export function figuresOf(cpu: LinuxCPU | undefined): Figures {
  return {
    shares: cpu?.shares?.value ?? 0n,
    quota: cpu?.quota?.value ?? 0n,
    period: cpu?.period?.value ?? 0n,
  };
}

/**
 * The number of CPUs (≥ 1, with no upper bound) where limit and request are the same whole number of CPUs.
 * `ambiguous`: the figures may stand for several numbers.
 */
export function wholeCpus(figures: Figures): bigint | "ambiguous" | undefined {
  const { shares, quota, period } = figures;
  if (quota > 0n) {
    const count = wholeQuota(figures);
    return count !== undefined && shares === cappedShares(count) ? count : undefined;
  }
  // kubelet gives a period without a quota to a container that has no limit.
  if (quota === 0n && period > 0n) return undefined;
  // CFS quota is switched off for this container or for the node, so that only the request shows. In a Guaranteed
  // pod, the only one that matters, that is the limit as well.
  if (shares >= MAX_SHARES) return "ambiguous";
  return shares >= SHARES_PER_CPU && shares % SHARES_PER_CPU === 0n ? shares / SHARES_PER_CPU : undefined;
}

/** The shares of a container whose request is the limit that its quota sets; undefined where that isn't whole. */
export function sharesOfLimit(figures: Figures): bigint | undefined {
  const count = figures.quota > 0n ? wholeQuota(figures) : undefined;
  return count === undefined ? undefined : cappedShares(count);
}

/** The most whole CPUs that `quota` allows; undefined where it sets no limit. */
export function wholeLimit({ quota, period }: Figures): number | undefined {
  if (quota <= 0n || period <= 0n) return undefined;
  const limit = quota / period;
  return limit > MAX_CPUS ? undefined : Number(limit);
}

/** Whether the limit is a whole number of CPUs, at least one. */
export function isWhole(figures: Figures): boolean {
  return figures.quota > 0n && wholeQuota(figures) !== undefined;
}

function wholeQuota({ quota, period }: Figures): bigint | undefined {
  return period > 0n && quota % period === 0n ? quota / period : undefined;
}

function cappedShares(count: bigint): bigint {
  const shares = count * SHARES_PER_CPU;
  return shares < MAX_SHARES ? shares : MAX_SHARES;
}
