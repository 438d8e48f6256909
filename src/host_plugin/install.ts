/** Installs this program as a plugin that the runtime launches, or takes it away: whole, or not at all. */
import { statusAt } from "../platform/file_status.ts";
import { pause } from "../platform/pause.ts";
import { removeFile } from "../platform/whole_file.ts";
import { type Architecture, whyNotRun } from "./elf.ts";
import { putConfiguration, removeConfiguration } from "./configuration.ts";
import { readNote, runtimeAt, withOwn, writeNote } from "./note.ts";
import { checkPlace, lockedIn, type PluginPlace, syncDirectory } from "./place.ts";
import { contentOf, copyTo, renameFile } from "./sum.ts";

/** To say its version, on a machine that is very busy. */
const VERSION_MS = 30_000;

/** Between two tries to start what another thread has open. */
const BUSY_MS = 20;

export interface PluginBuild {
  /** What is installed. */
  readonly file: string;
  readonly machine: Architecture;
  /** The runtime's NRI socket. */
  readonly socket: string;
}

export interface InstallOptions {
  /** What the plugin is configured by where the node has no file of its own; absent: what is there stays. */
  readonly config?: string | undefined;
  /** Only checks. */
  readonly dryRun: boolean;
  readonly say: (line: string) => void;
}

/**
 * Puts `file` into the plugin directory; the runtime launches it at its next start. What was there is kept beside it.
 * @returns its SHA-256
 * @throws {Error} one sentence; nothing is changed then, and what an interrupted one has left is cleaned
 */
export async function install(
  place: PluginPlace,
  source: PluginBuild,
  { dryRun, say, config }: InstallOptions,
): Promise<string> {
  try {
    checkPlace(place);
    assertNotAnsibles(place);
    const { sum, size, head } = contentOf(source.file);
    const problem = whyNotRun(head, source.machine);
    if (problem !== undefined) throw new Error(`${source.file} ${problem}; nothing was changed`);
    const note = readNote(place);
    if (note.rejected === sum) throw new Error(rejection(place));
    const isThere = statusAt(place.target) !== undefined && contentOf(place.target).sum === sum;
    if (isThere) say(`${place.target} is this version already`);
    else if (dryRun) say(`would install ${source.file} (${megabytes(size)} MB) as ${place.target}`);
    else await lockedIn(place, () => replace(place, source, sum, say));
    if (config !== undefined && putConfiguration(place, config, true)) {
      say(`${dryRun ? "would bring" : "bringing"} ${place.config} to the present configuration`);
      if (!dryRun) await lockedIn(place, () => Promise.resolve(putConfiguration(place, config, false)));
    }
    return sum;
  } catch (error) {
    throw explained(error, place, source.file);
  }
}

/** Two that own one file would overwrite each other's with every change. */
function assertNotAnsibles({ ansible }: PluginPlace): void {
  if (statusAt(ansible) === undefined) return;
  const [, sum = "", path = ""] = /^([0-9a-f]{64}) {2}(\/.*)$/m.exec(Deno.readTextFileSync(ansible)) ?? [];
  if (path === "" || statusAt(path)?.kind !== "file" || contentOf(path).sum !== sum) return;
  throw new Error(
    `${path} is the Ansible role's (weka_cpuset): update it by that, or remove it by deploy/ansible/uninstall.yml first; ` +
      "nothing was changed",
  );
}

function rejection({ target }: PluginPlace): string {
  return `this version was at ${target} before and didn't register with the runtime, so it isn't installed again; ` +
    "/var/log/weka-cpuset.log may say why. install-host-plugin --remove forgets that";
}

async function replace(
  place: PluginPlace,
  source: PluginBuild,
  sum: string,
  say: InstallOptions["say"],
): Promise<void> {
  const second = `${place.former}.new`;
  const clean = () => void [removeFresh(place), removeFile(second)];
  clean(); // what an interrupted installation has left
  try {
    copyTo(source.file, place.fresh);
    if (contentOf(place.fresh).sum !== sum) {
      throw new Error(`what was written to ${place.fresh} reads differently; is the disk broken?`);
    }
    const version = await versionOf(place.fresh);
    const note = readNote(place);
    // Before it is there: what is removed later must be known as ours.
    writeNote(place, withOwn(note, sum));
    const hadFormer = statusAt(place.target) !== undefined;
    // The present one keeps its name until the new one takes it.
    if (hadFormer) Deno.linkSync(place.target, second);
    renameFile(place.fresh, place.target);
    if (hadFormer) Deno.renameSync(second, place.former);
    const runtime = runtimeAt(source.socket);
    writeNote(place, { ...withOwn(note, sum), installed: sum, hadFormer, runtime });
    syncDirectory(place.plugins);
    syncDirectory(place.directory);
    say(`installed ${version} as ${place.target}; the runtime launches it at its next start`);
    if (hadFormer) say(`the former one is kept as ${place.former}`);
  } finally {
    clean();
  }
}

/** By another name, see {@link copyTo}. */
function removeFresh({ fresh }: PluginPlace): void {
  if (statusAt(fresh) === undefined) return;
  renameFile(fresh, `${fresh}.old`);
  removeFile(`${fresh}.old`);
}

/**
 * What the copy says of itself.
 * @throws {Error} one sentence, where it doesn't run here
 */
export async function versionOf(file: string): Promise<string> {
  const { code, stdout, stderr } = await started(file);
  const [said = "", complained = ""] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes).trim()
  );
  if (code === 0 && /^weka-cpuset \S/.test(said)) return said;
  const reason = complained.split("\n")[0] ?? "";
  throw new Error(`the copy ${file} doesn't run here (status ${code})${reason === "" ? "" : `: ${reason}`}`);
}

/**
 * Tries again while another thread of this process starts a program: until that has called execve(2) it has the
 * descriptor that the file was written by, and who runs the file gets ETXTBSY.
 */
async function started(file: string, tries = 100): Promise<Deno.CommandOutput> {
  const signal = AbortSignal.timeout(VERSION_MS);
  try {
    const args = ["--version"];
    return await new Deno.Command(file, { args, clearEnv: true, cwd: "/", stdin: "null", signal }).output();
  } catch (cause) {
    const reason = (cause as Error).message;
    if (reason.includes("Text file busy") && tries > 1) {
      await pause(BUSY_MS, signal);
      return await started(file, tries - 1);
    }
    throw new Error(
      `the copy can't be started here (${reason}); is it whole, and its file system not noexec?`,
      { cause },
    );
  }
}

/**
 * Takes the one with this sum away and puts the one before it back, if there was one. It isn't installed again.
 * @returns whether there was a former one
 * @throws {Error} one sentence, where something else is there by now; nothing is changed then
 */
export async function rollBack(place: PluginPlace, sum: string): Promise<boolean> {
  return await lockedIn(place, () => {
    const note = readNote(place);
    const isThere = statusAt(place.target)?.kind === "file" && contentOf(place.target).sum === sum;
    if (note.installed !== sum || !isThere) {
      throw new Error(
        `${place.target} didn't register, and isn't what this command has installed (any more); it stays as it is`,
      );
    }
    const hadFormer = note.hadFormer && statusAt(place.former) !== undefined;
    writeNote(place, { ...note, installed: "", hadFormer: false, rejected: sum });
    if (hadFormer) Deno.renameSync(place.former, place.target);
    else removeFile(place.target);
    syncDirectory(place.plugins);
    syncDirectory(place.directory);
    return Promise.resolve(hadFormer);
  });
}

/**
 * Removes the plugin and what is kept beside it, as far as that was written by {@link install}.
 * @throws {Error} one sentence, where the plugin there is somebody else's
 */
export async function remove(place: PluginPlace, { dryRun, say }: InstallOptions): Promise<void> {
  checkPlace(place);
  const { own } = readNote(place);
  const isOurs = (path: string) => statusAt(path) !== undefined && own.includes(contentOf(path).sum);
  if (statusAt(place.target) !== undefined && !isOurs(place.target)) {
    throw new Error(
      `${place.target} wasn't written by install-host-plugin; remove it the way it was installed`,
    );
  }
  const [files, kept] = [[place.target, place.former].filter(isOurs), statusAt(place.former) !== undefined];
  if (dryRun || statusAt(place.directory) === undefined) {
    return say(files.length === 0 ? "nothing to remove" : `would remove ${files.join(", ")}`);
  }
  await lockedIn(place, () => {
    removeFresh(place);
    if (removeConfiguration(place)) say(`removed ${place.config}`);
    for (const path of [...files, place.note]) {
      if (removeFile(path) && files.includes(path)) say(`removed ${path}`);
    }
    syncDirectory(place.directory);
    return Promise.resolve();
  });
  if (files.length === 0) say("nothing to remove");
  if (kept && !files.includes(place.former)) {
    say(`${place.former} stays: it wasn't written by install-host-plugin`);
  }
}

/** The system's errors in words; our own as they are. */
function explained(error: unknown, { directory, plugins }: PluginPlace, file: string): Error {
  const { code = "", message } = error as Error & { readonly code?: string };
  const sentences: Readonly<Record<string, string>> = {
    EROFS: `${directory} is read-only; mount it writable`,
    ENOSPC: `there is too little space in ${directory} for a copy of ${file}; make room`,
    EDQUOT: `there is too little space in ${directory} for a copy of ${file}; raise the quota`,
    EACCES: `${directory} can't be written by this user; run it as root`,
    EPERM: `${directory} can't be written by this user; run it as root`,
    EXDEV: `${plugins} and ${directory} are on two file systems; mount ${directory} as a whole`,
    ENOENT: message,
  };
  const sentence = sentences[code];
  return sentence === undefined
    ? error as Error
    : new Error(`${sentence}; nothing was changed`, { cause: error });
}

function megabytes(size: number): string {
  return (size / 1e6).toFixed(1);
}
