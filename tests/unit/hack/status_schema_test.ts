import assert from "node:assert/strict";
import { SCHEMA_FILE, schemaText } from "../../../hack/status_schema.ts";
import { journalSchema, statusSchema, topologySchema } from "../../../src/status/document.ts";

const API = Deno.readTextFileSync(new URL("../../../docs/api.md", import.meta.url));

Deno.test("docs/status.schema.json is the schema of the program", () => {
  assert.equal(
    Deno.readTextFileSync(SCHEMA_FILE),
    schemaText(),
    "docs/status.schema.json is stale; make it anew with: deno run --allow-all hack/status_schema.ts",
  );
});

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly enum?: readonly string[];
}

/** `node.online`, `containers[].kind`: every field of an answer, but its service and version. */
function fieldsOf({ properties = {}, items }: JsonSchema, path = ""): [string, JsonSchema][] {
  if (items !== undefined) return fieldsOf(items, `${path}[]`);
  return Object.entries(properties).flatMap(([name, schema]): [string, JsonSchema][] => {
    const own = path === "" ? name : `${path}.${name}`;
    const inner = fieldsOf(schema, own);
    return inner.length === 0 ? [[schema.items === undefined ? own : `${own}[]`, schema]] : inner;
  }).filter(([name]) => name !== "service" && name !== "version");
}

Deno.test("docs/api.md has a row for each field of each answer, and every word that a field may be", () => {
  const { $defs } = JSON.parse(schemaText()) as { readonly $defs: Readonly<Record<string, JsonSchema>> };
  const { explain: _, ...tables } = $defs;
  const fields = Object.values(tables).flatMap((schema) => fieldsOf(schema));
  const rows = API.split("\n").flatMap((line) => /^\| `([^`]+)` \|(.*)$/.exec(line)?.slice(1, 3) ?? []);
  const names = rows.filter((_, at) => at % 2 === 0);
  assert.deepEqual(names.filter((name) => !name.startsWith("/")), fields.map(([name]) => name));
  for (const [name, { enum: words = [] }] of fields) {
    const row = API.split("\n").find((line) => line.startsWith(`| \`${name}\` |`));
    assert.deepEqual(words.filter((word) => !row?.includes(`\`${word}\``)), [], name);
  }
});

Deno.test("docs/api.md names each field of an explanation, which may be of three kinds", () => {
  const section = API.slice(API.indexOf("### `/api/v1/explain"));
  const { $defs: { explain } } = JSON.parse(schemaText()) as { readonly $defs: Record<string, unknown> };
  const container = /"container":\{"type":"object".*?"required":\[[^\]]*\]/;
  const names = [...JSON.stringify(explain).replace(container, "").matchAll(/"(\w+)":\{/g)].map(([, name]) =>
    name
  );
  const own = new Set(
    names.filter((name) => !["properties", "items", "service", "version"].includes(`${name}`)),
  );
  assert(own.size > 20);
  assert.deepEqual([...own].filter((name) => !section.includes(`\`${name}\``)), []);
});

Deno.test("a document with a field more is still one, and one with a field less isn't", () => {
  for (const schema of [statusSchema, journalSchema, topologySchema]) {
    assert(!schema.safeParse({ service: "weka-cpuset", version: 1 }).success);
  }
  const journal = { service: "weka-cpuset", version: 1, dropped: 0, events: [], more: 1 };
  assert(journalSchema.safeParse(journal).success);
});
