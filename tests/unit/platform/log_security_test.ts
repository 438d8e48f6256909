/** What others write (names, annotations, a runtime's words) reaches a log or a terminal as text, and as nothing else. */
import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { environmentLayer } from "../../../src/config/environment.ts";
import { parseYaml } from "../../../src/config/parse.ts";
import { checkedLayer, resolve } from "../../../src/config/layers.ts";
import { nriContainer, nriPod } from "../../../src/cri/to_nri.ts";
import {
  ContainerState,
  ContainerStatusSchema,
  PodSandboxStatusSchema,
} from "../../../src/cri/gen/cri_pb.ts";
import { openLog } from "../../../src/platform/log.ts";
import type { LogRecord } from "../../../src/log_record.ts";
import { adoptListing } from "../../../src/agent/handlers/synchronize.ts";
import { Link } from "../../kit/link.ts";

const NASTY: readonly [what: string, text: string][] = [
  ["clears the screen", "a\x1b[2J\x1b[H"],
  ["sets the terminal's title", "a\x1b]0;owned\x07"],
  ["is an escape sequence in one byte", "a\x9b31m"],
  ["rubs out what stands before it", "a\b\b\b\x7f"],
  ["overwrites its line", "a\rlevel=info"],
  ["forges a line", "a\ntime=2026-01-01T00:00:00.000Z level=error msg=forged"],
  ["forges a line by U+0085", "a\x85level=error"],
  ["forges a line by U+2028", "a\u2028level=error"],
  ["forges a field", 'a" level=error msg="forged'],
  ["turns the reading direction", "a\u202egnp.exe"],
  ["isolates the reading direction", "a\u2066b\u2069"],
  ["can't be seen", "a\u200b\u2060\ufeff\u{e0041}"],
  ["ends the text for C", "a\0b"],
  ["is half a character", "a\ud800"],
];
/** Nothing that a terminal obeys or a person can't see. */
const PRINTABLE = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u;

/** What the program's own log makes of these records, in both formats. */
async function linesOf(records: readonly LogRecord[], format: "text" | "json"): Promise<string[]> {
  const parts: Uint8Array[] = [];
  const log = openLog({ level: "debug", format }, (bytes) => Promise.resolve(void parts.push(bytes.slice())));
  for (const record of records) log.write(record);
  await log.flush();
  const text = await new Blob(parts as BlobPart[]).text();
  return text.split("\n").slice(0, -1);
}

async function assertHarmless(records: readonly LogRecord[]): Promise<void> {
  assert(records.length > 0);
  for (const format of ["text", "json"] as const) {
    const lines = await linesOf(records, format);
    assert.equal(lines.length, records.length);
    for (const line of lines) {
      assert.match(line, PRINTABLE);
      assert.match(
        line,
        format === "json" ? /^\{"time":"[^"]+","level":"\w+"/ : /^time=\S+ level=\w+ logger=\S+ msg=/,
      );
      if (format === "text") {
        assert.equal(line.replaceAll(/"(\\.|[^"\\])*"/g, '""').match(/ level=/g)?.length, 1);
      }
    }
  }
}

for (const [what, text] of NASTY) {
  Deno.test(`a name that ${what} is harmless in the log, in both formats`, async () => {
    await assertHarmless([{ level: "warn", message: `refused ${text}`, fields: { pod: text } }]);
  });

  Deno.test(`a pod whose names and annotations hold what ${what} is placed, refused and logged harmlessly`, async () => {
    const name = { name: text, container: text, namespace: text };
    const link = Link.serving([{ ...name, name: `${text}0`, annotations: { "weka.io/cores-ids": text } }]);
    link.create({ ...name, annotations: { "weka.io/forbid-core-ids": text, "weka.io/placement": text } });
    const refusal = link.refusal({ name: "p", annotations: { "weka.io/cores-ids": `0,${text}` } });
    assert.match(refusal, PRINTABLE);
    await assertHarmless(link.logs);
  });

  Deno.test(`a CRI whose answers hold what ${what} is read and logged harmlessly`, async () => {
    const info = JSON.stringify({
      runtimeSpec: { linux: { cgroupsPath: text, resources: { cpu: { cpus: text } } } },
    });
    const state = ContainerState.CONTAINER_RUNNING;
    const status = create(ContainerStatusSchema, { id: text, state, metadata: { name: text } });
    const annotations = { "weka.io/cores-ids": text, [text]: text };
    const metadata = { name: text, namespace: text, uid: text };
    const pod = create(PodSandboxStatusSchema, { id: "p", metadata, annotations });
    const listing = { pods: [nriPod(pod, { info })], containers: [nriContainer("p", status, { info })] };
    await assertHarmless(adoptListing(Link.serving().agent.state, listing).logs);
  });

  Deno.test(`a configuration that holds what ${what} is reported harmlessly, also on a terminal`, () => {
    const place = { source: "file", file: "/etc/c.yaml", nameOf: (path: string) => path } as const;
    const trees = [{ socket: text }, { [text]: "x" }, { log: { level: text } }, { systemReserved: text }];
    const layers = [
      ...trees.map((tree) => checkedLayer(place, tree)),
      environmentLayer({ [`WEKA_CPUSET_${text}`]: "" }),
    ];
    const sentences = layers.flatMap((layer) => resolve([layer]).problems.map(({ sentence }) => sentence));
    assert.equal(sentences.length, layers.length);
    const parsed = parseYaml(`a: >${text}\n`);
    if (parsed.kind === "invalid") sentences.push(parsed.reason);
    for (const sentence of sentences) assert.match(sentence, PRINTABLE);
  });
}
