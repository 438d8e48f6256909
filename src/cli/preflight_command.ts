import { ConfigError, rejectProblems } from "../daemon/config_error.ts";
import type { Effective } from "../daemon/load_config.ts";
import { findingsOf, readNode } from "../preflight/preflight.ts";
import type { Finding } from "../preflight/verdict.ts";
import { type OutputForm, print, styleOf } from "./output.ts";

/** As commander gives them. */
export interface PreflightOptions {
  readonly hostRoot: string;
  readonly output: OutputForm;
}

/** Status when a check fails. */
const FAILED = 3;

/**
 * Checks the node and prints what was found; the exit code is 3 when a check fails.
 * @throws {ConfigError} when the configuration has problems, or the node's root isn't a directory
 */
export async function checkNode(
  { config, problems }: Effective,
  { hostRoot, output }: PreflightOptions,
): Promise<void> {
  rejectProblems(problems);
  if (!isDirectory(hostRoot)) {
    throw new ConfigError(
      `--host-root must be the absolute path of a directory, as in /host, not ${hostRoot}`,
    );
  }
  const findings = findingsOf(await readNode(config, hostRoot));
  print(output, () => preflightText(findings, styleOf().colour), () => preflightJson(findings));
  if (worstOf(findings) === "fail") Deno.exitCode = FAILED;
}

function isDirectory(path: string): boolean {
  try {
    return path.startsWith("/") && Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Of SGR, the terminal's colours. */
const COLOURS = { pass: 32, warn: 33, fail: 31 } as const;

export function preflightText(findings: readonly Finding[], colour: boolean): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap((finding) => {
    const { check, result, found } = finding;
    const mark = colour ? `\x1b[${COLOURS[result]}m${result}\x1b[0m` : result;
    const line = `${mark}  ${check.padEnd(width)}  ${found}`;
    return finding.result === "pass" ? [line] : [line, `${" ".repeat(width + 8)}→ ${finding.mend}`];
  });
  const count = (result: Finding["result"]) => findings.filter((each) => each.result === result).length;
  return [...lines, "", `${count("pass")} passed, ${count("warn")} warnings, ${count("fail")} failed`].join(
    "\n",
  );
}

/** The same for programs. */
export function preflightJson(findings: readonly Finding[]): unknown {
  return { version: 1, result: worstOf(findings), checks: findings };
}

function worstOf(findings: readonly Finding[]): Finding["result"] {
  const results = findings.map(({ result }) => result);
  return results.includes("fail") ? "fail" : results.includes("warn") ? "warn" : "pass";
}
