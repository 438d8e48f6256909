/** Asks the active agent of this node over its status socket. */
import type { Config } from "../config/schema.ts";
import { ConfigError } from "../daemon/config_error.ts";
import type { Readiness } from "../daemon/readiness.ts";
import { STATUS_SOCKET } from "../daemon/status_server.ts";
import { at, parseJson, textAt } from "../platform/json_at.ts";

/** A node has 4096 containers at most, of half a kilobyte each. */
const MAX_BYTES = 64 * 2 ** 20;
const TIMEOUT_MS = 5000;

/** No agent answers. One sentence for people. */
export class StatusError extends Error {
  override name = "StatusError";
}

/** Nobody is behind the socket. */
export class NoAgentError extends StatusError {}

/** GET only asks; POST changes the node. */
export type Method = "GET" | "POST";

/**
 * The answer to `GET path`, or to `POST path`, version 1.
 * @throws {StatusError} when no agent answers
 * @throws {ConfigError} when the socket is another program's, or that of an agent with another version of the API
 */
export async function ask<T extends { readonly version: number }>(
  { runDir }: Config,
  path: string,
  method: Method = "GET",
): Promise<T> {
  const socket = `${runDir}/${STATUS_SOCKET}`;
  const text = await exchange(socket, `${method} ${path}`);
  const [head = "", body = ""] = splitAt(text, "\r\n\r\n");
  const answer = parseJson(body);
  if (!/^HTTP\/1\.1 \d{3} /.test(head) || textAt(answer, "service") !== "weka-cpuset") {
    throw new ConfigError(`${socket} is not the socket of a weka-cpuset agent; set runDir to the agent's`);
  }
  const problem = textAt(answer, "error");
  if (head.startsWith("HTTP/1.1 404 ")) {
    throw new ConfigError(
      `the agent: ${problem}; it is of another version than this command, use its own executable`,
    );
  }
  if (problem !== "") throw new StatusError(`the agent: ${problem}`);
  const version = at(answer, "version");
  if (version !== 1) {
    throw new ConfigError(
      `the agent speaks version ${version} of the status API, not 1; use its own executable`,
    );
  }
  return answer as T;
}

/**
 * Whether the agent does its work, with its sentence: of the process behind `probeSocket`, or, where that isn't set, of the active
 * agent of this node.
 * @throws {StatusError} when no agent answers
 * @throws {ConfigError} when the socket is another program's
 */
export async function askReadiness({ runDir, probeSocket }: Config): Promise<Readiness> {
  const socket = probeSocket === "" ? `${runDir}/${STATUS_SOCKET}` : probeSocket;
  const [head = "", body = ""] = splitAt(await exchange(socket, "GET /readyz"), "\r\n\r\n");
  const [, status] = /^HTTP\/1\.1 (200|503) /.exec(head) ?? [];
  if (status === undefined) throw new ConfigError(`${socket} is not the socket of a weka-cpuset agent`);
  return { isReady: status === "200", why: body.trim() };
}

async function exchange(socket: string, asked: string): Promise<string> {
  const connection = await connected(socket);
  const late = setTimeout(() => connection.close(), TIMEOUT_MS);
  try {
    const request = `${asked} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const writer = connection.writable.getWriter();
    await writer.write(new TextEncoder().encode(request));
    let text = "";
    for await (const part of connection.readable.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (text.length > MAX_BYTES) throw new StatusError(`${socket} answers more than 64 MiB`);
    }
    return text;
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw new StatusError(`the agent at ${socket} doesn't answer: ${(error as Error).message}`);
  } finally {
    clearTimeout(late);
  }
}

async function connected(path: string): Promise<Deno.UnixConn> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new StatusError(`${path} can be opened by root only; run the command as root`);
    }
    throw new NoAgentError(
      `no active agent on this node: ${path} ${
        error instanceof Deno.errors.NotFound ? "doesn't exist" : "has nobody behind it"
      }; is the plugin running, with this runDir?`,
    );
  }
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}
