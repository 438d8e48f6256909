import { CgroupError, type CgroupTree, type CpusetFiles } from "./cgroup_tree.ts";
import type { EventLog } from "./event_log.ts";
import type { Wanted } from "./merged_reply.ts";
import { type ContainerRecord, nameOf, type NodeState } from "./node_state.ts";
import { merged, type Resources } from "../../../src/manifests/resources.ts";

/** Applies updates to record and cgroup tree as containerd does, but for those that a start loses. */
export class Updates {
  readonly #state: NodeState;
  readonly #tree: CgroupTree;
  readonly #log: EventLog;

  constructor(state: NodeState, tree: CgroupTree, log: EventLog) {
    this.#state = state;
    this.#tree = tree;
    this.#log = log;
  }

  /** One after the other, in order. Unknown containers are passed over; a failure is in the log alone. */
  applyAll(wanted: readonly Wanted[]): void {
    for (const { id, resources } of wanted) {
      const container = this.#state.containers.get(id);
      if (container !== undefined) this.#apply(container, resources);
    }
  }

  /** After a failure the record is as before. */
  #apply(container: ContainerRecord, update: Resources): void {
    const about = { container: nameOf(container), id: container.id };
    const next = merged(container.resources, update);
    try {
      const lost = container.state === "starting";
      if (!lost && container.state === "running") {
        this.#tree.write(container.cgroup.directory, cpusetOf(next));
      }
      container.resources = next;
      const cpus = next.cpus === undefined ? {} : { cpus: next.cpus };
      this.#log.add(lost ? { kind: "update-lost", ...about } : { kind: "updated", ...about, ...cpus });
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error;
      this.#log.add({ kind: "update-failed", ...about, message: error.message });
    }
  }
}

/** What runc writes of a record: without a cpuset in it, the files are left alone. */
export function cpusetOf({ cpus, mems }: Resources): CpusetFiles {
  return { ...(cpus === undefined ? {} : { cpus }), ...(mems === undefined ? {} : { mems }) };
}
