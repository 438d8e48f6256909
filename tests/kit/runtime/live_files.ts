/**
 * Files whose text is made when they are opened, as the kernel's are. Each is a named pipe: who opens it waits in its
 * read until the event loop of this process has answered, so this process reads it asynchronously or not at all.
 *
 * A pipe serves one reader. inotify tells that it was opened; then a new one takes its place, and it gets the text and
 * its end. See fifo(7) and inotify(7).
 */
import { assert } from "../../../src/assert.ts";
import { cString, LIBC_PATHS } from "../../../src/platform/libc.ts";

/** `read` blocks a thread of Deno's pool, the others return at once. */
const SYMBOLS = {
  mkfifo: { parameters: ["buffer", "u32"], result: "i32" },
  inotify_init1: { parameters: ["i32"], result: "i32" },
  inotify_add_watch: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  inotify_rm_watch: { parameters: ["i32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const IN_CLOEXEC = 0o2000000;
const IN_OPEN = 0x20;
const IN_DELETE_SELF = 0x400;
/** Size of struct inotify_event without a name, and where the name's length is in it. */
const EVENT_BYTES = 16;
const NAME_LENGTH = 12;
const BUFFER_BYTES = 256 * EVENT_BYTES;
const READABLE = 0o644;
/** Each is an open file of this process. */
const MAX_FILES = 512;

interface Pipe {
  path: string;
  textOf: () => string;
  /** Open for reading too: that doesn't wait for a reader. */
  file: Deno.FsFile;
}

export class LiveFiles {
  readonly #libc = load();
  readonly #notify: number;
  /** Its end is what ends {@link #listen}. */
  readonly #last: number;
  /** By their inotify watches. */
  readonly #pipes = new Map<number, Pipe>();
  readonly #listening: Promise<void>;

  /** @param directory any that stays until the end */
  constructor(directory: string) {
    this.#notify = this.#libc.symbols.inotify_init1(IN_CLOEXEC);
    this.#last = this.#watch(directory, IN_DELETE_SELF);
    this.#listening = this.#listen();
  }

  /** Makes the file, or replaces it. `textOf` mustn't throw until it is forgotten. */
  make(path: string, textOf: () => string): void {
    assert(this.#pipes.size < MAX_FILES, `more than ${MAX_FILES} live files`);
    const made = `${path}.new`;
    assert(this.#libc.symbols.mkfifo(cString(made), READABLE) === 0, `no pipe can be made at ${made}`);
    const file = Deno.openSync(made, { read: true, write: true });
    this.#pipes.set(this.#watch(made, IN_OPEN), { path, textOf, file });
    Deno.renameSync(made, path);
  }

  /** The files below a directory, before they are removed. Their readers get an empty text. */
  forget(directory: string): void {
    for (const [watch, { path, file }] of this.#pipes) {
      if (!path.startsWith(`${directory}/`)) continue;
      this.#pipes.delete(watch);
      file.close();
    }
  }

  /** What they show now stays, in plain files. */
  async close(): Promise<void> {
    for (const [watch, { path, textOf }] of this.#pipes) {
      Deno.writeTextFileSync(`${path}.new`, textOf());
      Deno.renameSync(`${path}.new`, path);
      this.#answer(watch);
    }
    this.#libc.symbols.inotify_rm_watch(this.#notify, this.#last);
    await this.#listening;
    this.#libc.symbols.close(this.#notify);
    this.#libc.close();
  }

  async #listen(): Promise<void> {
    const buffer = new Uint8Array(BUFFER_BYTES);
    const view = new DataView(buffer.buffer);
    for (;;) {
      const length = Number(await this.#libc.symbols.read(this.#notify, buffer, BigInt(BUFFER_BYTES)));
      assert(length > 0, "inotify can't be read");
      for (let at = 0; at < length; at += EVENT_BYTES + view.getUint32(at + NAME_LENGTH, true)) {
        const watch = view.getInt32(at, true);
        if (watch === this.#last) return;
        const pipe = this.#pipes.get(watch);
        if (pipe !== undefined) this.make(pipe.path, pipe.textOf);
        this.#answer(watch);
      }
    }
  }

  /** A pipe that isn't in its place any more gets its text. Watches of earlier ones are passed over. */
  #answer(watch: number): void {
    const pipe = this.#pipes.get(watch);
    if (pipe === undefined) return;
    this.#pipes.delete(watch);
    pipe.file.writeSync(new TextEncoder().encode(pipe.textOf()));
    pipe.file.close();
  }

  #watch(path: string, events: number): number {
    const watch = this.#libc.symbols.inotify_add_watch(this.#notify, cString(path), events);
    assert(watch >= 0, `${path} can't be watched: raise fs.inotify.max_user_watches and max_user_instances`);
    return watch;
  }
}

function load(): Deno.DynamicLibrary<typeof SYMBOLS> {
  for (const path of LIBC_PATHS) {
    try {
      return Deno.dlopen(path, SYMBOLS);
    } catch {
      // It is at another place.
    }
  }
  throw new Error(`glibc's libc.so.6 is needed and was not found (${LIBC_PATHS.join(", ")})`);
}
