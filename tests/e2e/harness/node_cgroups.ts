/**
 * The cpusets of a node's containers, as often as one likes. Of this machine's kernel; on a node that claims CPUs which
 * aren't there, of the made-up tree that runc-map and the agent write. Which processes live is the kernel's in both cases.
 */
import { optionsOf } from "../cluster/node.ts";
import { nodeCgroup, nodeFolder, nodeRoot } from "../cluster/places.ts";
import { cgroupMounts, findHierarchy, numbers } from "../../system/node/machine.ts";
import { withRest } from "./overlaps.ts";
import { type Wish, wishFrom } from "./wish.ts";

/** What a node has. */
export interface Machine {
  readonly cpus: readonly number[];
  /** The CPUs of each core. */
  readonly cores: readonly (readonly number[])[];
  memsOf(cpus: readonly number[]): readonly number[];
}

/** A container whose program runs. */
export interface Seen {
  readonly id: string;
  /** `NAMESPACE/POD/CONTAINER` */
  readonly name: string;
  readonly wish: Wish;
  readonly cpus: readonly number[];
  readonly mems: readonly number[];
}

/** What stays as it is for all of a container's life. */
interface Known {
  readonly path: string;
  readonly name: string;
  readonly wish: Wish;
  /** It has its pod's figures, so perhaps none of its own. */
  readonly isOfPod: boolean;
  /** Whether its program has been seen to run, and not only the runtime's, which runs before it. */
  hasStarted: boolean;
}

/** The runtime's words about a container: its bundle's config.json, see the OCI runtime specification. */
interface Bundle {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: {
    readonly cgroupsPath?: string;
    readonly resources?: { readonly cpu?: { shares?: number; quota?: number; period?: number } };
  };
}

const CLASSES = ["", "/burstable", "/besteffort"];
const TASKS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

export class NodeCgroups {
  readonly #kubepods: string;
  /** Of the sets, and of the processes. */
  readonly #sets: string;
  readonly #kernel: string;
  /** With which the files end that say what holds. */
  readonly #inForce: string;
  readonly #known = new Map<string, Known>();

  constructor(private readonly node: string) {
    this.#kernel = findHierarchy().root;
    const { big } = optionsOf(node);
    this.#sets = big ? `${nodeFolder(node)}/claims/cgroup/cpuset` : this.#kernel;
    // What isn't set in cgroup v2 is that of the cgroup above.
    this.#inForce = !big && findHierarchy().version === 2 ? ".effective" : "";
    this.#kubepods = `${nodeCgroup(node)}/kubepods`;
  }

  /** All containers whose programs run, pause containers aside. */
  look(): Seen[] {
    const found: Seen[] = [];
    const ids = new Set<string>();
    for (const path of this.#containers()) {
      const id = path.slice(path.lastIndexOf("/") + 1);
      ids.add(id);
      const known = this.#known.get(id) ?? this.#learn(id, path);
      if (known === undefined || !this.#runs(known)) continue;
      const seen = this.#read(id, known);
      if (seen !== undefined) found.push(seen);
    }
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
    const isOfPod = ({ id }: Seen) => this.#known.get(id)?.isOfPod === true;
    return found.map((each) =>
      isOfPod(each) ? withRest(each, found.filter((other) => !isOfPod(other))) : each
    );
  }

  /** The same container anew; undefined when nothing of it lives. */
  again({ id, wish }: Seen): Seen | undefined {
    const known = this.#known.get(id);
    const found = known === undefined || this.#processes(known.path) === ""
      ? undefined
      : this.#read(id, known);
    // What the others of its pod leave it isn't known from itself.
    return found !== undefined && known?.isOfPod ? { ...found, wish } : found;
  }

  cpusetFile({ id }: Seen): string {
    return `${this.#sets}${this.#known.get(id)?.path}/cpuset.cpus`;
  }

  /** The CPUs of the cgroup of a QoS class. */
  classCpus(name: "burstable" | "besteffort"): number[] {
    return numbers(readOr(`${this.#sets}${this.#kubepods}/${name}/cpuset.cpus${this.#inForce}`));
  }

  /** All CPUs that the node claims, those of each core, and the memory nodes of each. */
  get machine(): Machine {
    const system = optionsOf(this.node).big ? `${nodeFolder(this.node)}/claims/sys` : "/sys/devices/system";
    const nodes = numbers(readOr(`${system}/node/has_memory`));
    const lists = nodes.map((node) => numbers(readOr(`${system}/node/node${node}/cpulist`)));
    const cpus = numbers(readOr(`${system}/cpu/online`));
    const siblings = (cpu: number) => readOr(`${system}/cpu/cpu${cpu}/topology/thread_siblings_list`);
    return {
      cpus,
      cores: [...new Set(cpus.map(siblings))].map(numbers),
      memsOf: (cpus) =>
        nodes.length === 0 ? [0] : nodes.filter((_, at) => lists[at]?.some((cpu) => cpus.includes(cpu))),
    };
  }

  #containers(): string[] {
    const pods = CLASSES.flatMap((name) =>
      directories(`${this.#sets}${this.#kubepods}${name}`).filter((pod) => pod.startsWith("pod"))
        .map((pod) => `${this.#kubepods}${name}/${pod}`)
    );
    return pods.flatMap((pod) => directories(`${this.#sets}${pod}`).map((id) => `${pod}/${id}`));
  }

  /** Undefined for pause containers, and while the runtime is still writing. */
  #learn(id: string, path: string): Known | undefined {
    const text = readOr(`${nodeRoot(this.node)}${TASKS}/${id}/config.json`);
    if (text === "") return undefined;
    const { annotations = {}, linux } = JSON.parse(text) as Bundle;
    const cri = (word: string) => annotations[`io.kubernetes.cri.${word}`] ?? "";
    if (cri("container-type") !== "container") return undefined;
    const { shares = 0, quota = 0, period = 1 } = linux?.resources?.cpu ?? {};
    const count = quota / period;
    const sandbox = JSON.parse(
      readOr(`${nodeRoot(this.node)}${TASKS}/${cri("sandbox-id")}/config.json`) || "{}",
    ) as Bundle;
    const ofPod = (word: string) => Number(sandbox.annotations?.[`io.kubernetes.cri.sandbox-cpu-${word}`]);
    // A hundred-thousandth of a share is lost to rounding at most; a pod of the Guaranteed class lies outside the others.
    const isWhole = Number.isInteger(count) && shares === Math.floor(count * 1024) &&
      path.includes("kubepods/pod");
    const known: Known = {
      path,
      name: `${cri("sandbox-namespace")}/${cri("sandbox-name")}/${cri("container-name")}`,
      wish: wishFrom(annotations, isWhole ? count : 0),
      isOfPod: ofPod("quota") / ofPod("period") === count,
      hasStarted: false,
    };
    this.#known.set(id, known);
    return known;
  }

  /** Whether somebody lives in it, and its program has been started. */
  #runs(known: Known): boolean {
    const [pid = ""] = this.#processes(known.path).split("\n");
    if (pid === "" || known.hasStarted) return pid !== "";
    // Between two names of runc's own its name is "exe", or a number, and at another moment its file isn't runc's any more.
    const command = readOr(`/proc/${pid}/comm`);
    const program = linkOr(`/proc/${pid}/exe`);
    known.hasStarted = command !== "" && !/^(runc|exe$|\d+$)/.test(command) && program !== "" &&
      !program.includes("runc");
    return known.hasStarted;
  }

  #processes(path: string): string {
    return readOr(`${this.#kernel}${path}/cgroup.procs`);
  }

  #read(id: string, { path, name, wish }: Known): Seen | undefined {
    // A plain file is empty for a moment while it is written; a living container's cpuset never is.
    const cpus = numbers(readOr(`${this.#sets}${path}/cpuset.cpus${this.#inForce}`));
    const mems = numbers(readOr(`${this.#sets}${path}/cpuset.mems${this.#inForce}`));
    if (cpus.length === 0) return undefined;
    const isResized = wish.kind === "exclusive" && wish.count !== cpus.length;
    return { id, name, wish: isResized ? resized(path, wish) : wish, cpus, mems };
  }
}

/** As its CFS quota says, which a resize in place changes; the bundle's file stays as it was. */
function resized<T extends Wish>(path: string, wish: T): T {
  const root = cgroupMounts().find(({ options }) => options.includes("cpu"))?.root ?? findHierarchy().root;
  const files = ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map((file) => readOr(`${root}${path}/${file}`))
    .join(" ");
  const [quota = NaN, period = NaN] = (files.trim() || readOr(`${root}${path}/cpu.max`)).split(" ").map(
    Number,
  );
  return quota > 0 ? { ...wish, count: quota / period } : wish;
}

function directories(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Empty where it has gone. */
function linkOr(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}

/** Empty where it has gone. */
function readOr(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return "";
  }
}
