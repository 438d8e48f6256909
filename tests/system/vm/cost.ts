/**
 * Boots a virtual machine with cgroup v2 and measures in it what `make bench ONLY=fence` does. The machine is emulated, so
 * take the ratios. The report is .test-reports/cost.txt. Run by `make bench-vm`, which builds what is measured.
 */
import { check, missing, unavailable } from "./harness.ts";

const PATIENCE_MS = 30 * 60_000;

async function main(): Promise<number> {
  const reason = missing([["get-containerd.sh", "node"], ["get-qemu.sh", "vm"]]);
  if (reason !== undefined) return unavailable(reason);
  const contents = { root: ".tools/vm/root.cpio", bundles: ["cost"], files: [] };
  const one = { tools: "vm", memory: 3072, patience: PATIENCE_MS, words: {}, checks: "cost", report: "cost" };
  const [counts] = await check(contents, [one]);
  return counts?.failed === 0 && counts.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
