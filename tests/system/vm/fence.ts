/**
 * Boots virtual machines with a kubelet, on the kernel KERNEL (6.1 or 6.12) with its cgroup driver DRIVER (cgroupfs or
 * systemd), of which an empty one stands for both; runs the checks of tests/system/vm/guest/fence.ts in each, and ends
 * with status 0 if all passed. The reports are .test-reports/fence-KERNEL-DRIVER.xml; what the events did to the
 * classes' cpusets, and the logs, are in .test-reports/vm.
 *
 * Run by `make test-fence`, which builds what is tested.
 */
import { closingLine, sum } from "../../../hack/count_tests.ts";
import { check, missing, unavailable } from "./harness.ts";

/** Three times what one takes on a machine with two cores that does nothing else; it has taken forty minutes on a busy one. */
const PATIENCE_MS = 60 * 60_000;

const KERNELS = ["6.1", "6.12"];
const DRIVERS = ["cgroupfs", "systemd"];

/** The value of the variable, or all that it may have. */
function chosen(variable: string, all: readonly string[]): readonly string[] {
  const value = Deno.env.get(variable) ?? "";
  if (value === "") return all;
  if (!all.includes(value)) throw new Error(`${variable} is ${value}; it may be ${all.join(" or ")}`);
  return [value];
}

async function main(): Promise<number> {
  const kernels = chosen("KERNEL", KERNELS);
  const drivers = chosen("DRIVER", DRIVERS);
  const reason = missing([
    ["get-containerd.sh", "node"],
    ["get-kubelet.sh", "kubelet"],
    ...kernels.map((kernel) => ["get-qemu.sh", `vm-${kernel}`, kernel] as const),
  ]);
  if (reason !== undefined) return unavailable(reason);
  const contents = {
    root: `.tools/vm-${kernels[0]}/root.cpio`,
    bundles: ["fence", "sample"],
    files: [".tools/node/containerd-sid", ".tools/kubelet/kubelet"],
  };
  const all = kernels.flatMap((kernel) =>
    drivers.map((driver) => ({
      tools: `vm-${kernel}`,
      memory: 4096,
      patience: PATIENCE_MS,
      words: { driver },
      checks: "fence",
      report: `fence-${kernel}-${driver}`,
    }))
  );
  const counts = sum(await check(contents, all));
  console.log(closingLine(counts));
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
