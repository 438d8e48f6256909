import assert from "node:assert/strict";
import { parseHead } from "../../../src/platform/http_head.ts";

function statusOf(head: string): number | undefined {
  const parsed = parseHead(head);
  return "problem" in parsed ? parsed.status : undefined;
}

Deno.test("a request is its method, its path with the query, and its headers by lower-case names", () => {
  const parsed = parseHead(
    "GET /api/v1/status?pod=a%20b HTTP/1.1\r\nHost: localhost:80\r\nX-A:1\r\nx-a:\t2 \r\nY:",
  );
  assert(!("problem" in parsed));
  assert.deepEqual([parsed.method, parsed.url.pathname], ["GET", "/api/v1/status"]);
  assert.equal(parsed.url.searchParams.get("pod"), "a b");
  assert.deepEqual([...parsed.headers], [["host", "localhost:80"], ["x-a", "1, 2"], ["y", ""]]);
});

Deno.test("what is no request is refused, and so is a body", () => {
  const bad = [
    "",
    "GET",
    "get / HTTP/1.1",
    "GET / HTTP/2",
    "GET http://other/ HTTP/1.1",
    "GET /\tx HTTP/1.1",
    "GET / HTTP/1.1\r\nno colon",
    "GET / HTTP/1.1\r\nHost : a",
    "GET / HTTP/1.1\r\n folded: a",
    "GET / HTTP/1.1\r\nA: b\nc",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b",
    `GET /${"x".repeat(2001)} HTTP/1.1`,
  ];
  assert.deepEqual(bad.filter((head) => statusOf(head) !== 400), []);
  assert.equal(statusOf("POST / HTTP/1.1\r\nContent-Length: 1"), 413);
  assert.equal(statusOf("POST / HTTP/1.1\r\nTransfer-Encoding: chunked"), 413);
  assert.equal(statusOf("POST / HTTP/1.1\r\nContent-Length: 0"), undefined);
});

Deno.test("a path with two slashes is a path, of this host", () => {
  const parsed = parseHead("GET //evil/metrics HTTP/1.1");
  assert(!("problem" in parsed));
  assert.deepEqual([parsed.url.host, parsed.url.pathname], ["localhost", "//evil/metrics"]);
});
