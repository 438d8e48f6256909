import type { StatusDocument } from "../../../src/status/document.ts";
import type { Bench } from "../harness/bench.ts";
import { expectCpus, expectText, expectThat, Unmet } from "../harness/expect.ts";
import {
  agentComesBack,
  agentIsThere,
  killAgent,
  reboot,
  restartContainerd,
  restartKubelet,
  rollOut,
  withoutAgent,
} from "../harness/node_events.ts";
import { listText } from "../harness/overlaps.ts";
import { bestEffort, exclusive, pinned, type PodWish, shared } from "../harness/pods.ts";
import { type Sampled, Sampler } from "../harness/sampler.ts";
import type { Suite, Test } from "../harness/suite.ts";
import { askAgent, killAgents } from "../cluster/agent.ts";
import { optionsOf } from "../cluster/node.ts";

/** As many kinds as the node has room for. */
function population(bench: Bench): Record<string, PodWish> {
  const small: Record<string, PodWish> = {
    integer: exclusive(1),
    burstable: shared(),
    besteffort: bestEffort(),
  };
  return bench.cpus.length < 8
    ? small
    : { ...small, two: exclusive(2), seven: exclusive(7), annotated: pinned("4-5") };
}

/** All containers of the test's pods: their CPUs, and how often they were restarted. */
async function placesOf(bench: Bench, names: readonly string[]): Promise<string> {
  const lines = await Promise.all(names.map(async (name) => {
    const [main] = bench.pod(name).status.containerStatuses ?? [];
    return `${name}: ${listText(await bench.cpusOf(name))}, ${main?.restartCount} restarts`;
  }));
  return lines.join("; ");
}

/** The pods have after `event` what they had before it. */
async function unchangedBy(bench: Bench, event: () => Promise<void>): Promise<void> {
  const pods = population(bench);
  const names = Object.keys(pods);
  await bench.runAll(pods);
  const before = await placesOf(bench, names);
  await event();
  await bench.settles(() => bench.check());
  const after = await placesOf(bench, names);
  if (after !== before) throw new Unmet("the pods' places", before, after);
  await bench.run("later", shared());
}

async function correctsEarlier(bench: Bench): Promise<void> {
  const pods = population(bench);
  await withoutAgent(bench, async () => {
    for (const [name, pod] of Object.entries(pods)) await bench.create(name, pod);
    for (const name of Object.keys(pods)) await bench.running(name);
  });
  await bench.settles(() => bench.check());
}

/** Those that use much memory keep that of all nodes, and the agent says so; on nodes that claim CPUs. */
async function correctsMemory(bench: Bench): Promise<void> {
  const all = bench.options.view.memsOf(bench.cpus);
  if (all.length < 2 || !optionsOf(bench.node).big) return bench.log("the node claims no memory nodes");
  const pods = { young: pinned("1"), large: pinned("2") };
  await withoutAgent(bench, async () => {
    for (const [name, pod] of Object.entries(pods)) await bench.create(name, pod);
    for (const name of Object.keys(pods)) await bench.running(name);
    for (const name of Object.keys(pods)) expectCpus(name, (await bench.seen(name)).mems, all);
    bench.chargeMemory(await bench.seen("large"), 2 ** 30);
  });
  const near = bench.options.view.memsOf([1]);
  await bench.settles(async () =>
    expectCpus("the young one's nodes", (await bench.seen("young")).mems, near)
  );
  const { containers } = await askAgent<StatusDocument>(bench.node, "status");
  const reason = containers.find(({ pod }) => pod === "large")?.reason ?? "";
  expectText("what the agent says of the large one", reason, /memory nodes not set to \d: .*uses 1024 MiB/);
  expectCpus("the large one's nodes", (await bench.seen("large")).mems, all);
  expectCpus("the large one's CPUs", await bench.cpusOf("large"), [2]);
  bench.chargeMemory(await bench.seen("large"), 2 ** 20);
  await bench.settles(() => bench.check());
}

/** Resolves as soon as somebody writes to the file. */
async function nextWrite(file: string): Promise<void> {
  for await (const { kind } of Deno.watchFs(file)) if (kind === "modify") return;
}

/** An annotated pod moves an integer pod, and the agent is killed when it has written that one's CPUs, or before. */
async function killedWhileMoving(bench: Bench): Promise<void> {
  await bench.runAll({ integer: exclusive(2), burstable: shared() });
  for (let round = 0; round < 5; round++) {
    const own = await bench.cpusOf("integer");
    const written = nextWrite(bench.cpusetFile(await bench.seen("integer")));
    await bench.create("annotated", pinned(listText(own)));
    if (round % 2 === 0) await written;
    bench.log(`killed ${await killAgents(bench.node)} processes of the agent`);
    await agentComesBack(bench);
    await bench.running("annotated");
    await bench.settles(async () => {
      const after = await bench.cpusOf("integer");
      expectThat(!after.some((cpu) => own.includes(cpu)), `the integer pod still has ${listText(after)}`);
    });
    await bench.kube.delete(`/api/v1/namespaces/${bench.namespace}/pods/annotated`);
    await bench.gone("annotated");
    await bench.settles(() => bench.check());
  }
}

async function afterReboot(bench: Bench): Promise<void> {
  const pods = population(bench);
  await bench.runAll(pods);
  await reboot(bench);
  for (const name of Object.keys(pods)) {
    await bench.until(name, "to run again", ({ status }) => {
      const [main] = status.containerStatuses ?? [];
      return main !== undefined && main.restartCount > 0 && main.state.running ? true : undefined;
    });
  }
  await bench.settles(() => bench.check());
}

/** What a sampler sees of pods that come and go while `event` happens; none may ever be where it must not be. */
async function sampled(bench: Bench, event: () => Promise<void>): Promise<Sampled> {
  using sampler = new Sampler([bench.node]);
  let isOver = false;
  const load = async (worker: number) => {
    for (let round = 0; !isOver; round++) {
      const name = `load-${worker}-${round}`;
      await bench.create(name, worker % 2 === 0 ? exclusive(1) : shared());
      await bench.running(name);
      await bench.kube.delete(`/api/v1/namespaces/${bench.namespace}/pods/${name}`, {
        gracePeriodSeconds: 1,
      });
      await bench.gone(name);
    }
  };
  const loads = Promise.all([0, 1, 2, 3].map(load));
  try {
    await event();
  } finally {
    isOver = true;
    await loads;
  }
  await bench.settles(() => bench.check());
  const seen = await sampler.sampled();
  bench.log(`${seen.unplaced} unplaced and ${seen.overlapping} overlapping of ${seen.containers} containers`);
  expectThat(seen.overlapping === 0, `containers overlapped: ${seen.shown.join("; ")}`);
  return seen;
}

async function rolledOut(bench: Bench): Promise<void> {
  if (bench.options.way !== "daemonset") return bench.log("the agent is no DaemonSet here");
  await bench.runAll(population(bench));
  const seen = await sampled(bench, async () => {
    for (let round = 0; round < 2; round++) await rollOut(bench);
  });
  expectThat(seen.unplaced === 0, `containers were unplaced: ${seen.shown.join("; ")}`);
}

async function killedUnderLoad(bench: Bench): Promise<void> {
  await bench.runAll(population(bench));
  await sampled(bench, async () => {
    for (let round = 0; round < 2; round++) await killAgent(bench);
  });
}

const TESTS: readonly Test[] = [
  {
    name: "the agent is killed: nothing changes",
    needs: 1,
    own: true,
    gap: true,
    run: (bench) => unchangedBy(bench, () => killAgent(bench)),
  },
  {
    name: "containers that were there before the agent are corrected",
    needs: 1,
    own: true,
    everywhere: true,
    gap: true,
    run: correctsEarlier,
  },
  {
    name: "pinned containers from before the agent get their memory nodes, unless they use much memory",
    needs: 2,
    own: true,
    everywhere: true,
    gap: true,
    run: correctsMemory,
  },
  {
    name: "containerd is restarted: nothing changes, and the agent connects again",
    needs: 1,
    own: true,
    gap: true,
    run: (bench) => unchangedBy(bench, () => restartContainerd(bench, "SIGTERM")),
  },
  {
    name: "containerd is killed: nothing changes",
    needs: 1,
    own: true,
    gap: true,
    run: (bench) => unchangedBy(bench, () => restartContainerd(bench, "SIGKILL")),
  },
  {
    name: "kubelet is restarted: nothing changes",
    needs: 1,
    own: true,
    run: (bench) => unchangedBy(bench, () => restartKubelet(bench)),
  },
  {
    name: "kubelet is restarted without its record of what it sent: no container loses a CPU",
    needs: 1,
    own: true,
    run: (bench) => unchangedBy(bench, () => restartKubelet(bench, "actuated_pods_state")),
  },
  {
    name: "the agent is killed in the midst of moves",
    needs: 4,
    own: true,
    gap: true,
    run: killedWhileMoving,
  },
  { name: "the node is rebooted", needs: 1, own: true, gap: true, run: afterReboot },
  {
    name: "the DaemonSet is rolled out twice under load",
    needs: 14,
    own: true,
    everywhere: true,
    run: rolledOut,
  },
  { name: "the agent is killed twice under load", needs: 14, own: true, gap: true, run: killedUnderLoad },
];

export const recovery: Suite = {
  name: "Recovery & synchronization",
  tests: TESTS.map((test) => ({ ...test, run: (bench) => agentIsThere(bench).then(() => test.run(bench)) })),
};
