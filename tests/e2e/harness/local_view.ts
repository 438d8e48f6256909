import type { NodeView } from "./check.ts";
import { NodeCgroups } from "./node_cgroups.ts";

/** A node of this machine. */
export function localView(name: string, isFenced: boolean): NodeView {
  const cgroups = new NodeCgroups(name);
  const { machine } = cgroups;
  return {
    name,
    ...machine,
    room: machine.cpus.length,
    isFenced,
    look: () => Promise.resolve(cgroups.look()),
    again: (seen) => Promise.resolve(cgroups.again(seen)),
    cpusetFile: (seen) => cgroups.cpusetFile(seen),
    classCpus: (each) => Promise.resolve(cgroups.classCpus(each)),
  };
}
