// Defined by the bundler (hack/build.ts); undefined when main.ts is run from its sources.
declare const __WEKA_VERSION__: string | undefined;
declare const __WEKA_COMMIT__: string | undefined;

/** What this program was built from. */
interface BuildInfo {
  /** The release, from deno.json; `0.0.0-dev` when run from the sources. */
  readonly version: string;
  /** `git describe` at build time; `unknown` when run from the sources or built outside git. */
  readonly commit: string;
  /** The Deno that runs it. */
  readonly deno: string;
}

/** What this program was built from, and the Deno that runs it. */
export function buildInfo(): BuildInfo {
  return {
    version: typeof __WEKA_VERSION__ === "string" ? __WEKA_VERSION__ : "0.0.0-dev",
    commit: typeof __WEKA_COMMIT__ === "string" ? __WEKA_COMMIT__ : "unknown",
    deno: Deno.version.deno,
  };
}
