/**
 * Terminal sessions in documents: blocks of `console` whose lines `$ weka-cpuset …` are run on a simulated node, one after
 * the other, with what they print below them. Times differ from run to run, so they are those of an example.
 */
import type { Input } from "../../src/agent/step.ts";
import { CORES_IDS } from "../../src/nri/annotations.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { ran, withStatus } from "./command.ts";
import { FakeKernel } from "./fake_kernel.ts";
import { Link } from "./link.ts";
import { containerOf, podOf, type Wanted } from "./messages.ts";
import { run } from "./run_container.ts";
import { type MachineSpec, sysfsTree, writeTree } from "./sysfs.ts";

/** One socket with two NUMA nodes of four cores. */
const MACHINE: MachineSpec = { sockets: 1, nodesPerSocket: 2, coresPerNode: 4, threads: 2 };
const CLASSES = ["/kubepods/burstable", "/kubepods/besteffort"];

const RUNNING: readonly Wanted[] = [
  { namespace: "prod", name: "db-0", container: "postgres", cpus: 4, cgroupParent: "/kubepods/pod1" },
  { namespace: "prod", name: "web-7c9", container: "nginx", cgroupParent: "/kubepods/burstable/pod2" },
  {
    namespace: "kube-system",
    name: "node-agent",
    container: "main",
    cgroupParent: "/kubepods/besteffort/pod3",
  },
  {
    namespace: "storage",
    name: "drive-0",
    container: "weka",
    annotations: { [CORES_IDS]: "2" },
    cgroupParent: "/kubepods/burstable/pod4",
  },
];

const REFUSED: Wanted = {
  namespace: "prod",
  name: "batch-x",
  container: "main",
  cpus: 12,
  cgroupParent: "/kubepods/pod5",
};

/** A text with its sessions as they are now. */
export async function sessionsIn(text: string): Promise<string> {
  const parts = text.split(/(^```console\n[^]*?^```$)/m);
  if (parts.length === 1) return text;
  const dir = await Deno.makeTempDir();
  const clock = Date.now;
  // Ages are counted from this process' start, which on a busy machine is long ago: two digits would be shown as such.
  Date.now = () => performance.timeOrigin + 5000;
  try {
    writeTree(dir, sysfsTree(MACHINE));
    const node = simulated();
    let written = "";
    await withStatus(node.driver, async ({ runDir, journal }) => {
      for (const record of node.link.logs) journal.add(record, Date.now());
      const roots = ["--run-dir", runDir, "--cgroup-root", runDir, "--sysfs-root", dir];
      for (const part of parts) written += part.startsWith("```console") ? await session(part, roots) : part;
    });
    return written;
  } finally {
    Date.now = clock;
    await Deno.remove(dir, { recursive: true });
  }
}

async function session(block: string, roots: readonly string[]): Promise<string> {
  const commands = block.split("\n").filter((line) => line.startsWith("$ "));
  const lines: string[] = [];
  for (const line of commands) {
    const [program, command = "", ...args] = line.slice("$ ".length).split(" ");
    if (program !== "weka-cpuset") throw new Error(`only weka-cpuset is run here, not ${line}`);
    // Where nothing of a node is asked its roots would be shown.
    const own = command === "config" ? [] : roots;
    const { out, error, status } = await ran(...own, command, ...args);
    // As main.ts prints it.
    const told = error === "" || error.startsWith("error: ") ? error : `weka-cpuset: ${error}`;
    lines.push(line, ...[out, told].filter((each) => each !== "").map(timeless));
    if (status !== 0) lines.push(`(exit code ${status})`);
  }
  return ["```console", ...lines, "```"].join("\n");
}

/** With the times of an example, each as long as it was. */
function timeless(text: string): string {
  return text.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "2026-01-31T08:00:00.000Z")
    .replaceAll(/\b\d{1,2}s\b/g, (age) => `${age.length === 2 ? "" : "1"}5m`);
}

/** An agent with all that, which does what is due after each input. */
function simulated() {
  const kernel = new FakeKernel(2);
  kernel.online = CpuSet.range(0, 15);
  for (const path of CLASSES) kernel.appear(path, "");
  const link = Link.serving([], MACHINE, { cpusets: kernel });
  for (const wanted of RUNNING) run({ link, kernel }, wanted);
  link.refusal(REFUSED);
  const feed = (input: Input) => {
    link.feed(input);
    if (link.asked.splice(0).some(({ kind }) => kind === "list")) link.feed({ kind: "listed", listing });
    for (let n = 0; n < 3; n++) link.tick(link.now + 500);
  };
  feed({ kind: "tick", now: 0 });
  const driver = {
    get agent() {
      return link.agent;
    },
    feed,
  };
  return { link, driver };
}

const listing = { pods: RUNNING.map(podOf), containers: RUNNING.map(containerOf) };
