import type { Problem } from "../config/problems.ts";

/** A configuration that can't be used: a sentence for each problem, a line each. The exit code is 2. */
export class OptionError extends Error {
  override name = "OptionError";
}

/** @throws {OptionError} if there is any problem: who is at hand to mend it should, before anything starts */
export function refuseProblems(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new OptionError(problems.map(({ sentence }) => sentence).join("\n"));
}
