// A real containerd with many cheap shared containers, and one more that changes their pool again and again.

import assert from "node:assert/strict";
import { NamespaceMode } from "../../src/cri/gen/cri_pb.ts";
import { IMAGE } from "../../tests/system/node/containerd.ts";
import { eventually } from "../../tests/system/node/eventually.ts";
import { cpusetDirectory, cpusetIn, online } from "../../tests/system/node/machine.ts";
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
const HOST_NETWORK = { namespaceOptions: { network: NamespaceMode.NODE } };

/** Its containers have one process each, and share a few pods, so that a hundred of them cost next to nothing. */
export class PoolNode implements AsyncDisposable {
  readonly #node: TestNode;
  /** Of each shared container's cgroup. */
  readonly #directories: string[] = [];
  #made = 0;

  private constructor(
    node: TestNode,
    readonly way: Way,
    readonly many: Sandbox,
  ) {
    this.#node = node;
  }

  /** Starts containerd, and the agent where there is one. */
  static async start(install: Install, way: Way): Promise<PoolNode> {
    const node = TestNode.bare(install);
    try {
      await node.startContainerd();
      if (way !== "no agent") await node.startAgent({ args: ["--apply", way, "--log-level", "info"] });
      return new PoolNode(node, way, await run(node, "many", shared()));
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Adds shared containers until `count` of them run. */
  async fill(count: number): Promise<void> {
    while (this.#directories.length < count) {
      const id = await this.#create(this.many);
      await this.#node.cri.startContainer({ containerId: id });
      this.#directories.push(cpusetDirectory(await this.#node.pid(id)));
    }
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
    this.#assertRoom(this.way === "no agent" ? ALL : ALL.filter((cpu) => !WANTED.includes(cpu)));
    return { create, both, pod: whole, growth: await this.#end(pod) };
  }

  /** How long an unrelated pod takes until it runs that is asked for `after` ms after the exclusive container, in ms. */
  async beside(after: number): Promise<number> {
    const pod = await this.#exclusivePod();
    const unrelated = async () => {
      await new Promise((resolve) => setTimeout(resolve, after));
      const began = performance.now();
      const other = await run(this.#node, `other${++this.#made}`, shared());
      await this.#node.cri.startContainer({ containerId: await this.#create(other) });
      return { other, took: performance.now() - began };
    };
    const [, { other, took }] = await Promise.all([this.#create(pod), unrelated()]);
    await this.#remove(other);
    await this.#end(pod);
    return took;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node[Symbol.asyncDispose]();
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

  async #remove({ id: podSandboxId }: Sandbox): Promise<void> {
    await this.#node.cri.stopPodSandbox({ podSandboxId });
    await this.#node.cri.removePodSandbox({ podSandboxId });
  }

  async #end({ id: podSandboxId }: Sandbox): Promise<number> {
    await this.#node.cri.stopPodSandbox({ podSandboxId });
    const began = performance.now();
    await eventually(() => this.#assertRoom(ALL));
    const growth = performance.now() - began;
    await this.#node.cri.removePodSandbox({ podSandboxId });
    return growth;
  }

  /** Every shared container may run on exactly these CPUs. */
  #assertRoom(cpus: readonly number[]): void {
    for (const directory of this.#directories) {
      assert.deepEqual(cpusetIn(directory).cpus, cpus, `shared containers, ${this.way}`);
    }
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
