/** helm and kubectl on this chart, and on what the manifests are. */
import { existsSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import { KUBERNETES, repository } from "../../e2e/cluster/places.ts";

/** As `make test-delivery` fetches it. */
const HELM = `${repository}/.tools/helm`;
export const CHART = `${repository}/deploy/helm/weka-nri-cpuset`;
/** Prometheus Operator's kinds. */
export const CRDS = `${HELM}/crds`;
/** With this name the objects are called as in the manifests. */
export const RELEASE = "weka-nri-cpuset";

/** Why it can't be had; undefined: it is there. */
export const missing = !existsSync(`${HELM}/helm`)
  ? "there is no helm: make test-delivery fetches it"
  : !existsSync(`${KUBERNETES}/kubectl`)
  ? "there is no kubectl: hack/get-kubernetes.sh fetches it"
  : undefined;
if (missing !== undefined) console.error(`\n*** NOT TESTED, the Helm chart: ${missing} ***\n`);

/** An object of Kubernetes. */
export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; labels?: Record<string, string | undefined> };
  // deno-lint-ignore no-explicit-any
  readonly [field: string]: any;
}

interface Said {
  readonly ok: boolean;
  readonly out: string;
  readonly error: string;
}

async function said(program: string, args: readonly string[], input?: string): Promise<Said> {
  const command = new Deno.Command(program, {
    args: [...args],
    // What its user has set up is left alone.
    env: {
      HELM_CONFIG_HOME: "/nonexistent",
      HELM_CACHE_HOME: "/nonexistent",
      HELM_DATA_HOME: "/nonexistent",
    },
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  if (input !== undefined) await new Response(input).body?.pipeTo(child.stdin);
  const { success, stdout, stderr } = await child.output();
  const [out = "", error = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { ok: success, out, error };
}

/** Values are read from standard input, as YAML; JSON is YAML. */
export async function helm(args: readonly string[], values?: unknown): Promise<Said> {
  const more = values === undefined ? [] : ["--values", "-"];
  const input = typeof values === "string" ? values : JSON.stringify(values);
  return await said(`${HELM}/helm`, [...args, ...more], values === undefined ? undefined : input);
}

/** What the chart makes of these values, tests left out. @throws what helm says against them */
export async function rendered(values: unknown, release = RELEASE): Promise<Manifest[]> {
  const { ok, out, error } = await helm(
    ["template", release, CHART, "--namespace", "kube-system", "--skip-tests"],
    values,
  );
  if (!ok) throw new Error(error);
  return objects(out);
}

/** What kustomize makes of a folder of deploy. */
export async function kustomized(folder: string): Promise<Manifest[]> {
  const { ok, out, error } = await said(`${KUBERNETES}/kubectl`, [
    "kustomize",
    `${repository}/deploy/${folder}`,
  ]);
  if (!ok) throw new Error(error);
  return objects(out);
}

/** The objects of a text, in an order of their own. */
export function objects(text: string): Manifest[] {
  const all = parseAllDocuments(text).map((document) =>
    document.toJS({ maxAliasCount: 20 }) as Manifest | null
  );
  return all.filter((object) => object !== null)
    .sort((a, b) => `${a.kind} ${a.metadata.name}` < `${b.kind} ${b.metadata.name}` ? -1 : 1);
}
