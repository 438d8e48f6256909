/**
 * Makes `dist/weka-cpuset-image.tar`, a container image of the executable and exactly the shared libraries that it
 * needs, without a container engine; with ARCH one image for each processor that it names, in one index. The libraries are
 * this machine's, so that they fit each other; with ARCH Debian's, so that they are the same wherever it is made.
 * `dist/weka-cpuset-ARCH.spdx.json` says what is in it, as the index does.
 *
 * Run by `make image`, which names the image by REGISTRY, IMAGE_NAME and IMAGE_TAG; IMAGE_SOURCE is where its sources are.
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { LIBC_PATHS } from "../src/platform/libc.ts";
import type { Entry } from "../src/platform/tar.ts";
import { architecture, askedArchitectures, executableName, ownArchitecture } from "./architectures.ts";
import type { Build } from "./build.ts";
import { type Image, type Index, ociArchive } from "./oci_archive.ts";
import { sbomOf, type SystemPackage } from "./sbom.ts";

/** Where the executable is in the image. */
export const EXECUTABLE = "/usr/local/bin/weka-cpuset";

/** The executable's, glibc's and libgcc's. */
const LICENSES = "Apache-2.0 AND LGPL-2.1-or-later AND GPL-3.0-or-later WITH GCC-exception-3.1";
/** An executable names the libraries that it needs at its beginning (.dynstr). */
const NAMES_WITHIN = 2 ** 16;

const repository = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/**
 * The image's full name. What isn't given, or is empty, has a default: localhost/weka-cpuset, and the version.
 * @throws {Error} one sentence, when the parts make no name that every container engine takes
 */
export function imageReference(variables: Readonly<Record<string, string | undefined>>, version: string) {
  const { REGISTRY, IMAGE_NAME, IMAGE_TAG } = variables;
  const reference = `${REGISTRY || "localhost"}/${IMAGE_NAME || "weka-cpuset"}:${IMAGE_TAG || version}`;
  // The first part counts as a host only if it can't be a folder on the engine's default registry.
  const host = /^(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(:[0-9]+)?\//;
  const rest =
    /^([a-z0-9]+([._-]+[a-z0-9]+)*\/)*[a-z0-9]+([._-]+[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
  if (host.test(reference) && rest.test(reference.replace(host, ""))) return reference;
  throw new Error(
    `"${reference}" is no name for an image: REGISTRY is a host and perhaps folders (registry.example/team), ` +
      "IMAGE_NAME is in small letters, IMAGE_TAG has letters, digits, dots and dashes",
  );
}

/** @throws {Error} one sentence, when it isn't an address that people can open */
export function imageSource(variable: string | undefined): Record<string, string> {
  if (!variable) return {};
  if (/^https:\/\/[^\s/]+\/\S*$/.test(variable)) return { "org.opencontainers.image.source": variable };
  throw new Error(
    `IMAGE_SOURCE is where the sources are, https://git.example/team/weka-cpuset, not "${variable}"`,
  );
}

/** The paths of the shared libraries and of the loader, from what `ldd` prints. */
export function readLibraries(ldd: string): string[] {
  const missing = /^\s*(\S+) => not found/m.exec(ldd)?.[1];
  if (missing !== undefined) throw new Error(`the executable needs ${missing}, and this machine lacks it`);
  const paths = [...ldd.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm)].map(([, path = ""]) => path);
  if (paths.length > 0) return paths.sort();
  throw new Error(`ldd must name the executable's libraries, and said "${ldd.trim()}"`);
}

/** A link at the path that the agent opens libc by; none where libc itself is at such a path. */
export function libcLink(libraries: readonly string[]): Entry[] {
  const libc = libraries.find((path) => path.endsWith("/libc.so.6"));
  if (libc === undefined) {
    throw new Error(`the executable must need glibc, and needs ${libraries.join(", ")}`);
  }
  if (LIBC_PATHS.includes(libc)) return [];
  return [{ kind: "link", path: "lib64/libc.so.6", target: libc }];
}

/** What an image for one processor is made of. */
interface Parts {
  readonly architecture: string;
  readonly executable: Uint8Array;
  /** The libraries by their paths in the image. */
  readonly libraries: Readonly<Record<string, Uint8Array>>;
  /** The packages that the libraries are of, where these are known. */
  readonly packages: readonly SystemPackage[];
}

export function imageOf(build: Build, { architecture, executable, libraries, packages }: Parts): Image {
  const program = ([path, bytes]: [string, Uint8Array]): Entry => {
    return { kind: "file", path: path.slice(1), mode: 0o755, bytes };
  };
  const executableSha256 = createHash("sha256").update(executable).digest("hex");
  return {
    architecture,
    layers: [
      [...Object.entries(libraries).map(program), ...libcLink(Object.keys(libraries))],
      [program([EXECUTABLE, executable])],
    ],
    sbom: sbomOf({ build, architecture, executableSha256, libraries: packages }),
  };
}

export function indexOf(
  reference: string,
  build: Build,
  images: readonly Image[],
  source: Record<string, string> = {},
): Index {
  return {
    reference,
    created: build.created,
    entrypoint: [EXECUTABLE],
    environment: ["PATH=/usr/local/bin"],
    annotations: {
      "org.opencontainers.image.title": "weka-cpuset",
      "org.opencontainers.image.description":
        "Decides which CPUs each container of a Kubernetes node may run on",
      ...source,
      "org.opencontainers.image.version": build.version,
      "org.opencontainers.image.revision": build.revision,
      "org.opencontainers.image.created": build.created,
      "org.opencontainers.image.licenses": LICENSES,
    },
    images,
  };
}

function say(program: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args, stdin: "null" }).outputSync();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`${program} failed: ${new TextDecoder().decode(stderr).trim()}`);
}

/** This machine's libraries; which packages they are of isn't known. */
function ownLibraries(executable: string): Pick<Parts, "libraries" | "packages"> {
  const paths = readLibraries(say("ldd", executable));
  return {
    libraries: Object.fromEntries(paths.map((path) => [path, Deno.readFileSync(path)])),
    packages: [],
  };
}

/** Debian's, as hack/get-glibc.sh has fetched them: those that the executable names, at Debian's places. */
function debianLibraries(name: string, executable: string): Pick<Parts, "libraries" | "packages"> {
  const root = `${repository}/.tools/glibc`;
  say(`${repository}/hack/get-glibc.sh`, root);
  const { machine, loader } = architecture(name);
  const folder = `/lib/${machine}-linux-gnu`;
  const names = new TextDecoder("latin1").decode(Deno.readFileSync(executable).subarray(0, NAMES_WITHIN));
  const libraries = [...Deno.readDirSync(`${root}/${name}${folder}`)].map((file) => file.name)
    .filter((file) => names.includes(`\0${file}\0`) || loader.endsWith(`/${file}`)).sort()
    .map((file) => ({
      path: `${folder}/${file}`,
      bytes: Deno.readFileSync(`${root}/${name}${folder}/${file}`),
    }))
    .map(({ path, bytes }) => [loader.endsWith(path.slice(folder.length)) ? loader : path, bytes]);
  const packages = Deno.readTextFileSync(`${root}/versions`).trim().split("\n").map((line) => line.split(" "))
    .filter(([of]) => of === name)
    .map(([, name = "", version = "", source = ""]) => ({ name, version, source }));
  return { libraries: Object.fromEntries(libraries), packages };
}

async function main(): Promise<void> {
  const dist = `${repository}/dist`;
  const archive = `${dist}/weka-cpuset-image.tar`;
  const variables = Deno.env.toObject();
  const build = JSON.parse(await Deno.readTextFile(`${dist}/build.json`)) as Build;
  const reference = imageReference(variables, build.version);
  const asked = askedArchitectures(variables.ARCH);
  const images = (asked.length > 0 ? asked : [undefined]).map((name) => {
    const file = `${dist}/${executableName(name)}`;
    const found = name === undefined ? ownLibraries(file) : debianLibraries(name, file);
    return imageOf(build, {
      architecture: name ?? ownArchitecture(),
      executable: Deno.readFileSync(file),
      ...found,
    });
  });
  for (const { architecture, sbom } of images) {
    const text = `${JSON.stringify(sbom, undefined, 2)}\n`;
    await Deno.writeTextFile(`${dist}/weka-cpuset-${architecture}.spdx.json`, text);
  }
  const bytes = ociArchive(indexOf(reference, build, images, imageSource(variables.IMAGE_SOURCE)));
  await Deno.writeFile(`${archive}.new`, bytes);
  await Deno.rename(`${archive}.new`, archive);
  console.log(`dist/weka-cpuset-image.tar (${(bytes.length / 1e6).toFixed(1)} MB): ${reference}`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(`image: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
