/** What docs/annotations.md says, compared with what is so. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { PLACEMENTS } from "../../../src/cpu/placement.ts";
import { type Annotation, ANNOTATIONS, containerKeys } from "../../../src/nri/annotations.ts";
import { readClaim } from "../../../src/nri/read_claim.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { containerOf, podOf } from "../../kit/messages.ts";

const DOCS = Deno.readTextFileSync(new URL("../../../docs/annotations.md", import.meta.url));

/** The annotations of each example. */
const EXAMPLES: readonly Record<string, string>[] = [...DOCS.matchAll(/```yaml\n(.*?)```/gs)].map((match) =>
  parse(match[1] ?? "").metadata.annotations
);

function unique(pattern: RegExp): string[] {
  return [...new Set([...DOCS.matchAll(pattern)].map((match) => match[1] ?? ""))];
}

function rules(pinnedNamespaces: readonly string[] = ["*"]) {
  return {
    ...DEFAULT_SETTINGS.rules,
    pinnedNamespaces,
    unmanagedNamespaces: ["*"],
    isolationNamespaces: ["*"],
  };
}

Deno.test("docs/annotations.md has a row, a chapter and an example for each annotation, and names no other", () => {
  assert.deepEqual(unique(/^\| `(.*?)` \|/gm), [...ANNOTATIONS]);
  assert.deepEqual(unique(/^## `(.*?)`/gm), [...ANNOTATIONS]);
  assert.deepEqual(unique(/(?<![\w.])(weka\.io\/[\w.\/-]+)/g), [...ANNOTATIONS]);
  for (const annotation of ANNOTATIONS) {
    assert(EXAMPLES.some((example) => Object.hasOwn(example, annotation)));
  }
});

Deno.test("the form for one container is shown for each annotation, as it is read", () => {
  const shown = EXAMPLES.flatMap((example) => Object.keys(example)).filter((key) =>
    key.includes("/container.")
  );
  const expected = ANNOTATIONS.map((annotation: Annotation, i) =>
    containerKeys(annotation, shown[i]?.split("/container.")[1] ?? "")[0]
  );
  assert.deepEqual(shown, expected);
});

Deno.test("every example is understood, down to the last value", () => {
  assert(EXAMPLES.length > 5);
  for (const annotations of EXAMPLES) {
    const values = Object.values(annotations);
    assert(values.every((value) => typeof value === "string"), `not a text: ${values}`);
    const named = Object.keys(annotations).map((key) => key.split("/container.")[1] ?? "c");
    for (const container of named) {
      const wanted = { annotations, container, cpus: 2 };
      const read = readClaim(podOf(wanted), containerOf(wanted), rules());
      assert(read.kind !== "refusal", JSON.stringify(annotations));
      assert.deepEqual(read.warnings, []);
      const plain = readClaim(podOf({ cpus: 2 }), containerOf({ cpus: 2, container }), rules());
      assert.notDeepEqual(read, plain, `${container}: ${JSON.stringify(annotations)} changes nothing`);
    }
  }
});

Deno.test("the placements are those that there are", () => {
  assert.deepEqual(unique(/^- `(.*?)`: /gm), [...PLACEMENTS]);
});

Deno.test("the sentences that docs/annotations.md shows are sentences of this program", () => {
  const key = ANNOTATIONS[0];
  const said = ([["prod", "5-2"], ["prod", ""], ["dev", "1"]] as const).map(([namespace, list]) => {
    const wanted = { name: "drive-1", namespace, container: "drive", annotations: { [key]: list } };
    const read = readClaim(podOf(wanted), containerOf(wanted), rules(["prod"]));
    return read.kind === "refusal" ? read.message : read.kind;
  });
  assert(DOCS.includes(`\`\`\`\n${said.join("\n")}\n\`\`\``), said.join("\n"));
});
