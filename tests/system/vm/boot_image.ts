import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const repository = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
const guest = `${repository}/tests/system/vm/guest`;

/** Where what is tested lies in the machine; the bundle there finds the rest as it does in this checkout. */
const THERE = "/repository";
const PROGRAMS = `${THERE}/tests/system/vm`;

/** What a machine has that others haven't. */
export interface Contents {
  /** The root file system of `hack/get-qemu.sh`. */
  readonly root: string;
  /** Its programs: each a file of this checkout, by its path below `tests/system/vm/guest`, without what its name ends with. */
  readonly bundles: readonly string[];
  /** Files and folders of this checkout. */
  readonly files: readonly string[];
  /** What is told to a program, by the name of a file beside it. */
  readonly told?: Readonly<Record<string, string>>;
}

/** Of the machine, by path: small files. */
const TEXTS: Readonly<Record<string, string>> = {
  "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n",
  "/etc/group": "root:x:0:\nmessagebus:x:100:\n",
  "/etc/hosts": "127.0.0.1 localhost\n",
  "/etc/resolv.conf": "",
  // The system bus, without all that a machine starts otherwise.
  "/etc/systemd/system/dbus.service.d/alone.conf": "[Unit]\nDefaultDependencies=no\n",
  "/etc/systemd/system/dbus.socket.d/alone.conf": "[Unit]\nDefaultDependencies=no\n",
  // Any will do; without one systemd takes time to make it.
  "/etc/machine-id": `${"0".repeat(31)}1\n`,
};

/** Folders that the kernel, systemd and containers expect. */
const FOLDERS = ["dev", "proc", "sys", "run", "tmp", "mnt", "opt", "root", "var/log", "var/lib"];

/** Of the machine, by path: which file of this checkout, or folder, is there. */
const FILES: Readonly<Record<string, string>> = {
  "/init": `${guest}/init`,
  "/etc/systemd/system/checks.service": `${guest}/checks.service`,
  [`${THERE}/checks.sh`]: `${guest}/checks.sh`,
  [`${THERE}/dist/weka-cpuset`]: `${repository}/dist/weka-cpuset`,
  [`${THERE}/.tools/deno`]: Deno.execPath(),
  [`${THERE}/.tools/node/bin`]: `${repository}/.tools/node/bin`,
  [`${THERE}/.tools/node/image.tar`]: `${repository}/.tools/node/image.tar`,
};

/**
 * Makes the machine's boot image in `folder`: the root file system of `hack/get-qemu.sh`, and over it the executable,
 * Deno, the checks, each as one bundle, and what else they need. Returns its path.
 */
export async function makeBootImage(
  folder: string,
  { root, bundles, files, told = {} }: Contents,
): Promise<string> {
  const stage = `${folder}/stage`;
  for (const each of FOLDERS) Deno.mkdirSync(`${stage}/${each}`, { recursive: true });
  for (const [path, text] of Object.entries(TEXTS)) {
    Deno.writeTextFileSync(parented(stage + path), text);
  }
  for (const [path, source] of Object.entries(FILES)) Deno.symlinkSync(source, parented(stage + path));
  for (const path of files) Deno.symlinkSync(`${repository}/${path}`, parented(`${stage}${THERE}/${path}`));
  for (const name of bundles) {
    await bundle(`${guest}/${name}.ts`, `${stage}${PROGRAMS}/${name.replace(/^.*\//, "")}.js`);
  }
  for (const [name, text] of Object.entries(told)) {
    Deno.writeTextFileSync(`${stage}${PROGRAMS}/${name}`, text);
  }

  // The kernel unpacks one archive after the other.
  const image = `${folder}/image.cpio`;
  await Deno.copyFile(`${repository}/${root}`, image);
  const append = 'cd "$1" && find -L . | "$0" cpio -o -L -H newc 2>"$2.log" >>"$2"';
  const args = ["-c", append, `${repository}/.tools/node/bin/busybox`, stage, image];
  const { success } = await new Deno.Command("bash", { args }).output();
  if (!success) throw new Error(`can't make the boot image: ${Deno.readTextFileSync(`${image}.log`)}`);
  return image;
}

function parented(path: string): string {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  return path;
}

/** One file, so that an emulated machine has only one to read. */
async function bundle(source: string, target: string): Promise<void> {
  await build({
    entryPoints: [source],
    outfile: target,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "esnext",
    // Laid out by hack/build.ts.
    nodePaths: [`${repository}/dist/packages/node_modules`],
    conditions: ["deno"],
    banner: { js: 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);' },
    // What a program of this checkout does when it is started isn't done when another has it in its bundle.
    define: { "import.meta.main": "false" },
    logLevel: "warning",
  });
}
