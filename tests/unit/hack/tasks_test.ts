/** The tasks of deno.json, compared with the targets of the Makefile. */
import assert from "node:assert/strict";

const ROOT = new URL("../../..", import.meta.url).pathname;

type Task = string | { readonly command: string; readonly dependencies: readonly string[] };

const TASKS: Readonly<Record<string, Task>> = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)).tasks;
const MAKEFILE = Deno.readTextFileSync(`${ROOT}Makefile`);

/** A documented target: its prerequisites and its recipe, with the variables of the Makefile replaced. */
interface Target {
  readonly prerequisites: readonly string[];
  readonly recipe: string;
}

function variable(name: string): string {
  const value = new RegExp(`^${name} := (.*)$`, "m").exec(MAKEFILE)?.[1];
  assert(value !== undefined, name);
  return value;
}

function targets(): Map<string, Target> {
  const rules = MAKEFILE.matchAll(/^([a-z0-9-]+):(.*)## .*\n((?:[\t ].*\n)*)/gm);
  return new Map([...rules].map(([, name = "", prerequisites = "", recipe = ""]) => [name, {
    prerequisites: prerequisites.split(" ").filter((word) => word !== ""),
    recipe: ["deno", "build_permissions"].reduce(
      (text, used) => text.replaceAll(`$(${used})`, variable(used)),
      recipe,
    ),
  }]));
}

Deno.test("deno.json has a task for each documented target of the Makefile, and no other", () => {
  assert.deepEqual(Object.keys(TASKS), [...targets().keys()]);
});

Deno.test("a task runs the commands of its target, after the same others", () => {
  for (const [name, { prerequisites, recipe }] of targets()) {
    const task = TASKS[name] ?? "";
    const { command, dependencies } = typeof task === "string" ? { command: task, dependencies: [] } : task;
    if (command === `make ${name}`) continue;
    assert.deepEqual(dependencies, prerequisites, name);
    for (const part of command.split(" && ")) assert(recipe.includes(`\t${part}`), `${name}: ${part}`);
  }
});
