/** Every scenario of this folder; REWRITE=1 writes what came of them into them. See README.md. */
import { Player } from "./play.ts";
import { at, type Block, parseScript, type Script, withResults } from "./script.ts";

const FOLDER = new URL("./", import.meta.url);
const NAMES = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
  .filter((name) => name.endsWith(".txt") && !name.endsWith(".todo.txt")).sort();

/** What came of each block. */
function played(script: Script, file: string): string[][] {
  const player = at(file, 1, () => new Player(script));
  return script.blocks.map(({ events }) => {
    for (const { line, event } of events) at(file, line, () => player.event(event));
    return player.told();
  });
}

/** One block's lines: those that were expected only, and those that came only, are marked; or the same in two orders. */
function difference({ expected, at: divider }: Block, came: readonly string[], file: string): string {
  const marked = (lines: readonly string[], others: readonly string[], mark: string) =>
    lines.map((line) => `${sameLines || !others.includes(line) ? mark : " "} ${line}`);
  const sameLines = [...expected].sort().join("\n") === [...came].sort().join("\n");
  const got = marked(came, expected, "+").filter((line) => line.startsWith("+"));
  const lines = [...marked(expected, came, "-"), ...got];
  return `${file}:${divider}: something else came of it (- expected, + got):\n${lines.join("\n")}`;
}

for (const name of NAMES) {
  const file = `tests/scenarios/${name}`;
  const text = Deno.readTextFileSync(new URL(name, FOLDER));
  const [sentence = ""] = text.split("\n");
  Deno.test(`${sentence.replace(/^# /, "")} [${name}]`, () => {
    const script = parseScript(text, file);
    const results = played(script, file);
    if (Deno.env.get("REWRITE") === "1") {
      return Deno.writeTextFileSync(new URL(name, FOLDER), withResults(text, script, results));
    }
    const wrong = script.blocks.flatMap((block, index) => {
      const came = results[index] ?? [];
      return block.expected.join("\n") === came.join("\n") ? [] : [difference(block, came, file)];
    });
    if (wrong.length > 0) throw new Error(wrong.join("\n\n"));
  });
}
