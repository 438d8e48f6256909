/** What of a release can be said without making it: whether it may be made, and how its parts are called. */
import { architecture } from "./architectures.ts";

/** Semantic versioning 2.0.0, without build metadata, which neither tags nor packages can have. */
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[a-z-][0-9a-z-]*)(\.(0|[1-9]\d*|\d*[a-z-][0-9a-z-]*))*)?$/i;

/** What a release is asked for, and what the checkout has. */
export interface Asked {
  readonly version: string;
  /** Of deno.json, which the executable says. */
  readonly current: string;
  /** CHANGELOG.md. */
  readonly changelog: string;
  /** What `git status --porcelain` prints. */
  readonly status: string;
}

/** Why it can't be released, in one sentence; undefined: it can. */
export function problemOf({ version, current, changelog, status }: Asked): string | undefined {
  if (!SEMVER.test(version)) {
    const given = version === "" ? "isn't set" : `is ${JSON.stringify(version)}`;
    return `VERSION ${given}, and must be a semantic version, as in make release VERSION=1.2.3`;
  }
  if (version !== current) {
    return `VERSION is ${version}, and deno.json says ${current}; change it there and commit that`;
  }
  if (changesOf(changelog, version) === undefined) {
    return `CHANGELOG.md has no section "## [${version}] - DATE" with what has changed; write it and commit that`;
  }
  const [first] = status.split("\n").filter((line) => line !== "");
  if (first === undefined) return undefined;
  return `the checkout has changes that aren't committed (${first.trim()}), so no commit would be what is released`;
}

/**
 * A version's section of a changelog in the format of Keep a Changelog 1.1.0, with its heading.
 * @returns undefined where there is none, or nothing in it
 */
export function changesOf(changelog: string, version: string): string | undefined {
  const sections = changelog.split(/^(?=## )/m);
  const heading = new RegExp(`^## \\[${version.replaceAll(".", "\\.")}\\] - \\d{4}-\\d\\d-\\d\\d$`, "m");
  const [section] = sections.filter((each) => heading.test(each));
  return section !== undefined && /^- /m.test(section) ? `${section.trim()}\n` : undefined;
}

/** As `sha256sum --check` reads it. */
export function checksums(sums: readonly (readonly [file: string, sum: string])[]): string {
  return sums.map(([file, sum]) => `${sum}  ${file}\n`).join("");
}

/** Package managers' own way to name files. A `~` sorts before everything: a pre-release is older than its release. */
export function packageFile(version: string, name: string, format: "deb" | "rpm"): string {
  const sortable = version.replace("-", "~");
  if (format === "deb") return `weka-cpuset_${sortable}_${name}.deb`;
  return `weka-cpuset-${sortable}-1.${architecture(name).machine}.rpm`;
}

/** What deploy/packages/nfpm.yaml leaves open. */
export function packageVariables(
  { version, created, name, executable, unit }: {
    readonly version: string;
    readonly created: string;
    readonly name: string;
    readonly executable: string;
    readonly unit: string;
  },
): Record<string, string> {
  return {
    PACKAGE_VERSION: version,
    PACKAGE_ARCH: name,
    PACKAGE_EXECUTABLE: executable,
    PACKAGE_SBOM: `${executable}.spdx.json`,
    PACKAGE_UNIT: unit,
    SOURCE_DATE_EPOCH: `${Date.parse(created) / 1000}`,
  };
}

/**
 * The unit as packages have it: /usr/local is the administrator's, and the executable in /usr/bin.
 * @throws {Error} when the unit starts something else
 */
export function unitOf(unit: string): string {
  const packaged = unit.replace(/^ExecStart=\/usr\/local\/bin\//m, "ExecStart=/usr/bin/")
    .replace(/^# {3}.*\n/gm, ""); // how it is installed by hand
  if (packaged.includes("\nExecStart=/usr/bin/weka-cpuset\n")) return packaged;
  throw new Error("deploy/systemd/weka-cpuset.service must start /usr/local/bin/weka-cpuset");
}
