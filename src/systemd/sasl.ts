/** The lines before the messages, after "Authentication Protocol" of the D-Bus specification. */
import { malformed } from "./marshal.ts";
import { quoted } from "../quoted.ts";

const encoder = new TextEncoder();

/** Asks to be let in as this user, whom the kernel vouches for. Begins with the zero byte of the credentials. */
export function askAs(uid: number): Uint8Array<ArrayBuffer> {
  const digits = [...`${uid}`].map((digit) => digit.charCodeAt(0).toString(16)).join("");
  return encoder.encode(`\0AUTH EXTERNAL ${digits}\r\n`);
}

/** Ends the lines; messages follow. */
export const BEGIN = encoder.encode("BEGIN\r\n");

/**
 * Returns where `line`, the answer, lets the client in.
 * @throws {Error} one sentence; a ProtocolError where it is no answer
 */
export function requireAccepted(line: string): void {
  if (/^OK [0-9a-fA-F]{32}$/.test(line)) return;
  if (!/^(REJECTED|ERROR|DATA)( |$)/.test(line)) throw malformed(`${quoted(line)} for an answer to AUTH`);
  throw new Error(
    `the system bus doesn't let this user in (${
      quoted(line)
    }); run the agent as root, outside of a user namespace`,
  );
}
