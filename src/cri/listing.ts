/** Lists what runs on the node by the CRI, in the messages of NRI's Synchronize. */
import type { Listing, Living } from "../agent/early.ts";
import { type CriClient, CriError } from "./client.ts";
import { nriContainer, nriPod } from "./to_nri.ts";
import { ContainerState, PodSandboxState } from "./gen/cri_pb.ts";
import { inParallel } from "../platform/in_parallel.ts";

/** Calls at a time: enough to hide the runtime's latency, few enough to leave it room for kubelet's calls. */
const PARALLEL_CALLS = 8;

/** The ids of the containers that run or may run, and of the sandboxes that are ready. */
export async function living(client: CriClient): Promise<Living> {
  const { containers } = await client.call("listContainers", {});
  const sandboxes = await readySandboxes(client);
  const alive = containers.filter(({ state, podSandboxId }) => mayRun(state, sandboxes.has(podSandboxId)));
  return { containers: new Set(alive.map(({ id }) => id)), sandboxes };
}

async function readySandboxes(client: CriClient): Promise<ReadonlySet<string>> {
  const { items } = await client.call("listPodSandbox", {});
  return new Set(items.filter(({ state }) => state === PodSandboxState.SANDBOX_READY).map(({ id }) => id));
}

/**
 * Lists the containers that run or may run, those that have stopped in sandboxes that are ready, and their pods: two calls
 * for the lists, one for each container and pod.
 * What ends meanwhile is left out.
 * @throws {CriError} when any other call fails: without its CPUs, a container would be taken for a shared one
 */
export async function listing(client: CriClient): Promise<Listing> {
  const { containers: listed } = await client.call("listContainers", {});
  const ready = await readySandboxes(client);
  const isListed = (state: ContainerState, isReady: boolean) => isReady || mayRun(state, isReady);
  const known = listed.filter(({ state, podSandboxId }) => isListed(state, ready.has(podSandboxId)));
  const containers = await inParallel(known, PARALLEL_CALLS, async ({ id, podSandboxId }) => {
    const answer = await unlessNotFound(client.call("containerStatus", { containerId: id, verbose: true }));
    return answer?.status && isListed(answer.status.state, ready.has(podSandboxId))
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

/**
 * Whether it runs, or may be started. In state UNKNOWN it may run: containerd reports that for a container it lost track of. One that
 * was created and not started can't be any more once its sandbox isn't ready.
 */
function mayRun(state: ContainerState, isReady: boolean): boolean {
  return state === ContainerState.CONTAINER_CREATED ? isReady : state !== ContainerState.CONTAINER_EXITED;
}

async function unlessNotFound<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof CriError && error.notFound) return undefined;
    throw error;
  }
}
