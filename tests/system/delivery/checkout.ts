/** Releases of the commit that is checked out, each made in a checkout of its own. */
import { ROOT } from "../../kit/spawn.ts";
import { fetched, outcome, output } from "./tools.ts";

/** A checkout, and how its release is made there. */
interface Checkout {
  /** Below dist/delivery; kept until the commit is another one, for all tests and the next run. */
  readonly folder: string;
  readonly umask: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Alike in nothing that a release may depend on. */
export const FIRST: Checkout = { folder: "first", umask: "022", env: { TZ: "UTC", LANG: "C.UTF-8" } };
export const SECOND: Checkout = {
  folder: "another/place/second",
  umask: "077",
  env: { TZ: "Pacific/Auckland", LANG: "de_DE.UTF-8" },
};

/** Of deno.json. */
export const VERSION: string = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)).version;

/** Whether what a release needs beside this checkout can be had here. */
export const canRelease = await fetched("get-nfpm.sh", "nfpm") !== undefined &&
  await fetched("get-glibc.sh", "glibc") !== undefined &&
  await fetched("get-ansible.sh", "ansible") !== undefined;

export function pathOf({ folder }: Checkout): string {
  return `${ROOT}dist/delivery/${folder}`;
}

/** Makes a release there, unless that commit's is there; gives its folder. */
export async function released(checkout: Checkout): Promise<string> {
  const path = pathOf(checkout);
  const commit = await output("git", ["rev-parse", "HEAD"]);
  const there = await outcome("git", ["-C", path, "rev-parse", "HEAD"]);
  const isMade = await Deno.stat(`${path}/dist/release`).then(() => true, () => false);
  if (there.out !== commit || !isMade) {
    await Deno.remove(path, { recursive: true }).catch(() => {});
    await output("git", ["clone", "--quiet", ROOT, path]);
    await Deno.mkdir(`${path}/.tools`);
    for await (const { name } of Deno.readDir(`${ROOT}.tools`)) {
      await Deno.symlink(await Deno.realPath(`${ROOT}.tools/${name}`), `${path}/.tools/${name}`);
    }
    await makeRelease(checkout, VERSION, output);
  }
  return `${path}/dist/release`;
}

/** `make release` there. */
export function makeRelease<T>(
  checkout: Checkout,
  version: string,
  run: (program: string, args: string[], options: Deno.CommandOptions) => Promise<T>,
): Promise<T> {
  const { umask, env } = checkout;
  const script = `umask ${umask}; exec make release VERSION="$1"`;
  return run("sh", ["-c", script, "-", version], { cwd: pathOf(checkout), env: { ...env } });
}
