import assert from "node:assert/strict";
import type { StatusDocument } from "../../../../src/status/document.ts";
import { type Agent, runExecutable } from "../../node/agent.ts";
import { sockets } from "../../node/containerd.ts";
import { eventually } from "../../node/eventually.ts";
import { allowedCpus, online, without } from "../../node/machine.ts";
import { CriError } from "../../node/cri.ts";
import { type Running, type Sandbox, TestNode } from "../../node/node.ts";
import { type Pod, shared } from "../../node/pods.ts";
import { repository, unpacked } from "../../node/requirements.ts";
import { ImitatedRuntime } from "./imitated.ts";
import { assertHas } from "./kernel.ts";

/** On what a story is played. */
export interface Setting {
  /** The Debian suite of the containerd. */
  readonly suite: "trixie" | "sid";
  /** Who makes cgroups. */
  readonly driver: "cgroupfs" | "systemd";
  readonly apply: "runtime" | "kernel-first";
  /** Its runtime is {@link ImitatedRuntime}. */
  readonly isImitated?: true;
}

/** A pod that runs. */
interface Part {
  readonly container: Running;
  /** The CPUs that nobody else may have but pinned ones; absent: it has what others leave. */
  readonly own?: readonly number[];
}

const RECONCILE_SECONDS = 2;

// containerd gives a plugin two seconds for an answer, and drops it then: not enough where all is emulated.
export const NRI = '  plugin_registration_timeout = "60s"\n  plugin_request_timeout = "30s"\n';

/** A node, its pods by name, and which CPUs they should have. */
export class Scene {
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #parts = new Map<string, Part>();

  private constructor(
    readonly setting: Setting,
    readonly node: TestNode,
    readonly runtime: ImitatedRuntime,
  ) {}

  /** Starts containerd. */
  static async open(setting: Setting): Promise<Scene> {
    const node = TestNode.bare({ version: setting.suite, bin: `${unpacked}/containerd-${setting.suite}` });
    const runtime = new ImitatedRuntime(node.dir);
    const options = setting.isImitated ? runtime.options : {};
    await node.startContainerd({ nri: NRI, systemd: setting.driver === "systemd", ...options });
    return new Scene(setting, node, runtime);
  }

  /** Makes pods that have no container yet; several at once take little longer than one. */
  async prepare(pods: Readonly<Record<string, Pod>>): Promise<void> {
    await Promise.all(
      Object.entries(pods).map(async ([name, pod]) => {
        this.#sandboxes.set(name, await this.node.sandbox(pod));
      }),
    );
  }

  /** Ends the agent and containerd; what else there is ends with the machine. */
  async close(): Promise<void> {
    for (const agent of this.node.agents) await agent.end("SIGKILL");
    await this.node.killContainerd();
  }

  /** The agent that was started last. */
  get agent(): Agent {
    const agent = this.node.agents.at(-1);
    assert(agent !== undefined, "no agent was started");
    return agent;
  }

  async startAgent(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.node.startAgent({
      args: ["--apply", this.setting.apply],
      env: {
        WEKA_CPUSET_RECONCILE_SECONDS: `${RECONCILE_SECONDS}`,
        WEKA_CPUSET_ISOLATION_NAMESPACES: "default",
        ...env,
      },
    });
  }

  /** What the agent says of the containers of a pod, the one that was started last coming last. */
  async shown(name: string): Promise<StatusDocument["containers"]> {
    const { stdout } = await runExecutable({
      args: ["--run-dir", this.node.runDir, "status", "--output", "json"],
    });
    const { containers }: StatusDocument = JSON.parse(stdout);
    const { podName } = this.#sandbox(name);
    return containers.filter(({ pod }) => pod === podName);
  }

  /** Runs the container of a pod that has what others leave. */
  async share(name: string): Promise<void> {
    this.#parts.set(name, { container: await this.node.runIn(this.#sandbox(name)) });
  }

  /**
   * Runs the container of a pod that gets CPUs of its own, those on which its process is found: see {@link claims}.
   *
   * @param pod what it asks for, where that isn't all that its pod does
   */
  async claim(name: string, pod?: Pod): Promise<void> {
    const created = await this.node.createIn(this.#sandbox(name), "main", pod);
    this.#parts.set(name, { container: await this.node.start(created), own: [] });
    this.claims(name);
  }

  /** Runs another container in the pod, which asks for CPUs as `pod` does; its name from then on is that of both. */
  async add(name: string, container: string, pod: Pod): Promise<void> {
    const created = await this.node.createIn(this.#sandbox(name), container, pod);
    this.#parts.set(`${name}/${container}`, { container: await this.node.start(created), own: [] });
    this.claims(`${name}/${container}`);
  }

  /** The pod's container is refused, and its owner reads why. */
  async assertRefused(name: string, why: RegExp): Promise<void> {
    await assert.rejects(this.node.createIn(this.#sandbox(name)), (error) => {
      assert(error instanceof CriError, `${error}`);
      assert.match(error.message, why);
      return true;
    });
  }

  /** From now on the CPUs that its process has are the right ones: the caller checks that. */
  claims(name: string): readonly number[] {
    const container = this.the(name);
    const own = allowedCpus(container.pid);
    this.#parts.set(name, { container, own });
    return own;
  }

  the(name: string): Running {
    const part = this.#parts.get(name);
    assert(part !== undefined, `no ${name} pod runs`);
    return part.container;
  }

  /** The CPUs of a pod that has some of its own. */
  of(name: string): readonly number[] {
    return this.#parts.get(name)?.own ?? [];
  }

  /** From now on the CPUs of this pod are nobody's. */
  lose(name: string): Running {
    const container = this.the(name);
    this.#parts.delete(name);
    return container;
  }

  /** Ends a pod: until then the CPUs of its container are its own. */
  async end(name: string): Promise<void> {
    await this.node.cri.stopContainer({ containerId: this.the(name).id, timeout: 5n });
    await this.node.cri.stopPodSandbox({ podSandboxId: this.#sandbox(name).id });
    for (const each of this.#parts.keys()) {
      if (each === name || each.startsWith(`${name}/`)) this.#parts.delete(each);
    }
    if (this.setting.apply === "kernel-first") return;
    // The reply to the end of a pod carries no updates, that to the end of a container does.
    const { id } = await this.node.run(shared());
    await this.node.cri.stopContainer({ containerId: id, timeout: 5n });
  }

  get everybody(): Running[] {
    return [...this.#parts.values()].map(({ container }) => container);
  }

  /** The CPUs that are online and nobody's own. */
  get pool(): number[] {
    return without(online(), [...this.#parts.values()].flatMap(({ own = [] }) => own));
  }

  /** Everybody has their own CPUs, as far as these are online, or else all that are nobody's. */
  assertSettled(): void {
    for (const [name, { container, own = this.pool }] of this.#parts) {
      assertHas(container, own.filter((cpu) => online().includes(cpu)), name);
    }
  }

  /** The same, soon. */
  async settles(): Promise<void> {
    await eventually(() => this.assertSettled());
  }

  /** What a command prints that is run in the container of a pod, as by `kubectl exec`. */
  async exec(name: string, ...command: readonly string[]): Promise<string> {
    const args = ["--address", sockets(this.node.dir).cri, "--namespace", "k8s.io", "tasks", "exec"];
    const { stdout, stderr } = await new Deno.Command(`${this.node.install.bin}/ctr`, {
      args: [...args, "--exec-id", crypto.randomUUID(), this.the(name).id, ...command],
    }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  }

  #sandbox(name: string): Sandbox {
    const sandbox = this.#sandboxes.get(name);
    assert(sandbox !== undefined, `no ${name} pod was prepared`);
    return sandbox;
  }

  /** Copies the logs to where the host finds them. */
  keepLogs(title: string): void {
    const folder = `${repository}/.test-reports/vm/${title.replaceAll(/[^a-z0-9.]+/gi, "-")}`;
    Deno.mkdirSync(folder, { recursive: true });
    Deno.copyFileSync(`${this.node.dir}/containerd.log`, `${folder}/containerd.log`);
    this.node.agents.forEach(({ lines }, index) =>
      Deno.writeTextFileSync(`${folder}/agent-${index + 1}.log`, lines.join("\n"))
    );
  }
}
