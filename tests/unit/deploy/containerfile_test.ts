import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { EXECUTABLE } from "../../../hack/image.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;

/** The instructions, with lines joined that end in a backslash. */
const instructions = Deno.readTextFileSync(`${ROOT}Containerfile`)
  .replaceAll(/^#.*\n/gm, "").replaceAll("\\\n", "").split("\n").filter((line) => line !== "")
  .map((line) => line.replaceAll(/\s+/g, " "));

function after(word: string): string[] {
  return instructions.filter((line) => line.startsWith(`${word} `)).map((line) =>
    line.slice(word.length + 1)
  );
}

Deno.test("what the Containerfile copies from the checkout is there", () => {
  const sources = after("COPY").filter((line) => !line.startsWith("--from")).flatMap((line) =>
    line.split(" ").slice(0, -1)
  );
  assert(sources.includes("."));
  for (const source of sources) assert(existsSync(ROOT + source), source);
});

Deno.test("it builds as everybody does, and its image starts the same file as that of make image", () => {
  assert.equal(after("RUN").at(-1), "make build");
  assert.deepEqual(after("ENTRYPOINT"), [`["${EXECUTABLE}"]`]);
  assert.equal(after("COPY").at(-1), `--from=build /src/dist/weka-cpuset ${EXECUTABLE}`);
});

Deno.test("its builder has the programs that the README asks for", () => {
  const packages = after("RUN")[0]?.split(" ") ?? [];
  for (const name of ["git", "make", "curl", "python3", "python3-pip"]) assert(packages.includes(name), name);
});

// A tracked file that is left out would be a deleted one to git, and the commit be called dirty.
Deno.test("exactly what git ignores stays out of the build", () => {
  const lines = (file: string) =>
    Deno.readTextFileSync(ROOT + file).split("\n").map((line) => line.replaceAll(/^\*\*|\//g, ""))
      .filter((line) => line !== "" && !line.startsWith("#"));
  assert.deepEqual(lines(".dockerignore").sort(), lines(".gitignore").sort());
});
