/**
 * The JSON Schema of the status API, docs/status.schema.json, from the schema in src/status/document.ts. Run by
 * `make rewrite-scripts`; a test fails while the file says something else.
 */
// The whole of zod: the small variant can't say its schemas as JSON.
import * as z from "zod";
import { journalSchema, statusSchema, topologySchema } from "../src/status/document.ts";
import { explainSchema } from "../src/status/explain_document.ts";

export const SCHEMA_FILE = new URL("../docs/status.schema.json", import.meta.url).pathname;

/** Each answer is a definition of its own: `status.schema.json#/$defs/status`. A field that is new isn't an error. */
export function schemaText(): string {
  const answers = {
    status: statusSchema,
    topology: topologySchema,
    journal: journalSchema,
    explain: explainSchema,
  };
  const $defs = Object.fromEntries(
    Object.entries(answers).map(([name, schema]) => {
      const { $schema: _, ...definition } = z.toJSONSchema(schema, { io: "input" });
      return [name, definition];
    }),
  );
  const document = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Answers of the status API of weka-cpuset, version 1",
    description: "What the fields mean: docs/api.md",
    $defs,
    anyOf: Object.keys($defs).map((name) => ({ $ref: `#/$defs/${name}` })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

if (import.meta.main) await Deno.writeTextFile(SCHEMA_FILE, schemaText());
