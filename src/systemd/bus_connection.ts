import { statusAt } from "../platform/file_status.ts";
import { BlockingSocket } from "../platform/blocking_socket.ts";
import { libc } from "../platform/libc.ts";
import { BusInput } from "./bus_input.ts";
import { type BusReply, encodeCall, type MethodCall, readReply } from "./message.ts";
import { malformed } from "./marshal.ts";
import { askAs, BEGIN, requireAccepted } from "./sasl.ts";
import { HELLO } from "./units.ts";

/** The write permission of others, see inode(7). */
const WRITABLE_BY_ALL = 0o002;

/**
 * A connection of a message bus. After an error it must be closed: an answer that comes late would be taken for the next
 * one's. `until` is a time of performance.now().
 */
export class BusConnection {
  readonly #input: BusInput;
  #serial = 0;
  /** Of the call under way. */
  #until = 0;

  private constructor(private readonly socket: BlockingSocket) {
    this.#input = new BusInput((buffer) => socket.receive(buffer, this.#until));
  }

  /**
   * Connects to the bus at `path`, which must be the doing of root or of this user, and joins it.
   * @throws {Error} one sentence
   */
  static open(path: string, until: number): BusConnection {
    requireTrusted(path);
    const connection = new BusConnection(BlockingSocket.connect(path));
    try {
      connection.#join(until);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Whether nothing has come since the last answer: the bus hasn't closed, nor has anybody sent anything. */
  get isQuiet(): boolean {
    return this.#input.waiting === 0 && !this.socket.hasInput;
  }

  /**
   * The answer to a call; other messages are passed by.
   * @throws {Error} one sentence; a ProtocolError when the bus breaks the protocol
   */
  call(call: MethodCall, until: number): BusReply {
    this.#until = until;
    const serial = ++this.#serial;
    this.socket.send(encodeCall(call, serial), until);
    for (;;) {
      const reply = readReply(this.#input);
      if (reply?.serial === serial) return reply;
    }
  }

  /** Once only. */
  close(): void {
    this.socket.close();
  }

  #join(until: number): void {
    this.#until = until;
    this.socket.send(askAs(libc().geteuid()), until);
    requireAccepted(this.#input.line());
    if (this.#input.waiting > 0) throw malformed("bytes before it was let begin");
    this.socket.send(BEGIN, until);
    const reply = this.call(HELLO, until);
    if (reply.kind === "error") throw new Error(`the system bus lets nobody join: ${reply.name}`);
  }
}

/** Throws unless `path` is a socket that not just anybody can have put there. */
function requireTrusted(path: string): void {
  const directory = path.slice(0, path.lastIndexOf("/")) || "/";
  const socket = statusAt(path);
  if (socket === undefined) {
    throw new Error(`there is no system bus at ${path}; is dbus running, and its socket mounted?`);
  }
  if (socket.kind !== "socket") {
    throw new Error(`${path} is no socket; it should be the one of the system bus`);
  }
  if (socket.uid !== 0 && socket.uid !== libc().geteuid()) {
    throw new Error(`${path} belongs to user ${socket.uid}; the socket of the system bus belongs to root`);
  }
  if (((statusAt(directory)?.mode ?? WRITABLE_BY_ALL) & WRITABLE_BY_ALL) !== 0) {
    throw new Error(`the directory ${directory} is world-writable; remove that permission (chmod o-w)`);
  }
}
