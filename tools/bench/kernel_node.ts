// A node of real cgroups and made-up containers in them: what an agent's answer costs together with what the kernel does
// for it, without a runtime.

import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { online } from "../../tests/system/node/machine.ts";
import { ContainerRequestSchema, type ContainerUpdate } from "../../src/nri/gen/nri_pb.ts";
import type { CpusetHierarchy } from "../../src/cgroup/read.ts";
import { ScratchCgroups } from "../../tests/kit/scratch_cgroups.ts";
import { AgentChild } from "./agent_child.ts";
import { type Ask, Peer } from "./peer.ts";
import { Reception, synchronizeWith } from "./reception.ts";
import { sleepers } from "./sleepers.ts";
import type { Stage } from "./stage.ts";
import { type Named, type Subject, subjectOf } from "./subjects.ts";

/** All CPUs that are online, as the kernel lists them. */
export const ALL = `${CpuSet.of(...online())}`;

/** In cgroup v1. */
export const BALANCE = "cpuset.sched_load_balance";

const SETTLE_MS = 60_000;
const POLL_MS = 5;

/** How a container comes to its CPUs. */
export type Apply = "kernel-first" | "runtime";

/** A container and its cgroups, below the root of the hierarchy. */
interface Placed {
  readonly named: Named;
  readonly pod: string;
  readonly cgroup: string;
}

/** An exclusive container that came and went. */
export interface Claim {
  /** ms from its CreateContainer to the answer. */
  readonly took: number;
  /** Of the agent, in ms, from its CreateContainer to the answer. */
  readonly cpuTime: number;
  /** Other containers in that answer. */
  readonly updates: number;
  /** What is left to shared ones, as the kernel lists it. */
  readonly rest: string;
}

/** So many shared containers, of both classes in turn; in cgroup v1 each has a sleeping process. */
export class KernelNode implements AsyncDisposable {
  readonly subjects: readonly Subject[];
  /** Cgroups of the shared containers, below the root of the hierarchy. */
  readonly shared: readonly string[];
  #sleepers: AsyncDisposable | undefined;

  private constructor(readonly scratch: ScratchCgroups, count: number) {
    for (const path of ["", "/burstable", "/besteffort"]) this.make(`/kubepods${path}`);
    const all = Array.from({ length: count }, (_, at) => {
      const placed = this.place(`shared-${at}`, at % 2 === 0 ? "/burstable" : "/besteffort");
      this.makeBoth(placed);
      // As the agent leaves it where it has started a container.
      if (scratch.hierarchy.version === 1) scratch.write(`${scratch.top}${placed.cgroup}`, "0", BALANCE);
      return placed;
    });
    this.subjects = all.map(({ named }) => subjectOf(named));
    this.shared = all.map(({ cgroup }) => `${scratch.top}${cgroup}`);
  }

  static async make(kernel: CpusetHierarchy, count: number): Promise<KernelNode> {
    const node = new KernelNode(new ScratchCgroups(kernel), count);
    if (kernel.version === 1) node.#sleepers = await sleepers(node.scratch, node.shared);
    return node;
  }

  /** Where kubelet would put it. */
  place(name: string, level: string): Placed {
    const pod = `/kubepods${level}/pod-${name}`;
    const cgroup = `${pod}/${subjectOf({ name }).container.id}`;
    const { top } = this.scratch;
    return { named: { name, cgroupParent: `${top}${pod}`, cgroupsPath: `${top}${cgroup}` }, pod, cgroup };
  }

  /** As kubelet and runc make it: without a set of its own in v2, with all CPUs in v1. */
  make(path: string): void {
    this.scratch.make(path, this.scratch.hierarchy.version === 1 ? ALL : "");
  }

  makeBoth({ pod, cgroup }: Placed): void {
    for (const path of [pod, cgroup]) this.make(path);
  }

  removeBoth({ pod, cgroup }: Placed): void {
    for (const path of [cgroup, pod]) this.scratch.remove(`${this.scratch.top}${path}`);
  }

  /** Where these cgroups are in the file system. */
  directories(paths: readonly string[]): string[] {
    return paths.map((path) => `${this.scratch.hierarchy.root}${path}`);
  }

  /** Until each of these cgroups has all CPUs, by its own set. */
  async settled(paths: readonly string[]): Promise<void> {
    const deadline = performance.now() + SETTLE_MS;
    for (let at = 0; at < paths.length;) {
      if (this.scratch.read(paths[at] ?? "") === ALL) at++;
      else {
        assert(performance.now() < deadline, `${paths[at]} hasn't all CPUs again after ${SETTLE_MS} ms`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sleepers?.[Symbol.asyncDispose]();
    await this.scratch[Symbol.asyncDispose]();
  }
}

/** An agent that places the containers of such a node. */
export class KernelAgent implements AsyncDisposable {
  #made = 0;
  readonly #peer: Peer;

  private constructor(
    private readonly node: KernelNode,
    private readonly agent: AgentChild,
    private readonly reception: Reception,
    private readonly ask: Ask,
    apply: (updates: readonly ContainerUpdate[]) => void,
  ) {
    this.#peer = new Peer(ask, apply);
  }

  /** @param name of its folder */
  static async start(
    stage: Pick<Stage, "executable" | "dir">,
    node: KernelNode,
    name: string,
    apply: Apply = "kernel-first",
  ): Promise<KernelAgent> {
    const dir = `${stage.dir}/${name}`;
    Deno.mkdirSync(dir);
    const reception = new Reception(`${dir}/nri.sock`);
    const agent = new AgentChild({
      mode: "external",
      executable: stage.executable,
      socket: reception.path,
      sysfs: "/sys",
      cgroups: "/sys/fs/cgroup",
      env: { WEKA_CPUSET_APPLY: apply, WEKA_CPUSET_RECONCILE_SECONDS: "0", WEKA_CPUSET_GROW_DELAY_MS: "0" },
      dir,
    });
    const { ask, updates } = await agent.during(reception.welcome(synchronizeWith(node.subjects)));
    const write = asRuntime(node);
    write(updates);
    return new KernelAgent(node, agent, reception, ask, write);
  }

  /** A container with a CPU of its own comes, runs, and ends. */
  async claim(): Promise<Claim> {
    const { node } = this;
    const placed = node.place(`claim-${this.#made++}`, "");
    const wanted = { ...placed.named, cpus: 1 };
    const before = this.agent.usage().cpuTime;
    const { took, cpus, updates } = await this.#peer.create(wanted);
    const cpuTime = this.agent.usage().cpuTime - before;
    assert(cpus !== "", "the claim got no CPUs");
    node.makeBoth(placed);
    node.scratch.write(`${node.scratch.top}${placed.cgroup}`, cpus);
    await this.#runAndEnd(placed, wanted);
    return { took, cpuTime, updates, rest: without(ALL, cpus) };
  }

  /** A shared container comes, runs and ends, and nobody's CPUs change: ms from its CreateContainer to the answer. */
  async share(): Promise<number> {
    const placed = this.node.place(`more-${this.#made++}`, "/besteffort");
    const { took } = await this.#peer.create(placed.named);
    this.node.makeBoth(placed);
    await this.#runAndEnd(placed, placed.named);
    return took;
  }

  /** Of the agent, in ms; each claim is three requests. */
  async cpuTimeOf(requests: number): Promise<number> {
    const before = this.agent.usage().cpuTime;
    for (let count = 0; count < requests; count += 3) await this.claim();
    return this.agent.usage().cpuTime - before;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent.end();
    this.reception.close();
  }

  async #runAndEnd(placed: Placed, wanted: Named): Promise<void> {
    const started = create(ContainerRequestSchema, { ...subjectOf(wanted) });
    await this.ask("StartContainer", toBinary(ContainerRequestSchema, started));
    this.node.removeBoth(placed);
    await this.#peer.end(wanted.name);
  }
}

/** Does with updates what a runtime does. */
function asRuntime(node: KernelNode): (updates: readonly ContainerUpdate[]) => void {
  const paths = new Map(node.subjects.map(({ container }, at) => [container.id, node.shared[at] ?? ""]));
  return (updates) => {
    for (const { containerId, linux } of updates) {
      const [path, cpus] = [paths.get(containerId), linux?.resources?.cpu?.cpus ?? ""];
      if (path !== undefined && cpus !== "") node.scratch.write(path, cpus);
    }
  };
}

function without(all: string, taken: string): string {
  const [whole, part] = [CpuSet.parse(all), CpuSet.parse(taken)];
  assert(whole instanceof CpuSet && part instanceof CpuSet, `${taken} is no list of CPUs`);
  return `${whole.difference(part)}`;
}
