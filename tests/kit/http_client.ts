/** A client of HTTP that says exactly what a test wants it to, on any connection. */

const ENCODER = new TextEncoder();

export interface HttpReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends these bytes, and reads until the server ends the connection. */
export async function exchange(connection: Deno.Conn, request: string): Promise<HttpReply> {
  await writeAll(connection, ENCODER.encode(request)).catch(() => {});
  const text = await new Response(connection.readable).text();
  const end = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(": ");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
  });
  return { status: Number(first.split(" ")[1]), headers: new Map(headers), body: text.slice(end + 4) };
}

/** `GET path` of localhost. */
export function get(connection: Deno.Conn, path: string, ...headers: string[]): Promise<HttpReply> {
  const lines = [`GET ${path} HTTP/1.1`, "Host: localhost", ...headers];
  return exchange(connection, `${lines.join("\r\n")}\r\n\r\n`);
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

/** A connection that is to be read no further: the rest of what the server sends stays where it is. */
export async function ask(connection: Deno.Conn, path: string): Promise<void> {
  await writeAll(connection, ENCODER.encode(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
}
