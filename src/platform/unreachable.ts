/**
 * Why no process can be reached on a unix socket; undefined when one can. Called before a client is loaded: most nodes
 * have only some of the configured sockets.
 */
export async function unreachable(path: string): Promise<string | undefined> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no such socket";
    if (error instanceof Deno.errors.ConnectionRefused) return "no process listens there";
    return (error as Error).message;
  }
}
