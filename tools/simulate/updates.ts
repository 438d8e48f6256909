/** What becomes of an update: of the record and of the kernel's set. */
import { setOf } from "./cpus.ts";
import type { Effect } from "./events.ts";
import type { Kernel } from "./kernel.ts";
import { merged, type Resources } from "./pods.ts";
import { type Container, isListed } from "./records.ts";

/** What became of an update. */
export type Outcome =
  | "done"
  /** Only the record: there is no cgroup yet, and runc will take it from there. */
  | "recorded"
  /** Only the record, and the kernel should have had it. */
  | "lost"
  /** Nothing. */
  | "failed"
  /** The same, and the agent, which has asked for it by the CRI, is told. */
  | "refused";

type OnOutcome = (container: Container, outcome: Outcome, update: Resources) => void;

export class Updates {
  /** What is to go wrong, the next first. */
  readonly faults: { left: number; readonly effect: Effect }[] = [];

  constructor(
    private readonly containers: ReadonlyMap<string, Container>,
    private readonly kernel: Kernel,
    private readonly onOutcome: OnOutcome,
  ) {}

  applyAll(updates: ReadonlyMap<string, Resources>): void {
    for (const [id, resources] of updates) this.applyTo(id, resources);
  }

  applyTo(id: string, resources: Resources): void {
    const container = this.containers.get(id);
    // An unknown container counts as success.
    if (container === undefined) return;
    if (isListed(container)) this.apply(container, resources);
    else container.isUncertain = true;
  }

  /** `isAsked`: the agent's `apply` waits for it. */
  apply(container: Container, update: Resources, isAsked = false): Outcome {
    const written = this.#write(container, update, this.#nextEffect());
    const outcome = isAsked && written === "failed" ? "refused" : written;
    container.isUncertain = !container.posted ||
      (container.isUncertain && !(outcome === "done" && update.cpus));
    this.onOutcome(container, outcome, update);
    return outcome;
  }

  /** Everything in the record is written, whatever was asked for; without a set in it the kernel's stays. */
  #write(container: Container, update: Resources, effect: Effect | undefined): Exclude<Outcome, "refused"> {
    if (effect === "fail") return "failed";
    const next = merged(container.record, update);
    if (container.life === "created") {
      container.record = next;
      return "recorded";
    }
    if (container.life !== "running" || effect === "lose") {
      container.record = next;
      return "lost";
    }
    const error = next.cpus === undefined ? undefined : this.kernel.write(container.id, setOf(next.cpus));
    if (error !== undefined) return "failed";
    container.record = next;
    return "done";
  }

  #nextEffect(): Effect | undefined {
    const fault = this.faults[0];
    if (fault === undefined || fault.left-- > 0) return undefined;
    this.faults.shift();
    return fault.effect;
  }
}
