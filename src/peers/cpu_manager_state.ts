import { CpuSet } from "../cpu/cpu_set.ts";
import { type CpuHolder, type CpuManager, known, unknown } from "./cpu_manager.ts";
import { versionOf } from "../platform/file_version.ts";
import { at, parseJson, textAt } from "../platform/json_at.ts";
import { printable } from "../platform/printable.ts";

/** The state of kubelet's CPU manager, in kubelet's root directory. */
const STATE_FILE = "cpu_manager_state";

/** An entry has some 80 bytes; a thousand containers with CPUs of their own have less than a tenth of this. */
const MAX_BYTES = 1 << 20;

/**
 * Parses a state file (kubernetes, pkg/kubelet/cm/cpumanager/state/checkpoint.go). kubelet doesn't start with a
 * policy other than the one in its file, so the file is right even while kubelet is stopped. Its checksum
 * depends on kubelet's version and on Go's formatting, and isn't checked.
 *
 * @param source the file, for sentences
 */
export function parseCpuManagerState(text: string, source: string): CpuManager {
  const state = parseJson(text);
  const policy = textAt(state, "policyName");
  if (policy === "") return unknown(`${source} is not a state of kubelet's CPU manager`);
  return known(policy, source, holdersIn(at(state, "entries")));
}

/** By pod and container, as kubelet writes it since 1.18; before that by container id. */
function* holdersIn(entries: unknown): Generator<CpuHolder> {
  for (const [pod, containers] of entriesOf(entries)) {
    if (typeof containers === "string") yield { name: `container ${pod}`, cpus: setIn(containers) };
    for (const [container, set] of entriesOf(containers)) {
      yield { name: `pod ${pod} container ${container}`, cpus: setIn(set) };
    }
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function setIn(value: unknown): CpuSet {
  const set = typeof value === "string" ? CpuSet.parse(value) : undefined;
  return set instanceof CpuSet ? set : CpuSet.empty;
}

/**
 * A reader of the state file in kubelet's root directory. It throws nothing: what can't be read is unknown, with a
 * reason. A file of the same identity, time and size isn't read again.
 */
export function cpuManagerStateReader(root: string): () => CpuManager {
  const path = `${root}/${STATE_FILE}`;
  let readVersion: string | undefined;
  let manager: CpuManager = unknown(`${path} was not read`);
  return () => {
    try {
      const info = Deno.statSync(path);
      const version = versionOf(info);
      if (version !== readVersion) manager = read(path, info);
      readVersion = version;
    } catch (error) {
      readVersion = undefined;
      manager = unknown(problemOf(path, error));
    }
    return manager;
  };
}

function read(path: string, { isFile, size }: Deno.FileInfo): CpuManager {
  // Opening a pipe would block until a writer opens it.
  if (!isFile) return unknown(`${path} is not a regular file`);
  if (size > MAX_BYTES) {
    return unknown(`${path} has ${size} bytes, more than the limit of ${MAX_BYTES}`);
  }
  return parseCpuManagerState(new TextDecoder().decode(readUpTo(path, size)), path);
}

/** At most its size at the check: kubelet replaces the file and never extends one. */
function readUpTo(path: string, size: number): Uint8Array {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return bytes.subarray(0, length);
}

function problemOf(path: string, error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return `there is no ${path}`;
  return `${path} can't be read: ${printable((error as Error).message)}`;
}
