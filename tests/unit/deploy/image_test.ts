import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type Build,
  imageOf,
  imageReference,
  libcLink,
  readBuild,
  readLibraries,
} from "../../../hack/image.ts";
import { tarArchive } from "../../../src/platform/tar.ts";

const LDD = `	linux-vdso.so.1 (0x00007f2d02fb4000)
	libgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f2d02f7e000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fe75bfe124a)
	/lib64/ld-linux-x86-64.so.2 (0x00007f2d02fb6000)
`;
const LIBRARIES = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/x86_64-linux-gnu/libgcc_s.so.1",
  "/lib64/ld-linux-x86-64.so.2",
];
const BUILD: Build = { version: "1.2.3", revision: "abc-dirty" };

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

function image(reference = "localhost/weka-cpuset:1.2.3"): Uint8Array<ArrayBuffer> {
  const read = (path: string) => new TextEncoder().encode(`bytes of ${path}`);
  return imageOf({
    reference,
    architecture: "amd64",
    build: BUILD,
    libraries: LIBRARIES,
    executable: "/dist/weka-cpuset",
    read,
  });
}

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

Deno.test("an image holds the executable and its libraries, and every digest in it is right", async () => {
  const archive = image();
  const extract = (path: string) => asks("tar", archive, "--extract", "--to-stdout", path);
  const parsed = async (path: string) => JSON.parse(await extract(path));
  const { manifests: [entry] } = await parsed("index.json");
  const pathOf = ({ digest }: Descriptor) => `blobs/${digest.replace(":", "/")}`;
  const manifest = await parsed(pathOf(entry));
  const config = await parsed(pathOf(manifest.config));
  const [docker] = await parsed("manifest.json");

  assert.equal(entry.annotations["io.containerd.image.name"], "localhost/weka-cpuset:1.2.3");
  assert.deepEqual(docker.RepoTags, ["localhost/weka-cpuset:1.2.3"]);
  assert.deepEqual([docker.Config, ...docker.Layers], [manifest.config, ...manifest.layers].map(pathOf));
  assert.equal(manifest.annotations["org.opencontainers.image.version"], "1.2.3");
  assert.equal(manifest.annotations["org.opencontainers.image.revision"], "abc-dirty");
  assert.deepEqual(config.config.Entrypoint, ["/usr/local/bin/weka-cpuset"]);

  for (const descriptor of [entry, manifest.config, ...manifest.layers] as Descriptor[]) {
    const sum = await asks("sh", archive, "-c", `tar -xO ${pathOf(descriptor)} | sha256sum`);
    assert.equal(`sha256:${sum.split(" ")[0]}`, descriptor.digest);
  }
  const files: string[] = [];
  for (const [index, layer] of (manifest.layers as Descriptor[]).entries()) {
    const sum = await asks("sh", archive, "-c", `tar -xO ${pathOf(layer)} | gunzip | sha256sum`);
    assert.equal(`sha256:${sum.split(" ")[0]}`, config.rootfs.diff_ids[index]);
    const listed = await asks("sh", archive, "-c", `tar -xO ${pathOf(layer)} | tar -tz`);
    files.push(...listed.trim().split("\n").filter((path) => !path.endsWith("/")).map((path) => `/${path}`));
  }
  assert.deepEqual(files, [...LIBRARIES, "/usr/local/bin/weka-cpuset"]);
});

Deno.test("the same image gives the same bytes, another name gives others", () => {
  const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  assert.equal(sum(image()), sum(image()));
  assert.notEqual(sum(image()), sum(image("localhost/weka-cpuset:1.2.4")));
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

Deno.test("the build is read from what --version prints", () => {
  assert.deepEqual(readBuild("weka-cpuset 1.2.3 (commit abc-dirty, Deno 2.6.10)\n"), BUILD);
  assert.throws(() => readBuild("usage: …"), /said "usage: …"/);
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
