/** What a run of the suites is to be: flags, and the original's variables. */

import { slowness } from "../../system/node/slowness.ts";

export const USAGE = `usage: tests/e2e/main.ts [OPTION…] [SUITE…]
Runs the suites (default: all) with a word that begins with SUITE, as in "annotated" or "live", or of a file of tests/e2e/suites.
  --focus PATTERN     only tests whose titles match this regular expression
  --skip PATTERN      none whose titles match it
  --real              on this machine's CPUs; default: a node that claims 64
  --nodes N           so many nodes (up to 4), one a worker; default: 1
  --agent WAY         plugin, service or daemonset; default: daemonset
  --containerd NAME   sid, trixie or go; default: sid
  --config JSON       keys of the agent's configuration; default: {"fence":"on"}
  --live              on the cluster of KUBECONFIG, as it is
  --one               one test of each suite
  --list              only name them
  -v, -vv             each step; in full
Variables: TEST_PARALLEL (8), TEST_TIMEOUT (seconds for one test, 600), PRESERVE_ON_FAILURE, CONTINUE_ON_FAILURE (1),
KUBECONFIG, PLUGIN_REGISTRY, PLUGIN_IMAGE, SKIP_BUILD, FORCE_DEPLOY, TEST_IMAGE; docs/e2e.md says what each does.`;

export interface RunOptions {
  readonly suites: readonly string[];
  readonly focus: string;
  readonly skip: string;
  readonly live: boolean;
  readonly real: boolean;
  /** How many nodes a cluster of this machine has. */
  readonly nodes: number;
  readonly agent: string;
  readonly containerd: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly one: boolean;
  readonly list: boolean;
  /** 0, 1 or 2. */
  readonly verbose: number;
  readonly parallel: number;
  readonly timeoutMs: number;
  readonly preserve: boolean;
  readonly goOn: boolean;
}

type Environment = (name: string) => string | undefined;

/** Throws one sentence. */
export function parseRun(
  words: readonly string[],
  env: Environment = (name) => Deno.env.get(name),
): RunOptions {
  const { flags, values, rest } = split(words);
  return {
    suites: rest.map((word) => word.toLowerCase()),
    focus: pattern("--focus", values.get("--focus")),
    skip: pattern("--skip", values.get("--skip")),
    live: flags.has("--live"),
    real: flags.has("--real"),
    nodes: count("--nodes", values.get("--nodes"), 1, 4),
    agent: values.get("--agent") ?? "daemonset",
    containerd: values.get("--containerd") ?? "sid",
    config: JSON.parse(values.get("--config") ?? '{"fence":"on"}'),
    one: flags.has("--one"),
    list: flags.has("--list"),
    verbose: flags.has("-vv") ? 2 : flags.has("-v") ? 1 : 0,
    parallel: count("TEST_PARALLEL", env("TEST_PARALLEL"), 8, 64),
    timeoutMs: count("TEST_TIMEOUT", env("TEST_TIMEOUT"), Math.ceil(600 * slowness()), 86_400) * 1000,
    preserve: isSet(env("PRESERVE_ON_FAILURE")),
    goOn: env("CONTINUE_ON_FAILURE") === undefined || isSet(env("CONTINUE_ON_FAILURE")),
  };
}

const VALUES = ["--focus", "--skip", "--nodes", "--agent", "--containerd", "--config"];
const FLAGS = ["--live", "--real", "--one", "--list", "-v", "-vv"];

function split(words: readonly string[]) {
  const [flags, values, rest] = [new Set<string>(), new Map<string, string>(), [] as string[]];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (FLAGS.includes(word)) flags.add(word);
    else if (VALUES.includes(word)) {
      const value = words[++at];
      if (value === undefined) throw new Error(`${word} needs a value`);
      values.set(word, value);
    } else if (word.startsWith("-")) throw new Error(`${word} is no option; --help names them`);
    else rest.push(word);
  }
  return { flags, values, rest };
}

function pattern(flag: string, text = ""): string {
  try {
    new RegExp(text);
    return text;
  } catch (error) {
    throw new Error(`${flag} must be a regular expression: ${(error as Error).message}`);
  }
}

function count(name: string, text: string | undefined, otherwise: number, most: number): number {
  if (text === undefined || text === "") return otherwise;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Error(`${name} must be a whole number from 1 to ${most}, but it is "${text}"`);
}

function isSet(text = ""): boolean {
  return !["", "0", "false", "no"].includes(text.toLowerCase());
}
