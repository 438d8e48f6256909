import { printable } from "../platform/printable.ts";

/** Where containerd and CRI-O by default look for plugins that they start. */
export const PLUGIN_FOLDER = "/opt/nri/plugins";

/** Plugin folders hold a handful. Entries beyond these aren't read. */
const MAX_ENTRIES = 1000;

/** Two digits and a name, as the runtime requires it (containerd/nri, pkg/api/plugin.go). */
const PLUGIN = /^\d\d-(.+)$/s;

/** Names, and parts of them, of plugins that are known to write cpusets. */
const WRITES_CPUSETS = [
  /balloons|topology-?aware|resource-?policy/i, // containers/nri-plugins
  /dra-?(driver-)?cpu|koordlet|cri-?resmgr/i, // kubernetes-sigs, koordinator, its predecessor at Intel
  /cpu-?(set|pin|manager|policy|affinity)/i,
];

/**
 * The plugins in a folder that write cpusets, by their names: files that the runtime starts. Those called `own` are
 * instances of this agent, one of which is active (the leader lock). An absent folder has none.
 */
export function cpusetPluginsIn(folder: string, own: string): string[] {
  const found: string[] = [];
  let left = MAX_ENTRIES;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const plugin = PLUGIN.exec(name)?.[1];
      if (plugin !== undefined && plugin !== own && writesCpusets(folder, name, plugin)) {
        found.push(printable(name));
      }
      if (--left === 0) break;
    }
  } catch {
    return []; // It is absent, or can't be read.
  }
  return found.sort();
}

function writesCpusets(folder: string, name: string, plugin: string): boolean {
  return WRITES_CPUSETS.some((pattern) => pattern.test(plugin)) && isStarted(`${folder}/${name}`);
}

/** The runtime starts what is executable and no directory. */
function isStarted(path: string): boolean {
  try {
    const { isDirectory, mode } = Deno.statSync(path);
    return !isDirectory && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false; // It was removed, or is a link to nowhere.
  }
}
