import type { Problem } from "../config/problems.ts";

/** An invalid configuration or command line: one sentence a problem, one line each. The exit code is 2. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

/** @throws {ConfigError} if there is any problem */
export function rejectProblems(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new ConfigError(problems.map(({ sentence }) => sentence).join("\n"));
}
