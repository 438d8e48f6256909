import type { CriClient } from "./client.ts";
import type { Listing, Living } from "../agent/early.ts";
import { unreachable } from "../platform/unreachable.ts";

/**
 * A client of the runtime's interface for kubelet (CRI), for what NRI doesn't send: containerd 1.7.24 never sends a
 * Synchronize to a plugin that it started itself. What this needs is loaded at the first {@link Cri.connect}.
 *
 * To be closed as soon as its work is done, or failed: it doesn't outlive a restart of the runtime, and until then
 * each call leaves some 20 kB behind (in Deno 2.6's node:http2).
 */
export class Cri {
  private constructor(private readonly client: CriClient, readonly socket: string) {}

  /**
   * Connects to the first of `sockets` that answers, each within 2 s.
   * @throws {Error} one sentence that names each socket and what was wrong with it
   */
  static async connect(sockets: readonly string[]): Promise<Cri> {
    const problems: string[] = [];
    for (const socket of sockets) {
      try {
        return new Cri(await connectClient(socket), socket);
      } catch (error) {
        problems.push(`${socket}: ${(error as Error).message}`);
      }
    }
    throw new Error(`no container runtime answers on its CRI socket (${problems.join("; ")})`);
  }

  /**
   * Every container that runs or may run (created, running, unknown), those that have stopped in pods that live, and
   * their pods, with what claims are read
   * from: names, annotations, cgroup, CPU and memory figures, the CPUs in the record. A call takes 2 s at most.
   * @throws {Error} when a call fails: half a listing would let the CPUs of the other half be given away
   */
  async list(): Promise<Listing> {
    const { listing } = await import("./listing.ts");
    return await listing(this.client);
  }

  /** The ids of the containers that run or may run, and of the pods' sandboxes that are ready: two calls, where {@link list} needs one for each. */
  async living(): Promise<Living> {
    const { living } = await import("./listing.ts");
    return await living(this.client);
  }

  /**
   * Sets the CPUs of a container, in the runtime's record and in the kernel, and nothing else. The runtime
   * calls its NRI plugins with it before it answers. After an error it may have happened or still happen.
   */
  async updateCpus(containerId: string, cpus: string): Promise<void> {
    await this.client.call("updateContainerResources", { containerId, linux: { cpusetCpus: cpus } });
  }

  /**
   * What the runtime says of itself: its name, its version, and its CRI plugin's configuration as JSON, empty if it has none.
   * @throws {Error} when a call fails
   */
  async about(): Promise<{ readonly name: string; readonly version: string; readonly config: string }> {
    const { runtimeName: name, runtimeVersion: version } = await this.client.call("version", {});
    const { info } = await this.client.call("status", { verbose: true });
    return { name, version, config: info["config"] ?? "" };
  }

  /** Idempotent. */
  close(): void {
    this.client.close();
  }
}

/** A client whose first call has been answered. Throws why there is none. */
async function connectClient(socket: string): Promise<CriClient> {
  const problem = await unreachable(socket);
  if (problem !== undefined) throw new Error(problem);
  const { openClient } = await import("./client.ts");
  const client = openClient(socket);
  try {
    await client.call("version", {});
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}
