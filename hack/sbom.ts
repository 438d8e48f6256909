/**
 * The software bill of materials of an executable, or of the image with it, as an SPDX 2.3 document
 * (https://spdx.github.io/spdx-spec/v2.3): the bundled packages by the sums of deno.lock, Deno's runtime, and of an image the
 * libraries beside it. What Deno is compiled from isn't listed by crate: its base doesn't say.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Build } from "./build.ts";

/** A package of the distribution whose libraries are in an image. */
export interface SystemPackage {
  readonly name: string;
  readonly version: string;
  /** The source package that it was built from. */
  readonly source: string;
}

/** What it is about. */
export interface Subject {
  readonly build: Build;
  readonly architecture: string;
  /** Hexadecimal. */
  readonly executableSha256: string;
  /** None for the executable alone. */
  readonly libraries: readonly SystemPackage[];
}

interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo: string;
  readonly [field: string]: unknown;
}

const NONE = "NOASSERTION";
/** By the copyright files of Debian's packages glibc and gcc-12. */
const SYSTEM_LICENSES: Readonly<Record<string, string>> = {
  libc6: "LGPL-2.1-or-later",
  "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
};

/** The document, ready for JSON. The same subject gives the same document. */
export function sbomOf(subject: Subject) {
  const { build, architecture, executableSha256, libraries } = subject;
  const program = programOf(subject);
  const { deno, v8 } = build.runtime;
  const runtime = [
    packageOf("denort", deno, "MIT", { purl: `pkg:github/denoland/deno@v${deno}`, name: "Deno runtime" }),
    packageOf("v8", v8, "BSD-3-Clause", { purl: `pkg:github/denoland/rusty_v8@${v8}`, name: "V8" }),
  ];
  const bundled = build.packages.map(npmPackage);
  const system = libraries.map((each) => systemPackage(each, architecture));
  const related = (type: string, packages: readonly SpdxPackage[]) =>
    packages.map(({ SPDXID }) => relation(program.SPDXID, type, SPDXID));
  const name = `weka-cpuset-${build.version}-linux-${architecture}`;
  // Unique by what is described: of an image or of the executable alone.
  const identity = createHash("sha256").update(JSON.stringify([executableSha256, libraries])).digest("hex");
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name,
    documentNamespace: `https://spdx.org/spdxdocs/${name}-${identity}`,
    creationInfo: { created: build.created, creators: [`Tool: weka-cpuset-sbom-${build.version}`] },
    packages: [program, ...runtime, ...bundled, ...system],
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", program.SPDXID),
      ...related("CONTAINS", [...runtime, ...bundled]),
      ...related("DYNAMIC_LINK", system),
    ],
  };
}

function programOf({ build: { version, revision }, architecture, executableSha256 }: Subject): SpdxPackage {
  return {
    ...packageOf("weka-cpuset", version, "Apache-2.0", {
      purl: `pkg:generic/weka-cpuset@${version}?arch=${architecture}`,
    }),
    primaryPackagePurpose: "APPLICATION",
    sourceInfo: `commit ${revision}`,
    checksums: [{ algorithm: "SHA256", checksumValue: executableSha256 }],
  };
}

function npmPackage({ name, version, license, integrity }: Build["packages"][number]): SpdxPackage {
  const [algorithm = "", sum = ""] = integrity.split("-");
  return {
    ...packageOf(`npm-${name}`, version, license, {
      purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
      name,
    }),
    checksums: [{
      algorithm: algorithm.toUpperCase(),
      checksumValue: Buffer.from(sum, "base64").toString("hex"),
    }],
  };
}

function systemPackage({ name, version, source }: SystemPackage, architecture: string): SpdxPackage {
  const purl = `pkg:deb/debian/${name}@${
    encodeURIComponent(version)
  }?arch=${architecture}&distro=debian-12&upstream=${source}`;
  return packageOf(`deb-${name}`, version, SYSTEM_LICENSES[name] ?? NONE, { purl, name });
}

/** With what every package has to say. Identifiers have letters, digits, dots and dashes only. */
function packageOf(
  id: string,
  version: string,
  license: string,
  { purl, name = id }: { purl: string; name?: string },
): SpdxPackage {
  return {
    SPDXID: `SPDXRef-${`${id}-${version}`.replaceAll(/[^A-Za-z0-9.]+/g, "-")}`,
    name,
    versionInfo: version,
    downloadLocation: NONE,
    filesAnalyzed: false,
    licenseConcluded: license,
    licenseDeclared: license,
    copyrightText: NONE,
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl }],
  };
}

function relation(spdxElementId: string, relationshipType: string, relatedSpdxElement: string) {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}
