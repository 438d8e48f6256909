import { type UsableCpus, usableCpus } from "../cgroup/usable_cpus.ts";
import type { Context } from "./context.ts";
import type { Driver } from "./driver.ts";
import { rediscover } from "./machine.ts";

/** Between two readings of two short files that the kernel makes up. Its event would need a netlink socket. */
const INTERVAL_MS = 1000;

/** Reports CPUs that go offline or come online to the agent, until closed. */
export function watchCpus(driver: Driver, context: Context): { close(): void } {
  const { sysfsRoot, cgroupRoot } = context.effective.config;
  let known = textOf(usableCpus(sysfsRoot, cgroupRoot));
  const timer = setInterval(() => {
    const cpus = usableCpus(sysfsRoot, cgroupRoot);
    if (cpus === undefined || textOf(cpus) === known) return;
    known = textOf(cpus);
    logUnusable(cpus, context);
    const topology = rediscover(context.effective.config, driver.agent.state.topology, context);
    driver.feed({ kind: "ground", now: performance.now(), topology, struck: cpus.removesOffline });
  }, INTERVAL_MS);
  return { close: () => clearInterval(timer) };
}

/** The agent doesn't repair this: others below the same parents may have been removed from those CPUs on purpose. */
function logUnusable({ unusable }: UsableCpus, { log }: Context): void {
  if (unusable.isEmpty) return;
  const reason =
    "cgroup v1 has removed them from kubepods; write them to the cpuset.cpus of kubepods and of its " +
    "parents, or restart the node";
  const fields = { cpus: unusable.toString(), reason };
  log.write({ level: "error", message: "online CPUs not available to containers", fields });
}

function textOf(cpus: UsableCpus | undefined): string {
  return `${cpus?.online} ${cpus?.unusable}`;
}
