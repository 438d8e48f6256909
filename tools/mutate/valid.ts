/** Which changes make another program: one that the compiler takes, and whose text differs without its types. */
import * as esbuild from "esbuild";
import { edited, type Mutant } from "./mutants.ts";

/** The program text of a source, without types and in one form; undefined where it is none. */
export async function programOf(source: string): Promise<string | undefined> {
  try {
    const { code } = await esbuild.transform(source, {
      loader: "ts",
      target: "esnext",
      logLevel: "silent",
      minifyWhitespace: true,
      minifySyntax: true,
    });
    return code;
  } catch {
    return undefined;
  }
}

/** Those of the mutants of one source that make another program, and no two the same. {@link closeCompiler} afterwards. */
export async function validOf(source: string, mutants: readonly Mutant[]): Promise<Mutant[]> {
  const seen = new Set([await programOf(source), undefined]);
  const programs = await Promise.all(mutants.map((mutant) => programOf(edited(source, mutant))));
  return mutants.filter((_, at) => {
    const program = programs[at];
    const fresh = !seen.has(program);
    seen.add(program);
    return fresh;
  });
}

/** Ends the compiler's process. */
export async function closeCompiler(): Promise<void> {
  await esbuild.stop();
}
