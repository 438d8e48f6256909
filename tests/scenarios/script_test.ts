/** The grammar: what can't be read is said in one sentence with file and line, and what is written can be read. */
import assert from "node:assert/strict";
import { FakeRuntime } from "./fake_runtime.ts";
import { Player } from "./play.ts";
import { at, parseScript, withResults } from "./script.ts";
import { eventText, parseEvent } from "./words.ts";

const HEAD = "# It holds.\nmachine cores=2\n\n";

/** The sentence about a script with these blocks after a good head of three lines. */
function problem(text: string): string {
  try {
    const { blocks, ...head } = parseScript(text, "x.txt");
    const player = new Player({ ...head, blocks });
    for (const { line, event } of blocks.flatMap(({ events }) => events)) {
      at("x.txt", line, () => player.event(event));
    }
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  return "";
}

const BAD: readonly (readonly [text: string, sentence: string | RegExp])[] = [
  [
    "machine cores=2\n",
    "x.txt:1: the first line is the sentence that the script proves, after a # and a space",
  ],
  ["# It holds.\nrun a\n----\n", 'x.txt:2: "run" is no word of the head, which an empty line ends'],
  ["# It holds.\n\nrun a\n----\n", "x.txt:1: the head names no machine, as in machine cores=4 threads=2"],
  [
    "# It holds.\nmachine cors=2\n",
    /^x\.txt:2: "machine" doesn't know the word "cors"; it may be sockets, nodes, /,
  ],
  ["# It holds.\nmachine cores=two\n", 'x.txt:2: "cores" needs a whole number, not "two"'],
  [HEAD, "x.txt:4: no event is there"],
  [`${HEAD}ran a\n----\n`, /^x\.txt:4: there is no event "ran"; it is one of run, create, /],
  [`${HEAD}run\n----\n`, 'x.txt:4: "run" needs a container after it'],
  [`${HEAD}run a cups=2\n----\n`, /^x\.txt:4: "run" doesn't know the word "cups"; it may be cpus, shares, /],
  [`${HEAD}stop a now\n----\n`, 'x.txt:4: "stop" doesn\'t know the word "now"; it takes none'],
  [`${HEAD}run a cpus=1 cpus=2\n----\n`, 'x.txt:4: "cpus" is there twice'],
  [`${HEAD}run a cores-ids="0\n----\n`, "x.txt:4: a quote is opened and not closed"],
  [`${HEAD}run a\n`, "x.txt:4: no ---- comes after this event"],
  [`${HEAD}----\n`, "x.txt:4: no event is there before the ----"],
  [`${HEAD}run A\n----\n`, 'x.txt:4: "A" is no name of a container, as web, app/main or app/main#2'],
  [`${HEAD}run a cpus=1.2345\n----\n`, 'x.txt:4: a number of CPUs is expected, as 4 or 0.5, not "1.2345"'],
  [`${HEAD}run a shares=many\n----\n`, 'x.txt:4: "shares" needs a whole number or none, not "many"'],
  [`${HEAD}stop a\n----\n`, 'x.txt:4: the runtime has no container "a"'],
  [`${HEAD}stop-sandbox a\n----\n`, 'x.txt:4: the runtime has no pod "a"'],
  [`${HEAD}run a\nrun a\n----\n`, "x.txt:5: a is there already; a new one of it is a#2"],
  [`${HEAD}tick soon\n----\n`, 'x.txt:4: "tick" needs a whole number, not "soon"'],
  [`${HEAD}offline 1-0\n----\n`, /^x\.txt:4: "1-0" is not a CPU list: /],
  [`${HEAD}configure minShared: x\n----\n`, /^x\.txt:4: the script: minShared must be a whole number/],
  [`${HEAD}configure : :\n----\n`, /^x\.txt:4: /],
];

for (const [text, sentence] of BAD) {
  Deno.test(`said in one sentence: ${JSON.stringify(text.replace(HEAD, ""))}`, () => {
    const said = problem(text);
    if (typeof sentence === "string") assert.equal(said, sentence);
    else assert.match(said, sentence);
  });
}

const LINES = [
  "run web",
  "create app/main#2 cpus=4 forbid=0-1 movable=false",
  'run pin cores-ids="0, 2"',
  "run x cores-ids.weka.io/container.main=1",
  "found old cpus=2 cpuset=4,12 age=500 starting",
  "update db shares=2048 quota=none",
  "synchronize parts=3",
  "offline 4-5 struck",
  "configure reservedNamespaces: [a, b]",
];

Deno.test("an event that was read is written as it was", () => {
  for (const line of LINES) assert.equal(eventText(parseEvent(line)), line);
});

Deno.test("what came of the blocks takes the place of what was expected, and nothing else changes", () => {
  const text = `${HEAD}# first\nrun a\n----\nold\nold\n\nstop a\n----\n\n# last\nremove a\n----\n`;
  const results = [["one"], ["two", "lines"], ["three"]];
  const expected =
    `${HEAD}# first\nrun a\n----\none\n\nstop a\n----\ntwo\nlines\n\n# last\nremove a\n----\nthree\n`;
  const rewritten = withResults(text, parseScript(text, "x.txt"), results);
  assert.equal(rewritten, expected);
  assert.deepEqual(parseScript(rewritten, "x.txt").blocks.map(({ expected }) => expected), results);
});

Deno.test("the figures of a container are those that kubelet computes", () => {
  const figures = (line: string) => {
    const { subject, words } = parseEvent(line);
    const { shares, quota, period } = new FakeRuntime().box(subject, words).container.linux?.resources?.cpu ??
      {};
    return [shares?.value, quota?.value, period?.value];
  };
  assert.deepEqual(figures("run a cpus=4"), [4096n, 400_000n, 100_000n]);
  assert.deepEqual(figures("run a cpus=0.5"), [512n, 50_000n, 100_000n]);
  assert.deepEqual(figures("run a cpus=300"), [262_144n, 30_000_000n, 100_000n]);
  assert.deepEqual(figures("run a"), [2n, 0n, 100_000n]);
  assert.deepEqual(figures("run a cpus=2 quota=none period=none"), [2048n, undefined, undefined]);
  assert.deepEqual(figures("run a shares=100"), [100n, undefined, undefined]);
});
