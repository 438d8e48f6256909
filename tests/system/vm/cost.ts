/**
 * Boots a virtual machine with cgroup v2 and measures in it what `make bench` does on cgroup v1: what an exclusive claim costs
 * by itself (ONLY=admission, what is done if nothing is named), or on a real containerd (ONLY=pool, CELLS= as there). The
 * machine is emulated, so take the ratios. The reports are .test-reports/cost.txt and pool-vm.txt.
 *
 * Run by `make bench-vm`, which builds what is measured.
 */
import { type Check, check, missing, unavailable } from "./harness.ts";

const PATIENCE_MS = 90 * 60_000;

const PARTS: Readonly<Record<string, Pick<Check, "checks" | "report" | "memory" | "words">>> = {
  admission: { checks: "cost", report: "cost", memory: 3072, words: {} },
  pool: { checks: "pool", report: "pool-vm", memory: 6144, words: { cells: Deno.env.get("CELLS") ?? "" } },
};

/** Each has a core of its own where two of this machine's are free: a container takes a second to create, not five. */
const CPUS = 2;

async function main(only = "admission"): Promise<number> {
  const part = PARTS[only];
  if (part === undefined) throw new Error(`ONLY is ${only}; it may be ${Object.keys(PARTS).join(" or ")}`);
  const reason = missing([["get-containerd.sh", "node"], ["get-qemu.sh", "vm"]]);
  if (reason !== undefined) return unavailable(reason);
  const contents = {
    root: ".tools/vm/root.cpio",
    bundles: [part.checks],
    files: only === "pool" ? [".tools/node/containerd-sid"] : [],
  };
  const [counts] = await check(contents, [{ tools: "vm", cpus: CPUS, patience: PATIENCE_MS, ...part }]);
  return counts?.failed === 0 && counts.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(...Deno.args));
