/**
 * Builds `dist/weka-cpuset`: main.ts and everything it imports become a few modules in `dist/bundle/`, which
 * `deno compile` puts behind Deno's runtime base. Bundling first keeps the executable's start short: it then reads
 * one module, and a few more when they are needed, instead of hundreds. The same commit gives the same bytes, wherever it is built.
 *
 * Run by `make build`, through hack/deno.sh, which provides the runtime base. ARCH names processors (`amd64 arm64`): there
 * is a file for each then, `dist/weka-cpuset-ARCH`. `dist/build.json` says what they were made from.
 */
import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";
import { ELF_HEAD } from "../src/host_plugin/elf.ts";
import { PLACE } from "../src/host_plugin/place.ts";
import { LIBC_PATHS } from "../src/platform/libc.ts";
import {
  architecture,
  architectureOf,
  askedArchitectures,
  executableName,
  ownArchitecture,
} from "./architectures.ts";
import { bakedDescriptors } from "./baked_descriptors.ts";

/** One flag of `deno compile`, fixed in the executable for good, and why it is there. */
export interface CompileFlag {
  readonly flag: string;
  readonly reason: string;
}

/** Everything the executable is allowed, and how it behaves, decided here and nowhere else. */
export const compileFlags: readonly CompileFlag[] = [
  {
    flag: "--allow-read",
    reason: "Connecting to a unix socket counts as reading it; its path is an option.",
  },
  { flag: "--allow-write", reason: "Connecting to a unix socket counts as writing it as well." },
  {
    flag: "--allow-env=NRI_SOCKET,NRI_PLUGIN_NAME,NRI_PLUGIN_IDX,NRI_PLUGIN_SOCKET,WEKA_CPUSET_*",
    reason: "The variables that every NRI plugin knows, and our own.",
  },
  {
    flag: "--ignore-env",
    reason: "Any other variable that a package asks for (colours, mostly) reads as unset.",
  },
  {
    flag: "--allow-net",
    reason:
      "Metrics and health by HTTP, where `http` names an address, which can't be known here. The agent gives the " +
      "permission up as soon as it listens, or at once without `http`; all other commands do so at once.",
  },
  {
    flag: `--allow-ffi=${LIBC_PATHS.join(",")}`,
    reason: "The kernel's files below /sys and /proc, which Deno itself opens only for a program that is " +
      "allowed everything; the inherited descriptor; the leader lock (src/platform/libc.ts). To Deno's own " +
      "interfaces other programs and other libraries stay denied.",
  },
  {
    flag: `--allow-run=${PLACE.fresh}`,
    reason:
      "install-host-plugin has the copy that it has written say its version. The agent and all other commands give the " +
      "permission up before anything else; and through Deno nobody may write there.",
  },
  {
    flag: "--v8-flags=--max-semi-space-size=2",
    reason:
      "MiB for young objects: an agent that mostly waits needs no more, and holds 10 MB less after a burst.",
  },
  { flag: "--no-prompt", reason: "A daemon has nobody to ask: what isn't allowed fails." },
  {
    flag: "--no-code-cache",
    reason:
      "The cache would be compiled code in the temporary folder, where others can write; a program that " +
      "runs as root mustn't load it.",
  },
  { flag: "--no-config", reason: "The bundle is complete: it needs no import map." },
  { flag: "--no-lock", reason: "The bundle is complete: it has no packages to lock." },
  { flag: "--no-npm", reason: "The bundle is complete: an import of a package would be a fault in it." },
  { flag: "--no-remote", reason: "The bundle is complete: nothing may be downloaded into it." },
];

const root = fileURLToPath(new URL("..", import.meta.url));
/** Inside of dist even where .tools is a link to another place: the order of modules in the bundle follows their paths. */
const packages = `${root}dist/packages`;
const bundle = `${root}dist/bundle`;

/** What executables were made from: `dist/build.json`. */
export interface Build {
  /** Of deno.json. */
  readonly version: string;
  /** The nearest tag and commit, `-dirty` with local changes, `unknown` outside git. */
  readonly revision: string;
  /** The commit's date, or that of SOURCE_DATE_EPOCH; 1970 where there is neither. In seconds, ISO 8601. */
  readonly created: string;
  /** What runs them. */
  readonly runtime: { readonly deno: string; readonly v8: string };
  /** The packages that any of their code is from. */
  readonly packages: readonly Package[];
}

/** A package of npm. */
interface Package {
  readonly name: string;
  readonly version: string;
  /** By its own package.json, an SPDX expression. */
  readonly license: string;
  /** The sum in deno.lock, as in `sha512-…` in base64. */
  readonly integrity: string;
}

/** Runs a program to its end and gives what it printed. Throws with its own complaint when it fails. */
async function run(program: string, args: string[], options: Deno.CommandOptions = {}): Promise<string> {
  const command = new Deno.Command(program, { cwd: root, stdin: "null", ...options, args });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${program} ${args[0]} failed: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout).trim();
}

/**
 * Lays the locked packages out in a folder of their own, as node_modules. The checkout itself has none, and a
 * bundler can only follow package imports, exports and dependencies in the layout that they are specified for.
 */
async function layOutPackages(): Promise<void> {
  await Deno.mkdir(packages, { recursive: true });
  for (const file of ["deno.json", "deno.lock"]) await Deno.copyFile(root + file, `${packages}/${file}`);
  const args = ["install", "--quiet", "--frozen", "--node-modules-dir=auto"];
  await run(Deno.execPath(), args, { cwd: packages });
}

/** What git says of the commit that is being built; undefined outside git. */
async function git(...args: string[]): Promise<string | undefined> {
  try {
    return await run("git", args);
  } catch {
    return undefined;
  }
}

/** @throws {Error} one sentence, when SOURCE_DATE_EPOCH isn't seconds since 1970 */
async function dateOfBuild(): Promise<string> {
  const seconds = Deno.env.get("SOURCE_DATE_EPOCH") ?? await git("log", "-1", "--format=%ct") ?? "0";
  if (!/^\d{1,11}$/.test(seconds)) {
    throw new Error(`SOURCE_DATE_EPOCH is seconds since 1970, not "${seconds}"`);
  }
  return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");
}

/** `@scope/name@1.2.3` for each package that one of the bundle's sources is in; in node_modules a `/` in a name is a `+`. */
export function packagesOf({ inputs }: Pick<Metafile, "inputs">): string[] {
  const found = Object.keys(inputs).map((path) =>
    /\/node_modules\/\.deno\/([^/]+)\/node_modules\//.exec(path)?.[1]
  );
  return [...new Set(found.filter((name) => name !== undefined).map((name) => name.replace("+", "/")))]
    .sort();
}

/** What is known of a package that is laid out, `name@version`. */
async function describePackage(id: string): Promise<Package> {
  const [name, version] = [id.slice(0, id.lastIndexOf("@")), id.slice(id.lastIndexOf("@") + 1)];
  const folder = `${packages}/node_modules/.deno/${id.replace("/", "+")}/node_modules/${name}`;
  const { license } = JSON.parse(await Deno.readTextFile(`${folder}/package.json`)) as { license?: string };
  const { npm } = JSON.parse(await Deno.readTextFile(`${root}deno.lock`)) as {
    npm: Record<string, Partial<Package>>;
  };
  const integrity = npm[id]?.integrity;
  if (license !== undefined && integrity !== undefined) return { name, version, license, integrity };
  throw new Error(`deno.lock must have the sum of ${id}, and its package.json a license`);
}

/** Gives the packages that are in it. */
async function bundleModules({ version, revision }: Pick<Build, "version" | "revision">): Promise<Package[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["main.ts"],
    outdir: bundle,
    entryNames: "weka-cpuset",
    // What only some runs need (the CRI client, the YAML parser) is a file of its own, read when it is needed.
    splitting: true,
    chunkNames: "[name]-[hash]",
    bundle: true,
    platform: "node",
    format: "esm",
    target: "esnext",
    nodePaths: [`${packages}/node_modules`],
    // Packages with code of their own for Deno give the same code here as when run from the sources.
    conditions: ["deno"],
    minifyWhitespace: true,
    minifySyntax: true,
    // Names stay as written (no minifyIdentifiers): stack traces are read by people. So do licences.
    legalComments: "eof",
    plugins: [bakedDescriptors],
    // CommonJS packages call require() for Node's own modules; an ES module has none. Made where it is called: each takes a
    // quarter of a millisecond.
    banner: {
      js: 'import{createRequire}from"node:module";let required;' +
        "const require=(name)=>(required??=createRequire(import.meta.url))(name);",
    },
    define: { __WEKA_VERSION__: JSON.stringify(version), __WEKA_COMMIT__: JSON.stringify(revision) },
    logLevel: "warning",
    metafile: true,
  });
  return await Promise.all(packagesOf(metafile).map(describePackage));
}

/** The runtime base of another machine than this one, fetched where it is missing. */
async function otherBase(machine: string): Promise<string> {
  await run("hack/toolchain.sh", [machine]);
  return `${Deno.env.get("DENORT_BIN")}-${machine}`;
}

async function compile(executable: string, name: string): Promise<void> {
  // The executable records when its modules were last changed: the one thing that would differ between two builds.
  for await (const { name } of Deno.readDir(bundle)) await Deno.utime(`${bundle}/${name}`, 0, 0);
  const flags = compileFlags.map(({ flag }) => flag);
  const { machine, target } = architecture(name);
  const env = name === ownArchitecture() ? {} : { DENORT_BIN: await otherBase(machine) };
  const output = ["--target", target, "--output", executable];
  await run(Deno.execPath(), ["compile", "--quiet", ...flags, ...output, `${bundle}/weka-cpuset.js`], {
    env,
  });
}

/**
 * The proof that the executable needs nothing around it: it says its version with an empty environment. Another machine's
 * can't be run here, but must be for that machine.
 */
async function check(executable: string, name: string, version: string): Promise<string> {
  if (name !== ownArchitecture()) {
    using file = await Deno.open(executable);
    const header = new Uint8Array(ELF_HEAD);
    await file.read(header);
    if (architectureOf(header) === name) return `for ${name}, not run here`;
    throw new Error(
      `${executable} must be for ${name}, and is for ${architectureOf(header) ?? "something else"}`,
    );
  }
  const said = await run(executable, ["--version"], { clearEnv: true, cwd: "/" });
  if (!said.includes(version)) throw new Error(`${executable} --version said "${said}", not ${version}`);
  return said;
}

async function main(): Promise<void> {
  const asked = askedArchitectures(Deno.env.get("ARCH"));
  const { version } = JSON.parse(await Deno.readTextFile(`${root}deno.json`)) as { version: string };
  const describe = ["describe", "--always", "--dirty", "--tags", "--abbrev=12"];
  const commit = { version, revision: await git(...describe) ?? "unknown", created: await dateOfBuild() };
  await layOutPackages();
  await Deno.remove(bundle, { recursive: true }).catch(() => {}); // chunks of an earlier build
  const { deno, v8 } = Deno.version;
  const made: Build = { ...commit, runtime: { deno, v8 }, packages: await bundleModules(commit) };
  for (const name of asked.length > 0 ? asked : [undefined]) {
    const file = executableName(name);
    const executable = `${root}dist/${file}`;
    await compile(executable, name ?? ownArchitecture());
    const { size } = await Deno.stat(executable);
    const said = await check(executable, name ?? ownArchitecture(), version);
    console.log(`dist/${file} (${(size / 1e6).toFixed(1)} MB): ${said}`);
  }
  await Deno.writeTextFile(`${root}dist/build.json`, `${JSON.stringify(made, undefined, 2)}\n`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(`build: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
