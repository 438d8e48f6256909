/** With `set -o pipefail` a program whose reader ends before it does fails the script by SIGPIPE, now and then. */
import assert from "node:assert/strict";

const ROOT = new URL("../../..", import.meta.url).pathname;
const ENDS_EARLY = /[^|]\|\s*(head\b|grep -[a-zA-Z]*q)/;

function scripts(folder: string): string[] {
  return [...Deno.readDirSync(ROOT + folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return scripts(path);
    return name.endsWith(".sh") || path === ".ci/run" ? [path] : [];
  });
}

Deno.test("no script reads only the beginning of what another program writes", () => {
  const all = ["hack", ".ci", "deploy"].flatMap(scripts);
  assert(all.length > 20, `${all}`);
  const found = all.flatMap((path) =>
    Deno.readTextFileSync(ROOT + path).split("\n").flatMap((line, at) =>
      ENDS_EARLY.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : []
    )
  );
  assert.deepEqual(found, []);
});
