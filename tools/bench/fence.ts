// What a claim costs where the QoS classes are fenced, by how many containers there are in them: cgroups of the real
// kernel and the executable, without a runtime.

import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { ContainerRequestSchema } from "../../src/nri/gen/nri_pb.ts";
import { KERNEL, ScratchCgroups } from "../../tests/kit/scratch_cgroups.ts";
import { type AgentChild, AgentChild as Child } from "./agent_child.ts";
import { type Ask, Peer } from "./peer.ts";
import { Reception, synchronizeWith } from "./reception.ts";
import type { Figure, Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { ratios, summarize } from "./statistics.ts";
import { type Named, subjectOf } from "./subjects.ts";

const [FEW, MANY] = [10, 1000] as const;
const ROUNDS = 40;
const WARM_UP = 5;
const REQUESTS = 1000;
/** Of the time with few containers. */
const GOAL = 1.5;

/**
 * Admissions of an exclusive container: created, its cgroup made, started, ended.
 * @throws {Error} one sentence, where no cgroups can be made
 */
export async function measureFence(
  stage: Pick<Stage, "executable" | "dir" | "progress">,
): Promise<Section[]> {
  if (typeof KERNEL === "string") throw new Error(`fence needs cgroup v2: ${KERNEL}`);
  if (KERNEL.version !== 2) {
    throw new Error("fence needs cgroup v2: make bench-vm boots a machine that has it");
  }
  await using all = new Nodes();
  const nodes = [await all.start(stage, FEW), await all.start(stage, MANY)];
  const took: Record<number, number[]> = { [FEW]: [], [MANY]: [] };
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    stage.progress("fence", Math.max(round, 0), ROUNDS);
    for (const node of nodes) {
      const ms = await node.admit();
      if (round >= 0) took[node.count]?.push(ms);
    }
  }
  const cpu = new Map<number, number>();
  for (const node of nodes) cpu.set(node.count, await node.cpuTimeOf(REQUESTS));
  return sections(took, cpu);
}

/** Agents that end with the benchmark, however it ends. */
class Nodes implements AsyncDisposable {
  readonly #started: Node[] = [];

  async start(stage: Pick<Stage, "executable" | "dir">, count: number): Promise<Node> {
    const node = await Node.start(stage, count);
    this.#started.push(node);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#started) await node.end();
  }
}

function sections(
  took: Readonly<Record<number, readonly number[]>>,
  cpu: ReadonlyMap<number, number>,
): Section[] {
  const [few = [], many = []] = [took[FEW], took[MANY]];
  const figures: Figure[] = [[FEW, few], [MANY, many]].map(([count, samples]) => ({
    labels: [`${count}`, "CreateContainer"],
    unit: "ms",
    summary: summarize(samples as number[]),
  }));
  for (const [count, ms] of cpu) {
    figures.push({
      labels: [`${count}`, `CPU time of ${REQUESTS} requests`],
      unit: "ms",
      summary: summarize([ms]),
    });
  }
  const cpuRatio = (cpu.get(MANY) ?? NaN) / (cpu.get(FEW) ?? NaN);
  const comparison: Figure[] = [
    { labels: ["CreateContainer"], unit: "", summary: summarize(ratios(many, few)), goal: GOAL },
    { labels: [`CPU time of ${REQUESTS} requests`], unit: "", summary: summarize([cpuRatio]), goal: GOAL },
  ];
  return [
    {
      title: "An exclusive claim behind fences",
      note: `On cgroup v2, by how many shared containers there are in the two classes.`,
      dimensions: ["shared", "what"],
      percentiles: true,
      figures,
    },
    {
      title: `The same with ${MANY} by that with ${FEW}`,
      note: "Both agents take turns: the ratio of two in the same round.",
      dimensions: ["what"],
      percentiles: false,
      figures: comparison,
    },
  ];
}

/** An agent, with containers of no processes in cgroups of their own. */
class Node {
  #admitted = 0;

  private constructor(
    readonly count: number,
    private readonly scratch: ScratchCgroups,
    private readonly agent: AgentChild,
    private readonly reception: Reception,
    private readonly ask: Ask,
  ) {}

  static async start(stage: Pick<Stage, "executable" | "dir">, count: number): Promise<Node> {
    assert(typeof KERNEL !== "string");
    const scratch = new ScratchCgroups(KERNEL);
    for (const path of ["/kubepods", "/kubepods/burstable", "/kubepods/besteffort"]) make(scratch, path);
    const subjects = Array.from({ length: count }, (_, at) => {
      const wanted = inClass(scratch, `shared-${at}`, at % 2 === 0 ? "/burstable" : "/besteffort");
      make(scratch, `${wanted.pod}`);
      make(scratch, wanted.cgroup);
      const subject = subjectOf(wanted.named);
      // All of them fit into one message then.
      subject.container.$unknown = [];
      return subject;
    });
    const dir = `${stage.dir}/fence${count}`;
    Deno.mkdirSync(dir);
    const reception = new Reception(`${dir}/nri.sock`);
    const agent = new Child({
      mode: "external",
      executable: stage.executable,
      socket: reception.path,
      sysfs: "/sys",
      cgroups: "/sys/fs/cgroup",
      env: { WEKA_CPUSET_LOG_LEVEL: "debug", WEKA_CPUSET_RECONCILE_SECONDS: "0" },
      dir,
    });
    const { ask } = await agent.during(reception.welcome(synchronizeWith(subjects)));
    return new Node(count, scratch, agent, reception, ask);
  }

  /** Milliseconds of the CreateContainer of an exclusive container, which then runs and ends. */
  async admit(): Promise<number> {
    const { named, pod, cgroup } = inClass(this.scratch, `claim-${this.#admitted++}`, "");
    const peer = new Peer(this.ask);
    const { took, cpus } = await peer.create({ ...named, cpus: 1 });
    assert(cpus !== "", "the claim got no CPUs");
    for (const path of [pod, cgroup]) make(this.scratch, path);
    this.scratch.write(`${this.scratch.top}${cgroup}`, cpus);
    const started = create(ContainerRequestSchema, { ...subjectOf({ ...named, cpus: 1 }) });
    await this.ask("StartContainer", toBinary(ContainerRequestSchema, started));
    for (const path of [cgroup, pod]) this.scratch.remove(`${this.scratch.top}${path}`);
    await peer.end(named.name);
    return took;
  }

  /** Of the agent, in milliseconds; each admission is three requests. */
  async cpuTimeOf(requests: number): Promise<number> {
    const before = this.agent.usage().cpuTime;
    for (let count = 0; count < requests; count += 3) await this.admit();
    return this.agent.usage().cpuTime - before;
  }

  async end(): Promise<void> {
    await this.agent.end();
    this.reception.close();
    this.scratch[Symbol.dispose]();
  }
}

interface Placed {
  readonly named: Named;
  /** Below the test's own cgroup. */
  readonly pod: string;
  readonly cgroup: string;
}

function inClass({ top }: ScratchCgroups, name: string, level: string): Placed {
  const pod = `/kubepods${level}/pod-${name}`;
  const id = subjectOf({ name }).container.id;
  const cgroup = `${pod}/${id}`;
  return { named: { name, cgroupParent: `${top}${pod}`, cgroupsPath: `${top}${cgroup}` }, pod, cgroup };
}

/** As kubelet and runc make it: without a set of its own. */
function make(scratch: ScratchCgroups, path: string): void {
  scratch.make(path, "");
}
