/** Which paths are served where, and what they answer; on real addresses. */
import assert from "node:assert/strict";
import type { HttpRequest } from "../../../src/platform/http_head.ts";
import type { HttpAnswer } from "../../../src/platform/http_server.ts";
import type { LockHolder } from "../../../src/platform/lock.ts";
import { type Entrance, StatusApi } from "../../../src/daemon/status_api.ts";
import { Metrics } from "../../../src/metrics/metrics.ts";
import { topologySchema } from "../../../src/status/document.ts";
import { NODE, statusStage } from "../../kit/status_stage.ts";

const WHOLE: Entrance = { isRoots: false, isWhole: true, isLocal: false, maxAgeMs: 0 };
const OPEN: Entrance = { isRoots: false, isWhole: false, isLocal: false, maxAgeMs: 0 };
const LOCAL: Entrance = { isRoots: false, isWhole: true, isLocal: true, maxAgeMs: 0 };

const BUILD = { version: "1.2.3", commit: "abc", deno: "2", mode: "external" };

function request(path: string, headers: Record<string, string> = {}, method = "GET"): HttpRequest {
  return { method, url: new URL(`http://localhost${path}`), headers: new Map(Object.entries(headers)) };
}

function textOf({ body }: HttpAnswer): string {
  return new TextDecoder().decode(body);
}

const metrics = () => new Metrics(BUILD, () => 0);

Deno.test("on an address of the network only health and metrics are served, and the rest says where it is", async () => {
  const api = new StatusApi({ ...statusStage(NODE), metrics: metrics() });
  for (const path of ["/metrics", "/healthz", "/readyz"]) {
    assert.equal((await api.answer(request(path), OPEN)).status, 200, path);
  }
  for (const path of ["/", "/api/v1/status", "/api/v1/journal", "/api/v1/topology"]) {
    const answer = await api.answer(request(path), OPEN);
    assert.equal(answer.status, 403, path);
    assert.match(textOf(answer), /is served on this node alone; httpAll serves it here too/);
    assert.equal((await api.answer(request(path), WHOLE)).status, 200, path);
  }
  const unknown = await api.answer(request("/api/v2/status"), OPEN);
  assert.deepEqual(JSON.parse(textOf(unknown)), {
    service: "weka-cpuset",
    error: "no such path; there are /healthz /readyz /metrics",
  });
  const post = await api.answer(request("/healthz", {}, "POST"), OPEN);
  assert.deepEqual([post.status, post.headers?.["Allow"]], [405, "GET"]);
});

Deno.test("metrics are served only where somebody asks for them", async () => {
  const answer = await new StatusApi(statusStage(NODE)).answer(request("/metrics"), WHOLE);
  assert.equal(answer.status, 404);
});

Deno.test("on a loopback address a page of another site, which has a name for it, gets nothing that names pods", async () => {
  const api = new StatusApi(statusStage(NODE));
  const status = async (host: string, path = "/api/v1/status") =>
    (await api.answer(request(path, { host }), LOCAL)).status;
  for (const host of ["localhost", "localhost:9753", "127.0.0.1:9753", "[::1]:9753"]) {
    assert.equal(await status(host), 200, host);
  }
  for (const host of ["evil.example", "localhost.evil.example:9753", "127.0.0.1.evil.example", ""]) {
    assert.equal(await status(host), 403, host);
    assert.equal(await status(host, "/healthz"), 200, host);
  }
});

Deno.test("a document that hasn't changed isn't sent again", async () => {
  const stage = statusStage(NODE);
  const api = new StatusApi(stage);
  const first = await api.answer(request("/api/v1/journal"), WHOLE);
  const tag = first.headers?.["ETag"] ?? "";
  assert.match(tag, /^"[\d-]+"$/);
  const again = request("/api/v1/journal", { "if-none-match": tag });
  const same = await api.answer(again, WHOLE);
  assert.deepEqual([same.status, same.body.length], [304, 0]);
  stage.context.journal.add({ level: "info", message: "container admitted" }, 0);
  const changed = await api.answer(again, WHOLE);
  assert.deepEqual([changed.status, JSON.parse(textOf(changed)).events.length], [200, 1]);
  // On an address a document may be a second old: whoever asks again and again costs no more.
  stage.context.journal.add({ level: "info", message: "container released" }, 0);
  const old = await api.answer(request("/api/v1/journal"), { ...WHOLE, maxAgeMs: 60_000 });
  assert.equal(old.body, changed.body);
});

Deno.test("health is that the loop turns, readiness that the agent does its work", async () => {
  const stage = statusStage(NODE);
  const lock: { holder?: LockHolder } = {};
  const api = new StatusApi({ ...stage, holder: () => lock.holder });
  const ask = async (path: string) => {
    const answer = await api.answer(request(path), OPEN);
    return [answer.status, textOf(answer)];
  };
  assert.deepEqual(await ask("/healthz"), [200, "the agent's loop turns\n"]);
  assert.deepEqual(await ask("/readyz"), [200, "synchronized with the runtime and serving\n"]);
  lock.holder = { name: "a", since: "", activity: "connecting to the runtime" };
  assert.deepEqual(await ask("/readyz"), [
    503,
    "standing by: the active agent (a) is connecting to the runtime\n",
  ]);
  stage.driver.tickedAt -= 3_600_000;
  const [status, text] = await ask("/healthz");
  assert.equal(status, 503);
  assert.match(`${text}`, /^the agent's loop has not ticked for 3600 s\n$/);
});

Deno.test("the topology is that of the machine, as the schema says", async () => {
  const answer = await new StatusApi(statusStage(NODE)).answer(request("/api/v1/topology"), WHOLE);
  const { cores, sockets, online } = topologySchema.parse(JSON.parse(textOf(answer)));
  assert.deepEqual([cores.length, sockets, online], [8, ["0-15"], "0-15"]);
});

Deno.test("what changes the node is served on root's own socket only, however it is asked", async () => {
  const api = new StatusApi(statusStage(NODE));
  for (const path of ["/api/v1/release", "/api/v1/resume"]) {
    for (const entrance of [OPEN, WHOLE, LOCAL]) {
      for (const method of ["GET", "POST"]) {
        assert.equal((await api.answer(request(path, { host: "localhost" }, method), entrance)).status, 403);
      }
    }
    const roots = await api.answer(request(path), { ...WHOLE, isRoots: true });
    assert.deepEqual([roots.status, roots.headers?.["Allow"]], [405, "POST"]);
  }
});

Deno.test("the page asks nobody but the agent, and browsers are told so", async () => {
  const answer = await new StatusApi(statusStage(NODE)).answer(request("/"), WHOLE);
  const policy = answer.headers?.["Content-Security-Policy"] ?? "";
  assert.match(
    policy,
    /^default-src 'none'; script-src 'sha256-[\w+/]{43}='; style-src 'sha256-[\w+/]{43}='; connect-src 'self'; /,
  );
  const html = textOf(answer);
  assert.doesNotMatch(html, /\b(src|href)=|@import|url\(|https?:|\son\w+=|\bstyle=|innerHTML|insertAdjacent/);
});

Deno.test("a bug costs one answer and is logged", async () => {
  const stage = statusStage(NODE);
  const broken = {
    ...stage.driver,
    get agent(): never {
      throw new Error("broken");
    },
  };
  const api = new StatusApi({ ...stage, driver: broken });
  const answer = await api.answer(request("/api/v1/status"), WHOLE);
  assert.deepEqual([answer.status, JSON.parse(textOf(answer)).error], [500, "bug: see the agent's log"]);
  const [record] = stage.log.records.filter(({ level }) => level === "error");
  assert.match(`${record?.fields?.["reason"]}`, /broken/);
  assert.equal((await api.answer(request("/healthz"), WHOLE)).status, 200);
});
