/**
 * Whose set a group's cgroup has: the agent marks those that it narrows, with an extended attribute on the cgroup's
 * directory. It goes with the cgroup, so it says the truth after any restart, and after a reboot there is none.
 *
 * Extended attributes `user.*` of a cgroup need no capability, from Linux 5.7 on (kernfs).
 */
import { attempt } from "../platform/errno.ts";
import { cString, libc } from "../platform/libc.ts";
import { isHostGroup } from "./paths.ts";

const NAME = cString("user.weka-cpuset");
const VALUE = new Uint8Array([49]);
const buffer = new Uint8Array(8);
const ENODATA = "61";

/** `ours`: the agent, this one or one before, has narrowed it; `none`: it hasn't; `unknown`: the kernel can't say. */
export function markOf(directory: string): "ours" | "none" | "unknown" {
  const path = cString(directory);
  const read = attempt(() => libc().lgetxattr(path, NAME, buffer, BigInt(buffer.length)));
  if (read.kind === "done") return "ours";
  return read.errno === ENODATA ? "none" : "unknown";
}

/** Where the kernel has no such attributes that is no failure: then nothing is known of whose a set is. */
export function mark(directory: string): void {
  libc().lsetxattr(cString(directory), NAME, VALUE, BigInt(VALUE.length), 0);
}

export function unmark(directory: string): void {
  libc().lremovexattr(cString(directory), NAME);
}

/** Whether the agent has narrowed that group. Where the kernel can't say, a class is the agent's, and a slice of the host isn't. */
export function isOurs(root: string, path: string): boolean {
  const mark = markOf(`${root}${path}`);
  return mark === "ours" || (mark === "unknown" && !isHostGroup(path));
}
