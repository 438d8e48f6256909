import assert from "node:assert/strict";
import { openLog } from "../../src/host/log.ts";

async function linesOf(
  level: "debug" | "info" | "warn" | "error",
  use: (log: ReturnType<typeof openLog>) => void,
) {
  let text = "";
  const log = openLog(level, (bytes) => Promise.resolve(void (text += new TextDecoder().decode(bytes))));
  use(log);
  await log.flush();
  return text.split("\n").slice(0, -1);
}

Deno.test("a record becomes one line of key=value pairs", async () => {
  const lines = await linesOf(
    "info",
    (log) => log.write({ level: "info", message: "placed pinned", fields: { cpus: "2-3", updates: 1 } }),
  );
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^time=\S+ level=info .*msg="placed pinned" cpus=2-3 updates=1$/);
});

Deno.test("a pod's name can't forge a line or move the cursor, and braces are no placeholders", async () => {
  const hostile = 'x"\nlevel=error msg=forged \x1b[2J';
  const lines = await linesOf(
    "info",
    (log) => log.write({ level: "warn", message: `refused {pod} ${hostile}`, fields: { pod: hostile } }),
  );
  assert.equal(lines.length, 1);
  assert(!lines[0]?.includes("\x1b"));
  assert(lines[0]?.includes("refused {pod} x"));
});

Deno.test("levels below the chosen one are left out", async () => {
  const all = (log: ReturnType<typeof openLog>) => {
    for (const level of ["debug", "info", "warn", "error"] as const) log.write({ level, message: level });
  };
  assert.equal((await linesOf("debug", all)).length, 4);
  assert.equal((await linesOf("warn", all)).length, 2);
});
