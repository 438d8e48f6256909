/**
 * The configuration as layers of increasing precedence: defaults, file, the runtime's text, environment, flags. Each
 * layer is checked by itself and, if it has a problem, ignored as a whole: half of a source may be worse than none of
 * it. Callers that must not go on with a problem find it in `problems`.
 */
import { KEYS, valueAt } from "./keys.ts";
import { type Place, type Problem, problem, problemsOf, type Source } from "./problems.ts";
import { type Config, schema } from "./schema.ts";

/** An unchecked value of a source: a text, a list, a mapping. */
export type RawValue = string | readonly RawValue[] | Mapping;
export type Mapping = { readonly [key: string]: RawValue };

/** The values of one source. */
export interface Layer {
  readonly place: Place;
  /** By the path of the key. */
  readonly values: ReadonlyMap<string, RawValue>;
  /** Because of which the layer is ignored. */
  readonly problems: readonly Problem[];
}

/** The effective configuration. */
export interface Resolved {
  readonly config: Config;
  /** The source of each key's value, by the key's path. */
  readonly origins: ReadonlyMap<string, Source>;
  /** Of the ignored layers, in order of precedence. */
  readonly problems: readonly Problem[];
}

const PRECEDENCE: Readonly<Record<Source, number>> = {
  default: 0,
  file: 1,
  runtime: 2,
  environment: 3,
  flag: 4,
};

const NOT_LIVE = "can't be changed while the agent runs; set it in the file /etc/weka-cpuset/config.yaml";

/** The layer of a tree from `place`, checked. */
export function checkedLayer(place: Place, tree: Mapping): Layer {
  const result = schema.safeParse(tree);
  const values = new Map<string, RawValue>();
  for (const { path } of KEYS) {
    const value = valueAt(tree, path);
    if (value !== undefined) values.set(path, value as RawValue);
  }
  return { place, values, problems: result.success ? [] : problemsOf(result.error.issues, tree, place) };
}

/** The layer of values by key path, the form of flags and variables. */
export function flatLayer(place: Place, values: Iterable<readonly [path: string, value: RawValue]>): Layer {
  return checkedLayer(place, nested(values));
}

/** The layer of an unreadable source. */
export function brokenLayer(place: Place, what: string): Layer {
  return { place, values: new Map(), problems: [problem(place, "", what)] };
}

/** Resolves `layers`, in any order and at most one of each source, to the effective configuration. */
export function resolve(layers: readonly Layer[]): Resolved {
  const ordered = layers.toSorted((a, b) => PRECEDENCE[a.place.source] - PRECEDENCE[b.place.source]);
  return merge(ordered.map((layer) => layer.place.source === "runtime" ? checkLive(layer, ordered) : layer));
}

function merge(ordered: readonly Layer[]): Resolved {
  const values = new Map<string, RawValue>();
  const origins = new Map<string, Source>(KEYS.map(({ path }) => [path, "default"]));
  for (const layer of ordered.filter(({ problems }) => problems.length === 0)) {
    for (const [path, value] of layer.values) {
      values.set(path, value);
      origins.set(path, layer.place.source);
    }
  }
  const problems = ordered.flatMap((layer) => layer.problems);
  return { config: schema.parse(nested(values)), origins, problems };
}

/**
 * Adds a problem to the runtime's layer for each key that it changes although the running agent can't apply it: a value
 * without effect must not look effective.
 */
function checkLive(layer: Layer, ordered: readonly Layer[]): Layer {
  const before = merge(ordered.filter((other) => other !== layer)).config;
  const after = merge(ordered).config;
  // An agent that was started as a dry run has no leader lock: another one may be active beside it.
  const isLive = (path: string, live: boolean) => live && !(path === "dryRun" && before.dryRun);
  const fixed = KEYS.filter(({ path, live }) =>
    !isLive(path, live) && String(valueAt(before, path)) !== String(valueAt(after, path))
  );
  const problems = fixed.map(({ path }) => problem(layer.place, path, `${path} ${NOT_LIVE}`));
  return { ...layer, problems: [...layer.problems, ...problems] };
}

/** `log.level` → `{ log: { level } }`. */
function nested(values: Iterable<readonly [path: string, value: RawValue]>): Mapping {
  const tree: Record<string, RawValue> = {};
  for (const [path, value] of values) {
    const [section, name] = path.split(".");
    if (section === undefined || name === undefined) tree[path] = value;
    else tree[section] = { ...tree[section] as Record<string, RawValue>, [name]: value };
  }
  return tree;
}
