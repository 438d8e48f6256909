/**
 * Makes `dist/weka-cpuset-image.tar`, a container image of the executable and exactly the shared libraries that it
 * needs, without a container engine. The libraries are this machine's, so that they fit each other.
 *
 * Run by `make image`, which names the image by REGISTRY, IMAGE_NAME and IMAGE_TAG.
 */
import { fileURLToPath } from "node:url";
import { LIBC_PATHS } from "../src/platform/libc.ts";
import { ociArchive } from "./oci_archive.ts";
import type { Entry } from "../src/platform/tar.ts";

/** Where the executable is in the image. */
export const EXECUTABLE = "/usr/local/bin/weka-cpuset";

const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** What the executable says that it was built from. */
export interface Build {
  readonly version: string;
  readonly revision: string;
}

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

/** From the line that `--version` prints. */
export function readBuild(line: string): Build {
  const [, version, revision] = /^weka-cpuset (\S+) \(commit ([^,]+), /.exec(line) ?? [];
  if (version !== undefined && revision !== undefined) return { version, revision };
  throw new Error(`dist/weka-cpuset --version must say its version and commit, and said "${line.trim()}"`);
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

/** The image's bytes; `read` gives a file of this machine, links followed. */
export function imageOf(
  { reference, architecture, build, libraries, executable, read }: {
    readonly reference: string;
    readonly architecture: string;
    readonly build: Build;
    readonly libraries: readonly string[];
    readonly executable: string;
    readonly read: (path: string) => Uint8Array;
  },
): Uint8Array<ArrayBuffer> {
  const program = (path: string, from = path): Entry => {
    return { kind: "file", path: path.slice(1), mode: 0o755, bytes: read(from) };
  };
  return ociArchive({
    reference,
    architecture,
    entrypoint: [EXECUTABLE],
    environment: ["PATH=/usr/local/bin"],
    annotations: {
      "org.opencontainers.image.title": "weka-cpuset",
      "org.opencontainers.image.description":
        "Decides which CPUs each container of a Kubernetes node may run on",
      "org.opencontainers.image.version": build.version,
      "org.opencontainers.image.revision": build.revision,
      // The executable; glibc; libgcc.
      "org.opencontainers.image.licenses":
        "Apache-2.0 AND LGPL-2.1-or-later AND GPL-3.0-or-later WITH GCC-exception-3.1",
    },
    layers: [
      [...libraries.map((path) => program(path)), ...libcLink(libraries)],
      [program(EXECUTABLE, executable)],
    ],
  });
}

function say(program: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args, stdin: "null" }).outputSync();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`${program} failed: ${new TextDecoder().decode(stderr).trim()}`);
}

async function main(): Promise<void> {
  const dist = fileURLToPath(new URL("../dist", import.meta.url));
  const executable = `${dist}/weka-cpuset`;
  const archive = `${dist}/weka-cpuset-image.tar`;
  const machine = say("uname", "-m").trim();
  const architecture = ARCHITECTURES[machine];
  if (architecture === undefined) throw new Error(`images are made for x86-64 and arm64, this is ${machine}`);
  const build = readBuild(say(executable, "--version"));
  const reference = imageReference(Deno.env.toObject(), build.version);
  const libraries = readLibraries(say("ldd", executable));
  const bytes = imageOf({ reference, architecture, build, libraries, executable, read: Deno.readFileSync });
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
