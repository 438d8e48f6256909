/** The terminal sessions in README.md and docs/commands.md are what the commands print; REWRITE=1 writes them anew. */
import assert from "node:assert/strict";
import { commandLine } from "../../src/cli/command_line.ts";
import { sessionsIn } from "../kit/sessions.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

for (const name of ["README.md", "docs/commands.md"]) {
  Deno.test(`the terminal sessions in ${name} are real`, async () => {
    const text = await Deno.readTextFile(`${ROOT}${name}`);
    const now = await sessionsIn(text);
    if (Deno.env.get("REWRITE") === "1") return await Deno.writeTextFile(`${ROOT}${name}`, now);
    assert.equal(now, text, `${name} is stale; make it anew with: make rewrite-scripts`);
    assert.match(text, /^```console\n\$ weka-cpuset /m);
  });
}

Deno.test("docs/commands.md has a chapter for every command, and README.md names each", async () => {
  const [page, readme] = await Promise.all(
    ["docs/commands.md", "README.md"].map((name) => Deno.readTextFile(`${ROOT}${name}`)),
  );
  const names = commandLine("test", () => Promise.resolve()).commands.map((command) => command.name())
    .filter((name) => name !== "run");
  const chapters = [...page?.matchAll(/^## (.*)$/gm) ?? []].flatMap(([, title = ""]) => title.split(", "));
  assert.deepEqual(names.filter((name) => !chapters.includes(name)), []);
  assert.deepEqual(names.filter((name) => !readme?.includes(`| \`${name}`)), []);
});
