import { assert } from "../assert.ts";

/** A file that is replaced by a new one when it is full. */
export interface RotatingFileOptions {
  readonly path: string;
  /** Bytes of one file, at most. */
  readonly maxBytes: number;
  /** Older files that are kept beside it, as `path.1` (the youngest) to `path.<keep>`. */
  readonly keep: number;
}

const NEWLINE = 10;

/**
 * A log file that never takes more than `(keep + 1) × maxBytes`. It is opened for every write, so that it may be
 * moved or deleted by other programs, and the next write after a failure is a retry.
 */
export class RotatingFile {
  constructor(private readonly options: RotatingFileOptions) {
    const { maxBytes, keep } = options;
    assert(maxBytes > 0 && keep >= 0, `a log of ${keep} + 1 files of ${maxBytes} bytes`);
  }

  /**
   * Appends whole lines; one write at a time.
   * @throws {Error} when it can't, or when users other than the owner of the directory could replace the file
   */
  async append(lines: Uint8Array): Promise<void> {
    for (let rest = lines; rest.length > 0;) {
      const count = await this.#appendSome(rest);
      if (count === 0) await this.#rotate();
      rest = rest.subarray(count);
    }
  }

  /** Appends the lines that fit in, and returns their length. */
  async #appendSome(lines: Uint8Array): Promise<number> {
    const { path, maxBytes } = this.options;
    await requireSafe(path);
    using file = await Deno.open(path, { append: true, create: true, mode: 0o600 });
    const { size } = await requireStillAt(path, await file.stat());
    const fitting = lines.subarray(0, lengthThatFits(lines, maxBytes - size, size === 0));
    try {
      for (let rest = fitting; rest.length > 0;) rest = rest.subarray(await file.write(rest));
    } catch (error) {
      cutBack(file, size);
      throw error;
    }
    return fitting.length;
  }

  /** Moves every file one number up, over the oldest one. */
  async #rotate(): Promise<void> {
    const { path, keep } = this.options;
    for (let number = keep; number > 0; number--) {
      const from = number === 1 ? path : `${path}.${number - 1}`;
      await unlessMissing(Deno.rename(from, `${path}.${number}`));
    }
    if (keep === 0) await unlessMissing(Deno.remove(path));
    // Files from before `keep` was reduced.
    for (let old = keep + 1; await unlessMissing(Deno.remove(`${path}.${old}`));) old++;
  }
}

/** Leaves no half a line behind. A file that another program has shortened meanwhile isn't made longer. */
function cutBack(file: Deno.FsFile, size: number): void {
  try {
    if (file.statSync().size > size) file.truncateSync(size);
  } catch {
    // The write has failed, which is reported.
  }
}

/** Whole lines up to `room` bytes; of a line that no file has room for, as much as goes into one. */
function lengthThatFits(lines: Uint8Array, room: number, isEmpty: boolean): number {
  if (lines.length <= room) return lines.length;
  const whole = room > 0 ? lines.lastIndexOf(NEWLINE, room - 1) + 1 : 0;
  return whole === 0 && isEmpty ? room : whole;
}

/** A root agent must not be made to write elsewhere: by a link, or by a user who may write into the directory. */
async function requireSafe(path: string): Promise<void> {
  const directory = path.replace(/\/*[^/]*$/, "") || (path.startsWith("/") ? "/" : ".");
  const { mode } = await Deno.stat(directory);
  if (((mode ?? 0) & 0o002) !== 0) throw new Error(`${directory} is world-writable`);
  const there = await Deno.lstat(path).catch(ignoreMissing);
  if (there && !there.isFile) throw new Error("it is no regular file");
}

/** Between the check and the open, a link may have been put there. */
async function requireStillAt(path: string, opened: Deno.FileInfo): Promise<Deno.FileInfo> {
  const { isFile, dev, ino } = await Deno.lstat(path);
  if (!isFile || dev !== opened.dev || ino !== opened.ino) throw new Error("it is no regular file");
  return opened;
}

/** False when the file was missing. */
async function unlessMissing(done: Promise<void>): Promise<boolean> {
  return await done.then(() => true).catch(ignoreMissing) ?? false;
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
