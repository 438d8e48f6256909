import type { ScratchCgroups } from "../../tests/kit/scratch_cgroups.ts";

/** A sleeping process in each cgroup, all children of one shell. */
export async function sleepers(
  scratch: ScratchCgroups,
  paths: readonly string[],
): Promise<AsyncDisposable> {
  const script =
    `for at in $(seq ${paths.length}); do sleep infinity >/dev/null & echo $!; done; exec >&-; wait`;
  const shell = new Deno.Command("sh", { args: ["-c", script], stdin: "null", stdout: "piped" }).spawn();
  const pids = (await new Response(shell.stdout).text()).trim().split("\n").map(Number);
  for (const [at, path] of paths.entries()) scratch.write(path, `${pids[at]}`, "cgroup.procs");
  return {
    async [Symbol.asyncDispose]() {
      for (const pid of pids) Deno.kill(pid, "SIGKILL");
      await shell.status;
    },
  };
}
