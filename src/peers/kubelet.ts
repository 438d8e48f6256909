import { type CpuManager, untold } from "./cpu_manager.ts";
import { cpuManagerStateReader } from "./cpu_manager_state.ts";
import { versionOf } from "../platform/file_version.ts";
import { printable } from "../platform/printable.ts";
import { unreachable } from "../platform/unreachable.ts";

/** Below kubelet's root directory (kubernetes, pkg/kubelet/kubelet_getters.go and apis/podresources/constants.go). */
const SOCKET = "pod-resources/kubelet.sock";

/**
 * A way to find out, again and again, what kubelet's CPU manager does. Its state file is the cheaper witness, and is
 * there whether kubelet runs or not; where it doesn't tell (a pod is given the socket, hardly the file), the
 * PodResources API is asked. Answers at once where nothing has to be asked. Throws nothing.
 *
 * @param root kubelet's root directory
 */
export function kubeletIn(root: string): () => CpuManager | Promise<CpuManager> {
  const readState = cpuManagerStateReader(root);
  const socket = `${root}/${SOCKET}`;
  let settled: { readonly socket: string; readonly answer: CpuManager } | undefined;
  return () => {
    const state = readState();
    if (state.kind === "told") return state;
    const version = versionAt(socket);
    // A kubelet that leaves CPUs alone does so to its end, and its next run makes the socket anew.
    if (settled !== undefined && settled.socket === version) return settled.answer;
    return ask(socket, state.why).then((answer) => {
      const isSettled = version !== undefined && answer.kind === "told" && answer.policy === "none";
      settled = isSettled ? { socket: version, answer } : undefined;
      return answer;
    });
  };
}

async function ask(socket: string, whyNotState: string): Promise<CpuManager> {
  const problem = await unreachable(socket);
  if (problem !== undefined) return untold(`${whyNotState}, and ${socket}: ${printable(problem)}`);
  const { askPodResources } = await import("./pod_resources.ts");
  const answer = await askPodResources(socket);
  return answer.kind === "told" ? answer : untold(`${whyNotState}, and ${answer.why}`);
}

function versionAt(path: string): string | undefined {
  try {
    return versionOf(Deno.statSync(path));
  } catch {
    return undefined;
  }
}
