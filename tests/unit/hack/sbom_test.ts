import assert from "node:assert/strict";
import { sbomOf } from "../../../hack/sbom.ts";
import { BUILD } from "../deploy/image_index.ts";

const SUBJECT = { build: BUILD, architecture: "arm64", executableSha256: "ab".repeat(32), libraries: [] };
const LIBRARIES = [{ name: "libc6", version: "2.36-9+deb12u14", source: "glibc" }];

Deno.test("an SBOM lists program, runtime and packages, with their sums, versions and licenses", () => {
  const { name, creationInfo, packages } = sbomOf(SUBJECT);
  assert.equal(name, "weka-cpuset-1.2.3-linux-arm64");
  assert.equal(creationInfo.created, BUILD.created);
  const said = packages.map(({ name, versionInfo, licenseDeclared }) => [name, versionInfo, licenseDeclared]);
  assert.deepEqual(said, [
    ["weka-cpuset", "1.2.3", "Apache-2.0"],
    ["Deno runtime", "2.6.10", "MIT"],
    ["V8", "14.5", "BSD-3-Clause"],
    ["@scope/a", "1.0.0", "MIT"],
  ]);
  const [program, , , bundled] = packages;
  assert.deepEqual(program?.checksums, [{ algorithm: "SHA256", checksumValue: "ab".repeat(32) }]);
  assert.deepEqual(bundled?.checksums, [{ algorithm: "SHA512", checksumValue: "00010203" }]);
  assert.equal(bundled?.SPDXID, "SPDXRef-npm-scope-a-1.0.0");
});

Deno.test("an image's has its libraries too, and is another document", () => {
  const [alone, image] = [sbomOf(SUBJECT), sbomOf({ ...SUBJECT, libraries: LIBRARIES })];
  assert.notEqual(alone.documentNamespace, image.documentNamespace);
  const libc = image.packages.at(-1);
  assert.deepEqual([libc?.name, libc?.licenseDeclared], ["libc6", "LGPL-2.1-or-later"]);
  assert.deepEqual(image.relationships.at(-1), {
    spdxElementId: "SPDXRef-weka-cpuset-1.2.3",
    relationshipType: "DYNAMIC_LINK",
    relatedSpdxElement: "SPDXRef-deb-libc6-2.36-9-deb12u14",
  });
});

Deno.test("every package is what another one contains or links, or what the document describes", () => {
  const { packages, relationships } = sbomOf({ ...SUBJECT, libraries: LIBRARIES });
  const related = relationships.map(({ relatedSpdxElement }) => relatedSpdxElement);
  assert.deepEqual(related.sort(), packages.map(({ SPDXID }) => SPDXID).sort());
});
