/** What runs on the node, asked of the CRI and told as NRI's Synchronize would have told it. */
import type { Container, PodSandbox } from "../nri/gen/nri_pb.ts";
import { type CriClient, CriError } from "./client.ts";
import { nriContainer, nriPod } from "./to_nri.ts";
import { ContainerState } from "./gen/cri_pb.ts";
import { inParallel } from "../platform/in_parallel.ts";

/** The containers that run or may run, and the pods that they are in. */
export interface Listing {
  readonly pods: readonly PodSandbox[];
  readonly containers: readonly Container[];
}

/** Enough to hide the runtime's latency, few enough to leave it room for kubelet's calls. */
const PARALLEL = 8;

/** The ids of the containers that run or may run. */
export async function livingIds(client: CriClient): Promise<ReadonlySet<string>> {
  const { containers } = await client.call("listContainers", {});
  return new Set(containers.filter(isLive).map(({ id }) => id));
}

/**
 * Asks for the list of containers, then for each container and each pod of one. What ends meanwhile is left out.
 * @throws {CriError} when any other call fails: without its CPUs, a container would be taken for a shared one
 */
export async function listing(client: CriClient): Promise<Listing> {
  const { containers: listed } = await client.call("listContainers", {});
  const containers = await inParallel(listed.filter(isLive), PARALLEL, async ({ id, podSandboxId }) => {
    const answer = await unlessGone(client.call("containerStatus", { containerId: id, verbose: true }));
    return answer?.status && isLive(answer.status)
      ? nriContainer(podSandboxId, answer.status, answer.info)
      : undefined;
  });
  const podIds = [...new Set(containers.map(({ podSandboxId }) => podSandboxId))];
  const pods = await inParallel(podIds, PARALLEL, async (podSandboxId) => {
    const answer = await unlessGone(client.call("podSandboxStatus", { podSandboxId, verbose: true }));
    return answer?.status && nriPod(answer.status, answer.info);
  });
  return { pods, containers };
}

/** In state UNKNOWN it may run: containerd says so of what it lost track of. */
function isLive({ state }: { state: ContainerState }): boolean {
  return state !== ContainerState.CONTAINER_EXITED;
}

async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof CriError && error.notFound) return undefined;
    throw error;
  }
}
