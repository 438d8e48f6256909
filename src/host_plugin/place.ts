/** Where the runtime looks for plugins, and the names of what is kept beside that. */
import { attempt } from "../platform/errno.ts";
import { statusAt } from "../platform/file_status.ts";
import { cString, libc, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../platform/libc.ts";

/**
 * The names, all on one file system, so that each change is one rename(2). A runtime launches what is executable in its plugin
 * directory, and containerd 1.7 doesn't start where that isn't a plugin: what isn't to be launched is kept beside it.
 */
export interface PluginPlace {
  readonly directory: string;
  /** containerd's plugin_path. */
  readonly plugins: string;
  readonly target: string;
  /** The new one, until it has been verified. */
  readonly fresh: string;
  /** The one that was replaced last. */
  readonly former: string;
  /** What this program has written there: {@link InstallNote}. */
  readonly note: string;
  /** What the plugin is configured by where the node has no file of its own: `fileBeside` of load_config.ts. */
  readonly config: string;
  /** The same of the Ansible role, as sha256sum(1) prints it: the checksum and the path of the plugin that it has installed. */
  readonly ansible: string;
}

export function placeIn(directory: string): PluginPlace {
  const [plugins, name] = [`${directory}/plugins`, "99-weka-cpuset"];
  const beside = `${directory}/.${name}`;
  return {
    directory,
    plugins,
    target: `${plugins}/${name}`,
    fresh: `${beside}.new`,
    former: `${beside}.former`,
    note: `${beside}.json`,
    config: `${directory}/${name}.yaml`,
    ansible: `${directory}/.weka-cpuset.ansible`,
  };
}

/** containerd's default. */
export const PLACE = placeIn("/opt/nri");

/** @throws {Error} one sentence, where somebody else could have made these, or could replace them */
export function checkPlace({ directory, plugins, target }: PluginPlace): void {
  for (const [path, kind] of [[directory, "directory"], [plugins, "directory"], [target, "file"]] as const) {
    const status = statusAt(path);
    if (status === undefined) continue;
    const user = libc().geteuid();
    if (status.kind !== kind) {
      throw new Error(`${path} is no ${kind}; it must be one, no link, or not be there`);
    }
    if (status.uid !== user) {
      throw new Error(`${path} belongs to user ${status.uid}, and this is user ${user}; nothing was changed`);
    }
    const who = writersOf(status);
    if (who !== undefined) {
      throw new Error(
        `${path} is ${who}-writable; remove that permission (chmod go-w), and look who used it`,
      );
    }
  }
}

/** Who else may write it: root's own group is root. */
function writersOf({ mode, gid }: { readonly mode: number; readonly gid: number }): string | undefined {
  if ((mode & 0o002) !== 0) return "world";
  return (mode & 0o020) !== 0 && gid !== 0 ? "group" : undefined;
}

/**
 * Makes the directories that are missing, and does `body` while no other process does the same. What was made goes again where
 * that fails.
 * @throws {Error} one sentence
 */
export async function lockedIn<T>({ directory, plugins }: PluginPlace, body: () => Promise<T>): Promise<T> {
  const made: string[] = [];
  let locked: number | undefined;
  try {
    for (const path of [directory, plugins]) if (madeDirectory(path)) made.unshift(path);
    locked = lockOf(directory);
    return await body();
  } catch (error) {
    made.forEach(removeIfEmpty);
    throw error;
  } finally {
    if (locked !== undefined) unlock(locked);
  }
}

function madeDirectory(path: string): boolean {
  if (statusAt(path) !== undefined) return false;
  Deno.mkdirSync(path, { mode: 0o755 });
  return true;
}

/** A descriptor that holds the directory's lock until {@link unlock}. */
function lockOf(directory: string): number {
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  const opening = attempt(() => libc().open(cString(directory), flags));
  if (opening.kind === "errno") throw new Error(`${directory} can't be opened: ${opening.text}`);
  if (attempt(() => libc().flock(opening.result, LOCK_EX | LOCK_NB)).kind === "done") return opening.result;
  libc().close(opening.result);
  throw new Error(`another install-host-plugin is at work in ${directory}; wait until it has ended`);
}

/** Said, not only closed: a child that another thread starts has the descriptor too until it has called execve(2). */
function unlock(descriptor: number): void {
  libc().flock(descriptor, LOCK_UN);
  libc().close(descriptor);
}

const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

function removeIfEmpty(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Somebody has put something there meanwhile.
  }
}

/** Names that were made, replaced or removed in a directory last through a power cut. */
export function syncDirectory(path: string): void {
  using directory = Deno.openSync(path, { read: true });
  directory.syncSync();
}
