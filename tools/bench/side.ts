// One of the programs that are measured side by side, on a made-up node of its own: containers, their cpusets as plain
// files, and the runtime's end of its connection.

import assert from "node:assert/strict";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Container, ContainerUpdate } from "../../src/nri/gen/nri_pb.ts";
import { AgentChild, type Mode, type Usage } from "./agent_child.ts";
import { CpusetFiles } from "./cpuset_files.ts";
import { Peer } from "./peer.ts";
import { type Guest, Reception, synchronizeWith } from "./reception.ts";
import type { Machine } from "./stage.ts";
import { type Named, population, type Subject, subjectOf } from "./subjects.ts";

/** A program that is measured beside others. */
export interface Contestant {
  /** As tables show it. */
  readonly name: string;
  readonly executable: string;
  readonly mode: Mode;
  /** In place of the agent's own command line. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** It writes cpusets itself, also after its answer. */
  readonly writes: boolean;
}

/** From its start, in ms. */
export interface Started {
  readonly registered: number;
  readonly synchronized: number;
}

/** A container that comes, and its cgroup's place. */
export interface Placed {
  readonly named: Named;
  readonly pod: string;
  readonly cgroup: string;
}

/** Of one program, made for it and removed after it. */
export interface Folders {
  /** For its log and its sockets. */
  readonly dir: string;
  /** For its cgroup tree. */
  readonly cgroups: string;
}

const SETTLE_MS = 60_000;
const POLL_MS = 3;

export class Side implements AsyncDisposable {
  readonly peer: Peer;
  /** Those that live there for good. */
  readonly #byId: ReadonlyMap<string, Container>;
  #agent: AgentChild;

  private constructor(
    readonly contestant: Contestant,
    private readonly options: ConstructorParameters<typeof AgentChild>[0],
    private readonly reception: Reception,
    private readonly files: CpusetFiles,
    private readonly subjects: readonly Subject[],
    agent: AgentChild,
    guest: Guest,
  ) {
    this.#agent = agent;
    this.#byId = new Map(subjects.map(({ container }) => [container.id, container]));
    this.peer = new Peer(guest.ask, (updates) => this.#apply(updates));
    this.#apply(guest.updates);
  }

  /** Its first start, on a node where so many containers run that nobody has placed. */
  static async start(
    contestant: Contestant,
    { cpus, sysfs }: Machine,
    live: number,
    { dir, cgroups }: Folders,
  ): Promise<{ side: Side; started: Started }> {
    Deno.mkdirSync(dir);
    const files = new CpusetFiles(cgroups, `0-${cpus - 1}`);
    const subjects = population(live, cpus).map((wanted) => {
      const { named, pod, cgroup } = placed(wanted);
      for (const path of [pod, cgroup]) files.make(path);
      return subjectOf(named);
    });
    const reception = new Reception(`${dir}/nri.sock`);
    const { mode, executable, args, env = {} } = contestant;
    const options = {
      ...{ mode, executable, env, sysfs, dir, socket: reception.path, cgroups: files.root },
      ...(args === undefined ? {} : { args }),
    };
    const { agent, guest, started } = await welcomed(options, reception, subjects);
    const side = new Side(contestant, options, reception, files, subjects, agent, guest);
    return { side, started };
  }

  /** It is killed and started again, and finds what it has placed. */
  async restart(): Promise<Started> {
    await this.#agent.end();
    const { agent, guest, started } = await welcomed(this.options, this.reception, this.subjects);
    this.#agent = agent;
    this.peer.meet(guest.ask);
    this.#apply(guest.updates);
    return started;
  }

  usage(): Usage {
    return this.#agent.usage();
  }

  /** As runc does it, with the CPUs that the agent has answered. */
  makeCgroup({ pod, cgroup }: Placed, cpus: string): void {
    this.files.make(pod);
    this.files.make(cgroup, cpus);
  }

  removeCgroup({ pod }: Placed): void {
    this.files.remove(pod);
  }

  /** Until every shared container's cpuset is what it is where nobody else has come. */
  async settled(): Promise<void> {
    if (!this.contestant.writes) return;
    const shared = this.subjects.filter(isShared).map((subject) =>
      subject.container.linux?.cgroupsPath ?? ""
    );
    const deadline = performance.now() + SETTLE_MS;
    for (let at = 0; at < shared.length;) {
      if (this.files.read(shared[at] ?? "") === this.#pool()) at++;
      else {
        assert(
          performance.now() < deadline,
          `shared containers aren't back on their CPUs after ${SETTLE_MS} ms`,
        );
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.end();
    this.reception.close();
    for (const folder of [this.options.dir, this.files.root]) Deno.removeSync(folder, { recursive: true });
  }

  /** All CPUs but those that others have for themselves. */
  #pool(): string {
    const claimed = this.subjects.filter((subject) => !isShared(subject)).map(({ container }) =>
      listed(this.files.read(container.linux?.cgroupsPath ?? ""))
    );
    return `${claimed.reduce((pool, cpus) => pool.difference(cpus), listed(this.files.read("")))}`;
  }

  /** As a runtime: in its records, and in the cgroup. */
  #apply(updates: readonly ContainerUpdate[]): void {
    for (const { containerId, linux } of updates) {
      const container = this.#byId.get(containerId)?.linux;
      const cpus = linux?.resources?.cpu?.cpus ?? "";
      if (container?.resources?.cpu === undefined || cpus === "") continue;
      container.resources.cpu.cpus = cpus;
      this.files.write(container.cgroupsPath, cpus);
    }
  }
}

/** Where kubelet would put it; each has a pod of its own. */
export function placed(named: Named): Placed {
  const pod = `/kubepods/${named.cpus === undefined ? "besteffort/" : ""}pod-${named.name}`;
  const cgroup = `${pod}/${subjectOf(named).container.id}`;
  return { named: { ...named, cgroupParent: pod, cgroupsPath: cgroup }, pod, cgroup };
}

async function welcomed(
  options: ConstructorParameters<typeof AgentChild>[0],
  reception: Reception,
  subjects: readonly Subject[],
) {
  const synchronize = synchronizeWith(subjects);
  const agent = new AgentChild(options);
  try {
    const guest = await agent.during(reception.welcome(synchronize));
    const { startedAt } = agent;
    const started = {
      registered: guest.registeredAt - startedAt,
      synchronized: guest.synchronizedAt - startedAt,
    };
    return { agent, guest, started };
  } catch (error) {
    await agent.end();
    throw error;
  }
}

function isShared({ pod, container }: Subject): boolean {
  return Object.keys(pod.annotations).length === 0 && container.linux?.resources?.cpu?.quota === undefined;
}

function listed(cpus: string): CpuSet {
  const set = CpuSet.parse(cpus);
  assert(set instanceof CpuSet, `${cpus} is no list of CPUs`);
  return set;
}
