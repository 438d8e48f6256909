/** What is said where a cluster can't be had, or isn't named. */
import assert from "node:assert/strict";

const ROOT = new URL("../../..", import.meta.url).pathname;

/** Runs a script with nothing but bash, dirname and these on its PATH; its status and what it says. */
function runBare(script: string, env: Record<string, string> = {}, ...programs: readonly string[]) {
  const path = Deno.makeTempDirSync();
  Deno.symlinkSync("/usr/bin/dirname", `${path}/dirname`);
  for (const program of programs) Deno.symlinkSync("/bin/true", `${path}/${program}`);
  const [name = "", ...args] = script.split(" ");
  const command = new Deno.Command("/bin/bash", {
    args: [`${ROOT}hack/${name}`, ...args],
    env: { ...env, PATH: path },
    clearEnv: true,
  });
  const { code, stderr } = command.outputSync();
  Deno.removeSync(path, { recursive: true });
  return { code, said: new TextDecoder().decode(stderr).trim() };
}

Deno.test("kind: what isn't there is named", () => {
  const missing = (what: string) => ({
    code: 2,
    said: `kind: there is no ${what} on this machine; install it first.`,
  });
  assert.deepEqual(runBare("kind/kind.sh up"), missing("docker and no podman"));
  assert.deepEqual(runBare("kind/kind.sh up", {}, "podman"), missing("kind"));
  assert.deepEqual(runBare("kind/kind.sh up", {}, "docker", "kind"), missing("kubectl"));
});

Deno.test("e2e-live: a cluster must be named, and the agent's image where it isn't there", () => {
  const refused = (said: string) => ({ code: 64, said: `e2e-live: ${said}` });
  assert.deepEqual(
    runBare("e2e-live.sh"),
    refused("KUBECONFIG isn't set; it must name the configuration file of the cluster to test on."),
  );
  assert.deepEqual(
    runBare("e2e-live.sh", { KUBECONFIG: "/none" }),
    refused("KUBECONFIG is /none, which can't be read."),
  );
  assert.deepEqual(
    runBare("e2e-live.sh", { KUBECONFIG: "/dev/null", FORCE_DEPLOY: "1" }, "kubectl", "sed"),
    refused(
      "the cluster has no agent; set PLUGIN_IMAGE to its image, or PLUGIN_REGISTRY to where it is pushed.",
    ),
  );
});
