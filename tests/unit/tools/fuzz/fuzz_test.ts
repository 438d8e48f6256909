/** A small part of what `make fuzz` does, with the same inputs for everybody. */
import assert from "node:assert/strict";
import { libc } from "../../../../src/platform/libc.ts";
import { runTarget } from "../../../../tools/fuzz/run.ts";
import { sharesOf, TARGETS } from "../../../../tools/fuzz/targets.ts";

libc(); // loaded outside of the tests, where it is no leak

const INPUTS = 20_000;
const SEED = 7;

for (const [target, inputs] of sharesOf(TARGETS, INPUTS)) {
  Deno.test(`whatever it is fed, this parser keeps what it promises: ${target.name}`, async () => {
    const failure = await runTarget(target, { seed: SEED, from: 0, to: inputs });
    const { index, error, input } = failure ?? {};
    assert.equal(failure, undefined, `input ${index} of seed ${SEED}: ${error}\n\n${input}\n`);
  });
}
