import { settingsOf } from "../daemon/settings.ts";
import { ConfigError, rejectProblems } from "../daemon/config_error.ts";
import type { Effective } from "../daemon/load_config.ts";
import { ManifestError, readWorkloads, type Workload } from "../manifests/manifest.ts";
import { capacityFor, emptyNode, type PlannedNode, planPod } from "../plan/plan_pods.ts";
import { nodeFromStatus } from "../plan/from_status.ts";
import type { Config } from "../config/schema.ts";
import { type StatusDocument, statusSchema } from "../status/document.ts";
import { machineOf } from "./machine_option.ts";
import { type OutputForm, print, styleOf } from "./output.ts";
import { ask } from "./status_client.ts";
import { planJson, type PlannedManifests, planText } from "./plan_text.ts";

/** As commander gives them. */
export interface PlanOptions {
  readonly machine?: string;
  readonly fromAgent?: true;
  readonly capacity?: true;
  readonly output: OutputForm;
}

/** Status of a plan in which something is refused, or misspelt. */
const REFUSED = 3;

/** Far more than any cluster's manifests have. */
const MAX_BYTES = 64 * 2 ** 20;

/**
 * Plans the pods of these manifests on an empty node, or on that of the running agent as it is now, `-` being standard input,
 * and prints where they would be. The exit code is 3 when one is refused, or has a misspelt annotation.
 * @throws {ConfigError} when a manifest can't be read or isn't one, or the configuration has problems
 * @throws {StatusError} when the node of an agent is asked for, and none answers
 */
export async function planManifests(
  { config, problems }: Effective,
  files: readonly string[],
  options: PlanOptions,
): Promise<void> {
  rejectProblems(problems);
  let node = await nodeFor(config, options);
  const workloads: Workload[] = [];
  for (const file of files) workloads.push(...workloadsIn(file, await textOf(file)));
  const planned = workloads.flatMap(({ pods = [] }) => pods).map((pod) => {
    const next = planPod(node, pod);
    node = next.node;
    return next;
  });
  const containers = planned.flatMap(({ containers }) => containers);
  const misspelt = planned.flatMap(({ misspelt }) => misspelt);
  const capacity = new Map(
    workloads.flatMap(({ name, pods: [pod] = [] }) =>
      pod === undefined ? [] : [[name, capacityFor(node, pod)] as const]
    ),
  );
  const others = workloads.filter(({ pods }) => pods === undefined).map(({ name }) => name);
  const plan: PlannedManifests = {
    node,
    containers,
    misspelt,
    others,
    ...(options.capacity ? { capacity } : {}),
  };
  print(options.output, () => planText(plan, styleOf()), () => planJson(plan));
  const isRefused = containers.some(({ outcome }) => outcome === "refused");
  if (isRefused || misspelt.length > 0) Deno.exitCode = REFUSED;
}

/** The node to plan on. */
async function nodeFor(config: Config, { machine, fromAgent }: PlanOptions): Promise<PlannedNode> {
  const { policy, rules } = settingsOf(config);
  if (!fromAgent) return emptyNode(machineOf(config, machine), policy, rules);
  if (machine !== undefined) {
    throw new ConfigError("--machine and --from-agent name two nodes; use one of them");
  }
  const status = statusSchema.safeParse(await ask<StatusDocument>(config, "/api/v1/status"));
  const node = status.success
    ? nodeFromStatus(status.data, machineOf(config, undefined), policy, rules)
    : "the agent's status isn't as this version of it has it; use the executable that it was started from";
  if (typeof node === "string") throw new ConfigError(node);
  return node;
}

function workloadsIn(file: string, text: string): Workload[] {
  try {
    return readWorkloads(text);
  } catch (error) {
    if (error instanceof ManifestError) throw new ConfigError(`${nameOf(file)}: ${error.message}`);
    throw error;
  }
}

async function textOf(file: string): Promise<string> {
  try {
    const stream = file === "-" ? Deno.stdin.readable : (await Deno.open(file)).readable;
    let text = "";
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (text.length > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES / 2 ** 20} MiB`);
    }
    return text;
  } catch (error) {
    throw new ConfigError(`${nameOf(file)} can't be read: ${whyUnread(error as Error)}`);
  }
}

function whyUnread(error: Error): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not read it";
  if (error instanceof Deno.errors.IsADirectory || /os error 21/.test(error.message)) {
    return "it is a directory; name files";
  }
  return error.message;
}

function nameOf(file: string): string {
  return file === "-" ? "standard input" : file;
}
