import { assert } from "../assert.ts";
import { Descriptor } from "./descriptor.ts";
import { attempt, type Done, type Errno } from "./errno.ts";
import { statusAt, statusOf } from "./file_status.ts";
import { cString, libc, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR } from "./libc.ts";

const LOCK_FILE = "owner.lock";
const LOCK_EX = 2;
const LOCK_NB = 4;
/** Of the lock file; more isn't read. */
const MAX_HOLDER_BYTES = 400;
/** Retries because the lock's file was replaced, or the call was interrupted. */
const MAX_TRIES = 100;
/** Calls under way, aborted ones too: each holds a thread of Deno's pool, which has 512. */
const MAX_WAITS = 4;

/** What the lock file says of the process that holds the lock, a line each. Lines that aren't there are empty. */
export interface LockHolder {
  /** Its name, like `unit weka-cpuset.service, pid 4711, external, 1.2.3`; `unknown` where it has written nothing. */
  readonly name: string;
  /** When it took the lock. */
  readonly since: string;
  readonly activity: string;
}

/**
 * The leader lock: the process of this node that holds it (flock(2) on `owner.lock`, exclusive) is active, the others
 * are on standby. The kernel passes it on as soon as its holder ends, however it ends. All must use the same
 * directory: in containers, a hostPath.
 */
export class LeaderLock {
  static #waits = 0;

  private constructor(
    private readonly file: Descriptor,
    private readonly name: string,
    private readonly since: string,
  ) {}

  /**
   * Resolves when this process holds the lock, until it ends or calls `release`. `name` is written into the lock
   * file, to be read by people and by other processes: `onWaiting` is called while another process holds the lock,
   * the first time before `acquire` has returned, with a function that reads what the holder has written.
   *
   * When `stop` is aborted, this rejects with its reason at once. The blocked thread can't be cancelled: it stays
   * until the lock becomes free (and then releases it) or the process exits by Deno.exit, which it doesn't delay. So
   * abort to end the process, not to retry.
   * @param runDir made with mode 0700 when missing
   * @throws {Error} one sentence, when the directory or the file is not ours alone or can't be used
   */
  static async acquire(
    runDir: string,
    name: string,
    stop: AbortSignal,
    onWaiting: (holder: () => LockHolder) => void,
  ): Promise<LeaderLock> {
    stop.throwIfAborted();
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const file = openLockFile(runDir);
      try {
        if (!tryLock(file)) {
          onWaiting(() => holderOf(file));
          await LeaderLock.#wait(file, stop);
        }
        if (isStillAt(pathIn(runDir), file)) {
          const lock = new LeaderLock(file, name, new Date().toISOString());
          lock.describe("");
          return lock;
        }
      } catch (error) {
        file.close();
        throw error;
      }
      // The file was replaced meanwhile. Other processes lock the new one: this lock has no effect.
      file.close();
    }
    throw new Error(
      `${pathIn(runDir)} is replaced again and again; only the programs that lock it may do that`,
    );
  }

  /** Throws the same as `acquire`, where the lock can't be used. */
  static check(runDir: string): void {
    openLockFile(runDir).close();
  }

  /** Writes what this process is doing into the lock file. It is only shown, so a full disk doesn't matter. */
  describe(activity: string): void {
    if (!this.file.isOpen) return;
    const lines = [this.name, this.since, ...activity === "" ? [] : [activity]];
    const text = new TextEncoder().encode(`${lines.join("\n")}\n`);
    libc().ftruncate(this.file.number, 0n);
    libc().pwrite(this.file.number, text, BigInt(text.length), 0n);
  }

  /** Releases the lock. Idempotent. */
  release(): void {
    this.file.close();
  }

  static async #wait(file: Descriptor, stop: AbortSignal): Promise<void> {
    assert(LeaderLock.#waits < MAX_WAITS, `more than ${MAX_WAITS} waits for the leader lock at once`);
    LeaderLock.#waits++;
    const acquired = lockBlocking(file).finally(() => LeaderLock.#waits--);
    await new Promise<void>((resolve, reject) => {
      const abort = () => reject(stop.reason);
      stop.addEventListener("abort", abort);
      acquired.then(resolve, reject).finally(() => stop.removeEventListener("abort", abort));
    });
    stop.throwIfAborted();
  }
}

function pathIn(runDir: string): string {
  return `${runDir}/${LOCK_FILE}`;
}

/** Both the directory and the file are checked after they are opened, so that what is checked is what is used. */
function openLockFile(runDir: string): Descriptor {
  const directory = openRunDir(runDir);
  try {
    const flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    const result = attempt(() => libc().openat(directory.number, cString(LOCK_FILE), flags, 0o600));
    const file = opened(result, "file", pathIn(runDir));
    libc().fchmod(file.number, 0o600); // any user who can open it could hold the lock
    return file;
  } finally {
    directory.close();
  }
}

function openRunDir(runDir: string): Descriptor {
  try {
    Deno.mkdirSync(runDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Error(`can't make the run directory ${runDir}: ${(cause as Error).message}`, { cause });
  }
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  return opened(attempt(() => libc().open(cString(runDir), flags)), "directory", runDir);
}

/** The descriptor that open(2) has returned, if only this user can write the file. */
function opened(result: Done | Errno, kind: "file" | "directory", path: string): Descriptor {
  const failure = result.kind === "errno"
    ? `can't be opened (${result.text})`
    : whyNotOwn(result.result, kind);
  if (result.kind === "done") {
    if (failure === undefined) return new Descriptor(result.result);
    libc().close(result.result);
  }
  throw new Error(`${path} ${failure}; the leader lock needs a ${kind} of this user, no link`);
}

function whyNotOwn(number: number, kind: "file" | "directory"): string | undefined {
  const status = statusOf(number);
  const user = libc().geteuid();
  if (status?.kind !== kind) return `is no ${kind}`;
  if (status.uid !== user) return `belongs to user ${status.uid}, and this is user ${user}`;
  return (status.mode & 0o002) === 0 ? undefined : "is world-writable";
}

function isStillAt(path: string, file: Descriptor): boolean {
  return statusAt(path)?.identity === statusOf(file.number)?.identity;
}

/** False when another process holds it. */
function tryLock(file: Descriptor): boolean {
  const locked = attempt(() => libc().flock(file.number, LOCK_EX | LOCK_NB));
  if (locked.kind === "done") return true;
  if (locked.errno === "EAGAIN") return false;
  throw new Error(`can't lock ${LOCK_FILE}: ${locked.text}`);
}

/** Resolves when the lock is acquired, or the file has been closed meanwhile. */
async function lockBlocking(file: Descriptor): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    await file.await((number) => libc().flockBlocking(number, LOCK_EX));
    // Its result isn't known (errno stays on its thread), so the lock is tried again.
    if (!file.isOpen || tryLock(file)) return;
  }
  throw new Error(`the wait for ${LOCK_FILE} is interrupted again and again`);
}

function holderOf(file: Descriptor): LockHolder {
  const bytes = new Uint8Array(MAX_HOLDER_BYTES);
  const length = file.isOpen ? libc().pread(file.number, bytes, BigInt(bytes.length), 0n) : 0;
  const text = new TextDecoder().decode(bytes.subarray(0, Math.max(length, 0)));
  const [name = "", since = "", activity = ""] = text.split("\n").map((line) =>
    line.replace(/\p{Cc}+/gu, " ").trim()
  );
  return { name: name || "unknown", since, activity };
}
