import assert from "node:assert/strict";
import { CriError } from "../../node/cri.ts";
import { eventually } from "../../node/eventually.ts";
import { allowedCpus, online, without } from "../../node/machine.ts";
import { type Created, TestNode } from "../../node/node.ts";
import { exclusive, type Pod, shared } from "../../node/pods.ts";
import { repository, unpacked } from "../../node/requirements.ts";
import { Classes } from "./classes.ts";
import { type Driver, Kubelet } from "./kubelet.ts";
import { type Sampled, sampledDuring } from "./sampler.ts";
import { NRI } from "./scene.ts";
import { systemctl } from "./systemd.ts";

/** Kubelet and the test take turns: while it runs, kubelet ends every pod that it hasn't made itself. */
const AT_ONCE = 6;

/** Asks for CPUs, but not for whole ones. */
const burstable: Pod = { annotations: {}, qos: "burstable", request: 0.1, limit: 0 };

/** Pods without CPUs of their own, of both classes in turn. */
function classPods(count: number): Pod[] {
  return Array.from({ length: count }, (_, index) => index % 2 === 0 ? burstable : shared());
}

/** A node with kubelet, on which one pod has CPUs of its own. */
export class FenceScene {
  readonly classes: Classes;
  readonly kubelet: Kubelet;
  readonly #rows: string[] = [];
  #own: readonly number[] = [];
  #pods = 0;

  private constructor(readonly driver: Driver, readonly node: TestNode) {
    this.classes = new Classes(driver);
    this.kubelet = new Kubelet(node, driver);
  }

  /** Starts containerd, and before it the system bus, by which systemd is asked for its units' CPUs. */
  static async open(driver: Driver): Promise<FenceScene> {
    await systemctl("start", "dbus.service");
    await eventually(systemdOnBus);
    const node = TestNode.bare({ version: "sid", bin: `${unpacked}/containerd-sid` }, "");
    await node.startContainerd({ nri: NRI, systemd: driver === "systemd" });
    return new FenceScene(driver, node);
  }

  /** Ends what would keep the machine from ending. */
  async close(): Promise<void> {
    for (const agent of this.node.agents) await agent.end("SIGKILL");
    await this.kubelet.kill();
    await this.node.killContainerd();
  }

  /** Starts the agent; `env` is its whole environment. */
  async startAgent(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.node.startAgent({ args: ["--apply", "kernel-first"], env });
  }

  /** The same, and waits until it keeps the classes off the exclusive CPUs. */
  async startFencing(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.startAgent(env);
    await eventually(() => this.classes.assertHave(without(online(), this.#own)));
  }

  async killAgent(): Promise<void> {
    await this.node.agents.at(-1)?.end("SIGKILL");
  }

  /** Runs the pod that has CPUs of its own, and one of each class, which stay. */
  async populate(): Promise<void> {
    await this.kubelet.run({ exclusive: exclusive(4), burstable, besteffort: shared() });
    this.#own = allowedCpus(await this.kubelet.pid("exclusive"));
    assert.equal(this.#own.length, 4, `the exclusive pod has ${this.#own}`);
  }

  /** The CPUs of the exclusive pod. */
  get own(): readonly number[] {
    return this.#own;
  }

  /** Does `body`, and resolves with what of the classes might run on exclusive CPUs meanwhile. */
  async sampled(event: string, body: () => Promise<void>): Promise<Sampled> {
    const seen = await sampledDuring(this.classes.directories, this.#own, body);
    const { seconds, samples, longestMs, tasks, tasksHit, hits, moving } = seen;
    const counted =
      `${hits} hits of ${tasksHit} of ${tasks} tasks, ${moving} being moved, ${samples} samples in ${seconds} s, ≤ ${longestMs} ms apart`;
    this.note(event, counted);
    return seen;
  }

  /** The same, and none may. */
  async fenced(event: string, body: () => Promise<void>): Promise<void> {
    const { hits, first } = await this.sampled(event, body);
    assert.equal(hits, 0, first);
  }

  /** Adds an event, and how the classes are after it, to what is told in the end. */
  note(event: string, seen = ""): void {
    const row = `| ${event} | ${this.classes.state} | ${seen} |`;
    tell(row);
    this.#rows.push(row);
  }

  /** Pods of both classes that kubelet makes and ends. */
  async comeAndGo(count: number): Promise<void> {
    for (let left = count; left > 0; left -= AT_ONCE) {
      const pods = Object.fromEntries(
        classPods(Math.min(left, AT_ONCE)).map((pod) => [`p${++this.#pods}`, pod]),
      );
      await this.kubelet.run(pods);
      await this.kubelet.end(...Object.keys(pods));
    }
  }

  /** The same while no kubelet runs: of the runtime, in the classes that kubelet made. */
  async comeAndGoWithoutKubelet(count: number): Promise<void> {
    for (let left = count; left > 0; left -= AT_ONCE) {
      const pods = await Promise.all(classPods(Math.min(left, AT_ONCE)).map((pod) => this.node.run(pod)));
      await Promise.all(pods.map(({ sandbox }) => this.#remove(sandbox)));
      tell(`${count - left + pods.length} of ${count} pods`);
    }
  }

  /**
   * Another pod with CPUs of its own comes and goes; the agent is killed as soon as the `nth` write to a cpuset of the
   * classes, or of what is in them, is seen. Whether the pod's container came to be is the runtime's business.
   */
  async killedAtWrite(nth: number): Promise<void> {
    const agent = this.node.agents.at(-1);
    using watcher = Deno.watchFs(this.classes.all, { recursive: false });
    const killed = killAt(watcher, nth, () => agent?.signal("SIGKILL"));
    const sandbox = await this.node.sandbox(exclusive(2));
    await this.node.createIn(sandbox).then((created: Created) => this.node.start(created)).catch((error) => {
      if (!(error instanceof CriError)) throw error;
    });
    await this.#remove(sandbox.id);
    await agent?.end("SIGKILL");
    watcher.close();
    this.note(`agent killed at write ${nth}`, `${await killed} writes seen`);
  }

  async #remove(podSandboxId: string): Promise<void> {
    await this.node.cri.stopPodSandbox({ podSandboxId });
    await this.node.cri.removePodSandbox({ podSandboxId });
  }

  /** Writes down all events, and keeps the logs where the host finds them. */
  keep(title: string): void {
    const folder = `${repository}/.test-reports/vm/${title}`;
    Deno.mkdirSync(folder, { recursive: true });
    const head = "| event | written/in force/of the unit, after it | seen meanwhile |\n|---|---|---|\n";
    Deno.writeTextFileSync(`${folder}/events.md`, `${head}${this.#rows.join("\n")}\n`);
    Deno.copyFileSync(`${this.node.dir}/containerd.log`, `${folder}/containerd.log`);
    Deno.copyFileSync(this.kubelet.log, `${folder}/kubelet.log`);
    this.node.agents.forEach(({ lines }, index) =>
      Deno.writeTextFileSync(`${folder}/agent-${index + 1}.log`, lines.join("\n"))
    );
  }
}

async function systemdOnBus(): Promise<void> {
  const args = ["--system", "status", "org.freedesktop.systemd1"];
  const { success, stderr } = await new Deno.Command("busctl", { args }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** A line for the host, at once: what a test prints is shown when it has ended, or not at all. */
export function tell(line: string): void {
  Deno.writeTextFileSync("/dev/ttyS0", `@${line}\n`);
}

/** Kills at the `nth` write to a `cpuset.cpus`; resolves with the number of writes that were seen until it is closed. */
async function killAt(watcher: Deno.FsWatcher, nth: number, kill: () => void): Promise<number> {
  let count = 0;
  for await (const { kind, paths } of watcher) {
    if (kind !== "modify" || !paths.some((path) => path.endsWith("/cpuset.cpus"))) continue;
    if (++count === nth) kill();
  }
  return count;
}
