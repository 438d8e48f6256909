/** What kubelet's CPU manager does, from its state file, and from its API where there is no file. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { CpuManager } from "../../../src/peers/cpu_manager.ts";
import { cpuManagerStateReader, parseCpuManagerState } from "../../../src/peers/cpu_manager_state.ts";
import { kubeletIn } from "../../../src/peers/kubelet.ts";
import { allocatable, FakeKubelet, listOf } from "../../kit/fake_kubelet.ts";

const UID = "823ca0b5-ed9e-421a-bfca-76fa078f3195";
const OTHER = "b8292fdc-57b1-4bc4-937b-34cd3dd1bcb8";
const ID = "6ad9a8c1b1d0b6a5a0e1c9ef5f1d1f9e7f1c4b8f0b7c8d3e2a1f0e9d8c7b6a59";
const NONE = '{"policyName":"none","defaultCpuSet":"","checksum":1353318690}';
const STATIC =
  `{"policyName":"static","defaultCpuSet":"0,2-95,97-191","entries":{"${UID}":{"db":"96"},"${OTHER}":{"a":"1","b":"3-4"}},"checksum":4076905443}`;

/** `policy: name=cpus …`, or why it isn't known. */
function textOf(found: CpuManager): string {
  if (found.kind === "unknown") return found.reason;
  return `${found.policy}: ${found.holders.map(({ name, cpus }) => `${name}=${cpus}`).join(" ")}`;
}

const STATES: readonly [what: string, text: string, found: string][] = [
  ["none, as 1.24 to 1.33 write it", NONE, "none: "],
  [
    "static, with nothing given yet (1.24 to 1.33)",
    '{"policyName":"static","defaultCpuSet":"0-63","checksum":1058907510}',
    "static: ",
  ],
  [
    "static, with strict-cpu-reservation (1.32)",
    '{"policyName":"static","defaultCpuSet":"2-15,17-31,34-47","entries":{},"checksum":4141502832}',
    "static: ",
  ],
  [
    "static, with CPUs given (1.24 to 1.33)",
    STATIC,
    `static: pod ${UID} container db=96 pod ${OTHER} container a=1 pod ${OTHER} container b=3-4`,
  ],
  [
    "static, by container ids (before 1.18)",
    `{"policyName":"static","defaultCpuSet":"0-1","entries":{"${ID}":"2-3"},"checksum":1}`,
    `static: container ${ID}=2-3`,
  ],
  [
    "pod-level entries beside those of containers (after 1.34)",
    `{"policyName":"static","defaultCpuSet":"0","podEntries":{"${UID}":{"cpuset":"1-2"}},"entries":{"${UID}":{"c":"1"}},"checksum":2}`,
    `static: pod ${UID} container c=1`,
  ],
  ["a wrong checksum, which isn't looked at", NONE.replace("1353318690", '"none of yours"'), "none: "],
  ["a vendor's policy", '{"policyName":"dynamic"}', "dynamic: "],
  ["white space around and within", ` ${NONE.replaceAll(",", " ,\n")}\n`, "none: "],
];

for (const [what, text, found] of STATES) {
  Deno.test(`a state file: ${what}`, () => assert.equal(textOf(parseCpuManagerState(text, "F")), found));
}

const NO_STATES = [
  "",
  "{",
  "null",
  "[]",
  "7",
  '"static"',
  "{}",
  '{"policyName":7}',
  '{"policyName":""}',
  '{"policyname":"static"}',
  STATIC.slice(0, 100),
  "[".repeat(100_000),
];

for (const text of NO_STATES) {
  Deno.test(`no state file: ${JSON.stringify(text.slice(0, 40))}`, () => {
    assert.equal(textOf(parseCpuManagerState(text, "F")), "F is not a state of kubelet's CPU manager");
  });
}

Deno.test("invalid entries are left out, the others kept", () => {
  const entries =
    `{"a":null,"b":7,"c":[],"d":{"x":"1-","y":7,"z":"","w":"5"},"e":"9-8","__proto__":{"v":"6"}}`;
  const found = parseCpuManagerState(`{"policyName":"static","entries":${entries}}`, "F");
  assert.equal(textOf(found), "static: pod d container w=5 pod __proto__ container v=6");
});

Deno.test("hostile names are escaped and shortened", () => {
  const entries = { ["\u001b[2J\n\u202e" + "p".repeat(1000)]: { "c\u0000": "1" } };
  const found = parseCpuManagerState(JSON.stringify({ policyName: "static\u009b", entries }), "F");
  assert.match(textOf(found), /^static\\u009b: pod \\u001b\[2J\\u000a\\u202ep+\.\.\.=1$/);
  assert(textOf(found).length < 200);
});

Deno.test("whatever a state file holds, the policy is known or unknown, and nothing is thrown", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.json(), fc.json().map((j) => `{"entries":${j}}`));
  const state = fc.json().map((json) => `{"policyName":"static","entries":${json}}`);
  fc.assert(fc.property(fc.oneof(text, state), (text) => {
    const found = parseCpuManagerState(text, "F");
    assert.match(textOf(found), /^[\x20-\x7e]*$/);
  }));
});

/** Runs `body` with a root directory of kubelet's. */
async function withRoot(body: (root: string) => Promise<void> | void): Promise<void> {
  const root = Deno.makeTempDirSync();
  try {
    await body(root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("the state file is read again when it has changed, and only then", () =>
  withRoot((root) => {
    const path = `${root}/cpu_manager_state`;
    const read = cpuManagerStateReader(root);
    assert.equal(textOf(read()), `there is no ${path}`);
    Deno.writeTextFileSync(path, STATIC);
    const first = read();
    assert.match(textOf(first), /^static: /);
    assert.equal(read(), first, "nothing has changed");
    // As kubelet does it: a new file in place of the old one; here of the same size and with the same time.
    Deno.writeTextFileSync(`${path}.new`, STATIC.replace('"static"', '"Static"'));
    const { atime, mtime } = Deno.statSync(path);
    assert(atime !== null && mtime !== null);
    Deno.utimeSync(`${path}.new`, atime, mtime);
    Deno.renameSync(`${path}.new`, path);
    assert.match(textOf(read()), /^Static: /);
    Deno.removeSync(path);
    assert.equal(textOf(read()), `there is no ${path}`);
  }));

Deno.test("a state file that is huge, no file or in no directory is unknown, with the reason", () =>
  withRoot((root) => {
    const path = `${root}/cpu_manager_state`;
    const why = () => textOf(cpuManagerStateReader(root)());
    Deno.writeTextFileSync(path, `{"policyName":"static"}`.padEnd(2 ** 20));
    assert.equal(why(), "static: ");
    Deno.writeTextFileSync(path, " ", { append: true });
    assert.equal(why(), `${path} has 1048577 bytes, more than the limit of 1048576`);
    Deno.removeSync(path);
    Deno.mkdirSync(path);
    assert.equal(why(), `${path} is not a regular file`);
    Deno.removeSync(path);
    new Deno.Command("mkfifo", { args: [path] }).outputSync();
    assert.equal(why(), `${path} is not a regular file`, "opening it would wait for a writer");
    Deno.removeSync(path);
    Deno.symlinkSync("cpu_manager_state", path);
    assert.match(why(), /cpu_manager_state can't be read: .*symbolic links/);
    assert.match(
      textOf(cpuManagerStateReader("/etc/hostname")()),
      /^\/etc\/hostname\/cpu_manager_state can't be/,
    );
  }));

Deno.test("when the file is readable, the API isn't called, and the answer is synchronous", () =>
  withRoot(async (root) => {
    Deno.mkdirSync(`${root}/pod-resources`);
    Deno.writeTextFileSync(`${root}/cpu_manager_state`, NONE);
    const kubelet = new FakeKubelet(`${root}/pod-resources/kubelet.sock`, {
      getAllocatableResources: allocatable(1),
    });
    const found = kubeletIn(root)();
    await kubelet.stop();
    assert(!(found instanceof Promise));
    assert.equal(textOf(found), "none: ");
    assert.deepEqual(kubelet.asked, []);
  }));

Deno.test("without a readable file the API is called at each look, until it answers none", () =>
  withRoot(async (root) => {
    Deno.mkdirSync(`${root}/pod-resources`);
    const socket = `${root}/pod-resources/kubelet.sock`;
    const list = listOf(["db", "main", [2]]);
    const kubelet = new FakeKubelet(socket, { getAllocatableResources: allocatable(1, 2), list });
    const look = kubeletIn(root);
    assert.equal(textOf(await look()), "static: ns/db container main=2");
    kubelet.answers({ getAllocatableResources: { code: 8, details: "later" } });
    assert.equal(
      textOf(await look()),
      `there is no ${root}/cpu_manager_state, and kubelet's ${socket}: ` +
        "GetAllocatableResources failed: later",
    );
    kubelet.answers({ getAllocatableResources: allocatable(1, 2), list: listOf(["db", "main", [1]]) });
    assert.equal(textOf(await look()), "static: ns/db container main=1");
    await kubelet.stop();
  }));

Deno.test("a kubelet with policy none isn't asked again before it has been restarted", () =>
  withRoot(async (root) => {
    Deno.mkdirSync(`${root}/pod-resources`);
    const socket = `${root}/pod-resources/kubelet.sock`;
    const first = new FakeKubelet(socket, { getAllocatableResources: allocatable() });
    const look = kubeletIn(root);
    assert.equal(textOf(await look()), "none: ");
    const again = look();
    assert(!(again instanceof Promise));
    assert.equal(textOf(again), "none: ");
    assert.deepEqual(first.asked, ["getAllocatableResources"]);
    // Keeps the inode in use: a file system may give it to the next file, within the same tick of its clock.
    Deno.linkSync(socket, `${root}/former`);
    await first.stop();
    const second = new FakeKubelet(socket, { getAllocatableResources: allocatable(1) });
    assert.equal(textOf(await look()), "static: ");
    await second.stop();
  }));

Deno.test("without file and API the reason names both", () =>
  withRoot(async (root) => {
    const socket = `${root}/pod-resources/kubelet.sock`;
    const noFile = `there is no ${root}/cpu_manager_state`;
    assert.equal(textOf(await kubeletIn(root)()), `${noFile}, and ${socket}: there is no such socket`);
    Deno.mkdirSync(`${root}/pod-resources`);
    Deno.writeTextFileSync(socket, "");
    assert.equal(textOf(await kubeletIn(root)()), `${noFile}, and ${socket}: no process listens there`);
  }));
