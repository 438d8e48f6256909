import { printable } from "../platform/printable.ts";

/** Where containerd and CRI-O look for plugins that they start, unless told otherwise. */
export const PLUGIN_FOLDER = "/opt/nri/plugins";

/** Folders of plugins hold a handful. More isn't looked at. */
const MAX_ENTRIES = 1000;

/** Two digits and a name, as the runtime demands it (containerd/nri, pkg/api/plugin.go). */
const PLUGIN = /^\d\d-(.+)$/s;

/** Names, and parts of them, of plugins that are known to write cpusets. */
const WRITES_CPUSETS = [
  /balloons|topology-?aware|resource-?policy/i, // containers/nri-plugins
  /dra-?(driver-)?cpu|koordlet|cri-?resmgr/i, // kubernetes-sigs, koordinator, its predecessor at Intel
  /cpu-?(set|pin|manager|policy|affinity)/i,
];

/**
 * The plugins in a folder that decide about CPUs, by their names: files that the runtime starts. Those called `own`
 * are instances of this agent, which get along (the owner's lock). A folder that isn't there has none.
 */
export function cpusetPluginsIn(folder: string, own: string): string[] {
  const found: string[] = [];
  let left = MAX_ENTRIES;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const plugin = PLUGIN.exec(name)?.[1];
      if (plugin !== undefined && plugin !== own && isRival(folder, name, plugin)) {
        found.push(printable(name));
      }
      if (--left === 0) break;
    }
  } catch {
    return []; // It isn't there, or isn't for us to see.
  }
  return found.sort();
}

function isRival(folder: string, name: string, plugin: string): boolean {
  return WRITES_CPUSETS.some((pattern) => pattern.test(plugin)) && isStarted(`${folder}/${name}`);
}

/** The runtime starts what is executable and no directory. */
function isStarted(path: string): boolean {
  try {
    const { isDirectory, mode } = Deno.statSync(path);
    return !isDirectory && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false; // It went away, or leads to nowhere.
  }
}
