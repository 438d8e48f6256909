import type { CriClient } from "./client.ts";
import type { Listing } from "./listing.ts";
import { unreachable } from "../platform/unreachable.ts";

export type { Listing };

/**
 * The runtime's own interface for kubelet (CRI), for what NRI doesn't tell: containerd 1.7.24 never sends a
 * Synchronize to a plugin that it started itself. What this needs is loaded at the first {@link Cri.connect}.
 *
 * To be closed as soon as its work is done, or failed: it doesn't outlive a restart of the runtime, and until then
 * each call leaves some 20 kB behind (in Deno 2.6's node:http2).
 */
export class Cri {
  private constructor(private readonly client: CriClient) {}

  /**
   * The runtime behind the first of `sockets` that answers, each within 2 s.
   * @throws {Error} one sentence that names each socket and what was wrong with it
   */
  static async connect(sockets: readonly string[]): Promise<Cri> {
    const problems: string[] = [];
    for (const socket of sockets) {
      const found = await connected(socket);
      if (typeof found !== "string") return new Cri(found);
      problems.push(`${socket}: ${found}`);
    }
    throw new Error(`no container runtime answers on its CRI socket (${problems.join("; ")})`);
  }

  /**
   * Every container that runs or may run (created, running, unknown), and their pods, with what claims are read
   * from: names, annotations, cgroup, CPU and memory figures, the CPUs in the record. A call takes 2 s at most.
   * @throws {Error} when a call fails: half a listing would let the CPUs of the other half be given away
   */
  async list(): Promise<Listing> {
    const { listing } = await import("./listing.ts");
    return await listing(this.client);
  }

  /** The ids of the containers that run or may run: one call, where {@link list} needs one for each. */
  async living(): Promise<ReadonlySet<string>> {
    const { livingIds } = await import("./listing.ts");
    return await livingIds(this.client);
  }

  /**
   * Sets the CPUs of a container, in the runtime's record and in the kernel, and nothing else. The runtime
   * asks its NRI plugins about it before it answers. After an error it may have happened or still happen.
   */
  async updateCpus(containerId: string, cpus: string): Promise<void> {
    await this.client.call("updateContainerResources", { containerId, linux: { cpusetCpus: cpus } });
  }

  /** Idempotent. */
  close(): void {
    this.client.close();
  }
}

/** A client that has had an answer, or why there is none. */
async function connected(socket: string): Promise<CriClient | string> {
  const problem = await unreachable(socket);
  if (problem !== undefined) return problem;
  const { openClient } = await import("./client.ts");
  const client = openClient(socket);
  try {
    await client.call("version", {});
    return client;
  } catch (error) {
    client.close();
    return (error as Error).message;
  }
}
