import { CONFIG_VARIABLE, environmentLayer } from "../config/environment.ts";
import {
  brokenLayer,
  checkedLayer,
  flatLayer,
  type Layer,
  type RawValue,
  resolve,
  type Resolved,
} from "../config/layers.ts";
import { KEYS } from "../config/keys.ts";
import type { Place } from "../config/problems.ts";
import { readConfigFile } from "../platform/config_file.ts";

/** Read if it exists and no other file is named. */
export const DEFAULT_FILE = "/etc/weka-cpuset/config.yaml";

/** Beside the directory that a plugin was launched from: what `install-host-plugin --with-config` writes. */
export function fileBeside(executable: string): string {
  return executable.replace(/[^/]*\/([^/]+)$/, "$1.yaml");
}

/** The effective configuration, and what it was resolved from. */
export interface Effective extends Resolved {
  /** {@link withRuntimeText} adds to them. */
  readonly layers: readonly Layer[];
}

/** The values of the command line. */
export interface Flags {
  /** Named by `--config`. */
  readonly file?: string;
  /** By key path. */
  readonly values: ReadonlyMap<string, RawValue>;
}

const FLAG: Place = { source: "flag", nameOf: flagName };

/** `--log-level` for `log.level`. */
function flagName(path: string): string {
  return KEYS.find((key) => key.path === path)?.flag?.split(" ")[0] ?? path;
}

/**
 * Loads file and environment. Problems are returned, never thrown: what follows from them depends on the mode.
 * @param otherFile is read where there is no default file
 */
export async function loadConfig(
  flags: Flags,
  environment: Readonly<Record<string, string>>,
  defaultFile = DEFAULT_FILE,
  otherFile?: string,
): Promise<Effective> {
  // An empty variable names no file.
  const named = flags.file ?? (environment[CONFIG_VARIABLE] || undefined);
  const first = await fileLayers(named ?? defaultFile, named !== undefined);
  const isOther = first.length === 0 && otherFile !== undefined;
  const layers = [
    ...isOther ? await fileLayers(otherFile, false) : first,
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

/** The configuration with the text of the runtime's Configure in place of any earlier one; it may be empty. */
export async function withRuntimeText({ layers }: Effective, text: string): Promise<Effective> {
  const others = layers.filter(({ place }) => place.source !== "runtime");
  const runtime = text === "" ? [] : [await yamlLayerOf("runtime", "the runtime's configuration", text)];
  const all = [...others, ...runtime];
  return { ...resolve(all), layers: all };
}

/** Loads the parser, which is slow, only where there is a text. */
async function yamlLayerOf(source: "file" | "runtime", file: string, text: string): Promise<Layer> {
  const { parseYaml } = await import("../config/parse.ts");
  const place: Place = { source, file, nameOf: (path) => path };
  const parsed = parseYaml(text);
  return parsed.kind === "parsed" ? checkedLayer(place, parsed.tree) : brokenLayer(place, parsed.reason);
}
