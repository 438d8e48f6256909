import assert from "node:assert/strict";
import { HTTP_BOUNDS, HttpServer, textAnswer } from "../../../src/platform/http_server.ts";
import { ask, exchange, get } from "../../kit/http_client.ts";
import { turn } from "../../kit/turn.ts";

const BIG = new Uint8Array(30_000_000).fill(120);

interface Scene {
  readonly connect: () => Promise<Deno.Conn>;
  readonly server: HttpServer;
  /** How many requests have been answered. */
  readonly asked: () => number;
}

/** A server that answers `/big` with more than the kernel keeps, `/bug` not at all, and everything else with `ok`. */
async function served(
  bounds: Partial<typeof HTTP_BOUNDS>,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let asked = 0;
  const server = new HttpServer(listener, ({ url: { pathname } }) => {
    asked++;
    if (pathname === "/bug") throw new Error("a bug");
    return pathname === "/big" ? { status: 200, type: "text/plain", body: BIG } : textAnswer(200, "ok");
  }, { ...HTTP_BOUNDS, accepts: 10_000, ...bounds });
  const open: Deno.Conn[] = [];
  const connect = async () => {
    const connection = await Deno.connect({ port: listener.addr.port });
    open.push(connection);
    return connection;
  };
  try {
    await body({ connect, server, asked: () => asked });
  } finally {
    for (const each of open) closed(each);
    await server.close();
  }
}

function closed(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It was read to its end.
  }
}

/** Resolves when the server has ended the connection. */
async function ended(connection: Deno.Conn): Promise<void> {
  while (await connection.read(new Uint8Array(65_536)).catch(() => null) !== null);
}

Deno.test("a request is answered and the connection ended, whatever pieces it comes in", async () => {
  await served({}, async ({ connect }) => {
    const connection = await connect();
    for (const piece of ["GE", "T / HTTP/1.1\r\nHo", "st: x\r", "\n\r"]) {
      await connection.write(new TextEncoder().encode(piece));
    }
    const { status, body, headers } = await exchange(connection, "\n");
    assert.deepEqual([status, body, headers.get("connection")], [200, "ok\n", "close"]);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
  });
});

Deno.test("a bug in an answer costs one request", async () => {
  await served({}, async ({ connect }) => {
    assert.equal((await get(await connect(), "/bug")).status, 500);
    assert.equal((await get(await connect(), "/")).status, 200);
  });
});

Deno.test("a huge header is refused with a sentence, although the client goes on sending", async () => {
  await served({}, async ({ connect }) => {
    const { status, body } = await exchange(await connect(), `GET / HTTP/1.1\r\nX: ${"x".repeat(50_000)}`);
    assert.deepEqual([status, body], [431, "a request has 8192 bytes at most\n"]);
    assert.equal((await exchange(await connect(), "nonsense\r\n\r\n")).status, 400);
    // What comes after the answer is still taken: a reset could cost the client the answer.
    const talkative = await connect();
    await talkative.write(new Uint8Array(9000).fill(120));
    await ended(talkative);
    assert.equal(await talkative.write(new Uint8Array(1000)), 1000);
  });
});

Deno.test("of a thousand idle connections the newest few are kept, and a request is answered beside them", async () => {
  await served({ connections: 8 }, async ({ connect }) => {
    const idle = [];
    for (let n = 0; n < 1000; n++) {
      const connection = await connect();
      if (n % 2 === 0) await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nX-Slow: "));
      idle.push(connection);
    }
    assert.deepEqual([(await get(await connect(), "/")).status], [200]);
    await Promise.all(idle.slice(0, 992).map(ended));
    // The youngest are there still: they may ask.
    const last = idle.at(-1);
    assert(last !== undefined);
    assert.equal((await get(last, "/")).status, 200);
  });
});

Deno.test("a client that doesn't ask is given up after a while, and one that doesn't read keeps nothing once it has gone", async () => {
  await served({ lifeMs: 50 }, async ({ connect, server, asked }) => {
    const silent = await connect();
    await ended(silent);
    const deaf = await connect();
    await ask(deaf, "/big");
    while (asked() === 0) await (await connect()).close();
    // Its answer can't be taken back from the kernel; the server doesn't wait for it when it is read, or given up.
    deaf.close();
    await server.close();
  });
});

Deno.test("beside those that don't read theirs, only small answers are sent: the thousandth gets a 503", async () => {
  await served({ slowAnswers: 3, connections: 8 }, async ({ connect }) => {
    for (let n = 0; n < 3; n++) await ask(await connect(), "/big");
    for (let n = 3; n < 1000; n++) {
      const { status, body } = await get(await connect(), n % 2 === 0 ? "/" : "/big");
      assert.deepEqual([status, body.slice(0, 8)], n % 2 === 0 ? [200, "ok\n"] : [503, "too many"]);
    }
  });
});

Deno.test("no more connections are accepted than the bound says, and none is lost", async () => {
  await served({ accepts: 2 }, async ({ connect }) => {
    const replies = await Promise.all(Array.from({ length: 7 }, async () => get(await connect(), "/")));
    assert.deepEqual(replies.map(({ status }) => status), Array(7).fill(200));
  });
  // A listener with fifty that wait.
  let accepted = 0;
  const never = Promise.withResolvers<never>();
  const silent = { read: () => never.promise, close() {} } as unknown as Deno.Conn;
  const waiting = {
    accept: () => ++accepted <= 50 ? Promise.resolve(silent) : never.promise,
    close: () => never.reject(new Error("closed")),
  } as unknown as Deno.Listener;
  const server = new HttpServer(waiting, () => textAnswer(200, "ok"), { ...HTTP_BOUNDS, accepts: 3 });
  await turn();
  assert.equal(accepted, 3);
  await server.close();
});

Deno.test("a closed server takes no connection, and ends those that haven't asked", async () => {
  await served({}, async ({ connect, server }) => {
    const idle = await connect();
    assert.equal((await get(await connect(), "/")).status, 200); // so the idle one is accepted, too
    await server.close();
    await ended(idle);
    await assert.rejects(connect(), Deno.errors.ConnectionRefused);
  });
});
