import assert from "node:assert/strict";
import { buildInfo } from "../../../src/platform/build_info.ts";

Deno.test("run from its sources, the program reports no release and no commit, but its Deno version", () => {
  assert.deepEqual(buildInfo(), { version: "0.0.0-dev", commit: "unknown", deno: Deno.version.deno });
});

Deno.test("the program reports what the bundler defined", async () => {
  const source = await Deno.readTextFile(new URL("../../../src/platform/build_info.ts", import.meta.url));
  const bundled = source.replaceAll("__WEKA_VERSION__", '"1.2.3"').replaceAll("__WEKA_COMMIT__", '"abc"')
    .replaceAll(/^declare .*$/gm, "");
  const module: typeof import("../../../src/platform/build_info.ts") = await import(
    `data:application/typescript,${encodeURIComponent(bundled)}`
  );
  assert.deepEqual(module.buildInfo(), { version: "1.2.3", commit: "abc", deno: Deno.version.deno });
});
