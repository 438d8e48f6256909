/** The image index of a release, and the Containerfile: what engines and validators say of them, and how large they are. */
import assert from "node:assert/strict";
import { ROOT } from "../../kit/spawn.ts";
import { canRelease, FIRST, pathOf, released, VERSION } from "./checkout.ts";
import { fetched, outcome, output } from "./tools.ts";

/** Compressed, of one processor. */
const BUDGET_BYTES = 40e6;

const buildah = await fetched("get-buildah.sh", "buildah");
const spdx = await fetched("get-spdx.sh", "spdx");
const emulator = await fetched("get-qemu-user.sh", "qemu-user");
const debian = await fetched("get-debian-root.sh", "debian-root");
const libraries = await fetched("get-glibc.sh", "glibc");
const isHere = canRelease && ![buildah, spdx, emulator, debian, libraries].includes(undefined);

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly platform: { readonly architecture: string };
}

/** Runs the body with the archive's path, and a folder that is removed. */
function onImage(title: string, body: (archive: string, dir: string) => Promise<void>): void {
  Deno.test({
    name: `image: ${title}`,
    ignore: !isHere,
    fn: async () => {
      const archive = `${await released(FIRST)}/weka-cpuset-${VERSION}-image.tar`;
      const dir = await Deno.makeTempDir();
      try {
        await body(archive, dir);
      } finally {
        await output("rm", ["-rf", dir]);
      }
    },
  });
}

function skopeo(...args: string[]): Promise<string> {
  return output(`${buildah}/skopeo`, ["--policy", `${buildah}/root/etc/containers/policy.json`, ...args]);
}

async function blob(archive: string, { digest }: Descriptor) {
  return JSON.parse(await output("tar", ["-xOf", archive, `blobs/${digest.replace(":", "/")}`]));
}

onImage("the image of each processor is below 40 MB compressed", async (archive) => {
  const { manifests } = JSON.parse(await skopeo("inspect", "--raw", `oci-archive:${archive}`));
  for (const each of (manifests as Descriptor[]).slice(0, 2)) {
    const { layers } = await blob(archive, each) as { layers: Descriptor[] };
    const size = layers.reduce((sum, { size }) => sum + size, 0);
    console.log(`image for ${each.platform.architecture}: ${(size / 1e6).toFixed(1)} MB compressed`);
    assert(size < BUDGET_BYTES, `${size} bytes`);
  }
});

onImage("an engine copies the whole index without changing a byte of it", async (archive, dir) => {
  await skopeo("copy", "--quiet", "--all", `oci-archive:${archive}`, `oci:${dir}/layout:copied`);
  const [before, after] = [
    await output("tar", ["-xOf", archive, "index.json"]),
    await Deno.readTextFile(`${dir}/layout/index.json`),
  ];
  const digests = [before, after].map((text) => JSON.parse(text).manifests[0].digest);
  assert.equal(digests[0], digests[1]);
});

onImage(
  "the SBOM of each executable and the attached one of each image are valid SPDX",
  async (archive, dir) => {
    const { manifests } = JSON.parse(await skopeo("inspect", "--raw", `oci-archive:${archive}`));
    const files: string[] = [];
    for (const each of (manifests as Descriptor[]).slice(2)) {
      const { layers: [statement] } = await blob(archive, each) as { layers: [Descriptor] };
      const file = `${dir}/${statement.digest.slice(7, 19)}.spdx.json`;
      await Deno.writeTextFile(file, JSON.stringify((await blob(archive, statement)).predicate));
      files.push(file);
    }
    for (const name of ["amd64", "arm64"]) {
      files.push(
        archive.replace("-image.tar", `-linux-${name}.spdx.json`),
      );
    }
    assert.equal(files.length, 4);
    for (const file of files) await output(`${spdx}/pyspdxtools`, ["--infile", file]);
    const broken = (await Deno.readTextFile(files[0] ?? "")).replaceAll('"CONTAINS"', '"HOLDS"');
    await Deno.writeTextFile(`${dir}/broken.spdx.json`, broken);
    assert.equal((await outcome(`${spdx}/pyspdxtools`, ["--infile", `${dir}/broken.spdx.json`])).code, 1);
  },
);

onImage("what is in the image of each processor is enough to run it", async (archive, dir) => {
  for (const architecture of ["amd64", "arm64"]) {
    const [layout, root] = [`${dir}/${architecture}`, `${dir}/${architecture}-root`];
    await skopeo(
      "--override-arch",
      architecture,
      "copy",
      "--quiet",
      `oci-archive:${archive}`,
      `dir:${layout}`,
    );
    await Deno.mkdir(root);
    const { layers } = JSON.parse(await Deno.readTextFile(`${layout}/manifest.json`)) as {
      layers: Descriptor[];
    };
    for (const { digest } of layers) {
      await output("tar", ["-xzf", `${layout}/${digest.slice(7)}`, "-C", root]);
    }
    const executable = "/usr/local/bin/weka-cpuset";
    const inRoot = 'mkdir "$0/proc"; mount -t proc proc "$0/proc"; exec chroot "$0" "$@"';
    const [program = "", ...args] = architecture === "amd64"
      ? ["unshare", "--mount", "sh", "-ec", inRoot, root, executable]
      : [`${emulator}/qemu-aarch64`, "-L", root, root + executable];
    assert.match(
      await output(program, [...args, "--version"]),
      new RegExp(`^weka-cpuset ${VERSION} \\(commit \\w+, `),
    );
  }
});

onImage("the Containerfile builds on local base images, and what comes out runs", async (_archive, dir) => {
  const run = (...args: string[]) => {
    const storage = ["--root", `${dir}/storage`, "--runroot", `${dir}/run`];
    return output(`${buildah}/buildah`, [...storage, ...args], { env: { BUILDAH_ISOLATION: "chroot" } });
  };
  const base = async (name: string, files: readonly (readonly [from: string, to: string])[]) => {
    const container = (await run("from", "scratch")).trim();
    for (const [from, to] of files) await run("add", "--quiet", container, from, to);
    await run("commit", "--quiet", container, `localhost/${name}`);
  };
  await base("builder", [[await Deno.realPath(`${debian}/root.tar`), "/"]]);
  const amd64 = await Deno.realPath(`${libraries}/amd64`);
  await base("base", ["/lib/x86_64-linux-gnu", "/lib64"].map((folder) => [amd64 + folder, folder] as const));
  // A copy where buildah sees it; what has been fetched is lent to it, so that nothing is fetched but Debian's packages.
  await output("git", ["clone", "--quiet", pathOf(FIRST), `${dir}/source`]);
  const tools = await Deno.realPath(`${ROOT}.tools`);
  const bases = ["--build-arg", "BUILDER=localhost/builder", "--build-arg", "BASE=localhost/base"];
  await run(
    "bud",
    "--quiet",
    "--pull-never",
    "--volume",
    `${tools}:/src/.tools`,
    ...bases,
    "--tag",
    "localhost/built",
    `${dir}/source`,
  );
  const container = (await run("from", "--pull-never", "localhost/built")).trim();
  const said = await run("run", container, "--", "/usr/local/bin/weka-cpuset", "--version");
  assert.match(said, new RegExp(`^weka-cpuset ${VERSION} \\(commit \\w+, `));
  const { OCIv1: { config } } = JSON.parse(await run("inspect", "--type", "image", "localhost/built"));
  assert.deepEqual([config.Entrypoint, config.User], [["/usr/local/bin/weka-cpuset"], "0:0"]);
});
