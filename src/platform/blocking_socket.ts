import { attempt, type Errno } from "./errno.ts";
import { cString, libc } from "./libc.ts";

// Of socket(2), unix(7), poll(2) and recv(2).
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const POLLIN = 1;
const POLLOUT = 4;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** Bytes of a path in struct sockaddr_un, with the zero at its end. */
const MAX_PATH_BYTES = 108;
/** Calls of poll(2) for one transfer: signals may interrupt it, and it may report the socket ready when it isn't. */
const MAX_POLLS = 100;

/**
 * A client's unix stream socket for an exchange during which the thread of the program is blocked, each time until
 * `until` at the latest, a time of performance.now().
 */
export class BlockingSocket {
  private constructor(private readonly descriptor: number) {}

  /**
   * Connects without blocking: a listener whose queue is full is an error.
   * @throws {Error} one sentence that says what to check
   */
  static connect(path: string): BlockingSocket {
    const name = cString(path);
    if (name.length > MAX_PATH_BYTES) {
      throw new Error(
        `the path of a unix socket has at most ${MAX_PATH_BYTES - 1} bytes, and ${path} has more`,
      );
    }
    const made = attempt(() => libc().socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (made.kind === "errno") throw new Error(`can't make a unix socket: ${made.text}`);
    // struct sockaddr_un: the family in the machine's byte order, and the path.
    const address = new Uint8Array(2 + name.length);
    new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
    address.set(name, 2);
    const connected = attempt(() => libc().connect(made.result, address, address.length));
    if (connected.kind === "done") return new BlockingSocket(made.result);
    libc().close(made.result);
    throw new Error(explain(path, connected));
  }

  /** The process that listens at the other end; 0: it can't be seen from here, as from another PID namespace. */
  get peerPid(): number {
    // struct ucred of unix(7): pid, uid, gid.
    const credentials = new Int32Array(3);
    const length = new Uint32Array([credentials.byteLength]);
    const asked = attempt(() =>
      libc().getsockopt(this.descriptor, SOL_SOCKET, SO_PEERCRED, credentials, length)
    );
    return asked.kind === "done" ? credentials[0] ?? 0 : 0;
  }

  /** Whether a read would return at once: bytes are there, or the peer has closed. */
  get hasInput(): boolean {
    return this.#poll(POLLIN, 0);
  }

  /**
   * Hands all of `bytes` to the kernel.
   * @throws {Error} one sentence, also when that takes too long
   */
  send(bytes: Uint8Array<ArrayBuffer>, until: number): void {
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      at += this.#transfer(
        POLLOUT,
        until,
        () => libc().send(this.descriptor, rest, BigInt(rest.length), MSG_NOSIGNAL),
      );
    }
  }

  /**
   * Receives bytes into `buffer`, which isn't empty; returns their number, at least one.
   * @throws {Error} one sentence, also when none come in time, or the peer has closed
   */
  receive(buffer: Uint8Array<ArrayBuffer>, until: number): number {
    const count = this.#transfer(
      POLLIN,
      until,
      () => libc().recv(this.descriptor, buffer, BigInt(buffer.length), 0),
    );
    if (count === 0) throw new Error("the peer has closed the connection");
    return count;
  }

  /** Once only. */
  close(): void {
    libc().close(this.descriptor);
  }

  /** What `call` has transferred once the socket is ready for it. */
  #transfer(events: number, until: number, call: () => number | bigint): number {
    for (let polls = 0; polls < MAX_POLLS; polls++) {
      const leftMs = Math.floor(until - performance.now());
      if (leftMs <= 0) break;
      if (!this.#poll(events, leftMs)) continue;
      const done = attempt(call);
      if (done.kind === "done") return done.result;
      if (done.errno !== "EAGAIN") throw new Error(`the connection failed: ${done.text}`);
    }
    throw new Error("no answer came in time");
  }

  /** Blocks the thread for up to `timeoutMs`. */
  #poll(events: number, timeoutMs: number): boolean {
    // struct pollfd: int fd, short events, short revents.
    const pollfd = new Int32Array([this.descriptor, events]);
    return libc().pollBlocking(pollfd, 1n, timeoutMs) > 0;
  }
}

function explain(path: string, { errno, text }: Errno): string {
  if (errno === "ENOENT") return `there is no socket at ${path}`;
  if (errno === "ECONNREFUSED") return `no process listens at ${path}`;
  return `can't connect to ${path}: ${text}`;
}
