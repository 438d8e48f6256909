import { fileURLToPath } from "node:url";
import { cpusetHierarchy, numbers, online } from "./machine.ts";

/** A containerd that `hack/get-containerd.sh` unpacked. */
export interface Install {
  /** Its version, such as `1.7.24`. */
  readonly version: string;
  /** The directory of containerd, its shim and ctr. */
  readonly bin: string;
}

/** The repository's root, and the folder of the unpacked containerds in it. */
export const repository = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
export const unpacked = `${repository}/.tools/node`;

/** The containerds to test on, or one sentence that says why none can run on this machine. */
export async function requirements(): Promise<Install[] | string> {
  const missing = missingHere();
  if (missing !== undefined) return missing;
  const command = new Deno.Command(`${repository}/hack/get-containerd.sh`, { args: [unpacked] });
  const { code, stdout, stderr } = await command.output();
  const said = new TextDecoder().decode(stderr).trim();
  if (code === 2) return said;
  if (code !== 0) throw new Error(`hack/get-containerd.sh failed with status ${code}: ${said}`);
  return installs(new TextDecoder().decode(stdout));
}

/** From the script's lines, `SUITE: containerd PACKAGE VERSION …`. */
function installs(lines: string): Install[] {
  const found = [...lines.matchAll(/^(trixie|sid): containerd \S+ v?(\d+\.\d+\.\d+)/gm)];
  if (found.length !== 2) throw new Error(`hack/get-containerd.sh named no two containerds: ${lines}`);
  return found.map(([, suite, version = ""]) => ({ version, bin: `${unpacked}/containerd-${suite}` }));
}

function missingHere(): string | undefined {
  if (Deno.build.os !== "linux") return `containerd needs Linux, this is ${Deno.build.os}.`;
  if (Deno.uid() !== 0) return "containerd needs root, and this is another user.";
  if (online().length < 2) return "placing containers needs two CPUs, and one is online here.";
  if (!new Deno.Command("unshare", { args: ["--mount", "true"] }).outputSync().success) {
    return "containers need mount namespaces, and this process may not make one.";
  }
  return cpusetMissing();
}

function cpusetMissing(): string | undefined {
  try {
    const { version, root } = cpusetHierarchy();
    const file = version === 1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective";
    const usable = numbers(Deno.readTextFileSync(`${root}/${file}`));
    if (usable.length < online().length) {
      return `the tests need all online CPUs (${online()}), and the cpuset at ${root} has only ${usable}.`;
    }
    const probe = `${root}/weka-cpuset-probe-${Deno.pid}`;
    Deno.mkdirSync(probe);
    Deno.removeSync(probe);
    return undefined;
  } catch (error) {
    return `containers need a writable cpuset hierarchy: ${error instanceof Error ? error.message : error}`;
  }
}
