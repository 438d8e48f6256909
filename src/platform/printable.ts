/** How much is kept of a text that somebody else wrote. */
const MAX_LENGTH = 120;

/**
 * A name or message that others chose, fit for a log, a terminal and a table: shortened, and with everything
 * escaped that isn't printable ASCII (controls, line ends of all kinds, what turns the direction of writing).
 */
export function printable(text: string): string {
  const cut = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}...` : text;
  return cut.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
