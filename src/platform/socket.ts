/** A stream of bytes to the runtime and back, however it was opened. */
export interface ByteStream {
  /** The next bytes, valid until the next read; undefined when the peer has closed. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when all of `bytes` is handed to the kernel; rejects when the connection is closed before. */
  write(bytes: Uint8Array): Promise<void>;
  /** Idempotent; reads and writes under way end. */
  close(): void;
}

const READ_BYTES = 64 * 1024;

/**
 * Connects to a unix socket.
 * @throws {Error} one sentence that says what to check; `cause` has the system's error.
 */
export async function connectUnix(path: string): Promise<ByteStream> {
  try {
    return new UnixConnection(await Deno.connect({ transport: "unix", path }));
  } catch (cause) {
    throw new Error(explain(path, cause), { cause });
  }
}

class UnixConnection implements ByteStream {
  readonly #buffer = new Uint8Array(READ_BYTES);
  #open = true;
  /** Settled when the last write so far is. */
  #written: Promise<void> = Promise.resolve();
  /** Ends the write under way: closing a socket doesn't, on Deno, while the peer reads nothing. */
  #abortWrite = (_: Error): void => {};

  constructor(private readonly conn: Deno.Conn) {}

  async read(): Promise<Uint8Array | undefined> {
    const count = await this.conn.read(this.#buffer);
    return count === null ? undefined : this.#buffer.subarray(0, count);
  }

  /** One after the other, so that a message that is written in parts is not cut in two by the next. */
  write(bytes: Uint8Array): Promise<void> {
    const written = this.#written.then(() => this.#send(bytes));
    this.#written = written.catch(() => {});
    return written;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.conn.close();
    this.#abortWrite(closed());
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      if (!this.#open) throw closed();
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      this.#abortWrite = reject;
      this.conn.write(rest).then(resolve, reject);
      rest = rest.subarray(await promise);
    }
  }
}

function closed(): Error {
  return new Error("the connection to the runtime is closed");
}

function explain(path: string, cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) {
    return `there is no NRI socket at ${path}; is the runtime running, with NRI enabled?`;
  }
  if (cause instanceof Deno.errors.ConnectionRefused) {
    return `no process listens at ${path}; is the runtime running?`;
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return `no permission to connect to ${path}; run the agent as root`;
  }
  return `can't connect to ${path}: ${cause instanceof Error ? cause.message : String(cause)}`;
}
