/** An image index whose files are small: what they would hold, in words. */
import type { Build } from "../../../hack/build.ts";
import { imageOf, indexOf } from "../../../hack/image.ts";

export const LIBRARIES = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/x86_64-linux-gnu/libgcc_s.so.1",
  "/lib64/ld-linux-x86-64.so.2",
];

export const BUILD: Build = {
  version: "1.2.3",
  revision: "abc-dirty",
  created: "2026-01-31T08:00:00Z",
  runtime: { deno: "2.6.10", v8: "14.5" },
  packages: [{ name: "@scope/a", version: "1.0.0", license: "MIT", integrity: "sha512-AAECAw==" }],
};

const bytesOf = (text: string) => new TextEncoder().encode(`bytes of ${text}`);

export function testIndex(reference: string, architectures: readonly string[] = ["amd64"]) {
  const images = architectures.map((architecture) =>
    imageOf(BUILD, {
      architecture,
      executable: bytesOf(architecture),
      libraries: Object.fromEntries(LIBRARIES.map((path) => [path, bytesOf(path)])),
      packages: [{ name: "libc6", version: "2.36-9+deb12u14", source: "glibc" }],
    })
  );
  return indexOf(reference, BUILD, images, {
    "org.opencontainers.image.source": "https://git.example/team/it",
  });
}
