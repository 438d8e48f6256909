import { CpuSet } from "../cpu/cpu_set.ts";
import { type CpuManager, type Holder, told, untold } from "./cpu_manager.ts";
import { versionOf } from "../platform/file_version.ts";
import { at, parseJson, textAt } from "../platform/json_at.ts";
import { printable } from "../platform/printable.ts";

/** The state of kubelet's CPU manager, in kubelet's root directory. */
export const STATE_FILE = "cpu_manager_state";

/** An entry has some 80 bytes; a thousand containers with CPUs of their own have less than a tenth of this. */
const MAX_SIZE = 1 << 20;

/**
 * What a state file says (kubernetes, pkg/kubelet/cm/cpumanager/state/checkpoint.go). kubelet doesn't start with a
 * policy other than the one in its file, so the file tells even while kubelet is away. Its checksum depends on
 * kubelet's version and on Go's formatting; it isn't looked at.
 *
 * @param source the file, for sentences
 */
export function parseCpuManagerState(text: string, source: string): CpuManager {
  const state = parseJson(text);
  const policy = textAt(state, "policyName");
  if (policy === "") return untold(`${source} is not a state of kubelet's CPU manager`);
  return told(policy, source, holdersIn(at(state, "entries")));
}

/** By pod and container, as kubelet writes it since 1.18; before that by container id. */
function* holdersIn(entries: unknown): Generator<Holder> {
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
 * A reader of the state file in kubelet's root directory. It throws nothing: what can't be read is untold, with one
 * sentence. As long as it is the same file, of the same time and size, it isn't read again.
 */
export function cpuManagerStateReader(root: string): () => CpuManager {
  const path = `${root}/${STATE_FILE}`;
  let seen: string | undefined;
  let found: CpuManager = untold(`${path} was not looked at`);
  return () => {
    try {
      const info = Deno.statSync(path);
      const version = versionOf(info);
      if (version !== seen) found = read(path, info);
      seen = version;
    } catch (error) {
      seen = undefined;
      found = untold(problemOf(path, error));
    }
    return found;
  };
}

function read(path: string, { isFile, size }: Deno.FileInfo): CpuManager {
  // Opening a pipe would wait for somebody who writes to it.
  if (!isFile) return untold(`${path} is not a regular file`);
  if (size > MAX_SIZE) return untold(`${path} has ${size} bytes, and ${MAX_SIZE} is the most that is read`);
  return parseCpuManagerState(new TextDecoder().decode(readUpTo(path, size)), path);
}

/** No more than it had when it was looked at: kubelet puts a new file in its place and never makes one longer. */
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
