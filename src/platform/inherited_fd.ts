import { Descriptor } from "./descriptor.ts";
import { EAGAIN, EINTR, lastError, libc } from "./libc.ts";
import type { Connection } from "./socket.ts";

/** An int of C. */
const MAX_DESCRIPTOR = 0x7fff_ffff;
const READ_SIZE = 64 * 1024;
/** Times in a row that the kernel may call the socket ready when it isn't: an interrupted wait, mostly. */
const MAX_FALSE_STARTS = 100;

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
 * Takes over a stream socket that was open when the program began: containerd starts its plugins with one end of
 * a socket pair as descriptor 3. The pinned Deno has no way of its own to do so.
 *
 * Waiting is done by poll(2) on a thread of Deno's pool, and only then are bytes moved, on the thread of the
 * program, where errno can be trusted. While it is open, a read under way keeps the event loop alive, as that of any
 * other socket does; it doesn't hold up Deno.exit.
 * @throws {Error} one sentence, when the descriptor is no stream socket
 */
export function openInherited(descriptor: number): Connection {
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
  if (libc().getsockopt(descriptor, SOL_SOCKET, SO_TYPE, type, length) < 0) {
    return `no socket (${lastError().text})`;
  }
  return type[0] === SOCK_STREAM ? undefined : "a socket of another kind than a stream";
}

/** One direction's question to poll(2). Kept by the connection: the kernel writes into it while nobody looks. */
function question(descriptor: number, events: number): Int32Array<ArrayBuffer> {
  // struct pollfd: int fd, short events, short revents. Its buffer is made first, so that it never moves.
  const pollfd = new Int32Array(new ArrayBuffer(8));
  pollfd.set([descriptor, events]);
  return pollfd;
}

class InheritedSocket implements Connection {
  readonly #socket: Descriptor;
  readonly #buffer = new Uint8Array(READ_SIZE);
  readonly #readable: Int32Array<ArrayBuffer>;
  readonly #writable: Int32Array<ArrayBuffer>;
  /** Settled when the last write so far is. */
  #written: Promise<void> = Promise.resolve();

  constructor(descriptor: number) {
    this.#socket = new Descriptor(descriptor);
    this.#readable = question(descriptor, POLLIN);
    this.#writable = question(descriptor, POLLOUT);
  }

  async read(): Promise<Uint8Array | undefined> {
    for (let tries = 0; tries < MAX_FALSE_STARTS; tries++) {
      await this.#poll(this.#readable);
      if (!this.#socket.isOpen) return undefined;
      const { number } = this.#socket;
      const count = Number(libc().recv(number, this.#buffer, BigInt(READ_SIZE), MSG_DONTWAIT));
      if (count >= 0) return count === 0 ? undefined : this.#buffer.subarray(0, count);
      throwUnlessLater("reading from");
    }
    throw new Error("the runtime's socket is called readable, but can't be read");
  }

  /** One after the other: a message that waits for room is not cut in two by the next. */
  write(bytes: Uint8Array): Promise<void> {
    const written = this.#written.then(() => this.#send(bytes as Uint8Array<ArrayBuffer>));
    this.#written = written.catch(() => {});
    return written;
  }

  async #send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let rest = bytes, tries = 0; rest.length > 0;) {
      if (!this.#socket.isOpen) throw new Error("the runtime's socket is closed");
      const { number } = this.#socket;
      const count = Number(libc().send(number, rest, BigInt(rest.length), MSG_DONTWAIT | MSG_NOSIGNAL));
      if (count >= 0) {
        rest = rest.subarray(count);
        tries = 0;
        continue;
      }
      throwUnlessLater("writing to");
      if (++tries > MAX_FALSE_STARTS) {
        throw new Error("the runtime's socket is called writable, but can't be written");
      }
      await this.#poll(this.#writable);
    }
  }

  close(): void {
    if (!this.#socket.isOpen) return;
    libc().shutdown(this.#socket.number, SHUT_RDWR); // ends what is being polled
    this.#socket.close();
  }

  /** Waits until there is something to try, or the connection is closed; what it is, the next call tells. */
  async #poll(pollfd: Int32Array<ArrayBuffer>): Promise<void> {
    if (this.#socket.isOpen) await this.#socket.await(() => libc().poll(pollfd, 1n, -1));
  }
}

/** The call just before failed: that is fine when it is only too early, or was interrupted. */
function throwUnlessLater(what: string): void {
  const { code, text } = lastError();
  if (code !== EAGAIN && code !== EINTR) throw new Error(`${what} the runtime's socket failed: ${text}`);
}
