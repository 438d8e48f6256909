/** Others on the node that don't behave. */
import { create, toBinary } from "@bufbuild/protobuf";
import { ConfigureRequestSchema, SynchronizeRequestSchema } from "../../src/nri/gen/nri_pb.ts";
import { PLUGIN_SERVICE } from "../../src/nri/methods.ts";
import { Session } from "../../src/wire/session.ts";
import { containerOf, podOf, type Wanted } from "../kit/messages.ts";

/** Containers whose corrections no socket's buffer has room for: with ids that long, it takes hundreds of kilobytes. */
const MANY = 700;
const LONG = 1000;

/** A runtime that tells of many containers, and then reads no more. */
export interface DeafRuntime {
  /** Resolves when the agent has begun to answer, with more than there is room for. */
  readonly stuffed: Promise<void>;
  readonly close: () => void;
}

export function deafRuntime(path: string): DeafRuntime {
  const listener = Deno.listen({ transport: "unix", path });
  let connection: Deno.UnixConn | undefined;
  const converse = async () => {
    connection = await listener.accept();
    const session = new Session("runtime");
    const buffer = new Uint8Array(65536);
    const event = async () => {
      for (;;) {
        const next = session.next();
        if (next !== undefined) return next;
        session.receive(buffer.slice(0, await connection?.read(buffer) ?? 0));
      }
    };
    const registration = await event();
    await send(connection, session.answer(registration.stream, new Uint8Array()));
    const configure = toBinary(ConfigureRequestSchema, create(ConfigureRequestSchema));
    await send(connection, session.call(PLUGIN_SERVICE, "Configure", configure).bytes);
    await event();
    await send(connection, session.call(PLUGIN_SERVICE, "Synchronize", listing()).bytes);
    await connection.read(buffer); // the beginning of the answer
  };
  const close = () => {
    connection?.close();
    listener.close();
  };
  return { stuffed: converse(), close };
}

/** Each with a record that the agent has to correct. */
function listing(): Uint8Array {
  const wanted = Array.from({ length: MANY }, (_, at): Wanted => ({
    name: `${at}`.padStart(LONG, "p"),
    record: "0",
  }));
  const request = { pods: wanted.map(podOf), containers: wanted.map(containerOf) };
  return toBinary(SynchronizeRequestSchema, create(SynchronizeRequestSchema, request));
}

async function send(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

/** A socket at which calls are taken and never answered. */
export interface HangingSocket {
  /** Resolves when somebody has said something. */
  readonly asked: Promise<void>;
  readonly close: () => void;
}

export function hangingSocket(path: string): HangingSocket {
  const listener = Deno.listen({ transport: "unix", path });
  const connections: Deno.Conn[] = [];
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const hear = async (connection: Deno.Conn) => {
    for (const buffer = new Uint8Array(4096);;) {
      const count = await connection.read(buffer).catch(() => null);
      if (count === null) return;
      resolve();
    }
  };
  const serve = async () => {
    for await (const connection of listener) {
      connections.push(connection);
      hear(connection);
    }
  };
  serve();
  const close = () => {
    listener.close();
    for (const connection of connections) connection.close();
  };
  return { asked, close };
}
