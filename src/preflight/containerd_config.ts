/** containerd's configuration, as far as NRI is concerned. */
import { parse } from "smol-toml";
import { at } from "../platform/json_at.ts";
import { printable } from "../platform/printable.ts";
import type { HostFiles } from "./host_files.ts";

/** A configuration with its imports has a handful. */
const MAX_FILES = 64;

/** The table of the NRI plugin, in the versions 2 and 3 of the configuration. */
export const NRI_TABLE = "io.containerd.nri.v1.nri";

/** A setting of NRI's that stands in another table, where it has no effect. */
export interface Misplaced {
  readonly key: string;
  /** As in a configuration: `[grpc]`. */
  readonly table: string;
  readonly file: string;
}

/** What was read of it. */
export type ContainerdConfig =
  | {
    readonly kind: "read";
    readonly file: string;
    /** NRI's settings in force; absent: the configuration has no such table. */
    readonly nri?: Readonly<Record<string, unknown>>;
    readonly misplaced: readonly Misplaced[];
  }
  /** `reason` is a clause. */
  | { readonly kind: "unknown"; readonly file: string; readonly reason: string };

type Table = Readonly<Record<string, unknown>>;

/** What is needed of the node's files. */
type Listed = Pick<HostFiles, "text" | "names">;

/**
 * Reads `file` and what it imports.
 * @param replaces a later file's table replaces an earlier one's (containerd 1.7), instead of being merged into it (2.x):
 * mergeConfig in containerd's cmd/containerd/server/config
 */
export function readContainerdConfig(files: Listed, file: string, replaces: boolean): ContainerdConfig {
  try {
    return read(files, file, replaces);
  } catch (error) {
    // Tables within tables, to the end of the stack.
    return { kind: "unknown", file: printable(file), reason: printable((error as Error).message) };
  }
}

function read(files: Listed, file: string, replaces: boolean): ContainerdConfig {
  const tables: { readonly file: string; readonly table: Table }[] = [];
  const seen = new Set<string>();
  const waiting = [file];
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    if (seen.has(path) || seen.size === MAX_FILES) continue;
    seen.add(path);
    const content = files.text(path);
    // A file that is imported needn't be there, nor the main one, without which containerd has its defaults.
    if (content.kind === "absent") continue;
    const table = content.kind === "text" ? parsed(content.text) : content.reason;
    if (typeof table === "string") return { kind: "unknown", file: printable(path), reason: table };
    tables.push({ file: printable(path), table });
    waiting.push(...importsOf(files, path, table));
  }
  const nri = tables.map(({ table }) => at(table, "plugins", NRI_TABLE)).filter(isTable);
  const inForce = nri.reduce<Table>((all, next) => replaces ? next : merged(all, next), {});
  return {
    kind: "read",
    file: printable(file),
    ...(nri.length === 0 ? {} : { nri: inForce }),
    misplaced: tables.flatMap(({ file, table }) => misplacedIn(table).map((each) => ({ ...each, file }))),
  };
}

/** Why it is no table, as a clause, otherwise. */
function parsed(text: string): Table | string {
  try {
    return parse(text);
  } catch (error) {
    const [first = ""] = (error as Error).message.split("\n");
    return `it is not valid TOML: ${printable(first)}`;
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function merged(before: Table, after: Table): Table {
  const both = Object.entries(after).map(([key, value]): [string, unknown] => {
    const old = at(before, key);
    return [key, isTable(old) && isTable(value) ? merged(old, value) : value];
  });
  return { ...before, ...Object.fromEntries(both) };
}

/** Names with a `*` in the last part stand for all that fit; a relative one begins at the folder of its file. */
function importsOf(files: Listed, file: string, table: Table): string[] {
  const { imports } = table;
  if (!Array.isArray(imports)) return [];
  const paths = imports.filter((each) => typeof each === "string").map((path) =>
    path.startsWith("/") ? path : `${folderOf(file)}/${path}`
  );
  return paths.flatMap((path) => {
    if (!path.includes("*")) return [path];
    const folder = folderOf(path);
    const pattern = new RegExp(`^${escaped(path.slice(folder.length + 1)).replaceAll("\\*", ".*")}$`);
    return (files.names(folder) ?? []).filter((name) => pattern.test(name)).map((name) =>
      `${folder}/${name}`
    );
  });
}

function escaped(text: string): string {
  return text.replaceAll(/[^\w]/g, "\\$&");
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Settings that only NRI's table has. */
const NRI_KEYS = /^(plugin_(registration_timeout|request_timeout|path|config_path)|disable_connections)$/;
/** Tables lie this deep at most: plugins, a plugin, its parts. */
const MAX_DEPTH = 8;

function misplacedIn(table: Table, path: readonly string[] = []): Pick<Misplaced, "key" | "table">[] {
  if (path.join(".") === `plugins.${NRI_TABLE}` || path.length > MAX_DEPTH) return [];
  return Object.entries(table).flatMap(([key, value]) =>
    isTable(value)
      ? misplacedIn(value, [...path, key])
      : NRI_KEYS.test(key)
      ? [{ key, table: headOf(path) }]
      : []
  );
}

function headOf(path: readonly string[]): string {
  if (path.length === 0) return "the top of the file";
  return printable(`[${path.map((name) => /^[\w-]+$/.test(name) ? name : JSON.stringify(name)).join(".")}]`);
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  ms: 1,
  s: 1e3,
  m: 6e4,
  h: 3.6e6,
};

/** Milliseconds of a duration as Go writes it, `1m30s`; undefined when it is none. */
export function milliseconds(text: unknown): number | undefined {
  if (typeof text !== "string" || !/^(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  const parts = text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g);
  return [...parts].reduce((sum, [, number, unit = ""]) => sum + Number(number) * (UNITS[unit] ?? 0), 0);
}
