import type { CpuSet } from "../cpu/cpu_set.ts";
import { type Key, KEYS, valueAt } from "./keys.ts";
import type { Source } from "./problems.ts";
import type { Config } from "./schema.ts";

/** Formats the configuration, or these keys of it, as YAML that parses to the same one, with the source of each value as a comment. */
export function formatConfig(
  config: Config,
  origins: ReadonlyMap<string, Source>,
  keys: readonly Key[] = KEYS,
): string {
  const lines: string[] = [];
  let open = "";
  for (const { path } of keys) {
    const [section = "", name] = path.split(".");
    if (name !== undefined && section !== open) lines.push(`${section}:`);
    open = name === undefined ? "" : section;
    const head = name === undefined ? `${section}:` : `  ${name}:`;
    const value = valueAt(config, path);
    const comment = `  # ${origins.get(path) ?? "default"}`;
    lines.push(
      ...(Array.isArray(value) && value.length > 0
        ? [head + comment, ...value.map((item) => `  - ${scalar(item)}`)]
        : [`${head} ${scalar(value as Scalar)}${comment}`]),
    );
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** Of lists only the empty one. */
type Scalar = string | number | boolean | CpuSet | readonly never[];

/** Plain where every YAML parser reads it as that text, else in double quotes as in JSON. */
function scalar(value: Scalar): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "[]";
  const text = String(value);
  const isPlain = /^[a-z\/][\w.\/-]*$/i.test(text) && !/^(true|false|yes|no|on|off|y|n|null)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}
