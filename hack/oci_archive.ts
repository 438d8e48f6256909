/**
 * Container images as one file, in the OCI image layout (https://github.com/opencontainers/image-spec): an index of one image
 * for each processor, and of what is attested of each. containerd, podman, skopeo and crane read it; with one image there is
 * also the `manifest.json` of `docker save`.
 */
import { gzipSync } from "node:zlib";
import { createHash } from "node:crypto";
import { type Entry, tarArchive } from "../src/platform/tar.ts";

/** What an index is, apart from the files in its images. */
export interface Index {
  /** Its full name, as in `registry.example/weka-cpuset:1.0`. */
  readonly reference: string;
  /** ISO 8601; of the commit, so that the same one gives the same bytes. */
  readonly created: string;
  readonly entrypoint: readonly string[];
  readonly environment: readonly string[];
  /** By the keys of the image specification; docker shows them as labels. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly images: readonly Image[];
}

/** The image for one processor. */
export interface Image {
  /** As Go calls it: amd64, arm64. */
  readonly architecture: string;
  /** One list of files for each layer; what changes least comes first, since nodes fetch only what they lack. */
  readonly layers: readonly (readonly Entry[])[];
  /** Its software bill of materials, an SPDX document. */
  readonly sbom: unknown;
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

/** An image or what is attested of one, as the index lists it, and the blobs that make it up. */
interface Listed {
  readonly entry: Descriptor;
  readonly blobs: readonly Blob[];
}

const TYPE = "application/vnd.oci.image";
const SPDX = "https://spdx.dev/Document";
/** The least that gzip can make of it: nodes fetch it more often than it is built. */
const LEVEL = 9;

/** The archive's bytes. The same index gives the same bytes. */
export function ociArchive(index: Index): Uint8Array<ArrayBuffer> {
  const images = index.images.map((image) => imageOf(index, image));
  const attested = index.images.map(({ sbom }, at) => attestationOf(sbom, images[at]?.entry));
  const list = blobOf(json({
    schemaVersion: 2,
    mediaType: `${TYPE}.index.v1+json`,
    manifests: [...images, ...attested].map(({ entry }) => entry),
    annotations: index.annotations,
  }));
  const blobs = new Map(
    [list, ...[...images, ...attested].flatMap(({ blobs }) => blobs)].map((blob) => [pathOf(blob), blob]),
  );
  return tarArchive([
    file("oci-layout", json({ imageLayoutVersion: "1.0.0" })),
    file("index.json", json(layoutOf(index.reference, list))),
    ...(images.length === 1 ? images : []).map((image) =>
      file("manifest.json", json(dockerManifest(index, image)))
    ),
    ...[...blobs].map(([path, { bytes }]) => file(path, bytes)),
  ]);
}

function imageOf(index: Index, { architecture, layers }: Image): Listed {
  const tars = layers.map(tarArchive);
  const packed = tars.map((tar) => blobOf(gzipSync(tar, { level: LEVEL })));
  const config = blobOf(json(configOf(index, architecture, tars.map(digestOf))));
  const manifest = blobOf(json({
    schemaVersion: 2,
    mediaType: `${TYPE}.manifest.v1+json`,
    config: describe(`${TYPE}.config.v1+json`, config),
    layers: packed.map((layer) => describe(`${TYPE}.layer.v1.tar+gzip`, layer)),
    annotations: index.annotations,
  }));
  const entry = {
    ...describe(`${TYPE}.manifest.v1+json`, manifest),
    platform: { architecture, os: "linux" },
  };
  return { entry, blobs: [manifest, config, ...packed] };
}

function configOf(
  { created, environment, entrypoint, annotations }: Index,
  architecture: string,
  layers: readonly string[],
) {
  return {
    created,
    architecture,
    os: "linux",
    config: {
      User: "0:0",
      Env: environment,
      Entrypoint: entrypoint,
      WorkingDir: "/",
      Labels: annotations,
    },
    rootfs: { type: "layers", diff_ids: layers },
    history: layers.map(() => ({ created })),
  };
}

/**
 * What an image is made of, as BuildKit attaches it (docs/attestations/attestation-storage.md there): docker reads it by the
 * annotations, registries list it as a referrer by its subject, and engines pass it by, since no machine is of its platform.
 */
function attestationOf(sbom: unknown, image: Descriptor | undefined): Listed {
  if (image === undefined) throw new Error("each image has its SBOM");
  const { mediaType, digest, size } = image;
  const [algorithm = "", sum = ""] = digest.split(":");
  const statement = blobOf(json({
    _type: "https://in-toto.io/Statement/v0.1",
    predicateType: SPDX,
    subject: [{ name: "_", digest: { [algorithm]: sum } }],
    predicate: sbom,
  }));
  const unknown = { architecture: "unknown", os: "unknown" };
  const config = blobOf(
    json({ ...unknown, config: {}, rootfs: { type: "layers", diff_ids: [statement.digest] } }),
  );
  const layer = describe("application/vnd.in-toto+json", statement);
  const manifest = blobOf(json({
    schemaVersion: 2,
    mediaType: `${TYPE}.manifest.v1+json`,
    artifactType: "application/vnd.docker.attestation.manifest.v1+json",
    config: describe(`${TYPE}.config.v1+json`, config),
    layers: [{ ...layer, annotations: { "in-toto.io/predicate-type": SPDX } }],
    subject: { mediaType, digest, size },
  }));
  const entry = {
    ...describe(`${TYPE}.manifest.v1+json`, manifest),
    platform: unknown,
    annotations: {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": digest,
    },
  };
  return { entry, blobs: [manifest, config, statement] };
}

function layoutOf(reference: string, list: Blob) {
  return {
    schemaVersion: 2,
    mediaType: `${TYPE}.index.v1+json`,
    manifests: [{
      ...describe(`${TYPE}.index.v1+json`, list),
      annotations: {
        // containerd names the image by the first, all others by the second.
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference,
      },
    }],
  };
}

function dockerManifest({ reference }: Index, { blobs: [, config, ...layers] }: Listed) {
  return [{ Config: config && pathOf(config), RepoTags: [reference], Layers: layers.map(pathOf) }];
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
