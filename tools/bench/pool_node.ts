// A real containerd with many cheap shared containers, and one more that changes their pool again and again.

import assert from "node:assert/strict";
import { NamespaceMode } from "../../src/cri/gen/cri_pb.ts";
import { IMAGE, type StartOptions } from "../../tests/system/node/containerd.ts";
import { eventually } from "../../tests/system/node/eventually.ts";
import { allowedCpus, online } from "../../tests/system/node/machine.ts";
import { TestNode } from "../../tests/system/node/node.ts";
import { cgroupParent, exclusive, type Pod, resources, shared } from "../../tests/system/node/pods.ts";
import type { Install } from "../../tests/system/node/requirements.ts";
import { cgroupOf } from "../../tests/system/node/sweep.ts";

/** What places the containers of a node: nothing, or the agent with this value of `apply`. */
export type Way = "no agent" | "kernel-first" | "runtime";

/** What an exclusive pod takes that comes and goes, in ms. */
export interface Took {
  /** CreateContainer alone. */
  readonly create: number;
  /** CreateContainer and StartContainer. */
  readonly both: number;
  /** RunPodSandbox and these: from the request to the running pod. */
  readonly pod: number;
  /** From the answer of StopPodSandbox until all shared containers have its CPUs; 20 ms more at most. */
  readonly growth: number;
}

/** A pod that containers are made in. */
interface Sandbox {
  readonly id: string;
  readonly config: ReturnType<typeof sandboxConfig>;
  readonly pod: Pod;
}

const ALL = online();
/** What the exclusive container is given; all others lose it. */
const WANTED = ALL.slice(-1);
/** By the runtime 400 containers take half a minute each time, and more where some of its calls take too long. */
const GROWTH = { patienceMs: 5 * 60_000 };
/** Creations that are asked for at a time. */
const AT_ONCE = 4;
const HOST_NETWORK = { namespaceOptions: { network: NamespaceMode.NODE } };

/** Its containers have one process each, and share a few pods, so that a hundred of them cost next to nothing. */
export class PoolNode implements AsyncDisposable {
  readonly #node: TestNode;
  readonly #many: Sandbox;
  /** Of each shared container: its process. */
  readonly #pids: number[] = [];
  readonly #logs: string | undefined;
  #way: Way = "no agent";
  #ended = 0;
  #made = 0;

  private constructor(node: TestNode, many: Sandbox, logs: string | undefined) {
    this.#node = node;
    this.#many = many;
    this.#logs = logs;
  }

  /**
   * Starts containerd.
   *
   * @param logs where agents' logs are kept, by which they are counted
   */
  static async start(install: Install, options: StartOptions = {}, logs?: string): Promise<PoolNode> {
    const node = TestNode.bare(install);
    try {
      await node.startContainerd(options);
      return new PoolNode(node, await run(node, "many", shared()), logs);
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Adds shared containers, some at once, until `count` of them run. */
  async fill(count: number): Promise<void> {
    let missing = count - this.#pids.length;
    const one = async () => {
      while (missing-- > 0) {
        const containerId = await this.#create(this.#many);
        await this.#node.cri.startContainer({ containerId });
        this.#pids.push(await this.#node.pid(containerId));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  }

  /**
   * From now on its containers are placed in this way: by another agent, which has started a pod when this comes back, or by
   * none.
   */
  async turnTo(way: Way): Promise<void> {
    if (way === this.#way) return;
    this.#way = way;
    await this.#endAgents();
    if (way !== "no agent") await this.#node.startAgent({ args: ["--apply", way, "--log-level", "info"] });
    await this.#remove(await this.#sharedPod());
  }

  /** Runs an exclusive pod; all is as before again when this comes back. */
  async follow(): Promise<Took> {
    const asked = performance.now();
    const pod = await this.#exclusivePod();
    const began = performance.now();
    const id = await this.#create(pod);
    const create = performance.now() - began;
    await this.#node.cri.startContainer({ containerId: id });
    const [both, whole] = [performance.now() - began, performance.now() - asked];
    this.#assertRoom(this.#way === "no agent" ? ALL : ALL.filter((cpu) => !WANTED.includes(cpu)));
    return { create, both, pod: whole, growth: await this.#end(pod) };
  }

  /** How long an unrelated pod takes until it runs that is asked for `after` ms after the exclusive container, in ms. */
  async beside(after: number): Promise<number> {
    const pod = await this.#exclusivePod();
    const unrelated = async () => {
      await new Promise((resolve) => setTimeout(resolve, after));
      const began = performance.now();
      const other = await this.#sharedPod();
      return { other, took: performance.now() - began };
    };
    const [, { other, took }] = await Promise.all([this.#create(pod), unrelated()]);
    // What was never started stays in the runtime's list, and so its claim, until it is removed.
    for (const each of [other, pod]) await this.#remove(each);
    await eventually(() => this.#assertRoom(ALL), GROWTH);
    return took;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node[Symbol.asyncDispose]();
  }

  /** Ends the agent and containerd; what else there is ends with the machine. */
  async close(): Promise<void> {
    await this.#endAgents();
    await this.#node.killContainerd();
  }

  async #endAgents(): Promise<void> {
    for (const agent of this.#node.agents.splice(0)) {
      await agent.end("SIGTERM");
      if (this.#logs === undefined) continue;
      Deno.writeTextFileSync(`${this.#logs}/agent-${++this.#ended}.log`, agent.lines.join("\n"));
    }
  }

  async #create({ id, config, pod }: Sandbox): Promise<string> {
    const { containerId } = await this.#node.cri.createContainer({
      podSandboxId: id,
      sandboxConfig: config,
      config: {
        metadata: { name: `c${++this.#made}` },
        image: { image: IMAGE },
        command: ["/bin/sleep", "86400"],
        linux: { resources: resources(pod), securityContext: HOST_NETWORK },
      },
    });
    return containerId;
  }

  /** A pod of its own for each claim: an ended container's CPUs stay its pod's until that ends. */
  async #exclusivePod(): Promise<Sandbox> {
    return await run(this.#node, `exclusive${++this.#made}`, exclusive(WANTED.length));
  }

  /** One more pod, whose container runs. */
  async #sharedPod(): Promise<Sandbox> {
    const pod = await run(this.#node, `other${++this.#made}`, shared());
    await this.#node.cri.startContainer({ containerId: await this.#create(pod) });
    return pod;
  }

  async #remove({ id: podSandboxId }: Sandbox): Promise<void> {
    await this.#node.cri.stopPodSandbox({ podSandboxId });
    await this.#node.cri.removePodSandbox({ podSandboxId });
  }

  async #end({ id: podSandboxId }: Sandbox): Promise<number> {
    await this.#node.cri.stopPodSandbox({ podSandboxId });
    const began = performance.now();
    await eventually(() => this.#assertRoom(ALL), GROWTH);
    const growth = performance.now() - began;
    await this.#node.cri.removePodSandbox({ podSandboxId });
    return growth;
  }

  /** Every shared container may run on exactly these CPUs. */
  #assertRoom(cpus: readonly number[]): void {
    for (const pid of this.#pids) assert.deepEqual(allowedCpus(pid), cpus, `shared containers, ${this.#way}`);
  }
}

async function run(node: TestNode, name: string, pod: Pod): Promise<Sandbox> {
  const config = sandboxConfig(node, name, pod);
  const { podSandboxId } = await node.cri.runPodSandbox({ config });
  return { id: podSandboxId, config, pod };
}

function sandboxConfig({ dir }: TestNode, name: string, pod: Pod) {
  const uid = `${cgroupOf(dir).slice(1)}-${name}`;
  return {
    metadata: { name, namespace: "default", uid },
    annotations: { ...pod.annotations },
    linux: {
      cgroupParent: cgroupParent(cgroupOf(dir), pod, uid),
      resources: resources(pod),
      securityContext: HOST_NETWORK,
    },
  };
}
