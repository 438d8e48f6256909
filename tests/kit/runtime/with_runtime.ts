import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { type PodSpec, readManifests } from "../../../src/manifests/manifest.ts";
import { EmbeddedRuntime, type RuntimeOptions } from "./runtime.ts";
import { type PluginScript, ScriptedPlugin } from "./scripted_plugin.ts";

export interface Stage {
  runtime: EmbeddedRuntime;
  socketPath: string;
  /** A scripted plugin that is ready; it is closed in the end. */
  plug: (script?: PluginScript) => Promise<ScriptedPlugin>;
}

/** Runs `play` with a runtime of 8 CPUs (or other options) in a folder of its own, and ends all of it. */
export async function withRuntime(
  options: Partial<RuntimeOptions>,
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "runtime-" });
  const socketPath = `${dir}/nri.sock`;
  const online = CpuSet.range(0, 7);
  const runtime = EmbeddedRuntime.start({ socketPath, cgroupRoot: `${dir}/cgroup`, online, ...options });
  const plugins: ScriptedPlugin[] = [];
  const plug = async (script: PluginScript = {}) => {
    const before = runtime.log.of("synchronized").length;
    const plugin = await ScriptedPlugin.register(socketPath, script);
    plugins.push(plugin);
    await runtime.log.until(() => runtime.log.of("synchronized").length > before, "not synchronized", 20_000);
    return plugin;
  };
  try {
    await play({ runtime, socketPath, plug });
  } finally {
    for (const plugin of plugins) await plugin.close();
    await runtime.close();
    await Deno.remove(dir, { recursive: true });
  }
}

/** A pod with containers of these names, each with 1 CPU and 64 MiB. */
export function podOf(name: string, ...containers: string[]): PodSpec {
  const list = containers.map((each) => `{ name: ${each}, resources: { limits: { cpu: 1, memory: 64Mi } } }`);
  const [pod] = readManifests(
    `{ kind: Pod, metadata: { name: ${name} }, spec: { containers: [${list.join(", ")}] } }`,
  );
  if (!pod) throw new Error("a Pod gives a pod");
  return pod;
}
