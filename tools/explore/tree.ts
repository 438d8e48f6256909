/** The cgroup tree as the agent's port sees it: one port for all nodes, which shows the node that is being played. */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { ContainerRef } from "../../src/ledger/claim.ts";
import type {
  CpusetPort,
  CpusetReading,
  CpusetWrite,
  CpusetWriteResult,
  Population,
} from "../../src/cgroup/port.ts";
import {
  type Box,
  boxOf,
  CLASS,
  effective,
  hasCgroup,
  isUnreadable,
  type Node,
  ofClass,
  withBox,
} from "./node.ts";

/** The container with that set, or undefined where the kernel refuses it. */
export function writtenTo({ mode, online }: Node, box: Box, cpus: CpuSet): Box | undefined {
  if (!box.held.isSubsetOf(cpus)) return undefined;
  if (mode === "kernel-v1" && !cpus.isSubsetOf(online)) return undefined;
  return { ...box, written: cpus };
}

export class Tree implements CpusetPort {
  readonly writable = true;

  constructor(public node: Node) {}

  get version(): 1 | 2 {
    return this.node.mode === "kernel-v1" ? 1 : 2;
  }

  read({ id, isGroup }: Pick<ContainerRef, "id" | "isGroup">): CpusetReading {
    if (isGroup) {
      return id === CLASS ? reading(this.node.class.written, ofClass(this.node)) : { kind: "absent" };
    }
    const box = boxOf(this.node, id);
    if (box === undefined || !hasCgroup(box)) return { kind: "absent" };
    if (isUnreadable(this.node, box)) return { kind: "unverified", reason: "it can't be read" };
    if (this.version === 1) return { kind: "values", cpus: box.written };
    return reading(box.written, effective(this.node, box));
  }

  population({ id }: Pick<ContainerRef, "id">): Population {
    const box = boxOf(this.node, id);
    if (box === undefined || !hasCgroup(box)) return "absent";
    return isUnreadable(this.node, box) ? "unreadable" : "populated";
  }

  write(writes: readonly CpusetWrite[], _deadlineMs: number): CpusetWriteResult {
    const before = this.node;
    const readings = writes.map(({ container }) => ({ id: container.id, reading: this.read(container) }));
    const hidden = readings.filter(({ reading }) => reading.kind === "unverified").map(({ id }) => id);
    // In cgroup v1 a set without CPUs can be written all the same.
    const containers = new Set(hidden.filter((id) => boxOf(before, id)?.isHidden));
    if (containers.size > 0) {
      return { kind: "unverified", containers, reason: "it can't be read", tookMs: 0 };
    }
    for (const { container: { id, isGroup }, cpus } of writes) {
      if (isGroup && id === CLASS) {
        this.node = { ...this.node, class: { ...this.node.class, written: cpus } };
        continue;
      }
      const box = boxOf(this.node, id);
      if (box === undefined || !hasCgroup(box)) continue;
      const after = writtenTo(this.node, box, cpus);
      if (after === undefined) {
        this.node = before;
        const reason = "the kernel refuses it";
        return { kind: "failed", container: id, code: "EBUSY", reason, notRolledBack: new Set(), tookMs: 0 };
      }
      const runs = effective(this.node, after);
      // What it names isn't in its class.
      if (this.version === 2 && !runs.isSubsetOf(cpus) && ofClass(this.node).size < this.node.online.size) {
        this.node = before;
        return { kind: "unverified", containers: new Set([id]), reason: `it runs on ${runs}`, tookMs: 0 };
      }
      this.node = withBox(this.node, id, () => after);
    }
    return { kind: "done", tookMs: 0 };
  }
}

function reading(written: CpuSet, effective: CpuSet): CpusetReading {
  if (!effective.isSubsetOf(written)) {
    const isVoid = written.isEmpty ? {} : { isVoid: true as const };
    return { kind: "values", cpus: effective, isInherited: true, ...isVoid };
  }
  return effective.equals(written)
    ? { kind: "values", cpus: written }
    : { kind: "values", cpus: written, effective };
}
