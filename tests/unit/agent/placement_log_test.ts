/** What the log says of where containers are. */
import assert from "node:assert/strict";
import type { LogRecord } from "../../../src/log_record.ts";
import { Link, subject } from "../../kit/link.ts";
import { twoCpuVm } from "../../kit/sysfs.ts";

/** Level, message, and these fields. */
function lines(logs: readonly LogRecord[], ...keys: readonly string[]): string[] {
  return logs.map(({ level, message, fields = {} }) =>
    [level, message, ...keys.flatMap((key) => key in fields ? [`${key}=${fields[key]}`] : [])].join(" ")
  );
}

Deno.test("after a restart there is a line for each container, and a degraded one isn't called exclusive", () => {
  const link = Link.serving([
    { name: "web" },
    { name: "a", cpus: 1, record: "1" },
    { name: "b", cpus: 1, record: "1" },
  ], twoCpuVm);
  const found = link.logs.filter(({ message }) => message === "container found");
  assert.deepEqual(lines(found, "pod", "kind", "claimed", "cpus").sort(), [
    "debug container found pod=b kind=shared claimed=exclusive cpus=0",
    "debug container found pod=web kind=shared cpus=0",
    "info container found pod=a kind=exclusive cpus=1",
  ]);
});

Deno.test("a change of the pool and the end of a shared container are logged at debug", () => {
  const link = Link.serving([{ name: "web" }], twoCpuVm);
  link.logs.length = 0;
  link.create({ name: "db", cpus: 1 });
  link.stop({ name: "web" });
  const debug = link.logs.filter(({ level }) => level === "debug");
  assert.deepEqual(
    lines(debug, "pod", "before", "cpus").filter((line) => !line.includes("shared containers updated")),
    [
      "debug shared pool changed before=0-1 cpus=0",
      "debug container released pod=web cpus=",
    ],
  );
});

Deno.test("a refused resize is logged as one, once however often it is asked for", () => {
  const link = Link.serving([], twoCpuVm);
  const db = { name: "db", cpus: 1 };
  link.create(db);
  link.logs.length = 0;
  const cpu = { shares: { value: 4096n }, quota: { value: 400_000n }, period: { value: 100_000n } };
  for (let second = 0; second < 5; second++) {
    link.refused("UpdateContainer", { ...subject(db), linuxResources: { cpu } });
    link.tick(link.now + 1000);
  }
  const warned = link.logs.filter(({ level }) => level === "warn");
  assert.deepEqual(lines(warned, "pod"), ["warn container resize refused pod=db"]);
});
