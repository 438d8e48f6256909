import { type UsableCpus, usableCpus } from "../cgroup/usable_cpus.ts";
import { type Boot, rediscover } from "./boot.ts";
import type { Driver } from "./driver.ts";

/** Milliseconds between looks: two short files that the kernel makes up. Its event would need a netlink socket. */
const EVERY = 1000;

/** Tells the agent when CPUs go offline or come back, until the returned function is called. */
export function watchCpus(driver: Driver, boot: Boot): () => void {
  const { sysfsRoot, cgroupRoot } = boot.effective.config;
  let known = textOf(usableCpus(sysfsRoot, cgroupRoot));
  const timer = setInterval(() => {
    const cpus = usableCpus(sysfsRoot, cgroupRoot);
    if (cpus === undefined || textOf(cpus) === known) return;
    known = textOf(cpus);
    logUnusable(cpus, boot);
    const topology = rediscover(boot.effective.config, driver.agent.state.topology, boot);
    driver.feed({ kind: "ground", now: performance.now(), topology, struck: cpus.strikes });
  }, EVERY);
  return () => clearInterval(timer);
}

/** What can be done about them only somebody with the whole tree in view can do. */
function logUnusable({ unusable }: UsableCpus, { log }: Boot): void {
  if (unusable.isEmpty) return;
  const message =
    "CPUs are online that containers can't be given: cgroup v1 has struck them from kubepods; " +
    "write them into the cpuset.cpus of kubepods and of its parents, or restart the node";
  log.write({ level: "error", message, fields: { unusable: unusable.toString() } });
}

function textOf(cpus: UsableCpus | undefined): string {
  return `${cpus?.online} ${cpus?.unusable}`;
}
