/**
 * CFS bandwidth of cgroups: how much CPU time all that is in one may use in each period, before the kernel throttles it
 * until the next (Linux Documentation/scheduler/sched-bwc.rst; in v2 `cpu.max`, cgroup-v2.rst).
 */
import type { CpuQuota } from "../ledger/claim.ts";
import type { Errno } from "../platform/errno.ts";
import type { CgroupFiles } from "./partition.ts";
import type { QuotaResult } from "./port.ts";

/** In v1 the files of the `cpu` controller. */
const V1 = { quota: "cpu.cfs_quota_us", period: "cpu.cfs_period_us" };
const V2 = "cpu.max";
const STAT = "cpu.stat";
/** In v2 only (Linux Documentation/accounting/psi.rst), and not where the kernel was started with `psi=0`. */
const PRESSURE = "cpu.pressure";

/**
 * Gives the cgroup this limit, none where that is undefined; nothing is written where it has that. A cgroup that isn't
 * there is done.
 *
 * @param version of the hierarchy with the cpu controller
 */
export function setQuota(
  files: CgroupFiles,
  version: 1 | 2,
  path: string,
  limit: CpuQuota | undefined,
): QuotaResult {
  const had = quotaOf(files, version, path);
  if (had === "absent") return { kind: "done", isNew: false };
  if ("errno" in had) return failed(path, had);
  const { limit: before } = had;
  const beside = before === undefined ? {} : { before };
  if (isSame(before, limit)) return { kind: "done", isNew: false, ...beside };
  for (const [file, text] of textsOf(version, limit)) {
    const failure = files.write(path, file, `${text}\n`);
    if (failure !== undefined) return failed(path, failure);
  }
  const now = quotaOf(files, version, path);
  if (now === "absent") return { kind: "done", isNew: false };
  if ("errno" in now) return failed(path, now);
  return isSame(now.limit, limit) ? { kind: "done", isNew: true, ...beside } : {
    kind: "failed",
    reason: `another program has changed the CFS quota of ${path} right after the write`,
  };
}

/** In how many periods the cgroup was throttled since it was made; undefined where that isn't known. */
export function throttledIn(files: CgroupFiles, path: string): number | undefined {
  const read = files.read(path, STAT);
  const [, count] = read.kind === "text" ? /^nr_throttled (\d{1,15})$/m.exec(read.text) ?? [] : [];
  return count === undefined ? undefined : Number(count);
}

/**
 * For how long a task of the cgroup that could run has had no CPU since it was made, in microseconds; undefined where that
 * isn't known.
 */
export function pressureIn(files: CgroupFiles, path: string): number | undefined {
  const read = files.read(path, PRESSURE);
  const [, total] = read.kind === "text" ? /^some .*total=(\d{1,15})$/m.exec(read.text) ?? [] : [];
  return total === undefined ? undefined : Number(total);
}

function quotaOf(
  files: CgroupFiles,
  version: 1 | 2,
  path: string,
): { readonly limit: CpuQuota | undefined } | "absent" | Errno {
  const reads = (version === 1 ? [V1.quota, V1.period] : [V2]).map((file) => files.read(path, file));
  const failure = reads.find((read) => read.kind === "errno");
  if (failure !== undefined) return GONE.has(failure.errno) ? "absent" : failure;
  const [quota = "", period = ""] = reads.flatMap((read) =>
    read.kind === "text" ? read.text.split(/\s+/) : []
  );
  const limit = { quota: Number(quota), period: Number(period) };
  return { limit: limit.quota > 0 && limit.period > 0 ? limit : undefined };
}

const GONE: ReadonlySet<Errno["errno"]> = new Set(["ENOENT", "ENODEV"] as const);

function textsOf(
  version: 1 | 2,
  limit: CpuQuota | undefined,
): readonly (readonly [file: string, text: string])[] {
  if (version === 2) return [[V2, limit === undefined ? "max" : `${limit.quota} ${limit.period}`]];
  const quota = [V1.quota, `${limit?.quota ?? -1}`] as const;
  return limit === undefined ? [quota] : [[V1.period, `${limit.period}`], quota];
}

function isSame(a: CpuQuota | undefined, b: CpuQuota | undefined): boolean {
  return a?.quota === b?.quota && a?.period === b?.period;
}

function failed(path: string, { errno, text }: Errno): QuotaResult {
  return { kind: "failed", reason: `the CFS quota of ${path} can't be changed: ${text} (${errno})` };
}
