import { fileURLToPath } from "node:url";
import { findHierarchy, numbers, online } from "./machine.ts";

/** A containerd that `hack/get-containerd.sh` unpacked, or `hack/get-containerd-go.sh` built. */
export interface Install {
  /** Its version, such as `1.7.24`. */
  readonly version: string;
  /** The directory of containerd, its shim and ctr. */
  readonly bin: string;
}

/** The repository's root, and the folder of the unpacked containerds in it. */
export const repository = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
export const unpacked = `${repository}/.tools/node`;

/**
 * The containerds to test on, or one sentence that says why none can run on this machine: those of Debian, or the one
 * whose version the variable CONTAINERD begins, which may have to be built.
 */
export async function requirements(): Promise<Install[] | string> {
  const missing = missingHere();
  if (missing !== undefined) return missing;
  const wanted = Deno.env.get("CONTAINERD") ?? "";
  const known: Install[] = [];
  for (const script of ["get-containerd.sh", "get-containerd-go.sh"]) {
    const found = await installs(script);
    if (typeof found === "string") return found;
    const fitting = found.filter(({ version }) => wanted === "" || version.startsWith(`${wanted}.`));
    if (fitting.length > 0) return fitting;
    known.push(...found);
  }
  const versions = known.map(({ version }) => version).join(", ");
  throw new Error(`CONTAINERD is ${wanted}, but the containerds to be had are ${versions}`);
}

/** What the script has put there, from its lines `FOLDER: containerd PACKAGE VERSION …`, or why that can't be. */
async function installs(script: string): Promise<Install[] | string> {
  const command = new Deno.Command(`${repository}/hack/${script}`, { args: [unpacked] });
  const { code, stdout, stderr } = await command.output();
  const [lines, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  if (code === 2) return said ?? "";
  if (code !== 0) throw new Error(`hack/${script} failed with status ${code}: ${said}`);
  const found = [...(lines ?? "").matchAll(/^(\w+): containerd \S+ v?(\d+\.\d+\.\d+)/gm)];
  if (found.length === 0) throw new Error(`hack/${script} named no containerd: ${lines}`);
  return found.map(([, folder, version = ""]) => ({ version, bin: `${unpacked}/containerd-${folder}` }));
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
    const { version, root } = findHierarchy();
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
