/**
 * What goes with the set of a group besides its file: a mark of whose it is, and where systemd has the cgroup as a unit, the
 * unit's property AllowedCPUs. systemd writes a unit's set by that property: an empty one when the last unit in it goes,
 * and whenever it realizes the unit anew. So a set that the property doesn't name lasts until then: it is weak.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { UnitProperties } from "../systemd/port.ts";
import { isOurs, mark, markOf } from "./marker.ts";
import type { CpusetReading } from "./port.ts";

/** Milliseconds that a reading may wait for systemd. */
const READ_DEADLINE_MS = 20;
/** And a write: systemd may be busy for seconds, and is asked again by the next reading. */
const WRITE_DEADLINE_MS = 100;

const NO_BUS = "systemd isn't asked (systemBus is empty)";

/** There are no more entries than groups. */
export class GroupSets {
  /** The property of a unit, by path, as this process has set it last. */
  readonly #inForce = new Map<string, CpuSet>();
  /** What it should be, and why it couldn't be set. */
  readonly #due = new Map<string, { readonly cpus: CpuSet; readonly reason: string }>();

  /** @param units absent: no systemd is to be asked */
  constructor(private readonly root: string, private readonly units: UnitProperties | undefined) {}

  /**
   * Before the file is written it is marked, so that it is known whose set that is whatever happens then; and a property that
   * names CPUs that are to be given up gives them up first, since systemd may write the file by it at any time. Why that
   * can't be, one sentence; undefined: the file may be written.
   */
  willBeWritten(path: string, cpus: CpuSet): string | undefined {
    const directory = `${this.root}${path}`;
    mark(directory);
    if (markOf(directory) === "none") return `${path} can't be marked as the agent's (user.weka-cpuset)`;
    const before = this.#inForce.get(path);
    const less = before?.intersection(cpus);
    if (before === undefined || less === undefined || less.isEmpty || less.equals(before)) return undefined;
    this.#set(path, less, WRITE_DEADLINE_MS);
    return this.#due.get(path)?.reason;
  }

  /** The set was written: the property gets it too. */
  written(path: string, cpus: CpuSet): void {
    this.#set(path, cpus, WRITE_DEADLINE_MS);
  }

  /** A reading, with whose set it is and why that may not last. A property that couldn't be set is tried again. */
  withOwner(path: string, reading: CpusetReading): CpusetReading {
    if (reading.kind !== "values" || reading.isInherited) return reading;
    if (!isOurs(this.root, path)) return { ...reading, isForeign: true };
    const due = this.#due.get(path);
    if (due !== undefined || !this.#inForce.has(path)) {
      this.#set(path, due?.cpus ?? reading.cpus, READ_DEADLINE_MS);
    }
    const weakness = this.#due.get(path)?.reason;
    return weakness === undefined ? reading : { ...reading, weakness };
  }

  #set(path: string, cpus: CpuSet, deadlineMs: number): void {
    const unit = unitOf(path);
    if (unit === undefined) return;
    const result = this.units?.setAllowedCpus(unit, cpus, deadlineMs);
    if (result?.kind === "done") {
      this.#inForce.set(path, cpus);
      this.#due.delete(path);
    } else this.#due.set(path, { cpus, reason: result?.reason ?? NO_BUS });
  }
}

/** The unit whose cgroup that is, by the last name; undefined: none of systemd's. */
export function unitOf(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return name.endsWith(".slice") || name.endsWith(".scope") ? name : undefined;
}
