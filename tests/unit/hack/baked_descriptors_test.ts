import assert from "node:assert/strict";
import { createFileRegistry } from "@bufbuild/protobuf";
import { fileDesc } from "@bufbuild/protobuf/codegenv2";
import { bakedDescriptor, withBakedDescriptor } from "../../../hack/baked_descriptors.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const GENERATED = ["nri", "wire", "cri", "peers"].flatMap((folder) =>
  [...Deno.readDirSync(`${ROOT}src/${folder}/gen`)].map(({ name }) => `${ROOT}src/${folder}/gen/${name}`)
);

/** The bytes of a file's descriptor, as generated. */
function encodedIn(source: string): string {
  return /fileDesc\("([^"]*)"/.exec(source)?.[1] ?? assert.fail("it has no descriptor");
}

for (const path of GENERATED) {
  Deno.test(`the baked descriptor of ${path.slice(ROOT.length)} is the one that is decoded as generated`, () => {
    const encoded = encodedIn(Deno.readTextFileSync(path));
    const evaluated = new Function(
      "createFileRegistry",
      `return ${bakedDescriptor(encoded).replace("!})", "})")}`,
    );
    const { proto } = evaluated(createFileRegistry);
    assert.deepEqual(proto, fileDesc(encoded).proto);
    // deepEqual has compared prototypes by identity of their constructors only.
    for (const [at, { field }] of proto.messageType.entries()) {
      const known = fileDesc(encoded).proto.messageType[at]?.field;
      assert.deepEqual(field.map(withDefaults), known?.map(withDefaults));
    }
  });
}

/** With the values that come from the prototype. */
function withDefaults(message: object): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const key in message) all[key] = (message as Record<string, unknown>)[key];
  return all;
}

Deno.test("a generated file that imports another one isn't baked", () => {
  assert.throws(() => withBakedDescriptor('fileDesc("CgA", [file_other])'), /without imports/);
});
