/** Programs that the tests of what is delivered need: fetched by hack/get-*.sh into .tools, or a reason why they can't be. */
import assert from "node:assert/strict";
import { ROOT } from "../../kit/spawn.ts";

/** How a program ended, and what it printed. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end, at the repository's root unless told otherwise. */
export async function outcome(
  program: string,
  args: string[],
  options: Deno.CommandOptions = {},
): Promise<Outcome> {
  const command = new Deno.Command(program, { cwd: ROOT, stdin: "null", ...options, args });
  const { code, stdout, stderr } = await command.output();
  const [out = "", err = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

/** What a program prints, which must succeed. */
export async function output(
  program: string,
  args: string[],
  options?: Deno.CommandOptions,
): Promise<string> {
  const { code, out, err } = await outcome(program, args, options);
  assert(code === 0, `${program} ${args.join(" ")} ended with status ${code}: ${err.trim() || out.trim()}`);
  return out;
}

/** The folder below .tools that a script fills; undefined, with its own sentence printed, where that can't be had here. */
export async function fetched(script: string, folder: string): Promise<string | undefined> {
  const place = `${ROOT}.tools/${folder}`;
  const { code, err } = await outcome(`${ROOT}hack/${script}`, [place]);
  if (code === 0) return place;
  assert(code === 2, `hack/${script} ended with status ${code}: ${err}`);
  console.error(`test-delivery leaves tests out: ${err.trim()}`);
  return undefined;
}
