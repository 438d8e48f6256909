import assert from "node:assert/strict";
import { ociArchive } from "../../../hack/oci_archive.ts";
import { testIndex } from "./image_index.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const REFERENCE = "registry.example/team/weka-cpuset:1";

/** A checkout with hack/image-push.sh and an image, and a PATH with nothing but `tools`, which tell their arguments. */
function push(
  tools: readonly string[],
  variables: Record<string, string>,
  architectures: readonly string[] = ["amd64"],
): { code: number; said: string } {
  const dir = Deno.makeTempDirSync();
  try {
    for (const folder of ["hack", "dist", "bin"]) Deno.mkdirSync(`${dir}/${folder}`);
    Deno.copyFileSync(`${ROOT}hack/image-push.sh`, `${dir}/hack/image-push.sh`);
    const image = ociArchive(testIndex(REFERENCE, architectures));
    Deno.writeFileSync(`${dir}/dist/weka-cpuset-image.tar`, image);
    for (const tool of ["bash", "basename", "dirname", "mktemp", "rm", "sed", "tar"]) {
      Deno.symlinkSync(which(tool), `${dir}/bin/${tool}`);
    }
    for (const tool of tools) {
      Deno.writeTextFileSync(`${dir}/bin/${tool}`, `#!/bin/sh\necho ${tool} "$@"\n`, { mode: 0o755 });
    }
    const { code, stdout, stderr } = new Deno.Command("bash", {
      args: [`${dir}/hack/image-push.sh`],
      env: { ...variables, PATH: `${dir}/bin` },
      clearEnv: true,
      stdin: "null",
    }).outputSync();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return { code, said: said.replaceAll(dir, "").replace(/\/\S*tmp\.\w+/, "LAYOUT") };
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

function which(program: string): string {
  const { stdout } = new Deno.Command("sh", { args: ["-c", `command -v ${program}`] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

const REGISTRY = { REGISTRY: "registry.example/team" };
const ARCHIVE = "/dist/weka-cpuset-image.tar";

Deno.test("the first tool that is there pushes the image under its name, with the flags given", () => {
  const expected: [tools: string[], said: string][] = [
    [["skopeo", "docker"], `skopeo copy --all --a --b oci-archive:${ARCHIVE} docker://${REFERENCE}\n`],
    [["crane"], `crane push --index --a --b LAYOUT ${REFERENCE}\n`],
    [["docker"], `docker load --input ${ARCHIVE}\ndocker push --a --b ${REFERENCE}\n`],
  ];
  for (const [tools, said] of expected) {
    const result = push(tools, { ...REGISTRY, PUSH_FLAGS: "--a --b" });
    assert.deepEqual(result, { code: 0, said: `${said}pushed ${REFERENCE}\n` });
  }
});

Deno.test("an image for several processors isn't pushed by an engine that would push one of them", () => {
  const both = ["amd64", "arm64"];
  assert.equal(push(["skopeo", "docker"], REGISTRY, both).code, 0);
  assert.deepEqual(push(["docker"], REGISTRY, both), {
    code: 1,
    said:
      "image-push: the image is for several processors, and docker pushes those of one; skopeo and crane push it.\n",
  });
});

Deno.test("without a tool, a registry or the image's own one, a sentence says what is needed", () => {
  const none = push([], REGISTRY);
  assert.equal(none.code, 1);
  assert.match(none.said, /^image-push: pushing needs skopeo, crane, podman or docker, and none is on PATH/);
  assert.match(push(["skopeo"], {}).said, /^image-push: REGISTRY says where to, and isn't set/);
  assert.match(
    push(["skopeo"], { REGISTRY: "other.example" }).said,
    /make image REGISTRY=other\.example renames it/,
  );
});
