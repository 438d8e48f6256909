/** What is written about the configuration, compared with what it is. */
import assert from "node:assert/strict";
import { defaultText, type Key, KEYS } from "../../../src/config/keys.ts";
import { checkedLayer, type Mapping, resolve } from "../../../src/config/layers.ts";
import { parseYaml } from "../../../src/config/parse.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const DOCS = Deno.readTextFileSync(`${ROOT}docs/configuration.md`);
const SAMPLE = Deno.readTextFileSync(`${ROOT}deploy/config.yaml`);
const PLACE = { source: "file", file: "f", nameOf: (path: string) => path } as const;

/** A configuration that gives one key a value that no key takes. */
function badValue(path: string): Mapping {
  const [section = "", name] = path.split(".");
  return name === undefined ? { [section]: {} } : { [section]: { [name]: {} } };
}

function rowOf({ path, description, flag, variable }: Key): string {
  const [problem] = checkedLayer(PLACE, badValue(path)).problems;
  const must = / must be (.*), but it is a mapping$/.exec(problem?.sentence ?? "")?.[1];
  const fallback = defaultText(path).split(",").map((item) => `\`${item || '""'}\``).join(", ");
  const cells = [
    `\`${path}\``,
    fallback,
    must,
    description,
    flag && `\`${flag.split(" ")[0]}\``,
    `\`${variable}\``,
  ];
  return `| ${cells.map((cell) => cell ?? "").join(" | ")} |`;
}

Deno.test("the keys are exactly the leaves of the schema, in its order", () => {
  const leaves = Object.entries(DEFAULTS).flatMap(([name, value]) =>
    name === "log" ? Object.keys(value).map((key) => `log.${key}`) : [name]
  );
  assert.deepEqual(KEYS.map(({ path }) => path), leaves);
});

Deno.test("docs/configuration.md has a true row for each key", () => {
  const rows = DOCS.split("\n").filter((line) => /^\| `/.test(line));
  assert.deepEqual(rows, KEYS.map(rowOf));
});

Deno.test("docs/configuration.md names the keys that the runtime's text can change", () => {
  const live = KEYS.filter((key) => key.live).map(({ path }) => `\`${path}\``);
  assert(DOCS.includes(`It can change ${live.slice(0, -1).join(", ")} and ${live.at(-1)}`));
});

Deno.test("the sample has every key, each at its default", () => {
  const parsed = parseYaml(SAMPLE);
  assert(parsed.kind === "parsed", JSON.stringify(parsed));
  const layer = checkedLayer(PLACE, parsed.tree);
  assert.deepEqual([...layer.values.keys()], KEYS.map(({ path }) => path));
  const { config, problems } = resolve([layer]);
  assert.deepEqual(problems, []);
  assert.deepEqual(config, DEFAULTS);
});

Deno.test("what docs/configuration.md shows as sentences are sentences of this program", () => {
  for (const example of ["log.level must be debug, info, warn or error", "did you mean minShared?"]) {
    assert(DOCS.includes(example));
  }
  const { problems } = checkedLayer({ ...PLACE, file: "/etc/weka-cpuset/config.yaml" }, {
    log: { level: "loud" },
    minshared: "2",
  });
  for (const { sentence } of problems) assert(DOCS.includes(sentence), sentence);
});
