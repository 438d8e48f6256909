/** A script's configuration: YAML lines, checked as those of a file are. */
import { settingsOf } from "../../src/daemon/settings.ts";
import { checkedLayer, type Mapping, resolve } from "../../src/config/layers.ts";
import { parseYaml } from "../../src/config/parse.ts";
import type { Settings } from "../../src/agent/state.ts";
import { WordError } from "./words.ts";

/** The configuration with one more line, `key: value`, or with another value for its key. */
export function configured(before: Mapping, line: string): Mapping {
  const parsed = parseYaml(line);
  if (parsed.kind === "invalid") {
    throw new WordError(`"${line}" is no line of a configuration: ${parsed.reason}`);
  }
  return { ...before, ...parsed.tree };
}

/** What the agent gets of that configuration. */
export function settingsFrom(tree: Mapping): Settings {
  const layer = checkedLayer({ source: "file", file: "the script", nameOf: (path) => path }, tree);
  const [problem] = layer.problems;
  if (problem !== undefined) throw new WordError(problem.sentence);
  return settingsOf(resolve([layer]).config);
}
