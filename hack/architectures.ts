/** The processors that executables are made for, by the names that ARCH, images and Debian packages use. */

import { type Architecture as Machine, whyNotRun } from "../src/host_plugin/elf.ts";

/** What others call it. */
interface Architecture {
  /** `uname -m`, and RPM packages. */
  readonly machine: Machine;
  /** The compiler's. */
  readonly target: string;
  /** The dynamic linker that an executable names, by the ABI of the processor. */
  readonly loader: string;
}

export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  amd64: {
    machine: "x86_64",
    target: "x86_64-unknown-linux-gnu",
    loader: "/lib64/ld-linux-x86-64.so.2",
  },
  arm64: {
    machine: "aarch64",
    target: "aarch64-unknown-linux-gnu",
    loader: "/lib/ld-linux-aarch64.so.1",
  },
};

/** @throws {Error} one sentence, for a name that isn't known */
export function architecture(name: string): Architecture {
  const known = ARCHITECTURES[name];
  if (known !== undefined) return known;
  throw new Error(
    `ARCH names "${name}", and executables are made for ${Object.keys(ARCHITECTURES).join(", ")}`,
  );
}

/** The name of the machine this runs on. */
export function ownArchitecture(): string {
  return Deno.build.arch === "aarch64" ? "arm64" : "amd64";
}

/** What ARCH asks for, as in `amd64 arm64`: none where it isn't set. */
export function askedArchitectures(variable: string | undefined): string[] {
  const names = [...new Set((variable ?? "").split(/[\s,]+/).filter((name) => name !== ""))].sort();
  names.forEach(architecture);
  return names;
}

/** dist/weka-cpuset for this machine; with its name behind it where ARCH has asked for one. */
export function executableName(asked: string | undefined): string {
  return asked === undefined ? "weka-cpuset" : `weka-cpuset-${asked}`;
}

/**
 * Which architecture an executable is for, by its ELF header: its magic number, 64 bits, little end first.
 * @returns undefined for what is no such executable, or for a processor that isn't known here
 */
export function architectureOf(header: Uint8Array): string | undefined {
  return Object.keys(ARCHITECTURES).find((name) =>
    whyNotRun(header, architecture(name).machine) === undefined
  );
}
