import assert from "node:assert/strict";
import { ask } from "../../../src/cli/status_client.ts";
import { statusText } from "../../../src/cli/status_text.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";
import type { Journal } from "../../../src/daemon/journal.ts";
import { StatusApi } from "../../../src/daemon/status_api.ts";
import { STATUS_SOCKET, StatusServer } from "../../../src/daemon/status_server.ts";
import {
  type JournalDocument,
  journalSchema,
  type StatusDocument,
  statusSchema,
} from "../../../src/status/document.ts";
import type { Records } from "../../kit/daemon_stage.ts";
import { NODE, statusStage } from "../../kit/status_stage.ts";
import { turn } from "../../kit/turn.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";

interface Scene {
  readonly config: typeof DEFAULTS;
  readonly journal: Journal;
  readonly server: StatusServer;
  readonly log: Records;
}

async function served(body: (scene: Scene) => Promise<void>): Promise<void> {
  const runDir = await Deno.makeTempDir();
  const config = { ...DEFAULTS, runDir };
  const stage = statusStage(NODE, config);
  const { log, context } = stage;
  const server = new StatusServer(() => Promise.resolve(new StatusApi(stage)), context);
  server.open();
  try {
    await body({ config, journal: context.journal, server, log });
  } finally {
    await server.close();
    await Deno.remove(runDir, { recursive: true });
  }
}

Deno.test("the status names each container with its CPUs, as the schema says, on a socket of root's own", async () => {
  await served(async ({ config }) => {
    const status = await ask<StatusDocument>(config, "/api/v1/status");
    statusSchema.parse(status);
    assert.deepEqual(
      status.containers.map(({ pod, kind, cpus, numaNodes, state }) => [pod, kind, cpus, numaNodes, state]),
      [
        ["db", "exclusive", "1,9", "0", "unverified"],
        ["pin", "pinned", "0", "0", "unverified"],
        ["web", "shared", "2-8,10-15", "0", "unverified"],
      ],
    );
    const { mode } = await Deno.lstat(`${config.runDir}/${STATUS_SOCKET}`);
    assert.equal((mode ?? 0) & 0o777, 0o600);
    const text = statusText(status, topologyOf(bigNode), {}, { width: 80, colour: false }, Date.now());
    assert.match(text, /^ns\/db\/c +exclusive +1,9 +0 +\d+s +unverified/m);
    assert.match(text, /^shared pool +2-8,10-15$/m);
  });
});

Deno.test("the journal keeps the latest decisions within its bound, debug records aside", async () => {
  await served(async ({ config, journal, log }) => {
    const copied = journal.of(log, () => 0);
    for (let n = 1; n <= 502; n++) {
      copied.write({ level: "info", message: "container admitted", fields: { n } });
    }
    copied.write({ level: "debug", message: "shared containers updated" });
    const { dropped, events } = journalSchema.parse(await ask<JournalDocument>(config, "/api/v1/journal"));
    assert.deepEqual([dropped, events.length, events[0]?.fields["n"], log.records.length], [2, 500, 3, 503]);
    assert.equal(events[0]?.at, "1970-01-01T00:00:00.000Z");
  });
});

Deno.test("without an agent, by another path or another program the answer is one sentence", async () => {
  await served(async ({ config, server }) => {
    await assert.rejects(
      ask(config, "/api/v2/status"),
      /the agent: no such path; there are \/ \/api\/v1\/status/,
    );
    await server.close();
    await assert.rejects(ask(config, "/api/v1/status"), /no active agent on this node: .*status.sock/);
    const path = `${config.runDir}/${STATUS_SOCKET}`;
    await Deno.remove(path);
    await using other = Deno.serve({ path, onListen() {} }, () => new Response("hello"));
    await assert.rejects(ask(config, "/api/v1/status"), /not the socket of a weka-cpuset agent/);
    await other.shutdown();
  });
});

Deno.test("a socket that an agent has left is replaced, another file is not", async () => {
  await served(async ({ config, server, log }) => {
    const path = `${config.runDir}/${STATUS_SOCKET}`;
    await server.close();
    assert((await Deno.lstat(path)).isSocket);
    for (let times = 0; times < 3; times++) server.open(); // the former ones' ends leave it alone
    await turn();
    assert.equal((await ask<StatusDocument>(config, "/api/v1/status")).agent.version, "1.2.3");
    await server.close();
    await Deno.remove(path);
    await Deno.writeTextFile(path, "mine");
    server.open();
    assert(log.has("no status"));
    assert.equal(await Deno.readTextFile(path), "mine");
  });
});
