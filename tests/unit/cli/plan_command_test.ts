import assert from "node:assert/strict";
import { commandLine } from "../../../src/cli/command_line.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";

// Loads libc, once for the process.
readerOf("/sys")("devices/system/cpu/online");

const DATABASE = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: prod}
spec:
  replicas: 2
  template:
    spec:
      containers: [{name: main, resources: {limits: {cpu: 4, memory: 8Gi}}}]
---
kind: Service
metadata: {name: db}
spec: {}
`;

interface Ran {
  readonly out: string;
  readonly status: number;
}

/** Runs a command as main.ts does, with its standard output and status caught. */
async function run(...args: string[]): Promise<Ran> {
  const program = commandLine("test", () => Promise.resolve(), {
    environment: {},
    defaultFile: "/nonexistent",
  });
  program.configureOutput({ writeErr: () => {}, writeOut: () => {} });
  const { log } = console;
  const lines: string[] = [];
  console.log = (line: string) => void lines.push(line);
  try {
    await program.parseAsync(args, { from: "user" });
    return { out: lines.join("\n"), status: Deno.exitCode };
  } finally {
    console.log = log;
    Deno.exitCode = 0;
  }
}

async function inFile(text: string, then: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, text);
    await then(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("plan shows where each container would be, what fits besides, and what it passed over", async () => {
  await inFile(DATABASE, async (path) => {
    const { out, status } = await run("plan", "--machine", "1s1n8c2t", "--capacity", path);
    assert.match(out, /^prod\/db-0\/main +exclusive +1-2,9-10 +any$/m);
    assert.match(out, /^prod\/db-1\/main +exclusive +3-4,11-12 +any$/m);
    assert.match(out, /^StatefulSet db +1$/m);
    assert.match(out, /^2 containers placed, 0 refused; 1 object without containers$/m);
    assert.equal(status, 0);
  });
});

Deno.test("plan as JSON, with status 3 for a refusal", async () => {
  await inFile(DATABASE, async (path) => {
    const { out, status } = await run("plan", "--machine", "1s1n3c2t", "--output", "json", path);
    const { version, containers, ignored } = JSON.parse(out);
    assert.equal(version, 1);
    assert.deepEqual(containers.map((each: { outcome: string }) => each.outcome), ["placed", "refused"]);
    assert.match(containers[1].reason, /needs 4 exclusive CPUs, 1 is free/);
    assert.deepEqual(ignored, ["Service db"]);
    assert.equal(status, 3);
  });
});

Deno.test("an annotation that is nearly one of ours is an error of the plan", async () => {
  const pod =
    'kind: Pod\nmetadata: {name: a, annotations: {weka.io/core-ids: "1"}}\nspec: {containers: [{name: main}]}';
  await inFile(pod, async (path) => {
    const { out, status } = await run("plan", "--machine", "1s1n8c2t", path);
    assert.match(
      out,
      /^error: default\/a: "weka\.io\/core-ids" is ignored, .*did you mean "weka\.io\/cores-ids"\?/m,
    );
    assert.equal(status, 3);
  });
});

Deno.test("plan says in a sentence what can't be planned", async () => {
  const cases: readonly [string, RegExp][] = [
    ["kind: Pod\nmetadata: {name: a}\nspec: {containers: 3}", /containers of Pod a must be a list/],
    ["just words", /a manifest must be a mapping/],
    [`${DATABASE}\n---\n{`, /not valid YAML/],
  ];
  for (const [text, sentence] of cases) {
    await inFile(text, (path) => assert.rejects(run("plan", "--machine", "1s1n3c2t", path), sentence));
  }
  await assert.rejects(run("plan", "/nonexistent.yaml"), /nonexistent.yaml can't be read/);
  await inFile(
    DATABASE,
    (path) => assert.rejects(run("plan", "--machine", "big", path), /--machine: .*2s4n16c2t/),
  );
});

Deno.test("topology draws the machine that the configured sysfs shows", async () => {
  const { out } = await run("topology");
  assert.match(out, /^\d+ sockets?, \d+ NUMA nodes?, \d+ last-level caches?, \d+ cores?, \d+ CPUs?$/m);
  const { out: json } = await run("topology", "--output", "json");
  assert.equal(JSON.parse(json).version, 1);
});
