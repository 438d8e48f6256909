// Cgroups as kubelet and the runtime have them made by systemd.
import assert from "node:assert/strict";
import { findCgroup, findHierarchy } from "../../../../src/cgroup/hierarchy.ts";
import { cpusetDirectory } from "../../node/machine.ts";
import type { Running } from "../../node/node.ts";
import type { Scene } from "./scene.ts";

/** The container's cgroup is a scope of systemd's, in its pod's slice, and the agent's own code finds it there. */
export async function assertInScope({ node }: Scene, { id, pid }: Running): Promise<void> {
  const { info } = await node.cri.containerStatus({ containerId: id, verbose: true });
  const cgroupsPath: string = JSON.parse(info["info"] ?? "{}").runtimeSpec?.linux?.cgroupsPath ?? "";
  const slice = /^(\S+\.slice):cri-containerd:/.exec(cgroupsPath)?.[1];
  assert.equal(cgroupsPath, `${slice}:cri-containerd:${id}`, "slice:prefix:name");

  const scope = `cri-containerd-${id}.scope`;
  const directory = cpusetDirectory(pid);
  assert(directory.endsWith(`/${slice}/${scope}`), directory);
  const hierarchy = findHierarchy("/sys/fs/cgroup");
  assert(hierarchy.kind === "hierarchy", JSON.stringify(hierarchy));
  const path = await systemctl("show", "--value", "--property=ControlGroup", scope);
  assert.equal(directory, hierarchy.root + path);
  for (const hints of [{ path: cgroupsPath }, { parent: path.slice(0, path.lastIndexOf("/")) }]) {
    const found = findCgroup(hierarchy, { id, cgroup: { path: "", parent: "", pid: 0, ...hints } });
    assert.deepEqual(found.kind === "found" && found.path, path, JSON.stringify(hints));
  }
}

/** Asks systemd, and resolves with what it prints. */
export async function systemctl(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("systemctl", { args }).output();
  assert(success, `systemctl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}
