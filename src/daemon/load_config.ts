import { CONFIG_VARIABLE, environmentLayer } from "../config/environment.ts";
import {
  brokenLayer,
  checkedLayer,
  flatLayer,
  type Given,
  type Layer,
  resolve,
  type Resolved,
} from "../config/layers.ts";
import { KEYS } from "../config/keys.ts";
import type { Place } from "../config/problems.ts";
import { readConfigFile } from "../platform/config_file.ts";

/** Read if it is there. */
export const DEFAULT_FILE = "/etc/weka-cpuset/config.yaml";

/** What can be known of the configuration when the program starts. */
export interface Effective extends Resolved {
  /** What it was made from; {@link withRuntimeText} adds to it. */
  readonly layers: readonly Layer[];
}

/** What the flags say: the file that `--config` names, and texts by key path. */
export interface Flags {
  readonly file?: string;
  readonly values: ReadonlyMap<string, Given>;
}

const FLAG: Place = { source: "flag", nameOf: flagName };

/** `--log-level` for `log.level`. */
function flagName(path: string): string {
  return KEYS.find((key) => key.path === path)?.flag?.split(" ")[0] ?? path;
}

/** Reads file and environment. Problems are returned, never thrown: what they mean depends on who has started us. */
export async function loadConfig(
  flags: Flags,
  environment: Readonly<Record<string, string>>,
  defaultFile = DEFAULT_FILE,
): Promise<Effective> {
  // A variable that is set to nothing names nothing.
  const named = flags.file ?? (environment[CONFIG_VARIABLE] || undefined);
  const layers = [
    ...await fileLayers(named ?? defaultFile, named !== undefined),
    environmentLayer(environment),
    flatLayer(FLAG, flags.values),
  ];
  return { ...resolve(layers), layers };
}

async function fileLayers(path: string, mustExist: boolean): Promise<Layer[]> {
  const found = readConfigFile(path);
  if (found.kind === "text") return [await yamlLayerOf("file", path, found.text)];
  if (found.kind === "absent" && !mustExist) return [];
  const why = found.kind === "absent" ? "there is no such file" : found.reason;
  return [brokenLayer({ source: "file", file: path || '""', nameOf: (key) => key }, why)];
}

/** The configuration with what the runtime has handed over at Configure; no text is no change. */
export async function withRuntimeText({ layers }: Effective, text: string): Promise<Effective> {
  const others = layers.filter(({ place }) => place.source !== "runtime");
  const said = text === "" ? [] : [await yamlLayerOf("runtime", "the runtime's configuration", text)];
  const all = [...others, ...said];
  return { ...resolve(all), layers: all };
}

/** The parser is loaded here, where there is something to parse. */
async function yamlLayerOf(source: "file" | "runtime", file: string, text: string): Promise<Layer> {
  const { parseYaml } = await import("../config/parse.ts");
  const place: Place = { source, file, nameOf: (path) => path };
  const parsed = parseYaml(text);
  return "tree" in parsed ? checkedLayer(place, parsed.tree) : brokenLayer(place, parsed.why);
}
