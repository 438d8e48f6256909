import { existsSync } from "node:fs";
import { Random } from "../../../tools/random.ts";
import { comesRight, type Found, type Speaker } from "./final_check.ts";
import type { TestNode } from "./node.ts";
import { repository } from "./requirements.ts";

/** What one test counted on one containerd. */
interface Figures {
  /** Faults injected; each was followed by the final check. */
  faults: number;
  /** Running containers that the final checks saw, all together. */
  containers: number;
  /** Final checks that didn't come right. */
  violations: number;
  /** Milliseconds until the slowest of them did. */
  slowestMs: number;
  /** By which the faults were drawn, if they were. */
  seed?: number;
}

const REPORT = `${repository}/.test-reports/faults.json`;

/** Counts the faults of one test, and keeps the figures in `.test-reports/faults.json` for docs/guarantees.md. */
export class Tally {
  readonly #figures: Figures;
  /** For what is left to chance. */
  readonly random: Random;

  constructor(private readonly node: TestNode, private readonly fault: string, seed?: number) {
    this.#figures = {
      faults: 0,
      containers: 0,
      violations: 0,
      slowestMs: 0,
      ...(seed === undefined ? {} : { seed }),
    };
    this.random = new Random(seed ?? 0);
  }

  /** After a fault: the final check, counted. Resolves with what runs. */
  async comesRight(agent: Speaker): Promise<Found[]> {
    this.#figures.faults++;
    const start = performance.now();
    try {
      const found = await comesRight(this.node, agent);
      this.#figures.containers += found.length;
      const took = Math.ceil(performance.now() - start);
      this.#figures.slowestMs = Math.max(this.#figures.slowestMs, took);
      return found;
    } catch (error) {
      this.#figures.violations++;
      const { faults, seed } = this.#figures;
      const again = seed === undefined ? "" : `; again with WEKA_CPUSET_FAULT_SEED=${seed}`;
      throw new Error(`${this.fault}: fault ${faults} didn't come right${again}`, { cause: error });
    } finally {
      this.#write();
    }
  }

  #write(): void {
    const report = existsSync(REPORT) ? JSON.parse(Deno.readTextFileSync(REPORT)) : {};
    const version = `containerd ${this.node.install.version}`;
    report[version] = { ...report[version], [this.fault]: this.#figures };
    Deno.mkdirSync(`${repository}/.test-reports`, { recursive: true });
    Deno.writeTextFileSync(REPORT, JSON.stringify(report, null, 2));
  }
}

/** The seed of faults that are drawn: a new one each time, unless WEKA_CPUSET_FAULT_SEED says which. */
export function faultSeed(): number {
  return Number(Deno.env.get("WEKA_CPUSET_FAULT_SEED") ?? Math.trunc(Math.random() * 2 ** 32));
}
