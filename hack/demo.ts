/**
 * Demonstrates the agent without a cluster: the compiled agent runs against the embedded NRI runtime, first on this
 * machine's CPUs, then on a simulated 64-CPU machine. It is killed in between, and pods start without it. After each step
 * the CPU map is drawn from the runtime's cgroup tree, and checked. Exit code 0 if every step was as expected, else 1 and a sentence.
 */
import { discover } from "../src/cpu/discover.ts";
import type { Topology } from "../src/cpu/topology.ts";
import { bigNode, sysfsTree, writeTree } from "../tests/kit/sysfs.ts";
import { EmbeddedRuntime } from "../tests/kit/runtime/runtime.ts";
import { DemoAgent } from "./demo/agent.ts";
import { Play, type Step } from "./demo/play.ts";

/** A machine and the steps to run on it. */
interface Machine {
  name: string;
  sysfs: string;
  topology: Topology;
  steps: Step[];
  /** The agent's configuration, as variables. */
  env?: Record<string, string>;
}

const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
const EXECUTABLE = `${ROOT}/dist/weka-cpuset`;
const MAX_WIDTH = 100;
const MIN_WIDTH = 40;

const SHARED = {
  title: "shared pods: every CPU that isn't claimed",
  apply: "deploy/samples/shared-deployment.yaml",
};
const GREEDY = {
  title: "an exclusive pod that requests too many CPUs",
  apply: "hack/demo/greedy.yaml",
  expect: "refused",
} as const;
const EXCLUSIVE = { title: "an exclusive pod: a CPU of its own", apply: "hack/demo/exclusive.yaml" };
const KILLED = { title: "the agent is killed: every container keeps its CPUs", agent: "killed" } as const;
const UNATTENDED = "hack/demo/unattended.yaml";
/** What an agent leaves behind, and the next one takes over. */
const KILL_SCENE = [
  KILLED,
  {
    title: "pods start while no agent runs: their classes' cgroups keep them off exclusive CPUs",
    apply: UNATTENDED,
    expect: "run",
  },
  { title: "the agent is started again, and takes everything over", agent: "started" },
] as const;
/** The same without fences. */
const UNFENCED_SCENE = [
  { ...EXCLUSIVE, expect: "run" },
  KILLED,
  {
    title: "pods start while no agent runs: on any CPU, also on the exclusive one",
    apply: UNATTENDED,
    expect: "astray",
  },
  { title: "the agent is started again, and moves them away", agent: "started" },
] as const;
const COMPUTE = "deploy/samples/weka-compute.yaml";
const COMPUTE_STARTS = { title: "storage, compute processes: whole cores of their own", apply: COMPUTE };
const COMPUTE_ENDS = { title: "the compute processes end: the shared pool grows", remove: COMPUTE };
const PINNED_SAMPLES = [
  { title: "a pinned pod: exactly the CPUs that it names", apply: "deploy/samples/pinned-pod.yaml" },
  { title: "another one; pinned pods may share a CPU", apply: "deploy/samples/annotated-daemonset.yaml" },
  { title: "storage, drive processes: pinned to chosen cores", apply: "deploy/samples/weka-drive.yaml" },
];
const OTHER_SAMPLES = [
  { title: "storage, clients: shared", apply: "deploy/samples/weka-client.yaml" },
  { title: "pods with forbidden CPUs", apply: "deploy/samples/forbid-core-ids.yaml" },
];

/** Steps that fit on any machine with two CPUs, then the samples, some of which small machines refuse. */
function stepsHere(cpus: number): Step[] {
  const expect = cpus >= 2 ? { expect: "run" as const } : {};
  return [
    { ...SHARED, expect: "run" },
    { ...EXCLUSIVE, ...expect },
    GREEDY,
    ...KILL_SCENE,
    { title: "the exclusive pod ends: the shared pool grows", remove: EXCLUSIVE.apply },
    { title: "a pinned pod: exactly CPU 1", apply: "hack/demo/pinned.yaml", ...expect },
    { title: "the pinned pod ends", remove: "hack/demo/pinned.yaml" },
    ...PINNED_SAMPLES,
    COMPUTE_STARTS,
    ...OTHER_SAMPLES,
    COMPUTE_ENDS,
  ];
}

function stepsOfBigNode(): Step[] {
  const run = (step: Step): Step => ({ ...step, expect: "run" });
  return [
    ...[SHARED, COMPUTE_STARTS].map(run),
    ...KILL_SCENE,
    ...[...PINNED_SAMPLES, ...OTHER_SAMPLES].map(run),
    GREEDY,
    COMPUTE_ENDS,
  ];
}

async function playOn({ name, sysfs, topology, steps, env = {} }: Machine, dir: string): Promise<void> {
  const { sockets, numaNodes, cores } = topology.groups;
  const shape = [
    counted(topology.online.size, "CPU"),
    counted(cores.length, "core"),
    counted(numaNodes.length, "NUMA node"),
    counted(sockets.length, "socket"),
  ];
  print(`\n══ ${name}: ${shape.join(", ")} ══\n`);
  await Deno.mkdir(dir);
  const [socketPath, cgroupRoot] = [`${dir}/nri.sock`, `${dir}/cgroup`];
  const runtime = EmbeddedRuntime.start({ socketPath, cgroupRoot, online: topology.online, isLive: true });
  const agent = new DemoAgent(runtime, {
    mode: "external",
    program: EXECUTABLE,
    dir,
    socket: socketPath,
    sysfs,
    // Its complaint about a start that fails goes to the same file.
    shell: `exec 2>>${dir}/agent.log`,
    flags: { "--log-file": "", "--apply": "kernel-first" },
    env,
  });
  const play = new Play({
    runtime,
    agent,
    topology,
    root: ROOT,
    print,
    style: { width: width(), colour: colour() },
  });
  try {
    await agent.start();
    for (const [at, step] of steps.entries()) await play.step(step, `${at + 1}/${steps.length}`);
    const refused = play.refused === 0
      ? ""
      : `; ${counted(play.refused, "container")} refused, with a reason`;
    print(`\n   ✓ every step as expected${refused}\n`);
  } catch (error) {
    print(`\nlast lines of the agent's log:\n${agent.tail()}\n\n`);
    throw error;
  } finally {
    await agent.stop();
    await runtime.close();
  }
}

async function main(): Promise<void> {
  if (!await exists(EXECUTABLE)) throw new Error("dist/weka-cpuset doesn't exist; run make build first");
  const dir = await Deno.makeTempDir({ prefix: "weka-cpuset-demo-" });
  try {
    const here = topologyOf("/sys");
    const machine = { name: "this machine", sysfs: "/sys", topology: here };
    await playOn({ ...machine, steps: stepsHere(here.online.size) }, `${dir}/here`);
    if (here.online.size >= 2) {
      const unfenced = {
        name: "this machine, without fences (fence: off)",
        env: { WEKA_CPUSET_FENCE: "off" },
      };
      await playOn({ ...machine, ...unfenced, steps: [...UNFENCED_SCENE] }, `${dir}/unfenced`);
    }
    const sysfs = `${dir}/sys`;
    writeTree(sysfs, sysfsTree(bigNode));
    const big = topologyOf(sysfs);
    await playOn({ name: "simulated machine", sysfs, topology: big, steps: stepsOfBigNode() }, `${dir}/big`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function topologyOf(sysfs: string): Topology {
  return discover((path) => {
    try {
      return Deno.readTextFileSync(`${sysfs}/${path}`);
    } catch {
      return undefined;
    }
  }).topology;
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

function colour(): boolean {
  return Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
}

function width(): number {
  return Deno.stdout.isTerminal()
    ? Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, Deno.consoleSize().columns))
    : MAX_WIDTH;
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 1;
  }
}
