/**
 * The Helm chart: makes what follows from the program (values.schema.json, and the version in Chart.yaml) with
 * `--rewrite`, and without it dist/weka-nri-cpuset-VERSION.tgz, the same bytes for the same checkout. No helm is needed.
 *
 * The manifests, alerts and dashboard are links in the chart's folder; its archive has the files themselves.
 */
import { gzipSync } from "node:zlib";
import * as z from "zod";
import { defaultText, KEYS } from "../src/config/keys.ts";
import { schema } from "../src/config/schema.ts";
import { type Entry, tarArchive } from "../src/platform/tar.ts";

const ROOT = new URL("..", import.meta.url).pathname;
export const CHART = `${ROOT}deploy/helm/weka-nri-cpuset`;
const NAME = "weka-nri-cpuset";

type Schema = Readonly<Record<string, unknown>>;

const TEXT = { type: "string" };
const FLAG = { type: "boolean" };
const OBJECT = { type: "object" };
const LIST = { type: "array" };
const TEXTS = { type: "object", additionalProperties: TEXT };
/** Kubernetes takes a number of pods or a percentage. */
const PODS = { type: ["integer", "string"], pattern: "^[0-9]{1,3}%$", minimum: 0 };
const DIRECTORY = { type: "string", pattern: "^/" };
const INTERVAL = { type: "string", pattern: "^([0-9]+(ms|[smhd]))+$" };
const MONITOR = closed({ enabled: FLAG, interval: INTERVAL, labels: TEXTS });

/**
 * Only these keys. Of another one Helm says "at '/config/minShard': value must be 'absent: there are only …'": its own word for that,
 * additional properties that aren't allowed, leaves out what would be right.
 */
function closed(properties: Readonly<Record<string, Schema>>): Schema {
  const only = `absent: there are only ${Object.keys(properties).join(", ")}`;
  return { type: "object", properties, additionalProperties: { const: only } };
}

/** What the agent's own schema says of a key, for values as YAML types them. */
function schemaOfKey(path: string, description: string, own: Schema): Schema {
  const { default: fallback, ...checks } = own;
  return { description: `${description}; default: ${defaultText(path) || '""'}`, ...typed(fallback, checks) };
}

function typed(fallback: unknown, { type, ...checks }: Schema): Schema {
  if (typeof fallback === "boolean") return FLAG;
  if (type === "number") return { type: "integer", ...checks };
  // A CPU list: no more is known of it than its characters, and one CPU is a number.
  if (type === undefined) return { type: ["string", "integer"], pattern: "^[0-9, -]*$", minimum: 0 };
  if (!Array.isArray(checks.enum)) return { type, ...checks };
  // on and off without quotes are true and false by the time that Helm has read them.
  const switches = [["on", true], ["off", false]] as const;
  const also = switches.filter(([word]) => (checks.enum as string[]).includes(word)).map(([, value]) =>
    value
  );
  return { enum: [...checks.enum, ...also] };
}

function configSchema(): Schema {
  const { properties } = z.toJSONSchema(schema, { unrepresentable: "any" }) as {
    properties: Record<string, Schema & { properties?: Record<string, Schema> }>;
  };
  const sections: Record<string, Record<string, Schema>> = { "": {} };
  for (const { path, description } of KEYS) {
    const [name = "", inner] = path.split(".");
    const own = inner === undefined ? properties[name] : properties[name]?.properties?.[inner];
    const section = inner === undefined ? "" : name;
    sections[section] = {
      ...sections[section],
      [inner ?? name]: schemaOfKey(path, description, own ?? {}),
    };
  }
  const { "": top, ...others } = sections;
  return closed({
    ...top,
    ...Object.fromEntries(Object.entries(others).map(([name, keys]) => [name, closed(keys)])),
  });
}

const VALUES: Readonly<Record<string, Schema>> = {
  image: closed({
    repository: { type: "string", pattern: "^[^\\s@]+$" },
    tag: { type: "string", pattern: "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$" },
    digest: { type: "string", pattern: "^(sha256:[0-9a-f]{64})?$" },
    pullPolicy: { enum: ["Always", "IfNotPresent", "Never"] },
  }),
  imagePullSecrets: { type: "array", items: closed({ name: TEXT }) },
  nameOverride: TEXT,
  fullnameOverride: TEXT,
  config: configSchema(),
  hostPaths: closed({
    nri: DIRECTORY,
    cri: DIRECTORY,
    podResources: DIRECTORY,
    cgroup: DIRECTORY,
    run: DIRECTORY,
    dbus: DIRECTORY,
  }),
  hostPlugin: closed({ enabled: FLAG }),
  systemBus: FLAG,
  hostPID: FLAG,
  seLinuxOptions: closed({ type: TEXT, level: TEXT, role: TEXT, user: TEXT }),
  resources: closed({ requests: OBJECT, limits: OBJECT }),
  priorityClassName: TEXT,
  nodeSelector: TEXTS,
  tolerations: LIST,
  affinity: OBJECT,
  updateStrategy: closed({
    type: { enum: ["RollingUpdate", "OnDelete"] },
    rollingUpdate: closed({ maxSurge: PODS, maxUnavailable: PODS }),
  }),
  minReadySeconds: { type: "integer", minimum: 0 },
  podLabels: TEXTS,
  podAnnotations: TEXTS,
  extraEnv: LIST,
  extraVolumes: LIST,
  extraVolumeMounts: LIST,
  podMonitor: MONITOR,
  serviceMonitor: MONITOR,
  prometheusRule: closed({ enabled: FLAG, labels: TEXTS }),
  grafanaDashboard: closed({ enabled: FLAG, labels: TEXTS, annotations: TEXTS }),
  releaseNodes: FLAG,
  // Helm's own, for charts that have this one in them.
  global: OBJECT,
};

/** values.schema.json. Helm's regular expressions, RE2, repeat nothing more than 1000 times. */
export function valuesSchema(): string {
  const document = { $schema: "https://json-schema.org/draft/2020-12/schema", ...closed(VALUES) };
  return `${JSON.stringify(document, null, 2)}\n`.replaceAll("{0,4094}", "*");
}

/** The version of deno.json, which the chart and its image have too. */
export function versionOf(): string {
  return JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)).version as string;
}

/** Chart.yaml with that version. */
export function chartYaml(text: string, version: string): string {
  return text.replace(/^(version|appVersion): .*$/gm, `$1: "${version}"`);
}

/** The files that follow from the program, by their path in the chart. */
export function generated(): Readonly<Record<string, string>> {
  return {
    "Chart.yaml": chartYaml(Deno.readTextFileSync(`${CHART}/Chart.yaml`), versionOf()),
    "values.schema.json": valuesSchema(),
  };
}

/** The chart as an archive, links followed. */
export function chartArchive(files: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const entries = filesIn(CHART, "").map((path): Entry => {
    const text = files[path];
    const bytes = text === undefined ? Deno.readFileSync(`${CHART}/${path}`) : new TextEncoder().encode(text);
    return { kind: "file", path: `${NAME}/${path}`, mode: 0o644, bytes };
  });
  return new Uint8Array(gzipSync(tarArchive(entries)));
}

function filesIn(folder: string, prefix: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(`${folder}/${name}`, `${prefix}${name}/`) : [`${prefix}${name}`]
  );
}

if (import.meta.main) {
  if (Deno.args[0] === "--rewrite") {
    for (const [path, text] of Object.entries(generated())) Deno.writeTextFileSync(`${CHART}/${path}`, text);
  } else {
    const file = `dist/${NAME}-${versionOf()}.tgz`;
    Deno.mkdirSync(`${ROOT}dist`, { recursive: true });
    Deno.writeFileSync(`${ROOT}${file}`, chartArchive(generated()));
    console.log(file);
  }
}
