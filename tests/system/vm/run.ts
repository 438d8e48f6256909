/**
 * Boots a virtual machine with 16 CPUs, two NUMA nodes and cgroup v2, runs the checks of tests/system/vm/guest in it, and ends
 * with status 0 if all passed. The report is .test-reports/vm.xml; the logs of what failed are beside it.
 *
 * Run by `make test-vm`, which builds what is tested.
 */
import { fileURLToPath } from "node:url";
import { closingLine, countTests } from "../../../hack/count_tests.ts";
import { makeBootImage } from "./boot_image.ts";
import { runMachine } from "./qemu.ts";

const repository = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
const reports = `${repository}/.test-reports`;

/** Three times what it takes on a machine with two cores that does nothing else. */
const PATIENCE_MS = 18 * 60_000;

/** Why the machine can't be had here, or nothing. */
function missing(): string | undefined {
  for (const [script, folder] of [["get-containerd.sh", "node"], ["get-qemu.sh", "vm"]]) {
    const command = new Deno.Command(`${repository}/hack/${script}`, {
      args: [`${repository}/.tools/${folder}`],
    });
    const { code, stderr } = command.outputSync();
    const said = new TextDecoder().decode(stderr).trim();
    if (code === 2) return said;
    if (code !== 0) throw new Error(`hack/${script} failed with status ${code}: ${said}`);
  }
}

/** Boots, checks, and says whether all checks passed. */
async function check(): Promise<boolean> {
  const folder = Deno.makeTempDirSync({ prefix: "weka-cpuset-vm-" });
  try {
    const port = `${folder}/reports.tar.gz`;
    const image = await makeBootImage(folder);
    console.log(
      `booting: ${(Deno.statSync(image).size / 1e6).toFixed(0)} MB; an emulated machine takes minutes`,
    );
    const started = performance.now();
    const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
    await runMachine({
      image,
      port,
      patience: PATIENCE_MS,
      onLine: (line) => console.log(line.startsWith("@") ? `${line.slice(1)} (${seconds()} here)` : line),
    });
    return await collect(port);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Unpacks the machine's reports into this checkout's, and tells what they say. */
async function collect(archive: string): Promise<boolean> {
  Deno.mkdirSync(reports, { recursive: true });
  const args = ["-xzf", archive, "-C", repository];
  const { success } = await new Deno.Command("tar", { args }).output();
  if (!success) throw new Error("the machine ended before it gave its report");
  const counts = countTests(Deno.readTextFileSync(`${reports}/vm.xml`));
  console.log(closingLine(counts));
  return counts.failed === 0 && counts.passed > 0;
}

async function main(): Promise<number> {
  const reason = missing();
  if (reason === undefined) return await check() ? 0 : 1;
  console.error(`\n*** NOT TESTED in a virtual machine: ${reason} ***\n`);
  return Deno.env.get("CI") === "true" ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
