import { CriError } from "./cri.ts";
import { online } from "./machine.ts";
import type { Sandbox, TestNode } from "./node.ts";
import { exclusive, pinned, shared } from "./pods.ts";

/** Pods of every kind whose containers come all at once, again and again. */
export class Burst {
  private constructor(private readonly node: TestNode, private readonly pods: readonly Sandbox[]) {}

  /** Two want the last CPU, and one of them can't have it: whichever comes second. */
  static async prepare(node: TestNode): Promise<Burst> {
    const kinds = [shared(), exclusive(1), shared(), pinned(`${online().at(-1)}`)];
    return new Burst(node, await Promise.all(kinds.map((pod) => node.sandbox(pod))));
  }

  /**
   * Runs a container in each pod. That the runtime refuses some is fine, and that it doesn't live to answer; resolves
   * when nothing is under way any more.
   */
  async run(): Promise<void> {
    const results = await Promise.allSettled(this.pods.map((pod) => this.node.runIn(pod)));
    for (const result of results) {
      if (result.status === "fulfilled" || result.reason instanceof CriError) continue;
      if (this.node.isUp) throw result.reason;
    }
  }

  /** Ends and removes all containers of its pods that the runtime knows. */
  async end(): Promise<void> {
    const { containers } = await this.node.cri.listContainers({});
    const own = containers.filter(({ podSandboxId }) => this.pods.some(({ id }) => id === podSandboxId));
    await Promise.all(own.map(async ({ id: containerId }) => {
      await this.node.cri.stopContainer({ containerId, timeout: 5n });
      await this.node.cri.removeContainer({ containerId });
    }));
  }
}
