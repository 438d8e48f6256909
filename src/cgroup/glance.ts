/**
 * What was read of cgroups that are kept open, read again in one go. A node at rest does little else, and so seldom that nothing is
 * in a cache: all that is expected lies in one row, and no more of a container is looked at as long as its bytes are the same.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import { libc } from "../platform/libc.ts";
import { hasWholeThreads } from "./affinity.ts";
import type { CgroupDirectory, KeptFile } from "./directory.ts";
import { look } from "./keep.ts";
import type { Glance, GlancedContainer } from "./port.ts";
import { EVENTS_FILE, isPopulatedText, TASKS_FILE } from "./population.ts";
import { type CgroupTree, CPUS_FILE, type CpusetHierarchy, EFFECTIVE_FILE, lastReadingOf } from "./read.ts";

/** One container's, as it was read last. */
interface Cgroup {
  readonly id: string;
  readonly turn: number;
  readonly directory: CgroupDirectory;
  /** In force. */
  readonly cpus: CpuSet;
  readonly files: readonly Expected[];
  /** Whose these are. */
  readonly kept: readonly CgroupDirectory[];
}

interface Expected {
  readonly file: number;
  /** Undefined: any number but zero. */
  readonly bytes: Uint8Array | undefined;
}

/**
 * @param known with the cgroup of each; those aren't looked at in it of which something else was read since, or which aren't open
 * @param pids the tree with the pids controller (v1)
 */
export function glanceAt(
  hierarchy: CpusetHierarchy,
  known: readonly (GlancedContainer & { readonly directory: CgroupDirectory | undefined })[],
  pids?: CgroupTree,
): Glance {
  const cgroups = known.flatMap(({ container: { id }, turn, reading, directory }): Cgroup[] => {
    const isKnown = directory !== undefined && reading.kind === "values" &&
      lastReadingOf(directory, hierarchy.version) === reading;
    if (!isKnown) return [];
    const tasks = pids?.kept?.keptAt(directory.path);
    const files = hierarchy.version === 1 ? filesOfV1(directory, tasks) : filesOfV2(directory);
    const expected = files.filter((each) => each !== undefined);
    if (expected.length < files.length) return [];
    const kept = tasks === undefined ? [directory] : [directory, tasks];
    return [{ id, turn, directory, cpus: reading.effective ?? reading.cpus, files: expected, kept }];
  });
  return new FlatFiles(hierarchy, pids, cgroups);
}

function filesOfV1(directory: CgroupDirectory, tasks: CgroupDirectory | undefined): (Expected | undefined)[] {
  const count = tasks?.keptFile(TASKS_FILE);
  return [directory.keptFile(CPUS_FILE), count && { file: count.file, bytes: undefined }];
}

function filesOfV2(directory: CgroupDirectory): (KeptFile | undefined)[] {
  const events = directory.keptFile(EVENTS_FILE);
  const isPopulated = events !== undefined && isPopulatedText(events.content.text) === true;
  return [
    directory.keptFile(CPUS_FILE),
    directory.keptFile(EFFECTIVE_FILE),
    isPopulated ? events : undefined,
  ];
}

/** Milliseconds; they would be closed after a minute. */
const USE_MS = 20_000;
const SOME = -1;
const ZERO = "0".charCodeAt(0);
const NONE = new Uint8Array();

class FlatFiles implements Glance {
  readonly ids: ReadonlySet<string>;
  /** Places by turn. */
  readonly #turns: ReadonlyMap<number, readonly number[]>;
  readonly #paths: readonly string[];
  readonly #trees: readonly Pick<CpusetHierarchy, "kept" | "balance">[];
  /** How many cgroups had been closed in these when all of its own were open. */
  #closed = -1;
  #usedMs = -Infinity;
  /** Of each file its descriptor, how many bytes are expected ({@link SOME}: no certain ones), and whose it is, by place. */
  readonly #files: Int32Array;
  readonly #lengths: Int32Array;
  readonly #owners: Int32Array;
  /** The bytes, one file's after the other's. */
  readonly #bytes: Uint8Array;
  /** Longer than what any of them should have. */
  readonly #buffer: Uint8Array<ArrayBuffer>;

  constructor(
    private readonly hierarchy: CpusetHierarchy,
    pids: CgroupTree | undefined,
    private readonly cgroups: readonly Cgroup[],
  ) {
    this.ids = new Set(cgroups.map(({ id }) => id));
    this.#turns = Map.groupBy(cgroups.keys(), (at) => cgroups[at]?.turn ?? 0);
    this.#paths = cgroups.map(({ directory }) => directory.path);
    this.#trees = pids === undefined ? [hierarchy] : [hierarchy, pids];
    const files = cgroups.flatMap(({ files }, owner) => files.map((each) => ({ ...each, owner })));
    this.#files = Int32Array.from(files, ({ file }) => file);
    this.#lengths = Int32Array.from(files, ({ bytes }) => bytes?.length ?? SOME);
    this.#owners = Int32Array.from(files, ({ owner }) => owner);
    this.#bytes = new Uint8Array(files.flatMap(({ bytes }) => [...bytes ?? NONE]));
    this.#buffer = new Uint8Array(2 + this.#lengths.reduce((most, length) => Math.max(most, length), 0));
  }

  changed(turn: number): readonly string[] | undefined {
    for (const tree of this.#trees) look(tree, false);
    if (!this.#areOpen()) return undefined;
    this.#use(this.hierarchy.kept?.nowMs ?? 0);
    const differ = this.#differing();
    for (const at of this.#turns.get(turn) ?? []) {
      const each = this.cgroups[at];
      if (each !== undefined && !hasWholeThreads(this.hierarchy, each.directory, each.cpus)) differ.add(at);
    }
    return [...differ].flatMap((at) => this.cgroups[at]?.id ?? []);
  }

  /** The number of one that was closed may be another file's by now. Each is asked only where some cgroup was closed. */
  #areOpen(): boolean {
    const closed = this.#trees.reduce((sum, { kept }) => sum + (kept?.closed ?? 0), 0);
    const areOpen = closed === this.#closed ||
      this.cgroups.every(({ kept }) => kept.every((each) => each.isKept));
    if (areOpen) this.#closed = closed;
    return areOpen;
  }

  /** So that they stay open; each time would cost as much as half of the reads. */
  #use(nowMs: number): void {
    if (nowMs - this.#usedMs < USE_MS) return;
    this.#usedMs = nowMs;
    for (const { kept } of this.#trees) kept?.use(this.#paths);
  }

  /** The places of those that differ, or can't be read. */
  #differing(): Set<number> {
    const { pread } = libc();
    const [buffer, size] = [this.#buffer, BigInt(this.#buffer.length)];
    const differ = new Set<number>();
    let from = 0;
    for (let at = 0; at < this.#files.length; at++) {
      const length = this.#lengths[at] ?? SOME;
      const got = pread(this.#files[at] ?? -1, buffer, size, 0n);
      const isSame = length === SOME
        ? got > 0 && buffer[0] !== ZERO
        : got === length && this.#isExpected(from, length);
      if (!isSame) differ.add(this.#owners[at] ?? 0);
      if (length !== SOME) from += length;
    }
    return differ;
  }

  /** Whether the buffer begins with the bytes that are expected from there on. */
  #isExpected(from: number, length: number): boolean {
    for (let at = 0; at < length; at++) if (this.#buffer[at] !== this.#bytes[from + at]) return false;
    return true;
  }
}
