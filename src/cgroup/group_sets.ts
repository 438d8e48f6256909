/**
 * What goes with the set of a group besides its file: a mark of whose it is, and where systemd has the cgroup as a unit, the
 * unit's property AllowedCPUs. systemd writes a unit's set by that property: an empty one when the last unit in it goes,
 * and whenever it realizes the unit anew. So a set that the property doesn't name lasts until then: it is weak.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { UnitProperties } from "../systemd/port.ts";
import { mark, markOf } from "./marker.ts";
import type { CpusetReading } from "./port.ts";

/** Milliseconds that a reading may wait for systemd. */
const READ_DEADLINE_MS = 20;
/** And a write, of what is left of its time: systemd may be busy for seconds, and is asked again by the next reading. */
const WRITE_DEADLINE_MS = 100;

const NO_BUS = "systemd isn't asked (systemBus is empty)";

export class GroupSets {
  /** What systemd was last told of each unit, by path; a failure, where that failed. There are no more than groups. */
  readonly #told = new Map<string, CpuSet | string>();

  /** @param units absent: no systemd is to be asked */
  constructor(private readonly root: string, private readonly units: UnitProperties | undefined) {}

  /** Before it is narrowed: whatever happens then, it is known whose set that is. */
  willBeWritten(path: string): void {
    mark(`${this.root}${path}`);
  }

  /** The set was written: the property gets it too. */
  written(path: string, cpus: CpuSet, leftMs: number): void {
    const unit = unitOf(path);
    if (unit === undefined) return;
    const result = this.units?.setAllowedCpus(unit, cpus, Math.min(Math.max(leftMs, 1), WRITE_DEADLINE_MS));
    this.#told.set(path, result === undefined ? NO_BUS : result.kind === "done" ? cpus : result.reason);
  }

  /** A reading, with whose set it is and why that may not last. A property that couldn't be set is tried again. */
  withOwner(path: string, reading: CpusetReading): CpusetReading {
    if (reading.kind !== "values" || reading.isInherited) return reading;
    if (markOf(`${this.root}${path}`) === "none") return { ...reading, isForeign: true };
    const told = this.#told.get(path);
    if (unitOf(path) === undefined || (told !== undefined && typeof told !== "string")) return reading;
    if (told !== NO_BUS) this.written(path, reading.cpus, READ_DEADLINE_MS);
    const weakness = this.#told.get(path);
    return typeof weakness === "string" ? { ...reading, weakness } : reading;
  }
}

/** The unit whose cgroup that is, by the last name; undefined: none of systemd's. */
export function unitOf(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return name.endsWith(".slice") || name.endsWith(".scope") ? name : undefined;
}
