import assert from "node:assert/strict";
import { nearMiss } from "../../src/near_miss.ts";

const WORDS = ["socket", "minShared", "log", "log.level", "log.keep"];

const CASES: readonly [given: string, meant: string | undefined][] = [
  ["sokcet", "socket"],
  ["lgo", "log"],
  ["minshared", "minShared"],
  ["min_shared", "minShared"],
  ["minShare", "minShared"],
  ["LOG.LEVEL", "log.level"],
  ["logs", "log"],
  ["lag", "log"],
  ["la", undefined],
  ["sock", "socket"],
  ["soc", undefined],
  ["", undefined],
  ["colour", undefined],
  ["minShared".padEnd(70, "d"), undefined],
];

for (const [given, meant] of CASES) {
  Deno.test(`"${given}" is ${meant === undefined ? "no slip of any word" : `a slip of ${meant}`}`, () => {
    assert.equal(nearMiss(given, WORDS), meant);
  });
}

Deno.test("the nearest of several is meant", () => {
  assert.equal(nearMiss("log.keeps", ["log.kept", "log.keep"]), "log.keep");
});
