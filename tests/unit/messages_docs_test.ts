/** The refusals and log messages that README.md, docs/troubleshooting.md and docs/peers.md quote, compared with the sources. */
import assert from "node:assert/strict";

const ROOT = new URL("../..", import.meta.url).pathname;

/** All sources of the agent, as one text. */
function sources(folder = `${ROOT}src`): string {
  const texts = [...Deno.readDirSync(folder)].map(({ name, isDirectory }) =>
    isDirectory ? sources(`${folder}/${name}`) : Deno.readTextFileSync(`${folder}/${name}`)
  );
  return texts.join("\n");
}

/** Figures, CPU lists, names, paths and punctuation: where a message of the sources has a placeholder, or is split. */
const VARIABLE =
  /\d[\d,-]*|\S*\/\S*|…|[:;,()?"]|\bnamespace dev\b|\bcontainer db\b|\b(?:is|are)\b|\bstatic\b/;
const MIN_WORDS = 3;

/** The fixed parts of a quoted message that are long enough to be looked for. */
function fixedParts(message: string): string[] {
  return message.split(VARIABLE).map((part) => part.trim()).filter((part) =>
    part.split(" ").length >= MIN_WORDS
  );
}

/** Code in the first column of the table of refusals, the lines of a plain code block, the text of `msg`. */
function quoted(): string[] {
  const readme = Deno.readTextFileSync(`${ROOT}README.md`);
  const chapter = readme.slice(readme.indexOf("## Troubleshooting"), readme.indexOf("## Limitations"));
  const peers = Deno.readTextFileSync(`${ROOT}docs/peers.md`);
  const symptoms = Deno.readTextFileSync(`${ROOT}docs/troubleshooting.md`);
  const rows = [...`${chapter}${symptoms}`.matchAll(/^\| (`.*?`) \| /gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]*)`/g)].map(([, text = ""]) => text)
  );
  const lines = [...chapter.matchAll(/^```\n(.*?)^```$/gms)].flatMap(([, text = ""]) => text.split("\n"));
  const logged = [...peers.matchAll(/ msg="([^"]*)"|^cpuset: (.*)$/gm)].map(([, a, b]) => a ?? b ?? "");
  return [...rows, ...lines, ...logged];
}

Deno.test("README.md, docs/troubleshooting.md and docs/peers.md quote messages of this program", () => {
  const parts = quoted().flatMap(fixedParts);
  assert(parts.length > 15, `only ${parts.length} found`);
  // A literal that goes on in the next line is one text.
  const text = sources().replaceAll(/["`] \+\s+["`]/g, "");
  assert.deepEqual(parts.filter((part) => !text.includes(part)), []);
});
