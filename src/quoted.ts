/** Text of others, made fit for a log, a terminal or a message to kubelet. */

/** How much of a text is quoted back, by default. */
const MAX_QUOTED = 60;

/** Control characters, line separators, and marks that are unseen or turn the reading direction. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** In double quotes, shortened to `most` characters, and {@link escaped}. */
export function quoted(text: string, most: number = MAX_QUOTED): string {
  return escaped(JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text));
}

/** With everything that a terminal might obey, or a person not see, as `\u` and four digits. JSON stays JSON. */
export function escaped(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) =>
      Array.from(
        { length: character.length },
        (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`,
      ).join(""),
  );
}
