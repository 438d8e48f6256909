/** Heads of HTTP requests, as whoever reaches the agent's address may send them. */
import { parseHead } from "../../src/platform/http_head.ts";
import { textLike } from "./nasty.ts";
import { require, requireSentence, type Target } from "./target.ts";

const VALID = [
  "GET / HTTP/1.1\r\nHost: localhost",
  'GET /api/v1/explain?of=a%20b HTTP/1.1\r\nHost: 127.0.0.1:9753\r\nIf-None-Match: "1-2"',
  "POST /api/v1/release HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close",
  "GET /metrics HTTP/1.0\r\nAccept: text/plain;q=0.5\r\nAccept: */*\r\nUser-Agent: a\tb",
];

export const httpHeads: Target<string> = {
  name: "http-head",
  share: 60,
  draw: (random) => textLike(random, VALID),
  check(head) {
    const parsed = parseHead(head);
    if ("problem" in parsed) return requireSentence(parsed.problem, 200);
    const { method, url, headers } = parsed;
    require(head.startsWith(`${method} /`), () => `the method isn't ${method}`);
    require(url.host === "localhost" && url.pathname.startsWith("/"), () => `led to ${url}`);
    for (const [name, value] of headers) {
      require(/^[^\s:A-Z]+$/.test(name) && !/[\r\n\0]/.test(value), () => `the header ${name}: ${value}`);
    }
  },
};
