import { placementDocs } from "../../hack/placement_docs.ts";

Deno.test("docs/placement.md draws what the scripts say", () => {
  const written = Deno.readTextFileSync(new URL("../../docs/placement.md", import.meta.url));
  if (written !== placementDocs()) {
    throw new Error(
      "docs/placement.md is stale; make it anew with: deno run --allow-all hack/placement_docs.ts",
    );
  }
});
