/** The page: one file without anything from elsewhere, which shows what the API says. Loaded when it is asked for. */
import html from "../page/page.html" with { type: "text" };
import type { HttpAnswer } from "../platform/http_server.ts";

const ENCODER = new TextEncoder();

let answer: HttpAnswer | undefined;

/**
 * With a policy by which a browser runs the page's own script and style and nothing else, asks nobody else for anything, and
 * shows it in no other page.
 */
export async function pageAnswer(): Promise<HttpAnswer> {
  return answer ??= {
    status: 200,
    type: "text/html; charset=utf-8",
    body: ENCODER.encode(html),
    headers: {
      "Content-Security-Policy": [
        "default-src 'none'",
        `script-src ${await hashOf("script")}`,
        `style-src ${await hashOf("style")}`,
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ].join("; "),
      "Cross-Origin-Resource-Policy": "same-origin",
      "Referrer-Policy": "no-referrer",
    },
  };
}

/** Of the text in the one element of this name, as browsers compute it. */
async function hashOf(element: "script" | "style"): Promise<string> {
  const text = new RegExp(`<${element}>([^]*?)</${element}>`).exec(html)?.[1] ?? "";
  const digest = await crypto.subtle.digest("SHA-256", ENCODER.encode(text));
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`;
}
