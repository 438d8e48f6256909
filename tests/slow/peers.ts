/** Faulty neighbours of an agent: a runtime that stops reading, a socket at which no call is answered. */
import { containerOf, podOf, type Wanted } from "../kit/messages.ts";
import { type Request, RuntimeEnd } from "../kit/runtime_end.ts";

/** Containers whose corrections no socket's buffer has room for: with ids that long, it takes hundreds of kilobytes. */
const MANY = 700;
const LONG = 1000;

/** A runtime that lists many containers, and then reads no more. */
export interface UnreadingRuntime {
  /** Resolves when the agent has begun to answer, with more than there is room for. */
  readonly stalled: Promise<void>;
  readonly close: () => void;
}

export function unreadingRuntime(path: string): UnreadingRuntime {
  const listener = Deno.listen({ transport: "unix", path });
  let connection: Deno.UnixConn | undefined;
  const converse = async () => {
    connection = await listener.accept();
    const session = new RuntimeEnd();
    const buffer = new Uint8Array(65536);
    const more = async () => session.receive(buffer.slice(0, await connection?.read(buffer) ?? 0));
    await more();
    await send(connection, session.accept().bytes);
    await send(connection, session.request("Configure", {}));
    while (session.next() === undefined) await more();
    await send(connection, session.request("Synchronize", listing()));
    await connection.read(buffer); // the beginning of the answer
  };
  const close = () => {
    connection?.close();
    listener.close();
  };
  return { stalled: converse(), close };
}

/** Each with a record that the agent has to correct. */
function listing(): Request<"Synchronize"> {
  const wanted = Array.from({ length: MANY }, (_, at): Wanted => ({
    name: `${at}`.padStart(LONG, "p"),
    record: "0",
  }));
  return { pods: wanted.map(podOf), containers: wanted.map(containerOf) };
}

async function send(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

/** A socket at which calls are taken and never answered. */
export interface HangingSocket {
  /** Resolves when the first bytes have come. */
  readonly asked: Promise<void>;
  readonly close: () => void;
}

export function hangingSocket(path: string): HangingSocket {
  const listener = Deno.listen({ transport: "unix", path });
  const connections: Deno.Conn[] = [];
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const drain = async (connection: Deno.Conn) => {
    for (const buffer = new Uint8Array(4096);;) {
      const count = await connection.read(buffer).catch(() => null);
      if (count === null) return;
      resolve();
    }
  };
  const serve = async () => {
    for await (const connection of listener) {
      connections.push(connection);
      drain(connection);
    }
  };
  serve();
  const close = () => {
    listener.close();
    for (const connection of connections) connection.close();
  };
  return { asked, close };
}
