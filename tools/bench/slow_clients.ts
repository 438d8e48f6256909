// Clients that hang on a page, as a program of its own, so that what they cost isn't the benchmark's: started with the port and
// their number, they come at the line "on" and go at the line "off", and each time print a line when that is done.

const [port = "", count = ""] = Deno.args;
const PAUSE_MS = 50;

/** A slow one asks byte by byte, a deaf one doesn't read, a lazy one reads byte by byte; ended, each comes again. */
const MANNERS = ["slow", "deaf", "lazy"] as const;
const PATHS = { slow: "/metrics", deaf: "/api/v1/status", lazy: "/" };

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

async function hang(manner: typeof MANNERS[number], stop: AbortSignal, came: () => void): Promise<void> {
  while (!stop.aborted) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    const close = () => connection.close();
    stop.addEventListener("abort", close);
    came();
    try {
      const request = new TextEncoder().encode(`GET ${PATHS[manner]} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      const step = manner === "slow" ? 1 : request.length;
      for (let at = 0; at < request.length; at += step) {
        await connection.write(request.subarray(at, at + step));
        if (manner === "slow") await pause();
      }
      // One that is deaf never notices the end of its connection either, so it goes after a while as a person would.
      for (let waited = 0; manner === "deaf" && waited < 200 && !stop.aborted; waited++) await pause();
      while (manner === "lazy" && await connection.read(new Uint8Array(1)) !== null) await pause();
    } catch {
      // Ended by the agent, or by "off".
    }
    stop.removeEventListener("abort", close);
    if (!stop.aborted) close();
    await pause();
  }
}

let hanging: { stop: AbortController; all: Promise<void[]> } | undefined;
for await (const line of Deno.stdin.readable) {
  if (new TextDecoder().decode(line).startsWith("on")) {
    const stop = new AbortController();
    const arrivals = Array.from({ length: Number(count) }, () => Promise.withResolvers<void>());
    const all = arrivals.map(({ resolve }, at) =>
      hang(MANNERS[at % MANNERS.length] ?? "slow", stop.signal, resolve)
    );
    hanging = { stop, all: Promise.all(all) };
    await Promise.all(arrivals.map(({ promise }) => promise));
  } else {
    hanging?.stop.abort();
    await hanging?.all;
  }
  console.log("done");
}
