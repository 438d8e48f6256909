/** Lists what runs on the node by the CRI, in the messages of NRI's Synchronize. */
import type { Listing } from "../agent/early.ts";
import { type CriClient, CriError } from "./client.ts";
import { nriContainer, nriPod } from "./to_nri.ts";
import { ContainerState } from "./gen/cri_pb.ts";
import { inParallel } from "../platform/in_parallel.ts";

/** Calls at a time: enough to hide the runtime's latency, few enough to leave it room for kubelet's calls. */
const PARALLEL_CALLS = 8;

/** The ids of the containers that run or may run. */
export async function runningIds(client: CriClient): Promise<ReadonlySet<string>> {
  const { containers } = await client.call("listContainers", {});
  return new Set(containers.filter(mayRun).map(({ id }) => id));
}

/**
 * Lists the containers that run or may run, and their pods: one call for the list, one for each container and pod.
 * What ends meanwhile is left out.
 * @throws {CriError} when any other call fails: without its CPUs, a container would be taken for a shared one
 */
export async function listing(client: CriClient): Promise<Listing> {
  const { containers: listed } = await client.call("listContainers", {});
  const containers = await inParallel(listed.filter(mayRun), PARALLEL_CALLS, async ({ id, podSandboxId }) => {
    const answer = await unlessNotFound(client.call("containerStatus", { containerId: id, verbose: true }));
    return answer?.status && mayRun(answer.status)
      ? nriContainer(podSandboxId, answer.status, answer.info)
      : undefined;
  });
  const podIds = [...new Set(containers.map(({ podSandboxId }) => podSandboxId))];
  const pods = await inParallel(podIds, PARALLEL_CALLS, async (podSandboxId) => {
    const answer = await unlessNotFound(client.call("podSandboxStatus", { podSandboxId, verbose: true }));
    return answer?.status && nriPod(answer.status, answer.info);
  });
  return { pods, containers };
}

/** In state UNKNOWN it may run: containerd reports that for a container it lost track of. */
function mayRun({ state }: { state: ContainerState }): boolean {
  return state !== ContainerState.CONTAINER_EXITED;
}

async function unlessNotFound<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof CriError && error.notFound) return undefined;
    throw error;
  }
}
