/**
 * What an agent that the runtime has launched leaves in the run directory once it is registered: the file that it was launched
 * from. It may be on standby, so the leader lock doesn't say that.
 */
import { statusAt } from "./file_status.ts";
import { parseJson, textAt } from "./json_at.ts";
import { LeaderLock } from "./lock.ts";
import { writeWhole } from "./whole_file.ts";

const NAME = "launched.json";

/** Of a file that is there: no other has it, nor one that takes its place, though it may get the number of its inode. */
export function fileIdentity(path: string): string {
  const { mtime, size } = Deno.statSync(path);
  return `${statusAt(path)?.identity} ${size} ${mtime?.getTime()}`;
}

/**
 * @param name of the agent, for people
 * @throws where it can't be written
 */
export function writeLaunchedNote(runDir: string, identity: string, name: string): void {
  LeaderLock.check(runDir);
  writeWhole(`${runDir}/${NAME}`, `${JSON.stringify({ identity, name })}\n`, 0o600);
}

/** Whether the runtime has taken an agent that was launched from what is at `file`. */
export function isRegistered(runDir: string, file: string): boolean {
  try {
    const identity = textAt(parseJson(Deno.readTextFileSync(`${runDir}/${NAME}`)), "identity");
    return identity === fileIdentity(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
