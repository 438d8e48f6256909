import { allowedCpus } from "../node/machine.ts";
import { CriError } from "../node/cri.ts";
import type { Sandbox, TestNode } from "../node/node.ts";
import { shared } from "../node/pods.ts";

const WORKERS = 3;

/** Containers of the shared pool that are created, started and removed all the time, on a node where somebody has CPUs of its own. */
export class CreationLoad {
  /** How many have run so far. */
  created = 0;
  /** Of these, how many were on CPUs of another when they began to run. */
  unplaced = 0;
  #isOver = false;
  readonly #workers: Promise<unknown>;

  constructor(private readonly node: TestNode, private readonly own: readonly number[]) {
    this.#workers = Promise.all(Array.from({ length: WORKERS }, () => this.#work()));
    this.#workers.catch(() => {}); // reported by `end`
  }

  /** Resolves when the last one has ended; throws what a worker has thrown. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#workers;
  }

  async #work(): Promise<void> {
    const sandbox = await this.node.sandbox(shared());
    while (!this.#isOver) await this.#runOne(sandbox);
  }

  async #runOne(sandbox: Sandbox): Promise<void> {
    try {
      const { id: containerId, pid } = await this.node.runIn(sandbox);
      if (allowedCpus(pid).some((cpu) => this.own.includes(cpu))) this.unplaced++;
      this.created++;
      await this.node.cri.stopContainer({ containerId, timeout: 0n });
      await this.node.cri.removeContainer({ containerId });
    } catch (error) {
      // The agent may refuse while it isn't synchronized yet; kubelet would try again.
      if (!(error instanceof CriError && /not synchronized/.test(error.message))) throw error;
    }
  }
}
