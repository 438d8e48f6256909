import type { Way } from "../cluster/agent.ts";
import { eventually } from "../../system/node/eventually.ts";
import type { ContainerStatus, Kube, KubePod } from "./kube.ts";
import { checkNode, type NodeView } from "./check.ts";
import { expectThat, Unmet } from "./expect.ts";
import type { Seen } from "./node_cgroups.ts";
import { listText } from "./overlaps.ts";
import type { PodCache } from "./pod_cache.ts";
import { manifest, type Place, type PodWish } from "./pods.ts";

/** A pod takes a second or two; a machine that is very busy may take a minute. */
const POD_PATIENCE_MS = 120_000;
/** The agent's updates take milliseconds, a look of its own at the kernel comes every ten seconds. */
const SETTLED = { patienceMs: 30_000, pauseMs: 25 };

/** What tests have in common. */
export interface BenchOptions {
  readonly kube: Kube;
  readonly cache: PodCache;
  readonly view: NodeView;
  readonly place: Place;
  /** How the agent came to the node. */
  readonly way: Way;
  readonly log: (line: string) => void;
}

/** A test's own part of the cluster: pods in its worker's namespace on one node. */
export class Bench {
  readonly #created = new Set<string>();

  constructor(readonly options: BenchOptions) {}

  get kube(): Kube {
    return this.options.kube;
  }

  get node(): string {
    return this.options.place.node;
  }

  get namespace(): string {
    return this.options.place.namespace;
  }

  /** All CPUs of the node. */
  get cpus(): readonly number[] {
    return this.options.view.cpus;
  }

  log(line: string): void {
    this.options.log(line);
  }

  /** Creates a pod; it needn't run. */
  async create(name: string, pod: PodWish): Promise<KubePod> {
    this.log(`create ${name}: ${JSON.stringify(pod)}`);
    this.#created.add(name);
    return await this.kube.post(this.#path(), manifest(name, pod, this.options.place));
  }

  /** Runs a pod, and looks at the whole node when it does. */
  async run(name: string, pod: PodWish): Promise<KubePod> {
    await this.create(name, pod);
    const running = await this.running(name);
    await this.check();
    return running;
  }

  /** Runs some pods at once. */
  async runAll(pods: Readonly<Record<string, PodWish>>): Promise<void> {
    await Promise.all(Object.entries(pods).map(([name, pod]) => this.create(name, pod)));
    for (const name of Object.keys(pods)) await this.running(name);
    await this.check();
  }

  /** Resolves when all containers of the pod run. */
  async running(name: string): Promise<KubePod> {
    return await this.until(name, "to run", (pod) => {
      const statuses = pod.status.containerStatuses ?? [];
      const isUp = statuses.length === pod.spec.containers.length &&
        statuses.every(({ state }) => state.running);
      return isUp ? pod : undefined;
    });
  }

  /** Creates a pod and resolves with why the agent refuses its container. */
  async refused(name: string, pod: PodWish, container?: string): Promise<string> {
    await this.create(name, pod);
    const message = await this.refusal(name, container);
    this.log(`refused ${name}: ${message}`);
    await this.check();
    return message;
  }

  /** The sentence by which the agent refuses a container of the pod. */
  async refusal(name: string, container = "main"): Promise<string> {
    return await this.until(name, "to be refused", (pod) => {
      const status = statusOf(pod, container);
      const { message = "" } = status?.state.waiting ?? {};
      if (status?.state.running) throw new Unmet(`${name} runs and should have been refused`);
      return /desc = (cpuset: .*)$/s.exec(message)?.[1];
    });
  }

  /** Resolves with what `look` gives for the pod as soon as that isn't undefined. */
  async until<T>(name: string, what: string, look: (pod: KubePod) => T | undefined): Promise<T> {
    const find = () => this.options.cache.find(this.namespace, name);
    try {
      return await this.options.cache.until(
        () => {
          const pod = find();
          return pod && look(pod);
        },
        `pod ${name} ${what}`,
        POD_PATIENCE_MS,
      );
    } catch (error) {
      const states = find()?.status.containerStatuses?.map(({ state }) => JSON.stringify(state));
      if (error instanceof Unmet) throw error;
      throw new Unmet((error as Error).message, what, `${find()?.status.phase} ${states}`);
    }
  }

  /** Ends pods and resolves when they are gone; then looks at the whole node. */
  async end(...names: readonly string[]): Promise<void> {
    this.log(`end ${names}`);
    await Promise.all(names.map((name) => this.kube.delete(this.#path(name))));
    for (const name of names) await this.gone(name);
    await this.check();
  }

  /** Has a pod end, without waiting for that. */
  async delete(name: string): Promise<void> {
    await this.kube.delete(this.#path(name), { gracePeriodSeconds: 1 });
  }

  async gone(name: string): Promise<void> {
    const isGone = () => this.options.cache.find(this.namespace, name) === undefined ? true : undefined;
    await this.options.cache.until(isGone, `pod ${name} to be gone`, POD_PATIENCE_MS);
    this.#created.delete(name);
  }

  /** Ends all that is left. */
  async clear(): Promise<void> {
    const left = [...this.#created];
    await Promise.all(left.map((name) => this.kube.delete(this.#path(name), { gracePeriodSeconds: 1 })));
    for (const name of left) await this.gone(name);
  }

  /** A container of a pod as the node has it now. */
  async seen(name: string, container = "main"): Promise<Seen> {
    const id = idOf(this.pod(name), container);
    return await eventually(async () => {
      const found = (await this.options.view.look()).find((each) => each.id === id);
      expectThat(found !== undefined, `no container ${container} of pod ${name} runs on the node`);
      return found;
    }, SETTLED);
  }

  async cpusOf(name: string, container = "main"): Promise<readonly number[]> {
    return (await this.seen(name, container)).cpus;
  }

  /**
   * The CPUs of some containers at one time, `POD` or `POD/CONTAINER`: other tests' pods have them moved between two readings,
   * so they are read until nothing has changed since the reading before.
   */
  async cpusTogether(...containers: readonly string[]): Promise<(readonly number[])[]> {
    const read = () =>
      Promise.all(containers.map((each) => {
        const [pod = "", container] = each.split("/");
        return this.cpusOf(pod, container);
      }));
    return await this.settles(async () => {
      const [before, after] = [await read(), await read()];
      expectThat(
        `${before.map(listText)}` === `${after.map(listText)}`,
        `${containers} are still being moved`,
      );
      return after;
    });
  }

  /** Where the container's CPUs are written. */
  cpusetFile(seen: Seen): string {
    return this.options.view.cpusetFile?.(seen) ?? "";
  }

  /** Says how much memory a container uses; only of nodes that claim CPUs. */
  chargeMemory(seen: Seen, bytes: number): void {
    const file = this.cpusetFile(seen).replace("/cgroup/cpuset/", "/cgroup/memory/");
    Deno.writeTextFileSync(file.replace(/[^/]*$/, "memory.usage_in_bytes"), `${bytes}\n`);
  }

  pod(name: string): KubePod {
    const pod = this.options.cache.find(this.namespace, name);
    expectThat(pod !== undefined, `there is no pod ${name}`);
    return pod;
  }

  /** Resolves when `look` no longer throws: for what follows within moments, as the pool's growth. */
  async settles<T>(look: () => T | Promise<T>, patienceMs = SETTLED.patienceMs): Promise<T> {
    return await eventually(look, { ...SETTLED, patienceMs });
  }

  /** Looks at the whole node, whoever's pods run there; how long it may take to be right. */
  async check(patienceMs?: number): Promise<void> {
    await checkNode(this.options.view, () => this.options.cache.pods, patienceMs);
  }

  #path(name?: string): string {
    return `/api/v1/namespaces/${this.namespace}/pods${name === undefined ? "" : `/${name}`}`;
  }
}

export function statusOf({ status }: KubePod, container: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status;
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses]
    .find(({ name }) => name === container);
}

/** Without the runtime's name before it. */
export function idOf(pod: KubePod, container: string): string {
  return (statusOf(pod, container)?.containerID ?? "").replace(/^.*:\/\//, "");
}
