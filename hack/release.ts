/**
 * Makes `dist/release`: everything of one version that people fetch, with its checksums. Run by `make release VERSION=x.y.z`
 * on a clean checkout of the commit that is released; the same commit gives the same files.
 *
 * Nothing is changed unless all of it succeeds: it is made in `dist/release.new`, which then takes its place.
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { ARCHITECTURES } from "./architectures.ts";
import type { Build } from "./build.ts";
import { changesOf, checksums, packageFile, packageVariables, problemOf, unitOf } from "./release_parts.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = `${root}dist`;
const target = `${dist}/release.new`;

/** Runs a program at the repository's root, its output shown. Throws one sentence when it fails. */
async function run(program: string, args: string[], env: Record<string, string> = {}): Promise<void> {
  const command = new Deno.Command(program, {
    cwd: root,
    args,
    env,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  });
  const { success } = await command.output();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed, for the reason above`);
}

async function git(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("git", { cwd: root, args, stdin: "null" }).output();
  return new TextDecoder().decode(stdout).trim();
}

function make(...args: string[]): Promise<void> {
  return run("make", ["--no-print-directory", ...args]);
}

async function image(): Promise<void> {
  await make("image", `ARCH=${Object.keys(ARCHITECTURES).join(" ")}`);
}

/** The executables, each with its SBOM, and the image index. */
async function collect(version: string): Promise<void> {
  await Deno.copyFile(`${dist}/weka-cpuset-image.tar`, `${target}/weka-cpuset-${version}-image.tar`);
  for (const name of Object.keys(ARCHITECTURES)) {
    const file = `${target}/weka-cpuset-${version}-linux-${name}`;
    await Deno.copyFile(`${dist}/weka-cpuset-${name}`, file);
    await Deno.chmod(file, 0o755);
    await Deno.copyFile(`${dist}/weka-cpuset-${name}.spdx.json`, `${file}.spdx.json`);
  }
}

/** The Helm chart and the Ansible collection. */
async function bundles(version: string): Promise<void> {
  const made = { chart: `weka-nri-cpuset-${version}.tgz`, collection: `weka-cpuset-${version}.tar.gz` };
  const { tasks } = JSON.parse(await Deno.readTextFile(`${root}deno.json`)) as {
    tasks: Record<string, unknown>;
  };
  for (const [name, file] of Object.entries(made).filter(([name]) => name in tasks)) {
    await make(name);
    await Deno.copyFile(`${dist}/${file}`, `${target}/${file}`);
  }
}

/** Packages of both formats for each processor. */
async function packages(version: string, { created }: Build): Promise<void> {
  await run(`${root}hack/get-nfpm.sh`, [`${root}.tools/nfpm`]);
  const unit = `${target}/weka-cpuset.service`;
  await Deno.writeTextFile(
    unit,
    unitOf(await Deno.readTextFile(`${root}deploy/systemd/weka-cpuset.service`)),
  );
  for (const name of Object.keys(ARCHITECTURES)) {
    for (const format of ["deb", "rpm"] as const) {
      const executable = `${target}/weka-cpuset-${version}-linux-${name}`;
      const variables = packageVariables({ version, created, name, executable, unit });
      const file = `${target}/${packageFile(version, name, format)}`;
      const args = [
        "package",
        "--config",
        "deploy/packages/nfpm.yaml",
        "--packager",
        format,
        "--target",
        file,
      ];
      await run(`${root}.tools/nfpm/nfpm`, args, variables);
    }
  }
  await Deno.remove(unit);
}

/** Writes SHA256SUMS over all that is there, as `sha256sum --check` reads it, and says how large each is. */
async function seal(): Promise<void> {
  const sums: [file: string, sum: string][] = [];
  for (const file of [...Deno.readDirSync(target)].map(({ name }) => name).sort()) {
    const bytes = await Deno.readFile(`${target}/${file}`);
    sums.push([file, createHash("sha256").update(bytes).digest("hex")]);
    console.log(`${(bytes.length / 1e6).toFixed(1).padStart(8)} MB  ${file}`);
  }
  await Deno.writeTextFile(`${target}/SHA256SUMS`, checksums(sums));
}

async function main(version: string): Promise<void> {
  const read = (file: string) => Deno.readTextFile(root + file);
  const changelog = await read("CHANGELOG.md");
  const { version: current } = JSON.parse(await read("deno.json")) as { version: string };
  const problem = problemOf({ version, current, changelog, status: await git("status", "--porcelain") });
  if (problem !== undefined) throw new Error(problem);
  await Deno.remove(target, { recursive: true }).catch(() => {}); // of a run that was interrupted
  await Deno.mkdir(target, { recursive: true });
  await image();
  const build = JSON.parse(await read("dist/build.json")) as Build;
  await collect(version);
  await bundles(version);
  await packages(version, build);
  await Deno.writeTextFile(`${target}/CHANGES.md`, changesOf(changelog, version) ?? "");
  await seal();
  await Deno.remove(`${dist}/release`, { recursive: true }).catch(() => {});
  await Deno.rename(target, `${dist}/release`);
  console.log(`dist/release: ${version}, commit ${build.revision}`);
}

if (import.meta.main) {
  try {
    await main(Deno.env.get("VERSION") ?? "");
  } catch (error) {
    console.error(`release: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
