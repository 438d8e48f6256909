import assert from "node:assert/strict";
import { type LevelledLog, type LogOptions, openLog } from "../../../src/platform/log.ts";
import type { LogRecord } from "../../../src/log_record.ts";
import { Child } from "../../kit/child.ts";

async function linesOf(options: LogOptions, use: (log: LevelledLog) => void): Promise<string[]> {
  let text = "";
  const log = openLog(options, (bytes) => Promise.resolve(void (text += new TextDecoder().decode(bytes))));
  use(log);
  await log.flush();
  return text.split("\n").slice(0, -1);
}

const PLACED: LogRecord = {
  level: "info",
  message: "container admitted",
  fields: { cpus: "2-3", updates: 1 },
};

Deno.test("a record becomes one line of key=value pairs", async () => {
  const lines = await linesOf({ level: "info" }, (log) => log.write(PLACED));
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^time=\S+ level=info .*msg="container admitted" cpus=2-3 updates=1$/);
});

Deno.test("or one JSON object, with the same names and values", async () => {
  const lines = await linesOf({ level: "info", format: "json" }, (log) => {
    log.write(PLACED);
    log.write({ level: "warn", message: "x", fields: { ok: true, level: "mine", msg: "mine" } });
  });
  const [placed, warned] = lines.map((line) => JSON.parse(line));
  assert.match(placed.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual({ ...placed, time: "" }, {
    time: "",
    level: "info",
    msg: "container admitted",
    cpus: "2-3",
    updates: 1,
  });
  assert.deepEqual({ ...warned, time: "" }, { time: "", level: "warning", msg: "x", ok: true });
  assert(lines.every((line) => line.startsWith('{"time":"')));
});

for (const format of ["text", "json"] as const) {
  Deno.test(`a pod's name can't forge a line or move the cursor, and braces are no placeholders: ${format}`, async () => {
    const hostile = 'x"\nlevel=error msg=forged \x1b[2J\x9b2J\x7f\u2028';
    const lines = await linesOf(
      { level: "info", format },
      (log) => log.write({ level: "warn", message: `refused {pod} ${hostile}`, fields: { pod: hostile } }),
    );
    assert.equal(lines.length, 1);
    assert.doesNotMatch(lines[0] ?? "", /\p{Cc}/u);
    assert(lines[0]?.includes("refused {pod} x"));
  });
}

Deno.test("long messages and fields are cut", async () => {
  const endless = "x".repeat(1 << 20);
  const [line] = await linesOf(
    { level: "info", format: "json" },
    (log) => log.write({ level: "error", message: endless, fields: { endless, n: 1 } }),
  );
  const cut = `${"x".repeat(2000)}…`;
  assert.deepEqual({ ...JSON.parse(line ?? ""), time: "" }, {
    time: "",
    level: "error",
    msg: cut,
    endless: cut,
    n: 1,
  });
});

const LEVELS = ["debug", "info", "warn", "error"] as const;

function one(log: LevelledLog): void {
  for (const level of LEVELS) log.write({ level, message: level });
}

Deno.test("levels below the chosen one are left out", async () => {
  for (const [at, level] of LEVELS.entries()) {
    assert.equal((await linesOf({ level }, one)).length, LEVELS.length - at);
  }
});

Deno.test("the level can be changed, for this log alone", async () => {
  const lines = await linesOf({ level: "error" }, (log) => {
    openLog({ level: "error" }).setLevel("debug");
    one(log);
    log.setLevel("debug");
    one(log);
    log.setLevel("warn");
    one(log);
  });
  assert.equal(lines.length, 1 + 4 + 2);
});

Deno.test("repeated records are held back, of every level, and summarised before the log ends", async () => {
  const lines = await linesOf({ level: "info" }, (log) => {
    for (let i = 0; i < 322; i++) {
      log.write({ level: "error", message: "no socket", fields: { path: "/run" } });
    }
    log.write(PLACED);
  });
  assert.equal(lines.length, 10 + 1 + 1);
  const summary = /level=error .*msg="no socket \(repeated 312 more times in the last minute\)" path=\/run$/;
  assert.match(lines.at(-1) ?? "", summary);
});

Deno.test("the summary comes by itself when the minute is over", async () => {
  const real = globalThis.setTimeout;
  const timers: { due: () => void; ms: number | undefined }[] = [];
  globalThis.setTimeout = ((due: () => void, ms?: number) => timers.push({ due, ms })) as typeof setTimeout;
  try {
    const lines: string[] = [];
    const log = openLog(
      { level: "info" },
      (bytes) => Promise.resolve(void lines.push(new TextDecoder().decode(bytes))),
    );
    for (let i = 0; i < 11; i++) log.write(PLACED);
    assert.equal(timers.length, 1);
    assert(timers[0]?.ms !== undefined && timers[0].ms > 50_000 && timers[0].ms <= 60_000);
    timers[0].due();
    await Promise.resolve();
    assert.match(lines.join(""), /container admitted \(repeated 1 more times/);
    log.write(PLACED); // news again
    await Promise.resolve();
    assert.match(lines.join(""), /repeated[^]*msg="container admitted" /);
  } finally {
    globalThis.setTimeout = real;
  }
});

Deno.test("a flush gives up on a reader that has stalled", async () => {
  const log = openLog({ level: "info" }, () => new Promise(() => {}));
  log.write(PLACED);
  await log.flush();
});

Deno.test("too many lines at once are dropped, and their number is logged in the log's own format", async () => {
  const lines = await linesOf({ level: "info", format: "json" }, (log) => {
    for (let i = 0; i < 2100; i++) log.write({ level: "info", message: `message ${i}` });
  });
  assert.equal(lines.length, 2000 + 1 + 1);
  const { msg } = JSON.parse(lines[2001] ?? "");
  assert.match(msg, /^dropped 99 log lines, the log's reader was too slow or its file couldn't be written$/);
});

Deno.test("a process whose stderr is not read any more ends all the same", async () => {
  const program = `
    import { openLog } from "src/platform/log.ts";
    const log = openLog({ level: "info" });
    for (let i = 0; i < 1500; i++) log.write({ level: "info", message: i + "x".repeat(1000) });
    await log.flush();
    Deno.exit(7);`;
  await Child.with([program], async (child) => {
    assert.equal((await child.process.status).code, 7);
    await child.process.stderr.cancel();
  }, { stderr: "piped" });
});

Deno.test("a summary to come doesn't keep a process from ending", async () => {
  const program = `
    import { openLog } from "src/platform/log.ts";
    const log = openLog({ level: "info" });
    for (let i = 0; i < 20; i++) log.write({ level: "info", message: "again" });`;
  await Child.with([program], async (child) => {
    assert.equal((await child.process.status).code, 0);
    await child.process.stderr.cancel();
  }, { stderr: "piped" });
});

/** A program that logs to a file in `dir`, in a way that `use` says. */
const LOGGER = (dir: string, use: string) => `
  import { openLog } from "src/platform/log.ts";
  const path = "${dir}/log/agent.log";
  const log = openLog({ level: "info", format: "json", file: { path, maxBytes: 1e6, keep: 1 } });
  const say = async (message) => {
    log.write({ level: "info", message });
    await log.flush();
  };
  ${use}
  for (const line of Deno.readTextFileSync(path).trimEnd().split("\\n")) console.log(JSON.parse(line).msg);
`;

Deno.test("a file that can't be written costs lines; stderr reports it once, the file when it works again", async () => {
  const dir = await Deno.makeTempDir();
  const use = `
    for (const message of ["lost", "lost too", "lost as well"]) await say(message);
    Deno.mkdirSync("${dir}/log");
    for (const message of ["kept", "also"]) await say(message);`;
  await Child.with([LOGGER(dir, use)], async (child) => {
    for (const message of ["kept", /^dropped 3 log lines, /, "also"]) await child.says(message);
    const stderr = await new Response(child.process.stderr).text();
    assert.match(
      stderr,
      /^weka-cpuset: failed to log to \S+\/log\/agent\.log: .*; lines are dropped until it can be written\n$/,
    );
  }, { stderr: "piped" });
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a full disk leaves no partial line, and the log goes on when there is space again", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.mkdir(`${dir}/log`);
  const use = `
    for (const letter of "abcdef") await say(letter.repeat(1500));
    console.log(Deno.readTextFileSync(path).replace(/.*(a|b|c|d|e|f)\\1{1499}".*\\n/g, "whole "));
    Deno.truncateSync(path);
    await say("room again");`;
  // No file of more than 2 KiB (some shells: 4), which is an error and no signal.
  const options = { shell: "trap '' XFSZ; ulimit -f 4", stderr: "piped" } as const;
  await Child.with([LOGGER(dir, use)], async (child) => {
    await child.says(/^(whole ){1,2}$/);
    await child.says("room again");
    await child.says(/^dropped [45] log lines/);
    await child.process.stderr.cancel();
  }, options);
  await Deno.remove(dir, { recursive: true });
});
