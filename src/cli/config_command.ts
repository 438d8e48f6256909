import { formatConfig } from "../config/format.ts";
import type { Effective } from "../daemon/load_config.ts";
import { OptionError } from "../daemon/option_error.ts";

/**
 * Prints the effective configuration, with the source of each value. Problems come first, on standard error.
 * @throws {OptionError} if there were problems
 */
export function printConfig({ config, origins, problems }: Effective): void {
  for (const { sentence } of problems) console.error(sentence);
  // Not console.log: the last newline is a part of the text.
  console.log(formatConfig(config, origins).trimEnd());
  if (problems.length === 0) return;
  throw new OptionError(
    "the sources with problems were left out; only an agent that the runtime starts goes on so",
  );
}
