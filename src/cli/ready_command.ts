import { rejectProblems } from "../daemon/config_error.ts";
import type { Effective } from "../daemon/load_config.ts";
import { askReadiness, StatusError } from "./status_client.ts";

/**
 * Prints why the agent is ready. A probe in its container asks by this, since the image has no other program.
 * @throws {StatusError} with the reason when it isn't, or nobody answers
 * @throws {ConfigError} when the configuration has problems
 */
export async function printReadiness({ config, problems }: Effective): Promise<void> {
  rejectProblems(problems);
  const { isReady, why } = await askReadiness(config);
  if (!isReady) throw new StatusError(`not ready: ${why}`);
  console.log(`ready: ${why}`);
}
