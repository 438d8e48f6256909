/**
 * Boots a virtual machine with 16 CPUs, two NUMA nodes and cgroup v2, starts a whole Kubernetes cluster in it with the agent,
 * and runs some tests of each suite of tests/e2e there, or those that the command line names, as that of `make test-e2e`. Ends
 * with status 0 if all passed. The report is .test-reports/e2e-vm.xml, and a folder beside it.
 *
 * Run by `make test-e2e-vm`, which builds what is tested.
 */
import { parseRun } from "../../e2e/harness/options.ts";
import { check, missing, unavailable } from "./harness.ts";

/** Three times what it takes on a machine with two cores that does nothing else. */
const PATIENCE_MS = 75 * 60_000;
const REPORT = "e2e-vm";

/** Of each suite at least one, and what only such a machine shows: memory nodes, quotas of cgroup v2, fences. */
const FOCUS = [
  "Annotated Pod / (pins to a list|memory nodes)",
  "Integer Pod / (5 and 7 CPUs|a completed pod)",
  "Shared Pod / one that runs",
  "Forbidden CPU / (an integer pod|three shared)",
  "Conflict Resolution / one conflicting",
  "Live .* / (the pool gives|a resize in place)",
  "Kubernetes / (eviction|native side-cars)",
  "Recovery .* / the agent is killed: nothing",
  "Stress / chaos / rapid",
].join("|");

/** What the tests there are told by variables here. */
const VARIABLES = ["TEST_PARALLEL", "TEST_TIMEOUT", "PRESERVE_ON_FAILURE", "CONTINUE_ON_FAILURE", "E2E_SEED"];

async function main(words: readonly string[]): Promise<number> {
  parseRun(words); // what is wrong with it is said here
  const reason = missing([
    ["get-containerd.sh", "node"],
    ["get-kubernetes.sh", "kubernetes"],
    ["get-qemu.sh", "vm"],
  ]);
  if (reason !== undefined) return unavailable(reason);
  const env = Object.fromEntries(VARIABLES.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
  const all = words.length > 0 ? words : ["--focus", FOCUS];
  const contents = {
    root: ".tools/vm/root.cpio",
    bundles: ["e2e", "../../../e2e/child", "../../../e2e/harness/sampler_worker"],
    files: [".tools/node/containerd-sid", ".tools/kubernetes", "deno.json", "deno.lock"],
    told: { "e2e.json": JSON.stringify({ words: all, env }) },
  };
  const machine = { tools: "vm", memory: 5120, patience: PATIENCE_MS, words: {} };
  const [counts] = await check(contents, [{ ...machine, checks: "e2e", isProgram: true, report: REPORT }]);
  return counts?.failed === 0 && counts.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
