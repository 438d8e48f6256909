/**
 * Boots a virtual machine with 16 CPUs, two NUMA nodes and cgroup v2, runs the checks of tests/system/vm/guest in it, those
 * of partitions in another one whose kernel has them, those of isolated CPUs, memory beside no CPU and odd runtimes in a third
 * one, and ends with status 0 if all passed. The reports are .test-reports/vm.xml, vm-partitions.xml and vm-corners.xml; the
 * logs of what failed are beside them.
 *
 * Run by `make test-vm`, which builds what is tested.
 */
import { closingLine, sum } from "../../../hack/count_tests.ts";
import { check, missing, unavailable } from "./harness.ts";

/** Three times what it takes on a machine with two cores that does nothing else. */
const PATIENCE_MS = 18 * 60_000;
/** A core of each node is isolated, and there is a node without CPUs. */
const CORNERS = { isMemoryBesideNoCpu: true, boot: ["isolcpus=6-7,14-15"] } as const;

async function main(): Promise<number> {
  const reason = missing([
    ["get-containerd.sh", "node"],
    ["get-qemu.sh", "vm"],
    ["get-qemu.sh", "vm-6.12", "6.12"],
  ]);
  if (reason !== undefined) return unavailable(reason);
  const contents = {
    root: ".tools/vm/root.cpio",
    bundles: ["checks", "partitions", "corners"],
    files: [".tools/node/containerd-trixie", ".tools/node/containerd-sid"],
  };
  const machine = { memory: 3072, patience: PATIENCE_MS, words: {} };
  const counts = sum(
    await check(contents, [
      { ...machine, tools: "vm", checks: "checks", report: "vm" },
      { ...machine, tools: "vm-6.12", checks: "partitions", report: "vm-partitions" },
      { ...machine, ...CORNERS, tools: "vm", checks: "corners", report: "vm-corners" },
    ]),
  );
  console.log(closingLine(counts));
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
