import { attempt } from "./errno.ts";
import { libc } from "./libc.ts";

const PRIO_PROCESS = 0;
/**
 * Nine times the CPU time of an ordinary process of the same cgroup, under contention. Not the lowest, which is for what
 * the machine can't do without.
 */
const NICE = -10;
const TASKS = "/proc/self/task";

/**
 * Asks the kernel for a better scheduling share than the neighbours': without a reply within 2 s the runtime drops the
 * plugin. Undefined where that is granted, otherwise why not: it needs CAP_SYS_NICE.
 */
export function raisePriority(): string | undefined {
  for (const thread of threads()) {
    const set = attempt(() => libc().setpriority(PRIO_PROCESS, thread, NICE));
    if (set.kind === "errno") return `setpriority(${NICE}): ${set.text}`;
  }
  return undefined;
}

/** On Linux each thread has a priority of its own; those that are started later inherit it. 0 is the calling one. */
function threads(): number[] {
  try {
    return [0, ...[...Deno.readDirSync(TASKS)].map(({ name }) => Number(name))];
  } catch {
    return [0];
  }
}
