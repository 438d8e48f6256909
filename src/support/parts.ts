/** What a support bundle is made of. */
import { tarArchive } from "../platform/tar.ts";
import { redacted } from "./redact.ts";

/** A file of the bundle. */
export interface BundlePart {
  readonly path: string;
  /** What it is, in a clause for people. */
  readonly what: string;
  readonly text: string;
}

/** A part without secrets. */
interface CleanPart extends BundlePart {
  readonly redactions: number;
}

export function withoutSecrets(parts: readonly BundlePart[]): CleanPart[] {
  return parts.map((part) => {
    const { text, count } = redacted(part.text);
    return { ...part, text, redactions: count };
  });
}

/** What isn't in it, whatever the node has. */
const LEFT_OUT =
  "Not in it: environment variables, annotations and configurations of other programs but NRI's settings, the " +
  "journal of systemd (journalctl -u weka-cpuset) and pods' logs (kubectl logs). Values that look like secrets (tokens, " +
  "passwords, keys, credentials in URLs) are replaced by [redacted]; read it before you pass it on: it names pods and namespaces.";

/** The content, a line for each file. */
export function listing(parts: readonly CleanPart[]): string {
  const width = Math.max(...parts.map(({ path }) => path.length));
  const lines = parts.map(({ path, what, text, redactions }) => {
    const size = `${new TextEncoder().encode(text).length}`.padStart(8);
    return `${path.padEnd(width)} ${size}  ${what}${redactions === 0 ? "" : `; ${redactions} redacted`}`;
  });
  return [...lines, "", LEFT_OUT].join("\n");
}

/** All parts and their listing below one folder, as a gzipped tar archive. */
export async function bundleOf(
  folder: string,
  parts: readonly CleanPart[],
): Promise<Uint8Array<ArrayBuffer>> {
  const all = [...parts.map(({ path, text }) => [path, text]), ["contents.txt", `${listing(parts)}\n`]];
  const archive = tarArchive(all.map(([path, text]) => ({
    kind: "file",
    path: `${folder}/${path}`,
    mode: 0o600,
    bytes: new TextEncoder().encode(text),
  })));
  const zipped = new Blob([archive]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(zipped).arrayBuffer());
}
