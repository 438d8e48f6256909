/** The unit tests of a checkout, and which of them a change of one file may concern. */
import { dirname, join, normalize } from "node:path";

/** Tests that start programs or listen to sockets, or that look at the sources: too slow, or no judge of behaviour. */
const LEFT_OUT =
  /^tests\/unit\/(\w+_test\.ts|(cgroup|cli|config|cri|daemon|deploy|hack|kit|peers|platform)\/|tools\/(bench|fuzz|mutate)\/)/;

export interface Suite {
  /** The test files, from the root of the checkout. */
  readonly files: readonly string[];
  /** Each test file and source to what it imports of the checkout. */
  readonly imports: ReadonlyMap<string, readonly string[]>;
}

export function suiteOf(root: string): Suite {
  const all = ["tests/unit", "tests/scenarios"].flatMap((folder) => below(root, folder));
  const files = all.filter((path) => path.endsWith("_test.ts") && !LEFT_OUT.test(path)).sort();
  const imports = new Map<string, readonly string[]>();
  for (const file of files) follow(root, file, imports);
  return { files, imports };
}

/** The files of a folder and of those in it, from the root of the checkout. */
function below(root: string, folder: string): string[] {
  return [...Deno.readDirSync(join(root, folder))].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    return isDirectory ? below(root, path) : [path];
  });
}

/** Adds what `file` imports, and what that imports. */
function follow(root: string, file: string, imports: Map<string, readonly string[]>): void {
  if (imports.has(file)) return;
  const text = Deno.readTextFileSync(join(root, file));
  const named = [...text.matchAll(/^(?:import|export)\b[^"';]*?"(\.[^"]+\.ts)"/gm)].map((m) => m[1] ?? "");
  const found = named.map((name) => normalize(join(dirname(file), name)));
  imports.set(file, found);
  for (const next of found) follow(root, next, imports);
}

/**
 * The tests that a change of `file` may concern, in two parts: those of its own part of the sources (`tests/unit/cpu` for
 * `src/cpu`), and the others. The one named after it is the first, then they come by `seconds`.
 */
export function testsFor(suite: Suite, file: string, seconds: ReadonlyMap<string, number>): string[][] {
  const folder = dirname(file).replace(/^src/, "tests/unit");
  const own = `${file.replace(/^.*\//, "").replace(/\.ts$/, "")}_test.ts`;
  const rank = (test: string) => test.endsWith(`/${own}`) ? -1 : seconds.get(test) ?? 0;
  const concerned = suite.files.filter((test) => !isBeside(test, file) && reaches(suite, test, file));
  concerned.sort((a, b) => rank(a) - rank(b));
  const isNear = (test: string) => dirname(test) === folder;
  return [concerned.filter(isNear), concerned.filter((test) => !isNear(test))]
    .filter((part) => part.length > 0);
}

/** The wire knows nothing of CPUs, and its tests take long. */
function isBeside(test: string, file: string): boolean {
  return test.startsWith("tests/unit/wire/") && /^src\/(cpu|ledger)\//.test(file);
}

function reaches({ imports }: Suite, from: string, to: string): boolean {
  const seen = new Set<string>();
  const search = (file: string): boolean => {
    if (file === to) return true;
    if (seen.has(file)) return false;
    seen.add(file);
    return (imports.get(file) ?? []).some(search);
  };
  return search(from);
}
