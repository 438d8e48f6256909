import assert from "node:assert/strict";
import { DEFAULTS } from "../../../src/config/schema.ts";
import { HttpEndpoint } from "../../../src/daemon/http_endpoint.ts";
import { StatusApi } from "../../../src/daemon/status_api.ts";
import { Metrics } from "../../../src/metrics/metrics.ts";
import { get } from "../../kit/http_client.ts";
import { NODE, statusStage } from "../../kit/status_stage.ts";

/** A port that nobody listens at. */
function freePort(hostname = "127.0.0.1"): number {
  const listener = Deno.listen({ hostname, port: 0 });
  listener.close();
  return listener.addr.port;
}

interface Scene {
  readonly http: string;
  readonly endpoint: HttpEndpoint;
  readonly drops: () => number;
  readonly log: ReturnType<typeof statusStage>["log"];
  readonly status: (path: string, hostname?: string) => Promise<number>;
}

async function endpoint(
  config: { readonly hostname?: string; readonly http?: string; readonly httpAll?: boolean },
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const { hostname = "127.0.0.1", httpAll = false } = config;
  const port = freePort(hostname);
  const http = config.http ?? (hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`);
  const stage = statusStage(NODE, { ...DEFAULTS, http, httpAll });
  const metrics = new Metrics({ version: "1", commit: "a", deno: "2", mode: "external" }, () => 0);
  let drops = 0;
  const context = { ...stage.context, dropNetwork: () => void drops++ };
  const api = new StatusApi({ ...stage, metrics });
  const server = new HttpEndpoint(() => Promise.resolve(api), context);
  const status = async (path: string, at = hostname) =>
    (await get(await Deno.connect({ hostname: at, port }), path)).status;
  try {
    await body({ http, endpoint: server, drops: () => drops, log: stage.log, status });
  } finally {
    await server.close();
  }
}

Deno.test("without an address nothing listens, and the network is given up at once", async () => {
  await endpoint({ http: "" }, async ({ endpoint, drops, status }) => {
    await endpoint.open();
    assert.equal(drops(), 1);
    await assert.rejects(status("/healthz"), Deno.errors.ConnectionRefused);
  });
});

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`on the loopback address ${hostname} everything is served, and the network given up then`, async () => {
    await endpoint({ hostname }, async ({ endpoint, drops, status }) => {
      await endpoint.open();
      assert.equal(drops(), 1);
      assert.deepEqual(
        await Promise.all(
          ["/", "/api/v1/status", "/metrics", "/healthz"].map((path) => status(path)),
        ),
        [200, 200, 200, 200],
      );
    });
  });
}

Deno.test("on any other address what names pods is served only with httpAll", async () => {
  const paths = ["/", "/api/v1/status", "/metrics", "/healthz", "/readyz"];
  await endpoint({ hostname: "0.0.0.0" }, async ({ endpoint, status }) => {
    await endpoint.open();
    const statuses = await Promise.all(paths.map((path) => status(path, "127.0.0.1")));
    assert.deepEqual(statuses, [403, 403, 200, 200, 200]);
  });
  await endpoint({ hostname: "0.0.0.0", httpAll: true }, async ({ endpoint, status }) => {
    await endpoint.open();
    const statuses = await Promise.all(paths.map((path) => status(path, "127.0.0.1")));
    assert.deepEqual(statuses, [200, 200, 200, 200, 200]);
  });
});

Deno.test("an address that another agent has is taken once that has ended, with one warning until then", async () => {
  await endpoint({}, async ({ http, endpoint, drops, log, status }) => {
    const port = Number(http.split(":")[1]);
    const other = Deno.listen({ hostname: "127.0.0.1", port });
    const opened = endpoint.open();
    await log.until("no HTTP yet");
    assert.equal(drops(), 0);
    other.close();
    await opened;
    assert.deepEqual([drops(), await status("/healthz")], [1, 200]);
    assert.equal(log.records.filter(({ level }) => level === "warn").length, 1);
  });
});

Deno.test("an agent that ends gives the address up, also while it is still trying", async () => {
  await endpoint({}, async ({ http, endpoint, drops, log }) => {
    const other = Deno.listen({ hostname: "127.0.0.1", port: Number(http.split(":")[1]) });
    const opened = endpoint.open();
    await log.until("no HTTP yet");
    await endpoint.close();
    await opened;
    assert.equal(drops(), 1);
    other.close();
  });
});
