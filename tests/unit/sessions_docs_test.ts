/** The terminal sessions in README.md and docs/commands.md are what the commands print; REWRITE=1 writes them anew. */
import assert from "node:assert/strict";
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
