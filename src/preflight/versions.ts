/** Versions of programs, and of the C library that the executable needs. */
import { LIBC_PATHS } from "../platform/libc.ts";
import type { HostFiles } from "./host_files.ts";
import { fail, pass, type Verdict, warn } from "./verdict.ts";

/** Major, minor, patch. */
export type Version = readonly [number, number, number];

/** The first version in a text: `1.7.24~ds1`, `v2.1.9+unknown`, `6.12.48-amd64`. */
export function versionIn(text: string): Version | undefined {
  const [, major, minor, patch = "0"] = /(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?/.exec(text) ?? [];
  return major === undefined || minor === undefined
    ? undefined
    : [Number(major), Number(minor), Number(patch)];
}

export function atLeast(version: Version, least: Version): boolean {
  const [differs] = version.map((part, index) => part - (least[index] ?? 0)).filter((by) => by !== 0);
  return (differs ?? 0) >= 0;
}

/** The newest symbol version of glibc's that the executable refers to (`objdump -T`): Deno's runtime base. */
const NEEDED: Version = [2, 27, 0];

/** libc.so.6 has two megabytes. */
const MAX_BYTES = 16 << 20;

/** The version that the node's C library has in its banner; undefined when it isn't there, or another one (musl). */
export function readGlibc(files: HostFiles): Version | undefined {
  for (const path of LIBC_PATHS) {
    const bytes = files.bytes(path, MAX_BYTES);
    const text = bytes && new TextDecoder("latin1").decode(bytes);
    const banner = /GNU C Library [^\n]{0,100}release version (\d+\.\d+)/.exec(text ?? "")?.[1];
    if (banner !== undefined) return versionIn(banner);
  }
  return undefined;
}

export function checkGlibc(glibc: Version | undefined): Verdict {
  const needed = `the executable needs glibc ${NEEDED[0]}.${NEEDED[1]} or newer`;
  const image = "run the agent from its image, which has its own glibc: deploy/manifests";
  if (glibc === undefined) return warn(`no glibc was found, and ${needed}`, image);
  const has = `the node has glibc ${glibc[0]}.${glibc[1]}`;
  return atLeast(glibc, NEEDED) ? pass(`${has}; ${needed}`) : fail(`${has}, and ${needed}`, image);
}
