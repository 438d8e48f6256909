import { ConfigError, rejectProblems } from "../daemon/config_error.ts";
import type { Effective } from "../daemon/load_config.ts";
import { nearMiss } from "../near_miss.ts";
import type { ExplainDocument } from "../status/explain_document.ts";
import { explainText } from "./explain_text.ts";
import { type OutputForm, print } from "./output.ts";
import { ask } from "./status_client.ts";

/**
 * Prints why a container, a pod's containers or a CPU are as they are.
 * @throws {StatusError} when no agent is active
 * @throws {ConfigError} when there is no such thing, or the configuration has problems
 */
export async function printExplanation(
  { config, problems }: Effective,
  asked: string,
  { output }: { readonly output: OutputForm },
): Promise<void> {
  rejectProblems(problems);
  const document = await ask<ExplainDocument>(config, `/api/v1/explain?of=${encodeURIComponent(asked)}`);
  if (document.explanations.length === 0) {
    const meant = nearMiss(asked, document.names ?? []);
    throw new ConfigError(
      `no pod or container ${asked} is known to the agent${
        meant === undefined ? "; weka-cpuset status lists those that are" : `; did you mean ${meant}?`
      }`,
    );
  }
  print(output, () => explainText(document, Date.now()), () => document);
}
