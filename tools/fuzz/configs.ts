/** The configuration: as a YAML text, as environment variables, as flags. */
import { CommanderError } from "commander";
import { commandLine } from "../../src/cli/command_line.ts";
import { ConfigError } from "../../src/daemon/config_error.ts";
import { environmentLayer } from "../../src/config/environment.ts";
import { formatConfig } from "../../src/config/format.ts";
import { KEYS } from "../../src/config/keys.ts";
import { checkedLayer, type Layer, resolve } from "../../src/config/layers.ts";
import { parseYaml } from "../../src/config/parse.ts";
import type { Problem } from "../../src/config/problems.ts";
import { DEFAULTS } from "../../src/config/schema.ts";
import type { Random } from "../random.ts";
import { mutatedText, nastyText, textLike } from "./nasty.ts";
import { require, requireSentence, type Target } from "./target.ts";

const SAMPLE = formatConfig(DEFAULTS, new Map());
const TEXTS = [
  SAMPLE,
  "log:\n  level: debug\n  file: /var/log/a.log\n",
  "systemReserved: [0, 2-3]\nminShared: 2\n",
  "criSockets:\n  - /run/a.sock\n  - '/run/b.sock'\n",
  "{ log: { keep: 0 }, dryRun: true }\n",
  '"pinnedNamespaces": "*" # all\n',
];
const VALUES = ["true", "5", "0,2-3", "/run/x", "debug", "json", "packed", "local", "ns1,ns2", "*", "99", ""];
/** What the parser may take long for, as long as it may be. */
const ENDLESS = [
  "[",
  "{",
  "- ",
  "? ",
  "a: ",
  "&a ",
  "*a ",
  '"',
  "!",
  "%",
  "|\n ",
  "a:\n ",
  ">",
  "\t",
  "---\n",
  ",",
];

const LONGEST = 32 * 1024;

export const yamlTexts: Target<string> = {
  name: "config-yaml",
  share: 40,
  draw(random) {
    if (random.chance(0.003)) {
      return (random.pick(ENDLESS) ?? "").repeat(LONGEST).slice(0, LONGEST + random.below(2));
    }
    return textLike(random, TEXTS);
  },
  check(text) {
    const parsed = parseYaml(text);
    if (parsed.kind === "invalid") return requireSentence(parsed.reason);
    const place = { source: "file", file: "/etc/c.yaml", nameOf: (path: string) => path } as const;
    requireSound(checkedLayer(place, parsed.tree));
  },
};

/** Alone, a layer with a problem leaves everything as it is, and one without it can be printed and read again. */
function requireSound(layer: Layer): void {
  const { config, problems, origins } = resolve([layer]);
  requireSentences(problems);
  const printed = formatConfig(config, origins);
  if (problems.length > 0) {
    return require(printed === formatConfig(DEFAULTS, origins), () => "a layer with a problem counts");
  }
  const again = parseYaml(printed);
  require(again.kind === "parsed", () => `printed as what can't be read: ${printed}`);
  const read = resolve([checkedLayer(layer.place, again.tree)]);
  require(read.problems.length === 0, () => `printed as what isn't taken: ${read.problems[0]?.sentence}`);
  require(formatConfig(read.config, origins) === printed, () => "printed as another configuration");
}

function requireSentences(problems: readonly Problem[]): void {
  require(problems.length <= 200, () => `${problems.length} problems`);
  for (const { sentence } of problems) requireSentence(sentence, 2000);
}

type Variables = Readonly<Record<string, string>>;

export const environments: Target<Variables> = {
  name: "config-environment",
  share: 80,
  draw(random) {
    const all = Array.from({ length: random.below(4) }, () => [variable(random), textLike(random, VALUES)]);
    return Object.fromEntries(all);
  },
  check(variables) {
    const layer = environmentLayer(variables);
    requireSound({ ...layer, place: { ...layer.place, file: "environment" } });
  },
};

/** No NUL and no "=" is in the name of a variable. */
function variable(random: Random): string {
  const known = random.pick(KEYS)?.variable ?? "";
  const name = random.chance(0.7)
    ? known
    : random.chance(0.5)
    ? `WEKA_CPUSET_${nastyText(random)}`
    : mutatedText(random, known);
  return name.replaceAll(/[\0=]/g, "");
}

export const flags: Target<readonly string[]> = {
  name: "config-flags",
  share: 8,
  draw(random) {
    return Array.from({ length: random.below(4) }, () => {
      const flag = random.pick(KEYS.flatMap((key) => key.flag ?? []))?.split(" ")[0] ?? "";
      const value = textLike(random, VALUES);
      const kind = random.weighted({ two: 6, one: 4, alone: 1, stray: 1, odd: 1 });
      if (kind === "two") return [flag, value];
      if (kind === "one") return [`${flag}=${value}`];
      return [kind === "alone" ? flag : kind === "stray" ? value : mutatedText(random, flag)];
    }).flat();
  },
  async check(words) {
    const inputs = { environment: {}, defaultFile: "/nonexistent/config.yaml" };
    const program = commandLine(
      "fuzz",
      ({ problems }) => Promise.resolve(requireSentences(problems)),
      inputs,
    )
      .exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    try {
      await program.parseAsync([...words], { from: "user" });
    } catch (error) {
      if (!(error instanceof CommanderError || error instanceof ConfigError)) throw error;
    }
  },
};
