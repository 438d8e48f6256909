import assert from "node:assert/strict";
import { at, INT64, parseJson, textAt, UINT32, wholeAt } from "../../../src/platform/json_at.ts";

Deno.test("a path leads to the value there, and to undefined elsewhere", () => {
  const value = parseJson('{"a":{"b":[1,"x"],"n":null},"__proto__":{"c":1}}');
  assert.equal(at(value, "a", "b", "1"), "x");
  assert.equal(at(value), value);
  for (const path of [["b"], ["a", "n", "c"], ["a", "b", "0", "c"], ["c"], ["toString"], ["a", "b", "map"]]) {
    assert.equal(at(value, ...path), undefined, path.join("."));
  }
  assert.equal(at(parseJson("{"), "a"), undefined);
});

Deno.test("texts and whole numbers are read, values of other types count as absent", () => {
  const value = { text: "x", number: 7, half: 0.5, list: ["x"] };
  assert.equal(textAt(value, "text"), "x");
  assert.equal(textAt(value, "number"), "");
  assert.equal(wholeAt(value, UINT32, "number"), 7n);
  for (const key of ["text", "half", "list", "none"]) {
    assert.equal(wholeAt(value, UINT32, key), undefined, key);
  }
});

Deno.test("a number that JSON rounds beyond its type's range is clamped to it", () => {
  const value = parseJson(
    '{"max":9223372036854775807,"min":-9223372036854775808,"unlimited":9223372036854771712}',
  );
  assert.equal(wholeAt(value, INT64, "max"), 9223372036854775807n);
  assert.equal(wholeAt(value, INT64, "min"), -9223372036854775808n);
  assert.equal(wholeAt(value, INT64, "unlimited"), 9223372036854771712n);
  assert.equal(wholeAt(value, UINT32, "max"), 4294967295n);
  assert.equal(wholeAt(value, UINT32, "min"), 0n);
});
