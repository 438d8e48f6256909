import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { imageReference, imageSource, libcLink, readLibraries } from "../../../hack/image.ts";
import { ociArchive } from "../../../hack/oci_archive.ts";
import { tarArchive } from "../../../src/platform/tar.ts";
import { BUILD, LIBRARIES, testIndex } from "./image_index.ts";

const LDD = `	linux-vdso.so.1 (0x00007f2d02fb4000)
	libgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f2d02f7e000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fe75bfe124a)
	/lib64/ld-linux-x86-64.so.2 (0x00007f2d02fb6000)
`;
/** What a program of this machine prints about the bytes that it is given. */
async function asks(program: string, bytes: Uint8Array<ArrayBuffer>, ...args: string[]): Promise<string> {
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", env: { TZ: "UTC" } })
    .spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(bytes);
  await writer.close();
  return new TextDecoder().decode((await output).stdout);
}

const REFERENCE = "localhost/weka-cpuset:1.2.3";

Deno.test("tar reads back what was put into an archive, sorted, of root and of 1970", async () => {
  const bytes = tarArchive([
    { kind: "file", path: "b/two", mode: 0o755, bytes: new Uint8Array(513) },
    { kind: "link", path: "b/link", target: "/a/one" },
    { kind: "file", path: "a/one", mode: 0o644, bytes: new Uint8Array(0) },
  ]);
  const listed = await asks("tar", bytes, "--list", "--verbose", "--numeric-owner", "--full-time");
  assert.deepEqual(listed.trim().split("\n").map((line) => line.replaceAll(/ +/g, " ")), [
    "drwxr-xr-x 0/0 0 1970-01-01 00:00:00 a/",
    "-rw-r--r-- 0/0 0 1970-01-01 00:00:00 a/one",
    "drwxr-xr-x 0/0 0 1970-01-01 00:00:00 b/",
    "lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 b/link -> /a/one",
    "-rwxr-xr-x 0/0 513 1970-01-01 00:00:00 b/two",
  ]);
});

Deno.test("a name that doesn't fit into a tar header is refused", () => {
  const path = "x".repeat(101);
  assert.throws(
    () => tarArchive([{ kind: "file", path, mode: 0o644, bytes: new Uint8Array(0) }]),
    /100 bytes/,
  );
});

interface Descriptor {
  digest: string;
  size: number;
}

/** Reads an archive with this machine's tar, and checks each digest that is followed. */
function reader(archive: Uint8Array<ArrayBuffer>) {
  const pathOf = ({ digest }: Descriptor) => `blobs/${digest.replace(":", "/")}`;
  const parsed = async (path: string) =>
    JSON.parse(await asks("tar", archive, "--extract", "--to-stdout", path));
  const sumOf = async (descriptor: Descriptor, filter = "cat") => {
    const said = await asks("sh", archive, "-c", `tar -xO ${pathOf(descriptor)} | ${filter} | sha256sum`);
    return `sha256:${said.split(" ")[0]}`;
  };
  const follow = async (descriptor: Descriptor) => {
    assert.equal(await sumOf(descriptor), descriptor.digest);
    return await parsed(pathOf(descriptor));
  };
  const listed = async (layer: Descriptor) => {
    const files = await asks("sh", archive, "-c", `tar -xO ${pathOf(layer)} | tar -tz`);
    return files.trim().split("\n").filter((path) => !path.endsWith("/")).map((path) => `/${path}`);
  };
  return { pathOf, parsed, sumOf, follow, listed };
}

Deno.test("an index holds an image for each processor, and every digest in it is right", async () => {
  const { parsed, sumOf, follow, listed } = reader(ociArchive(testIndex(REFERENCE, ["amd64", "arm64"])));
  const { manifests: [entry] } = await parsed("index.json");
  assert.equal(entry.annotations["io.containerd.image.name"], REFERENCE);
  const { manifests } = await follow(entry);
  const platforms = manifests.map((each: { platform: unknown }) => each.platform);
  const unknown = { architecture: "unknown", os: "unknown" };
  const [amd64, arm64] = ["amd64", "arm64"].map((architecture) => ({ architecture, os: "linux" }));
  assert.deepEqual(platforms, [amd64, arm64, unknown, unknown]);
  for (const each of manifests.slice(0, 2)) {
    const manifest = await follow(each);
    const config = await follow(manifest.config);
    assert.deepEqual(config.config.Entrypoint, ["/usr/local/bin/weka-cpuset"]);
    assert.deepEqual([config.architecture, config.created], [each.platform.architecture, BUILD.created]);
    const sums = manifest.layers.map((layer: Descriptor) => sumOf(layer, "gunzip"));
    assert.deepEqual(await Promise.all(sums), config.rootfs.diff_ids);
    const files = await Promise.all(manifest.layers.map(listed));
    assert.deepEqual(files.flat(), [...LIBRARIES, "/usr/local/bin/weka-cpuset"]);
  }
});

Deno.test("what it is, from where and of when is said on the index, on each image and as labels", async () => {
  const { parsed, follow } = reader(ociArchive(testIndex(REFERENCE)));
  const index = await follow((await parsed("index.json")).manifests[0]);
  const manifest = await follow(index.manifests[0]);
  const { config } = await follow(manifest.config);
  const said = {
    title: "weka-cpuset",
    description: "Decides which CPUs each container of a Kubernetes node may run on",
    source: "https://git.example/team/it",
    version: "1.2.3",
    revision: "abc-dirty",
    created: "2026-01-31T08:00:00Z",
    licenses: "Apache-2.0 AND LGPL-2.1-or-later AND GPL-3.0-or-later WITH GCC-exception-3.1",
  };
  const expected = Object.fromEntries(
    Object.entries(said).map(([key, value]) => [`org.opencontainers.image.${key}`, value]),
  );
  for (const each of [index.annotations, manifest.annotations, config.Labels]) {
    assert.deepEqual(each, expected);
  }
  // kubelet's probes are the DaemonSet's; an engine's own would run beside them.
  assert.deepEqual(Object.keys(config).sort(), ["Entrypoint", "Env", "Labels", "User", "WorkingDir"]);
});

Deno.test("each image has its SBOM attached: about the image, and found by what it refers to", async () => {
  const { parsed, follow } = reader(ociArchive(testIndex(REFERENCE)));
  const { manifests: [image, attested] } = await follow((await parsed("index.json")).manifests[0]);
  const manifest = await follow(attested);
  assert.equal(attested.annotations["vnd.docker.reference.digest"], image.digest);
  assert.deepEqual(manifest.subject, { mediaType: image.mediaType, digest: image.digest, size: image.size });
  const statement = await follow(manifest.layers[0]);
  assert.deepEqual(`sha256:${statement.subject[0].digest.sha256}`, image.digest);
  assert.equal(statement.predicate.spdxVersion, "SPDX-2.3");
  const config = await follow(manifest.config);
  assert.deepEqual(config.rootfs.diff_ids, [manifest.layers[0].digest]);
});

Deno.test("docker's own list is there for an image for one processor, since it has no room for several", async () => {
  const { pathOf, parsed, follow } = reader(ociArchive(testIndex(REFERENCE)));
  const { manifests: [entry] } = await follow((await parsed("index.json")).manifests[0]);
  const { config, layers } = await follow(entry);
  const [Config, ...Layers] = [config, ...layers].map(pathOf);
  assert.deepEqual(await parsed("manifest.json"), [{ Config, RepoTags: [REFERENCE], Layers }]);
  const both = ociArchive(testIndex(REFERENCE, ["amd64", "arm64"]));
  assert(!(await asks("tar", both, "--list")).includes("manifest.json"));
});

Deno.test("the same image gives the same bytes, another name gives others", () => {
  const sum = (reference: string) =>
    createHash("sha256").update(ociArchive(testIndex(reference))).digest("hex");
  assert.equal(sum(REFERENCE), sum(REFERENCE));
  assert.notEqual(sum(REFERENCE), sum("localhost/weka-cpuset:1.2.4"));
});

Deno.test("ldd's output gives the libraries and the loader; one that is missing is named", () => {
  assert.deepEqual(readLibraries(LDD), LIBRARIES);
  assert.throws(
    () => readLibraries("	libgcc_s.so.1 => not found\n"),
    /needs libgcc_s\.so\.1, and this machine lacks it/,
  );
  assert.throws(() => readLibraries("	not a dynamic executable\n"), /not a dynamic executable/);
});

Deno.test("libc gets a second path only where the agent wouldn't find it", () => {
  assert.deepEqual(libcLink(LIBRARIES), []);
  assert.deepEqual(libcLink(["/usr/lib/libc.so.6"]), [
    { kind: "link", path: "lib64/libc.so.6", target: "/usr/lib/libc.so.6" },
  ]);
});

Deno.test("IMAGE_SOURCE is an address that people can open, or not set", () => {
  assert.deepEqual(imageSource(""), {});
  assert.deepEqual(imageSource("https://git.example/a"), {
    "org.opencontainers.image.source": "https://git.example/a",
  });
  assert.throws(() => imageSource("git@git.example:a"), /IMAGE_SOURCE is where the sources are, https:/);
});

const NAMES: readonly [variables: Record<string, string>, name: string][] = [
  [{}, "localhost/weka-cpuset:1.2.3"],
  [{ REGISTRY: "", IMAGE_NAME: "", IMAGE_TAG: "" }, "localhost/weka-cpuset:1.2.3"],
  [
    { REGISTRY: "registry.example/team", IMAGE_NAME: "a_b/c", IMAGE_TAG: "v1" },
    "registry.example/team/a_b/c:v1",
  ],
  [{ REGISTRY: "localhost:5000" }, "localhost:5000/weka-cpuset:1.2.3"],
];

Deno.test("REGISTRY, IMAGE_NAME and IMAGE_TAG name the image", () => {
  for (const [variables, name] of NAMES) assert.equal(imageReference(variables, "1.2.3"), name);
});

Deno.test("a name that engines read differently, or not at all, is refused", () => {
  const bad = [{ REGISTRY: "team" }, { IMAGE_NAME: "Weka" }, { IMAGE_TAG: "a b" }, {
    REGISTRY: "http://a.example",
  }];
  for (const variables of bad) {
    assert.throws(() => imageReference(variables, "1.2.3"), /is no name for an image/);
  }
});
