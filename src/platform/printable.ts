/** Of a text of another program; the rest is cut. */
const MAX_CHARACTERS = 120;

/**
 * Makes a name or message of another program safe for a log, a terminal and a table: shortened, and with everything
 * escaped that isn't printable ASCII (controls, line ends of all kinds, marks that turn the direction of writing).
 */
export function printable(text: string): string {
  const cut = text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}...` : text;
  return cut.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
