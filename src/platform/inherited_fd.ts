import { Descriptor } from "./descriptor.ts";
import { attempt, type Errno } from "./errno.ts";
import { libc } from "./libc.ts";
import type { ByteStream } from "./socket.ts";

/** An int of C. */
const MAX_DESCRIPTOR = 0x7fff_ffff;
const READ_BYTES = 64 * 1024;
/** Times in a row that poll(2) may report the socket ready when it isn't: mostly an interrupted call. */
const MAX_SPURIOUS_POLLS = 100;

// Of poll(2), socket(7), recv(2) and shutdown(2).
const POLLIN = 1;
const POLLOUT = 4;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SOCK_STREAM = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SHUT_RDWR = 2;

/**
 * Opens a stream socket that was open when the program began: containerd starts its plugins with one end of a
 * socket pair as descriptor 3. The pinned Deno has no API for that.
 *
 * poll(2) blocks a thread of Deno's pool; bytes are then moved on the thread of the program, whose errno is its own. While it is open, a read under way keeps the event loop alive, as that of any
 * other socket does; it doesn't delay Deno.exit.
 * @throws {Error} one sentence, when the descriptor is no stream socket
 */
export function openInherited(descriptor: number): ByteStream {
  const problem = whyNotSocket(descriptor);
  if (problem !== undefined) {
    throw new Error(
      `descriptor ${descriptor} is ${problem}; it should be the socket with which the runtime starts a plugin`,
    );
  }
  return new InheritedSocket(descriptor);
}

function whyNotSocket(descriptor: number): string | undefined {
  if (!Number.isInteger(descriptor) || descriptor < 0 || descriptor > MAX_DESCRIPTOR) {
    return "no number of a descriptor";
  }
  const type = new Int32Array(1);
  const length = new Int32Array([type.byteLength]);
  const asked = attempt(() => libc().getsockopt(descriptor, SOL_SOCKET, SO_TYPE, type, length));
  if (asked.kind === "errno") return `no socket (${asked.text})`;
  return type[0] === SOCK_STREAM ? undefined : "a socket of another kind than a stream";
}

/** The pollfd of one direction. Kept by the connection: the kernel writes into it during the call. */
function pollfdOf(descriptor: number, events: number): Int32Array<ArrayBuffer> {
  // struct pollfd: int fd, short events, short revents. Its buffer is made first, so that it never moves.
  const pollfd = new Int32Array(new ArrayBuffer(8));
  pollfd.set([descriptor, events]);
  return pollfd;
}

class InheritedSocket implements ByteStream {
  readonly #socket: Descriptor;
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #readable: Int32Array<ArrayBuffer>;
  readonly #writable: Int32Array<ArrayBuffer>;
  /** Settled when the last write so far is. */
  #written: Promise<void> = Promise.resolve();

  constructor(descriptor: number) {
    this.#socket = new Descriptor(descriptor);
    this.#readable = pollfdOf(descriptor, POLLIN);
    this.#writable = pollfdOf(descriptor, POLLOUT);
  }

  async read(): Promise<Uint8Array | undefined> {
    for (let tries = 0; tries < MAX_SPURIOUS_POLLS; tries++) {
      await this.#poll(this.#readable);
      if (!this.#socket.isOpen) return undefined;
      const { number } = this.#socket;
      const received = attempt(() => libc().recv(number, this.#buffer, BigInt(READ_BYTES), MSG_DONTWAIT));
      if (received.kind === "done") {
        return received.result === 0 ? undefined : this.#buffer.subarray(0, received.result);
      }
      throwUnlessRetried("reading from", received);
    }
    throw new Error("the runtime's socket is reported readable, but can't be read");
  }

  /** One after the other, so that a message that is written in parts is not cut in two by the next. */
  write(bytes: Uint8Array): Promise<void> {
    const written = this.#written.then(() => this.#send(bytes as Uint8Array<ArrayBuffer>));
    this.#written = written.catch(() => {});
    return written;
  }

  async #send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let rest = bytes, tries = 0; rest.length > 0;) {
      if (!this.#socket.isOpen) throw new Error("the runtime's socket is closed");
      const { number } = this.#socket;
      const sent = attempt(() => libc().send(number, rest, BigInt(rest.length), MSG_DONTWAIT | MSG_NOSIGNAL));
      if (sent.kind === "done") {
        rest = rest.subarray(sent.result);
        tries = 0;
        continue;
      }
      throwUnlessRetried("writing to", sent);
      if (++tries > MAX_SPURIOUS_POLLS) {
        throw new Error("the runtime's socket is reported writable, but can't be written");
      }
      await this.#poll(this.#writable);
    }
  }

  close(): void {
    if (!this.#socket.isOpen) return;
    libc().shutdown(this.#socket.number, SHUT_RDWR); // ends the poll(2) under way
    this.#socket.close();
  }

  /** Resolves when a call may succeed, or the connection is closed; the next call shows which. */
  async #poll(pollfd: Int32Array<ArrayBuffer>): Promise<void> {
    if (this.#socket.isOpen) await this.#socket.await(() => libc().poll(pollfd, 1n, -1));
  }
}

/** A call is retried when it would have blocked, or was interrupted. */
function throwUnlessRetried(what: string, { errno, text }: Errno): void {
  if (errno !== "EAGAIN" && errno !== "EINTR") {
    throw new Error(`${what} the runtime's socket failed: ${text}`);
  }
}
