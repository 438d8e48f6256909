import { type CpuManager, unknown } from "./cpu_manager.ts";
import { cpuManagerStateReader } from "./cpu_manager_state.ts";
import { versionOf } from "../platform/file_version.ts";
import { printable } from "../platform/printable.ts";
import { unreachable } from "../platform/unreachable.ts";

/** Below kubelet's root directory (kubernetes, pkg/kubelet/kubelet_getters.go and apis/podresources/constants.go). */
const SOCKET = "pod-resources/kubelet.sock";

/**
 * A reader of what kubelet's CPU manager does, to be called repeatedly. Its state file is the cheaper source, and
 * exists whether kubelet runs or not; where it can't be read (a pod has the socket mounted, hardly the file), the
 * PodResources API is called. Returns at once where no call is needed. Throws nothing.
 *
 * @param root kubelet's root directory
 */
export function kubeletIn(root: string): () => CpuManager | Promise<CpuManager> {
  const readState = cpuManagerStateReader(root);
  const socket = `${root}/${SOCKET}`;
  let final: { readonly socket: string; readonly answer: CpuManager } | undefined;
  return () => {
    const state = readState();
    if (state.kind === "known") return state;
    const version = versionAt(socket);
    // The policy none holds until kubelet ends, and its next run creates a new socket.
    if (final !== undefined && final.socket === version) return final.answer;
    return ask(socket, state.reason).then((answer) => {
      const isFinal = version !== undefined && answer.kind === "known" && answer.policy === "none";
      final = isFinal ? { socket: version, answer } : undefined;
      return answer;
    });
  };
}

async function ask(socket: string, stateReason: string): Promise<CpuManager> {
  const problem = await unreachable(socket);
  if (problem !== undefined) return unknown(`${stateReason}, and ${socket}: ${printable(problem)}`);
  const { askPodResources } = await import("./pod_resources.ts");
  const answer = await askPodResources(socket);
  return answer.kind === "known" ? answer : unknown(`${stateReason}, and ${answer.reason}`);
}

function versionAt(path: string): string | undefined {
  try {
    return versionOf(Deno.statSync(path));
  } catch {
    return undefined;
  }
}
