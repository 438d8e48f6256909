import type { Identity } from "../agent/agent.ts";
import type { Settings } from "../agent/state.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "../platform/log.ts";
import type { Context } from "./context.ts";
import { type Effective, withRuntimeText } from "./load_config.ts";

/** The part of the configuration that the agent decides by. */
export function settingsOf(config: Config): Settings {
  const { systemReserved, strictReserved, minShared, exclusiveMems, pinnedMems, isolatedCpus } = config;
  const {
    placement,
    pinnedNamespaces,
    pinnedCpu0,
    unmanagedNamespaces,
    isolationNamespaces,
    reservedNamespaces,
    sandboxedRuntimes,
    vmRuntimes,
  } = config;
  return {
    policy: { systemReserved, strictReserved, minShared, exclusiveMems, pinnedMems, isolatedCpus },
    rules: {
      placement,
      pinnedNamespaces,
      pinnedCpu0,
      unmanagedNamespaces,
      isolationNamespaces,
      reservedNamespaces,
      sandboxedRuntimes,
      vmRuntimes,
    },
    growDelayMs: config.growDelayMs,
    fence: config.fence,
    hostFence: config.hostFence,
    exclusiveQuota: config.exclusiveQuota,
    dryRun: config.dryRun,
    apply: config.apply,
    reconcileMs: config.reconcileSeconds * 1000,
  };
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
