/** helm and kubectl on this chart, and on what the manifests are. */
import { existsSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import { KUBERNETES, repository } from "../../e2e/cluster/places.ts";
import { type Outcome, outcome, output } from "./tools.ts";

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

/** What its user has set up is left alone. */
const env = {
  HELM_CONFIG_HOME: "/nonexistent",
  HELM_CACHE_HOME: "/nonexistent",
  HELM_DATA_HOME: "/nonexistent",
};

/** Values are an object, or YAML. */
export async function helm(args: readonly string[], values: unknown = {}): Promise<Outcome> {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, typeof values === "string" ? values : JSON.stringify(values));
    const takesValues = ["install", "upgrade", "template", "lint"].includes(args[0] ?? "");
    return await outcome(`${HELM}/helm`, [...args, ...takesValues ? ["--values", file] : []], { env });
  } finally {
    await Deno.remove(file);
  }
}

/** What the chart makes of these values, tests left out. @throws what helm says against them */
export async function rendered(values: unknown, release = RELEASE): Promise<Manifest[]> {
  const { code, out, err } = await helm(
    ["template", release, CHART, "--namespace", "kube-system", "--skip-tests"],
    values,
  );
  if (code !== 0) throw new Error(err);
  return objects(out);
}

/** What kustomize makes of a folder of deploy. */
export async function kustomized(folder: string): Promise<Manifest[]> {
  return objects(await output(`${KUBERNETES}/kubectl`, ["kustomize", `${repository}/deploy/${folder}`]));
}

/** The objects of a text, in an order of their own. */
export function objects(text: string): Manifest[] {
  const all = parseAllDocuments(text).map((document) =>
    document.toJS({ maxAliasCount: 20 }) as Manifest | null
  );
  return all.filter((object) => object !== null)
    .sort((a, b) => `${a.kind} ${a.metadata.name}` < `${b.kind} ${b.metadata.name}` ? -1 : 1);
}
