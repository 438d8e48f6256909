import assert from "node:assert/strict";
import { aligned, markdown } from "../../../tools/table.ts";

const TABLE = { head: ["what", "n", "note"], rows: [["a", "5", "x"], ["longer", "12.5", ""]] };

Deno.test("texts begin in line, numbers end in line, and no line ends in spaces", () => {
  assert.equal(aligned(TABLE), ["what       n  note", "a          5  x", "longer  12.5"].join("\n"));
});

Deno.test("a column with a text in it is no column of numbers", () => {
  const table = { head: ["n"], rows: [["7"], ["many"]] };
  assert.equal(aligned(table), "n\n7\nmany");
});

Deno.test("a head without rows stays a head", () => {
  assert.equal(aligned({ head: ["a", "b"], rows: [] }), "a  b");
});

Deno.test("in Markdown the rule says which columns are numbers, and a bar in a text doesn't end its cell", () => {
  const table = { ...TABLE, rows: [["a|b", "5", "x"]] };
  assert.equal(markdown(table), "| what | n | note |\n| --- | ---: | --- |\n| a\\|b | 5 | x |");
});
