/** What is no business of whoever reads a support bundle, taken out of a text. */

const REDACTED = "[redacted]";

/** Names of secrets, as a part of a key: `authToken`, `DB_PASSWORD`, `x-api-key`. */
const KEY =
  "[\\w.-]*(?:token|passw(?:or)?d|passphrase|secret|credential|authorization|api[-_]?key|private[-_]?key)[\\w.-]*";

/** What stands for a secret by its form or by the name before it. */
const SECRETS: readonly [pattern: RegExp, replacement: string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED],
  // JSON Web Tokens, as service accounts have them (RFC 7519).
  [/\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*/g, REDACTED],
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s\/@"']+@/gi, `$1${REDACTED}@`],
  [/\b(bearer|basic)\s+[\w.~+\/=-]{8,}/gi, `$1 ${REDACTED}`],
  [new RegExp(`("${KEY}"\\s*:\\s*)"(?:[^"\\\\]|\\\\.)*"`, "gi"), `$1"${REDACTED}"`],
  [
    new RegExp(`(\\b${KEY}\\s*[=:]\\s*)("[^"\\n]*"|'[^'\\n]*'|(?!\\[redacted\\])[^\\s"',;]+)`, "gi"),
    `$1${REDACTED}`,
  ],
];

/** The text without secrets, and how many there were. JSON stays JSON. */
export function redacted(text: string): { readonly text: string; readonly count: number } {
  let count = 0;
  const clean = SECRETS.reduce((rest, [pattern, replacement]) => {
    count += rest.match(pattern)?.length ?? 0;
    return rest.replace(pattern, replacement);
  }, text);
  return { text: clean, count };
}
