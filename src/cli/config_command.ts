import { formatConfig } from "../config/format.ts";
import type { Effective } from "../daemon/load_config.ts";
import { ConfigError } from "../daemon/config_error.ts";

/**
 * Prints the effective configuration with the source of each value, after its problems on standard error.
 * @throws {ConfigError} if there were problems
 */
export function printConfig({ config, origins, problems }: Effective): void {
  for (const { sentence } of problems) console.error(sentence);
  // console.log adds the last newline.
  console.log(formatConfig(config, origins).trimEnd());
  if (problems.length === 0) return;
  throw new ConfigError(
    "invalid configuration; the values above ignore the sources with problems, as a runtime-launched agent does",
  );
}
