// Whom to talk to. Talking itself is tested on real runtimes, in tests/system/node/cri_listing_test.ts.
import assert from "node:assert/strict";
import { Cri } from "../../../src/cri/cri.ts";

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "cri-" });
  try {
    await body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Answers every call as a gRPC server does that doesn't know the service. */
async function withStranger(path: string, body: () => Promise<void>): Promise<void> {
  const headers = {
    "content-type": "application/grpc",
    "grpc-status": "12",
    "grpc-message": "unknown service",
  };
  const server = Deno.serve({ path, onListen: () => {} }, () => new Response(null, { headers }));
  try {
    await body();
  } finally {
    await server.shutdown();
  }
}

Deno.test("without a runtime the error names each socket and what was wrong with it", async () => {
  await withFolder(async (folder) => {
    const [none, dead, stranger] = [`${folder}/none`, `${folder}/dead`, `${folder}/stranger`];
    Deno.writeTextFileSync(dead, "");
    await withStranger(stranger, () =>
      assert.rejects(Cri.connect([none, dead, stranger]), {
        message: `no container runtime answers on its CRI socket (${none}: there is no such socket; ` +
          `${dead}: no process listens there; ${stranger}: Version failed: unknown service)`,
      }));
  });
});

for (const [when, serve] of Object.entries({ "at once": closing, "when it is spoken to": reading })) {
  Deno.test(`a socket behind which something closes ${when} is reported as no runtime`, async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/other`;
      const listener = Deno.listen({ transport: "unix", path });
      const serving = serve(listener);
      await assert.rejects(Cri.connect([path]), /^Error: no container runtime .*\/other: Version \w+/);
      listener.close();
      await serving;
    });
  });
}

async function closing(listener: Deno.Listener): Promise<void> {
  for await (const connection of listener) connection.close();
}

async function reading(listener: Deno.Listener): Promise<void> {
  for await (const connection of listener) {
    await connection.read(new Uint8Array(1));
    connection.close();
  }
}
