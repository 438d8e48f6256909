import { CgroupError, type CgroupTree, type CpusetFiles } from "./cgroup_tree.ts";
import type { EventLog } from "./event_log.ts";
import type { Faults } from "./faults.ts";
import type { Wanted } from "./merged_reply.ts";
import { type ContainerRecord, nameOf, type NodeState } from "./node_state.ts";
import { merged, type Resources } from "./resources.ts";

/** Applies updates to record and cgroup tree as containerd does, and lets the planned faults happen to them. */
export class Updates {
  readonly #state: NodeState;
  readonly #tree: CgroupTree;
  readonly #faults: Faults;
  readonly #log: EventLog;

  constructor(state: NodeState, tree: CgroupTree, faults: Faults, log: EventLog) {
    this.#state = state;
    this.#tree = tree;
    this.#faults = faults;
    this.#log = log;
  }

  /** One after the other, in order; how many failures count. Unknown containers count as success. */
  async applyAll(wanted: readonly Wanted[]): Promise<number> {
    let failures = 0;
    for (const { id, resources, ignoreFailure = false } of wanted) {
      const container = this.#state.containers.get(id);
      const failure = container && await this.apply(container, resources);
      if (failure && !ignoreFailure) failures++;
    }
    return failures;
  }

  /** Undefined, or what went wrong: then the record is as before. */
  async apply(container: ContainerRecord, update: Resources): Promise<CgroupError | undefined> {
    const about = { container: nameOf(container), id: container.id };
    const fault = this.#faults.nextUpdate();
    if (fault?.kind === "delay") await fault.until;
    const next = merged(container.resources, update);
    try {
      if (fault?.kind === "fail") {
        throw new CgroupError("EBUSY", fault.message ?? "a fault that was asked for");
      }
      const lost = fault?.kind === "lose" || container.state === "starting";
      if (!lost && container.state === "running") {
        this.#tree.write(container.cgroup.directory, cpusetOf(next));
      }
      container.resources = next;
      const cpus = next.cpus === undefined ? {} : { cpus: next.cpus };
      this.#log.add(lost ? { kind: "update-lost", ...about } : { kind: "updated", ...about, ...cpus });
      return undefined;
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error;
      this.#log.add({ kind: "update-failed", ...about, message: error.message });
      return error;
    }
  }
}

/** What runc writes of a record: without a cpuset in it, the files are left alone. */
export function cpusetOf({ cpus, mems }: Resources): CpusetFiles {
  return { ...(cpus === undefined ? {} : { cpus }), ...(mems === undefined ? {} : { mems }) };
}
