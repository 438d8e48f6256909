/** What kubelet may be configured to do beside the agent, and pods whose resources are the pod's own. */
import { EXECUTABLE } from "../../system/node/agent.ts";
import { eventually } from "../../system/node/eventually.ts";
import type { Finding } from "../../../src/preflight/verdict.ts";
import { onNode } from "../cluster/node.ts";
import { type Bench, statusOf } from "../harness/bench.ts";
import { agentLog } from "../harness/capture.ts";
import { expectCpus, expectText, expectThat } from "../harness/expect.ts";
import { withKubelet } from "../harness/node_events.ts";
import { listText } from "../harness/overlaps.ts";
import { bestEffort, exclusive, guaranteed, shared } from "../harness/pods.ts";
import type { Suite } from "../harness/suite.ts";

/** The agent looks for other CPU managers once a minute. */
const PATIENCE = { patienceMs: 120_000, pauseMs: 500 };

/** The containers without resources of their own have what the others of the pod leave, and nobody else runs there. */
async function podLevel(bench: Bench): Promise<void> {
  const figures = { cpu: "4", memory: "64Mi" };
  await bench.run("app", {
    containers: [guaranteed("2", "own"), { name: "rest" }],
    more: { resources: { requests: figures, limits: figures } },
  });
  await bench.run("shared", shared());
  const [own = [], rest = [], others = []] = await bench.cpusTogether("app/own", "app/rest", "shared");
  expectThat(
    own.length === 2 && rest.length === 2 && !rest.some((cpu) => own.includes(cpu)),
    `its containers have ${listText(own)} and, without resources of its own, ${listText(rest)}`,
  );
  const hit = others.filter((cpu) => [...own, ...rest].includes(cpu));
  expectThat(hit.length === 0, `another pod has ${listText(hit)} of them`);
  await bench.end("app");
}

/** `cpuManagerPolicy: static`, by mistake: kubelet assigns CPUs of its own choice, and every container keeps those it has. */
async function staticPolicy(bench: Bench): Promise<void> {
  // Without a request of its own: a kubelet that starts admits all anew, and of two CPUs it reserves one.
  await bench.runAll({ integer: exclusive(1), besteffort: bestEffort() });
  const before = await bench.cpusOf("integer");
  const changes = { cpuManagerPolicy: "static", cpuManagerReconcilePeriod: "1s", reservedSystemCPUs: "0" };
  await withKubelet(bench, changes, async () => {
    await bench.until(
      "integer",
      "to be seen by its new kubelet",
      (pod) => statusOf(pod, "main")?.state.running,
    );
    await eventually(async () => {
      const said = await agentLog(bench.kube, bench.node);
      expectText("the agent's log", said, /conflicting CPU manager detected.*kubelet's CPU manager/);
    }, PATIENCE);
    await bench.check();
    expectCpus("the integer pod", await bench.cpusOf("integer"), before);
  });
  await bench.settles(() => bench.check());
  await bench.end("integer");
}

/** Kubelet evicts pods one by one, as long as it takes too little memory for available. */
async function pressed(bench: Bench): Promise<void> {
  await bench.runAll({ goes: exclusive(1), burstable: shared() });
  // More than any machine has. A soft threshold isn't taken off what the node offers.
  const signal = "memory.available";
  const changes = {
    // Without it kubelet doesn't look at file systems, and evicts nobody for whatever reason.
    localStorageCapacityIsolation: true,
    evictionSoft: { [signal]: "100Ti" },
    evictionSoftGracePeriod: { [signal]: "1s" },
    evictionMaxPodGracePeriod: 1,
  };
  await withKubelet(bench, changes, async () => {
    await bench.until(
      "goes",
      "to be evicted",
      ({ status }) =>
        status.conditions?.some(({ reason }) => reason === "TerminationByKubelet") &&
          status.phase !== "Running" || undefined,
    );
    await bench.settles(() => bench.check());
  });
  await bench.run("next", exclusive(1));
}

/** A Guaranteed pod with all CPUs: scheduled and refused for ever, until kubelet reserves what preflight says. */
async function allOfThem(bench: Bench): Promise<void> {
  const all = bench.cpus.length;
  if (all > 8) return bench.log("only where the agent's own pod leaves all CPUs to the scheduler");
  const before = await allocatable(bench);
  expectThat(before.result === "fail", `preflight: ${before.result}, ${before.found}`);
  const [, list = ""] = /reservedSystemCPUs: "([0-9,-]+)"/.exec("mend" in before ? before.mend : "") ?? [];
  expectThat(list !== "", `preflight says nothing to be reserved`);
  const message = await bench.refused("all", exclusive(all));
  expectText("the refusal", message, new RegExp(`insufficient CPUs: needs ${all} exclusive CPUs`));
  await bench.end("all");
  await withKubelet(bench, { reservedSystemCPUs: list }, async () => {
    const after = await allocatable(bench);
    expectThat(after.result === "pass", `preflight: ${after.result}, ${after.found}`);
    await eventually(async () => {
      const { status } = await bench.kube.get<{ status: { allocatable: { cpu: string } } }>(
        `/api/v1/nodes/${bench.node}`,
      );
      expectThat(status.allocatable.cpu === `${all - 1}`, `the node offers ${status.allocatable.cpu} CPUs`);
    }, PATIENCE);
    await bench.create("too-many", exclusive(all));
    await bench.until("too-many", "to be left unscheduled", ({ status }) => {
      const scheduled = status.conditions?.find(({ type }) => type === "PodScheduled");
      return scheduled?.status === "False" && /Insufficient cpu/.test(scheduled.message ?? "") || undefined;
    });
    await bench.run("fits", exclusive(all - 1));
  });
}

async function allocatable(bench: Bench): Promise<Finding> {
  const [program = "", ...args] = [...onNode(bench.node), EXECUTABLE, "preflight", "--output", "json"];
  const { stdout } = await new Deno.Command(program, { args }).output();
  const { checks } = JSON.parse(new TextDecoder().decode(stdout)) as { checks: Finding[] };
  const found = checks.find(({ check }) => check === "allocatable");
  expectThat(found !== undefined, "preflight checks no allocatable CPUs");
  return found;
}

export const kubelet: Suite = {
  name: "Kubelet",
  tests: [
    { name: "resources of the pod's own: its containers share what is left", needs: 4, run: podLevel },
    {
      name: "kubelet's static policy by mistake: reported, and nobody loses a CPU",
      needs: 1,
      own: true,
      run: staticPolicy,
    },
    { name: "pressure: who is evicted frees its CPUs", needs: 1, own: true, run: pressed },
    {
      name: "a pod with all CPUs isn't scheduled where kubelet reserves what preflight says",
      needs: 1,
      own: true,
      run: allOfThem,
    },
  ],
};
