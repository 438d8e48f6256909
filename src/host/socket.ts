/** A stream of bytes to the runtime and back, however it was opened. */
export interface Connection {
  /** The next bytes, valid until the next read; undefined when the peer has closed. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when all of `bytes` is handed to the kernel. */
  write(bytes: Uint8Array): Promise<void>;
  /** Idempotent; a read that is under way ends. */
  close(): void;
}

const READ_SIZE = 64 * 1024;

/**
 * Connects to a unix socket.
 * @throws {Error} one sentence that says what to look at; `cause` has the system's error.
 */
export async function connectUnix(path: string): Promise<Connection> {
  try {
    return connectionOf(await Deno.connect({ transport: "unix", path }));
  } catch (cause) {
    throw new Error(explain(path, cause), { cause });
  }
}

function connectionOf(conn: Deno.Conn): Connection {
  const buffer = new Uint8Array(READ_SIZE);
  let open = true;
  return {
    async read() {
      const count = await conn.read(buffer);
      return count === null ? undefined : buffer.subarray(0, count);
    },
    async write(bytes) {
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
    },
    close() {
      if (open) conn.close();
      open = false;
    },
  };
}

function explain(path: string, cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) {
    return `there is no NRI socket at ${path}; is the runtime running, with NRI enabled?`;
  }
  if (cause instanceof Deno.errors.ConnectionRefused) {
    return `nobody listens at ${path}; is the runtime running?`;
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return `no permission to connect to ${path}; run the agent as root`;
  }
  return `can't connect to ${path}: ${cause instanceof Error ? cause.message : String(cause)}`;
}
