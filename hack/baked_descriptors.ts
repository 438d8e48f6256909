/**
 * Descriptors of generated messages as objects in the bundle. As generated, each file decodes its own from bytes when the program
 * starts, by the descriptor of descriptors, which has to be made for that alone: a fifth of the time until the agent registers.
 */
import { fileDesc } from "@bufbuild/protobuf/codegenv2";
import type { Plugin } from "esbuild";

const GENERATED = /\/src\/\w+\/gen\/\w+_pb\.ts$/;
const ENCODED = /\bfileDesc\("([^"]*)"\)/;

export const bakedDescriptors: Plugin = {
  name: "baked descriptors",
  setup: (build) =>
    build.onLoad({ filter: GENERATED }, async ({ path }) => ({
      contents: withBakedDescriptor(await Deno.readTextFile(path)),
      loader: "ts",
    })),
};

/** The source of a generated file with its descriptor as an object. Throws where it has none that depends on no other file. */
export function withBakedDescriptor(source: string): string {
  const encoded = ENCODED.exec(source)?.[1];
  if (encoded === undefined) throw new Error("a generated file without imports has a descriptor in base64");
  return `import { createFileRegistry } from "@bufbuild/protobuf";\n${
    source.replace(ENCODED, () => bakedDescriptor(encoded))
  }`;
}

/** An expression that gives what `fileDesc` gives for these bytes. */
export function bakedDescriptor(encoded: string): string {
  const { proto } = fileDesc(encoded);
  const prototypes = new Map<string, string>();
  const object = literal(proto, (prototype) => {
    const name = prototypes.get(prototype) ?? `defaults${prototypes.size}`;
    prototypes.set(prototype, name);
    return name;
  });
  const constants = [...prototypes].map(([prototype, name]) => `const ${name}=${prototype};`).join("");
  return `(()=>{${constants}const file=${object};` +
    "return createFileRegistry(file,()=>undefined).getFile(file.name)!})()";
}

/** A message as an expression; the default values of a kind of message are its prototype, of which `nameOf` makes a constant. */
function literal(value: unknown, nameOf: (prototype: string) => string): string {
  if (Array.isArray(value)) return `[${value.map((each) => literal(each, nameOf)).join()}]`;
  if (typeof value !== "object" || value === null) return `${JSON.stringify(value)}`;
  const defaults: unknown = Object.getPrototypeOf(value);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
    .map(([key, each]) => `${JSON.stringify(key)}:${literal(each, nameOf)}`);
  const prototype = defaults === Object.prototype ? [] : [`__proto__:${nameOf(literal(defaults, nameOf))}`];
  return `{${[...prototype, ...entries].join()}}`;
}
