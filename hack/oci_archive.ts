/**
 * Container images as one file, in the OCI image layout (https://github.com/opencontainers/image-spec), with the
 * `manifest.json` of `docker save` beside it: containerd, podman, skopeo and crane read the one, docker reads either.
 */
import { gzipSync } from "node:zlib";
import { createHash } from "node:crypto";
import { type Entry, tarArchive } from "../src/platform/tar.ts";

/** What an image is, apart from the files in it. */
export interface Image {
  /** Its full name, as in `registry.example/weka-cpuset:1.0`. */
  readonly reference: string;
  /** As Go calls it: amd64, arm64. */
  readonly architecture: string;
  readonly entrypoint: readonly string[];
  readonly environment: readonly string[];
  /** By the keys of the image specification; docker shows them as labels. */
  readonly annotations: Readonly<Record<string, string>>;
  /** One list of files for each layer; what changes least comes first, since nodes fetch only what they lack. */
  readonly layers: readonly (readonly Entry[])[];
}

interface Blob {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const TYPE = "application/vnd.oci.image";
/** Reproducible: an image is as old as everything in it. */
const CREATED = "1970-01-01T00:00:00Z";

/** The archive's bytes. The same image gives the same bytes. */
export function ociArchive(image: Image): Uint8Array<ArrayBuffer> {
  const tars = image.layers.map(tarArchive);
  const layers = tars.map((tar) => blobOf(gzipSync(tar)));
  const config = blobOf(json(configOf(image, tars.map(digestOf))));
  const manifest = blobOf(json({
    schemaVersion: 2,
    mediaType: `${TYPE}.manifest.v1+json`,
    config: describe(`${TYPE}.config.v1+json`, config),
    layers: layers.map((layer) => describe(`${TYPE}.layer.v1.tar+gzip`, layer)),
    annotations: image.annotations,
  }));
  return tarArchive([
    file("oci-layout", json({ imageLayoutVersion: "1.0.0" })),
    file("index.json", json(indexOf(image, manifest))),
    file("manifest.json", json(dockerManifest(image.reference, config, layers))),
    ...[config, manifest, ...layers].map((blob) => file(pathOf(blob), blob.bytes)),
  ]);
}

function configOf(image: Image, layers: readonly string[]) {
  return {
    created: CREATED,
    architecture: image.architecture,
    os: "linux",
    config: {
      User: "0:0",
      Env: image.environment,
      Entrypoint: image.entrypoint,
      WorkingDir: "/",
      Labels: image.annotations,
    },
    rootfs: { type: "layers", diff_ids: layers },
    history: layers.map(() => ({ created: CREATED })),
  };
}

function indexOf({ reference, architecture }: Image, manifest: Blob) {
  return {
    schemaVersion: 2,
    mediaType: `${TYPE}.index.v1+json`,
    manifests: [{
      ...describe(`${TYPE}.manifest.v1+json`, manifest),
      platform: { architecture, os: "linux" },
      annotations: {
        // containerd names the image by the first, all others by the second.
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference,
      },
    }],
  };
}

function dockerManifest(reference: string, config: Blob, layers: readonly Blob[]) {
  return [{ Config: pathOf(config), RepoTags: [reference], Layers: layers.map(pathOf) }];
}

function blobOf(bytes: Uint8Array): Blob {
  return { digest: digestOf(bytes), bytes };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function pathOf({ digest }: Blob): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function describe(mediaType: string, { digest, bytes }: Blob): Descriptor {
  return { mediaType, digest, size: bytes.length };
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function file(path: string, bytes: Uint8Array): Entry {
  return { kind: "file", path, mode: 0o644, bytes };
}
