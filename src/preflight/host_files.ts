/** Files of the node that is checked, which may be mounted below a directory (`--host-root`). Nothing here throws. */
import { CgroupDirectory } from "../cgroup/directory.ts";
import { type FileText, readConfigFile } from "../platform/config_file.ts";
import { readerOf } from "../platform/sysfs.ts";

/** As Linux has it (path_resolution(7)). */
const MAX_LINKS = 40;
/** containerd's and kubelet's configurations have some kilobytes. */
const MAX_TEXT_BYTES = 1 << 20;
/** Of a directory of drop-ins or plugins. */
const MAX_NAMES = 1000;
/** Linux' greatest pid_max is 2^22; a node runs some thousand processes. */
const MAX_PROCESSES = 65_536;

export class HostFiles {
  /** Without a slash at its end; empty for `/`. */
  readonly #root: string;

  constructor(root: string) {
    this.#root = root.replace(/\/+$/, "");
  }

  /** Where `path` of the node is here; links are followed as on the node, however they are written. */
  place(path: string): string {
    const done: string[] = [];
    let names = partsOf(path);
    for (let links = 0; names.length > 0 && links <= MAX_LINKS;) {
      const [name = "", ...rest] = names;
      names = rest;
      const target = name === ".." ? undefined : linkTarget(`${this.#root}/${[...done, name].join("/")}`);
      if (name === "..") done.pop();
      else if (target === undefined) done.push(name);
      else {
        links++;
        if (target.startsWith("/")) done.length = 0;
        names = [...partsOf(target), ...names];
      }
    }
    return `${this.#root}/${[...done, ...names].join("/")}`;
  }

  /** A configuration file: neither it nor its directory may be writable by everybody. */
  text(path: string): FileText {
    return readConfigFile(this.place(path), MAX_TEXT_BYTES);
  }

  /** A file that another program executes; undefined when it isn't there, isn't regular or is larger than `maxBytes`. */
  bytes(path: string, maxBytes: number): Uint8Array | undefined {
    try {
      const place = this.place(path);
      const { isFile, size } = Deno.statSync(place);
      return isFile && size <= maxBytes ? Deno.readFileSync(place) : undefined;
    } catch {
      return undefined;
    }
  }

  /** The first {@link MAX_NAMES} names in a directory, sorted; undefined when it can't be read. */
  names(directory: string): string[] | undefined {
    const names: string[] = [];
    try {
      for (const { name } of Deno.readDirSync(this.place(directory))) {
        names.push(name);
        if (names.length === MAX_NAMES) break;
      }
      return names.sort();
    } catch {
      return undefined;
    }
  }

  /** Undefined when there is no such file. */
  status(path: string): Deno.FileInfo | undefined {
    try {
      return Deno.statSync(this.place(path));
    } catch {
      return undefined;
    }
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function linkTarget(path: string): string | undefined {
  try {
    return Deno.lstatSync(path).isSymlink ? Deno.readLinkSync(path) : undefined;
  } catch {
    return undefined; // It isn't there, which the next call says.
  }
}

/** A process of the node. */
export interface HostProcess {
  readonly pid: number;
  /** The words of its command line. */
  readonly words: readonly string[];
}

/** The processes below `procRoot` with one of these names (at most 15 letters: comm of proc_pid_comm(5)). */
export function processesCalled(procRoot: string, names: readonly string[]): Map<string, HostProcess> {
  const found = new Map<string, HostProcess>();
  const opened = CgroupDirectory.open(procRoot, "");
  if (opened.kind === "errno") return found;
  using directory = opened;
  const read = readerOf(procRoot);
  for (const name of directory.directories(MAX_PROCESSES)) {
    const comm = /^\d+$/.test(name) ? read(`${name}/comm`)?.trim() : undefined;
    if (comm === undefined || !names.includes(comm) || found.has(comm)) continue;
    found.set(comm, processAt(procRoot, Number(name)));
  }
  return found;
}

export function processAt(procRoot: string, pid: number): HostProcess {
  const line = readerOf(procRoot)(`${pid}/cmdline`) ?? "";
  return { pid, words: line.split("\0").filter((word) => word !== "") };
}

/** The value of a flag, given as `--name value` or `--name=value`, with one dash or two; undefined: not given. */
export function flagIn(words: readonly string[], ...names: readonly string[]): string | undefined {
  for (const [index, word] of words.entries()) {
    const [, name = "", value] = /^--?([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (names.includes(name)) return value ?? words[index + 1];
  }
  return undefined;
}
