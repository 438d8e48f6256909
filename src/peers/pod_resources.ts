/**
 * kubelet's PodResources API. Loading this module loads grpc-js ({@link grpcClient}): it is imported when it is
 * needed, and not before.
 */
import { status } from "@grpc/grpc-js";
import { type CpuHolder, type CpuManager, cpusOf, known, unknown } from "./cpu_manager.ts";
import { type ListPodResourcesResponse, PodResourcesLister } from "./gen/podresources_pb.ts";
import { type GrpcClient, grpcClient } from "../platform/grpc_client.ts";
import { printable } from "../platform/printable.ts";

type Client = GrpcClient<typeof PodResourcesLister.method>;

class CallError extends Error {
  constructor(message: string, readonly code: number | undefined) {
    super(message);
  }
}

/** The codes of a kubelet that doesn't have the call, or has it switched off (before 1.23). */
const NOT_OFFERED: readonly unknown[] = [status.UNIMPLEMENTED, status.UNKNOWN];

/**
 * Asks the API on the socket at `path` what the CPU manager does. It doesn't name its policy; but with `none` there
 * are no CPUs that could be given exclusively (kubernetes, pkg/kubelet/cm/cpumanager/policy_none.go), and with
 * `static` there always are. Never rejects; takes 4 s at most. The connection is a new one each time: on Deno 2.6 an
 * old one may be broken without an error.
 */
export async function askPodResources(path: string): Promise<CpuManager> {
  const client: Client = grpcClient(
    path,
    PodResourcesLister.method,
    (message, code) => new CallError(message, code),
  );
  try {
    return await ask(client, path);
  } catch (error) {
    return unknown(`kubelet's ${path}: ${printable((error as Error).message)}`);
  } finally {
    client.close();
  }
}

async function ask(client: Client, path: string): Promise<CpuManager> {
  const allocatable = await countAllocatable(client);
  if (allocatable === 0) return known("none", path, []);
  const listing = client.call("list", {}).then(holdersIn);
  // That CPUs can be given is enough to know the policy, even if kubelet doesn't list the containers that have them.
  if (allocatable !== undefined) return known("static", path, await listing.catch(() => []));
  const manager = known("static", path, await listing);
  return manager.kind === "known" && manager.holders.length > 0
    ? manager
    : unknown(`kubelet's ${path} doesn't list which CPUs can be given exclusively, and no container has any`);
}

/** How many CPUs could be given exclusively; undefined where kubelet doesn't offer the call. */
async function countAllocatable(client: Client): Promise<number | undefined> {
  try {
    return (await client.call("getAllocatableResources", {})).cpuIds.length;
  } catch (error) {
    if (error instanceof CallError && NOT_OFFERED.includes(error.code)) return undefined;
    throw error;
  }
}

function* holdersIn({ podResources }: ListPodResourcesResponse): Generator<CpuHolder> {
  for (const { namespace, name, containers } of podResources) {
    for (const container of containers) {
      yield { name: `${namespace}/${name} container ${container.name}`, cpus: cpusOf(container.cpuIds) };
    }
  }
}
