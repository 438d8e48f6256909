/** The configuration beside the plugin, which that reads where the node has no /etc/weka-cpuset/config.yaml. */
import { removeFile, writeWhole } from "../platform/whole_file.ts";
import type { PluginPlace } from "./place.ts";

const HEAD =
  "# Written by weka-cpuset install-host-plugin --with-config, which overwrites it. /etc/weka-cpuset/config.yaml,\n" +
  "# where that is there, is read instead.\n\n";

/**
 * Brings it to this text; without one it is removed.
 * @returns whether anything is to be done for that; where `dryRun` is said it isn't
 * @throws {Error} one sentence, where what is there is somebody else's
 */
export function putConfiguration(place: PluginPlace, text: string, dryRun: boolean): boolean {
  const before = textOf(place);
  if (before !== undefined && !before.startsWith(HEAD)) {
    throw new Error(
      `${place.config} wasn't written by install-host-plugin; remove it, or leave out --with-config`,
    );
  }
  const wished = text === "" ? undefined : HEAD + text;
  if (before === wished) return false;
  if (dryRun) return true;
  if (wished === undefined) removeFile(place.config);
  else writeWhole(place.config, wished);
  return true;
}

/** Whether there was one of ours. */
export function removeConfiguration(place: PluginPlace): boolean {
  return textOf(place)?.startsWith(HEAD) === true && removeFile(place.config);
}

function textOf({ config }: PluginPlace): string | undefined {
  try {
    return Deno.readTextFileSync(config);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
