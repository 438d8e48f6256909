// A system bus with a systemd on it, on a thread of its own: its client blocks the one of the test. See fake_bus.ts.
/// <reference lib="webworker" />
import { errorMessage, maskMessage, type ReadCall, readCall, returnMessage } from "./bus_messages.ts";
import type { FromTest, Rule } from "./fake_bus.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");
/** AllowedCPUs of units, by the last part of their objects' paths. */
const masks = new Map<string, Uint8Array>();
const rules: Rule[] = [];
const log: string[] = [];
let held: (() => Promise<void>) | undefined;
let connections = 0;

self.onmessage = ({ data }: MessageEvent<FromTest>) => {
  if ("path" in data) {
    serve(Deno.listen({ transport: "unix", path: data.path }));
    self.postMessage("listening");
  }
  if ("rules" in data) self.postMessage(rules.push(...data.rules));
  if ("log" in data) self.postMessage(log.splice(0));
};

async function serve(listener: Deno.Listener): Promise<void> {
  for await (const conn of listener) {
    log.push(`connection ${++connections}`);
    talk(conn).catch(() => log.push("closed"));
  }
}

/** Until the client closes, which is an error for whoever reads or writes then. */
async function talk(conn: Deno.Conn): Promise<void> {
  let bytes = new Uint8Array();
  const chunk = new Uint8Array(4096);
  for (let isLine = true;;) {
    const text = decoder.decode(bytes);
    const line = isLine ? text.indexOf("\r\n") + 2 : 0;
    const call = isLine ? undefined : readCall(bytes);
    if (line >= 2) {
      if (text.startsWith("BEGIN")) isLine = false;
      else await answer(conn, "AUTH", text.slice(0, line - 2), encoder.encode(`OK ${"0a".repeat(16)}\r\n`));
    }
    if (call !== undefined) await answer(conn, call.member, ...answerTo(call), call.serial);
    bytes = bytes.slice(line >= 2 ? line : call?.length ?? 0);
    if (line >= 2 || call !== undefined) continue;
    const count = await conn.read(chunk);
    if (count === null) throw new Error("closed");
    bytes = Uint8Array.of(...bytes, ...chunk.subarray(0, count));
  }
}

/** What a line of the log says of the call, and what answers it. */
function answerTo({ serial, path, member, body }: ReadCall): [text: string, bytes: Uint8Array] {
  if (member === "SetUnitProperties") {
    const [unit, runtime] = [body.string(), body.uint32()];
    body.uint32(); // bytes of the array
    body.align(8);
    const property = `${body.string()} ${body.signature()}`;
    const mask = body.byteArray().slice();
    masks.set(unit.replace(/[^a-z0-9]/g, (c) => `_${c.charCodeAt(0).toString(16)}`), mask);
    return [`${unit} ${runtime} ${property} ${hexOf(mask)}`, returnMessage(serial)];
  }
  if (member !== "Get") return ["", returnMessage(serial, "s", new Uint8Array([3, 0, 0, 0, 58, 49, 46, 0]))];
  const unit = path.slice(path.lastIndexOf("/") + 1);
  return [
    `${path} ${body.string()} ${body.string()}`,
    maskMessage(serial, masks.get(unit) ?? new Uint8Array()),
  ];
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function answer(
  conn: Deno.Conn,
  on: string,
  text: string,
  right: Uint8Array,
  serial = 0,
): Promise<void> {
  log.push(`${on} ${text}`.trim());
  const at = rules.findIndex((rule) => rule.on === on);
  const rule = at < 0 ? undefined : rules.splice(at, 1)[0];
  await held?.();
  held = undefined;
  if (rule?.error !== undefined) return await send(conn, errorMessage(serial, ...rule.error));
  if (rule?.before !== undefined) await send(conn, rule.before);
  if (rule?.hold) held = () => send(conn, right).catch(() => {});
  else if (!rule?.silent) await send(conn, Uint8Array.of(...right, ...rule?.after ?? []), rule?.piece);
  if (rule?.close) conn.close();
}

async function send(conn: Deno.Conn, bytes: Uint8Array, piece = bytes.length): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at, at + piece));
}
