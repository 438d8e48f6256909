/** How much of an offending value or key is quoted back. */
const MAX_QUOTED = 60;

/** In quotes, shortened, with control characters escaped: it goes to logs and terminals. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}
