import { Agent, type AgentOptions } from "./agent.ts";
import { type Containerd, IMAGE, sockets, startContainerd, type StartOptions } from "./containerd.ts";
import type { Cri, Images } from "./cri.ts";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { NamespaceMode, type PodSandboxConfigSchema } from "../../../src/cri/gen/cri_pb.ts";
import { cgroupParent, type Pod, resources, sliceParent, wishOf } from "./pods.ts";
import type { Install } from "./requirements.ts";
import { cgroupOf, makeDirectory, sweep } from "./sweep.ts";

/** The label of a container that says what its pod asked for, whoever else still knows. */
export const WISH = "wish";

/** A pod that may have containers. */
export interface Sandbox {
  readonly id: string;
  /** What Kubernetes calls it. */
  readonly podName: string;
  readonly pod: Pod;
  readonly config: MessageInitShape<typeof PodSandboxConfigSchema>;
}

/** A container that the runtime knows; nothing of it runs yet. */
export interface Created {
  readonly sandbox: string;
  readonly id: string;
}

/** A container whose process runs. */
export interface Running extends Created {
  /** Of its first process, as this machine counts. */
  readonly pid: number;
}

/** Empty: not set. */
interface CpuRecord {
  readonly cpus?: string;
  readonly mems?: string;
  /** Microseconds; −1: none. */
  readonly quota?: number;
}

/** A node for one test: a containerd of its own, and the agents and pods that the test starts. */
export class TestNode implements AsyncDisposable {
  readonly agents: Agent[] = [];
  #containerd: Containerd | undefined;
  #parentOf = cgroupParent;
  #pods = 0;

  private constructor(readonly install: Install, readonly dir: string, readonly root: string) {}

  /**
   * A node without a containerd, until {@link startContainerd}. Its pods' cgroups are below `root`: its own, or, where
   * nothing sweeps them, the one that is given.
   */
  static bare(install: Install, root?: string): TestNode {
    const dir = makeDirectory();
    return new TestNode(install, dir, root ?? cgroupOf(dir));
  }

  get nriSocket(): string {
    return sockets(this.dir).nri;
  }

  async startContainerd(options: StartOptions = {}): Promise<void> {
    this.#parentOf = options.systemd ? sliceParent : cgroupParent;
    this.#containerd = await startContainerd(this.install, this.dir, options);
  }

  /** Kills it with SIGKILL; pods run on. */
  async killContainerd(): Promise<void> {
    const containerd = this.#containerd;
    this.#containerd = undefined;
    await containerd?.kill();
  }

  /** Whether its containerd runs. */
  get isUp(): boolean {
    return this.#containerd !== undefined;
  }

  get cri(): Cri & Images {
    if (this.#containerd === undefined) throw new Error("no containerd runs on this node");
    return this.#containerd.cri;
  }

  /** The directory of the lock that says which agent decides on this node. */
  get runDir(): string {
    return `${this.dir}/agent`;
  }

  /** Starts the agent on this node's NRI socket, named by a flag unless `env` has it; `args` are added. */
  launchAgent({ args = [], env = {}, ...options }: AgentOptions = {}): Agent {
    const socket = "NRI_SOCKET" in env ? [] : ["--socket", this.nriSocket];
    const own = ["--run-dir", this.runDir, "--cri-socket", sockets(this.dir).cri, "--log-level", "debug"];
    const agent = new Agent({ args: [...socket, ...own, ...args], env, ...options });
    this.agents.push(agent);
    return agent;
  }

  /** The same, and waits until it knows the node's containers and answers for them. */
  async startAgent(options: AgentOptions = {}): Promise<Agent> {
    const agent = this.launchAgent(options);
    await agent.says(/synchronized/i);
    return agent;
  }

  /** Runs a pod of one container until its process runs; throws the runtime's refusal as a CriError. */
  async run(pod: Pod): Promise<Running> {
    return await this.runIn(await this.sandbox(pod));
  }

  /** Runs the container of a pod. */
  async runIn(sandbox: Sandbox): Promise<Running> {
    return await this.start(await this.createIn(sandbox));
  }

  /** Creates a pod and its container. */
  async create(pod: Pod): Promise<Created> {
    return await this.createIn(await this.sandbox(pod));
  }

  /** Runs a pod's sandbox. */
  async sandbox(pod: Pod): Promise<Sandbox> {
    const podName = `p${++this.#pods}`;
    const config = this.#sandboxConfig(podName, pod);
    const { handler: runtimeHandler = "" } = pod;
    const { podSandboxId: id } = await this.cri.runPodSandbox({ config, runtimeHandler });
    return { id, podName, pod, config };
  }

  /** Creates the pod's container, for the first time or again; one of another name may ask for other CPUs. */
  async createIn({ id: sandbox, pod: first, config }: Sandbox, name = "main", pod = first): Promise<Created> {
    const { containerId: id } = await this.cri.createContainer({
      podSandboxId: sandbox,
      sandboxConfig: config,
      config: {
        metadata: { name },
        image: { image: IMAGE },
        command: [...pod.command ?? []],
        labels: { "io.kubernetes.container.name": name, [WISH]: JSON.stringify(wishOf(pod)) },
        linux: { resources: resources(pod), securityContext: HOST_NETWORK },
      },
    });
    return { sandbox, id };
  }

  async start({ sandbox, id }: Created): Promise<Running> {
    await this.cri.startContainer({ containerId: id });
    return { sandbox, id, pid: await this.pid(id) };
  }

  /** What containerd has in its record of the container: the CPUs and memory nodes that it starts with. */
  async recorded({ id }: Running): Promise<CpuRecord> {
    const { cpus = "", mems = "", quota } = (await this.#info(id)).runtimeSpec?.linux?.resources?.cpu ?? {};
    return { cpus, mems, ...quota !== undefined && { quota } };
  }

  /** Ends a pod as kubelet does: its container first, then the sandbox, then both are removed. */
  async end({ sandbox, id }: Created): Promise<void> {
    await this.cri.stopContainer({ containerId: id, timeout: 5n });
    await this.cri.stopPodSandbox({ podSandboxId: sandbox });
    await this.cri.removeContainer({ containerId: id });
    await this.cri.removePodSandbox({ podSandboxId: sandbox });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.agents) await agent.end("SIGKILL");
    await this.killContainerd();
    await sweep(this.dir);
  }

  #sandboxConfig(name: string, pod: Pod): MessageInitShape<typeof PodSandboxConfigSchema> {
    const uid = `${cgroupOf(this.dir).slice(1)}-${name}`;
    const labels = {
      "io.kubernetes.pod.name": name,
      "io.kubernetes.pod.namespace": "default",
      "io.kubernetes.pod.uid": uid,
    };
    return {
      metadata: { name, namespace: "default", uid },
      labels,
      annotations: { ...pod.annotations },
      linux: {
        cgroupParent: this.#parentOf(this.root, pod, uid),
        resources: resources(pod),
        securityContext: HOST_NETWORK,
      },
    };
  }

  /** The first process of a container, as this machine counts. */
  async pid(id: string): Promise<number> {
    const { pid } = await this.#info(id);
    if (typeof pid !== "number" || pid <= 0) {
      throw new Error(`containerd names no process of container ${id}`);
    }
    return pid;
  }

  /** What containerd adds to a container's status when asked for more: its process and its runtime specification. */
  async #info(
    id: string,
  ): Promise<{ pid?: number; runtimeSpec?: { linux?: { resources?: { cpu?: CpuRecord } } } }> {
    const { info } = await this.cri.containerStatus({ containerId: id, verbose: true });
    return JSON.parse(info["info"] ?? "{}");
  }
}

const HOST_NETWORK = { namespaceOptions: { network: NamespaceMode.NODE } };
