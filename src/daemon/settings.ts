import type { Identity } from "../agent/agent.ts";
import type { Settings } from "../agent/state.ts";
import type { Config } from "../config/schema.ts";
import type { Policy } from "../ledger/policy.ts";
import type { Rules } from "../nri/rules.ts";
import type { Log } from "../platform/log.ts";
import type { Context } from "./context.ts";
import { type Effective, withRuntimeText } from "./load_config.ts";

/** The part of the configuration that the agent decides by. */
export function settingsOf(config: Config): Settings {
  return {
    policy: pick(config, POLICY),
    rules: pick(config, RULES),
    ...pick(config, ["growDelayMs", "fence", "hostFence", "exclusiveQuota", "dryRun", "apply"]),
    reconcileMs: config.reconcileSeconds * 1000,
  };
}

const POLICY = [
  "systemReserved",
  "strictReserved",
  "minShared",
  "exclusiveMems",
  "pinnedMems",
  "correctMems",
  "isolatedCpus",
] as const satisfies readonly (keyof Policy)[];

const RULES = [
  "placement",
  "pinnedNamespaces",
  "pinnedCpu0",
  "unmanagedNamespaces",
  "isolationNamespaces",
  "reservedNamespaces",
  "sandboxedRuntimes",
  "vmRuntimes",
] as const satisfies readonly (keyof Rules)[];

/** Of the keys of the configuration those that are named. */
function pick<Name extends keyof Config>(config: Config, names: readonly Name[]): Pick<Config, Name> {
  return Object.fromEntries(names.map((name) => [name, config[name]])) as Pick<Config, Name>;
}

/** The name and index that the plugin registers with. */
export function identityOf({ pluginName, pluginIndex }: Config): Identity {
  return { name: pluginName, index: pluginIndex };
}

/** Checks and logs the configuration text from the runtime's Configure, and gives the settings with it applied. */
export async function settingsWithRuntimeText(text: string, { effective, log }: Context): Promise<Settings> {
  const { config, problems } = await withRuntimeText(effective, text);
  logProblems(problems, log);
  log.setLevel(config.log.level);
  return settingsOf(config);
}

/** Logs each problem of a configuration that is used without the sources that have problems. */
export function logProblems(problems: Effective["problems"], log: Log): void {
  for (const { sentence } of problems) {
    log.write({
      level: "error",
      message: "invalid configuration; its source is ignored",
      fields: { reason: sentence },
    });
  }
}
