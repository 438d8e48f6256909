/**
 * The configuration as layers of growing weight: defaults, file, what the runtime hands over, environment, flags.
 * Each layer is checked by itself, and one with a problem is left out as a whole: half of what somebody has
 * written down may be worse than nothing of it. Who must not go on with a problem sees it in `problems`.
 */
import { KEYS, valueAt } from "./keys.ts";
import { type Place, type Problem, problem, problemsOf, type Source } from "./problems.ts";
import { type Config, schema } from "./schema.ts";

/** A value as a source gives it: a text, a list, a mapping. */
export type Given = string | readonly Given[] | Mapping;
export type Mapping = { readonly [key: string]: Given };

/** What one source has to say. */
export interface Layer {
  readonly place: Place;
  /** By the path of the key. */
  readonly values: ReadonlyMap<string, Given>;
  /** Why it can't be used; none where it can. */
  readonly problems: readonly Problem[];
}

export interface Resolved {
  readonly config: Config;
  /** Where each key's value comes from, by the key's path. */
  readonly origins: ReadonlyMap<string, Source>;
  /** Of the layers that were left out, the lightest first; none where all were taken. */
  readonly problems: readonly Problem[];
}

const WEIGHT: Readonly<Record<Source, number>> = { default: 0, file: 1, runtime: 2, environment: 3, flag: 4 };

const TOO_LATE =
  "can't be changed here, where the agent already runs; set it in the file, /etc/weka-cpuset/config.yaml";

/** A layer of what `place` says. */
export function checkedLayer(place: Place, tree: Mapping): Layer {
  const result = schema.safeParse(tree);
  const values = new Map<string, Given>();
  for (const { path } of KEYS) {
    const value = valueAt(tree, path);
    if (value !== undefined) values.set(path, value as Given);
  }
  return { place, values, problems: result.success ? [] : problemsOf(result.error.issues, tree, place) };
}

/** A layer of values by key path, as flags and variables give them. */
export function flatLayer(place: Place, values: Iterable<readonly [path: string, value: Given]>): Layer {
  return checkedLayer(place, nested(values));
}

/** A layer that can't even be read. */
export function brokenLayer(place: Place, what: string): Layer {
  return { place, values: new Map(), problems: [problem(place, "", what)] };
}

/** The effective configuration of `layers`, given in any order, at most one of each source. */
export function resolve(layers: readonly Layer[]): Resolved {
  const ordered = layers.toSorted((a, b) => WEIGHT[a.place.source] - WEIGHT[b.place.source]);
  return merge(ordered.map((layer) => layer.place.source === "runtime" ? inTime(layer, ordered) : layer));
}

function merge(ordered: readonly Layer[]): Resolved {
  const values = new Map<string, Given>();
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
 * The runtime hands its text over to an agent that runs. A value that can have no effect any more must not look
 * as if it had one: it is a problem of this layer, unless it is what holds already.
 */
function inTime(layer: Layer, ordered: readonly Layer[]): Layer {
  const before = merge(ordered.filter((other) => other !== layer)).config;
  const after = merge(ordered).config;
  const late = KEYS.filter(({ path, live }) =>
    !live && String(valueAt(before, path)) !== String(valueAt(after, path))
  );
  const problems = late.map(({ path }) => problem(layer.place, path, `${path} ${TOO_LATE}`));
  return { ...layer, problems: [...layer.problems, ...problems] };
}

/** `log.level` → `{ log: { level } }`. */
function nested(values: Iterable<readonly [path: string, value: Given]>): Mapping {
  const tree: Record<string, Given> = {};
  for (const [path, value] of values) {
    const [section, name] = path.split(".");
    if (section === undefined || name === undefined) tree[path] = value;
    else tree[section] = { ...tree[section] as Record<string, Given>, [name]: value };
  }
  return tree;
}
