/** Chromium without a window, as hack/get-chromium.sh has fetched it, spoken to by its DevTools protocol. */

const ROOT = new URL("../..", import.meta.url).pathname;

/** Where it is; undefined and one sentence where it can't be had here. */
export async function findChromium(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const dir = `${ROOT}.tools/chromium`;
  const { success, stderr } = await new Deno.Command(`${ROOT}hack/get-chromium.sh`, { args: [dir] }).output();
  return success
    ? { path: `${dir}/chromium` }
    : { missing: new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "" };
}

export interface Look {
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
}

type Message = {
  readonly id?: number;
  readonly method?: string;
  readonly params?: never;
  readonly result?: never;
};

export class Browser {
  /** What the page complained of: errors of its script, and what its policy forbade. */
  readonly complaints: string[] = [];
  readonly #waiting = new Map<number, (result: never) => void>();
  #session = "";
  #sent = 0;

  private constructor(
    private readonly child: Deno.ChildProcess,
    private readonly said: Promise<void>,
    private readonly socket: WebSocket,
  ) {
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
  }

  /** With one empty tab. */
  static async start(path: string): Promise<Browser> {
    const args = ["--remote-debugging-port=0", "about:blank"];
    const child = new Deno.Command(path, { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
    const { url, said } = await announced(child.stderr);
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => [socket.onopen, socket.onerror] = [resolve, reject]);
    const browser = new Browser(child, said, socket);
    const { targetInfos } = await browser.#send<{ targetInfos: { type: string; targetId: string }[] }>(
      "Target.getTargets",
    );
    const targetId = targetInfos.find(({ type }) => type === "page")?.targetId;
    const { sessionId } = await browser.#send<{ sessionId: string }>("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    browser.#session = sessionId;
    for (const domain of ["Page", "Runtime", "Log"]) await browser.#send(`${domain}.enable`);
    return browser;
  }

  /** Shows `url` so, until the script `ready` is true. */
  async open(url: string, { width, height, scheme }: Look, ready: string): Promise<void> {
    await this.#send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.#send("Emulation.setEmulatedMedia", { features });
    await this.#send("Page.navigate", { url });
    await this.evaluate(`new Promise((resolve) => {
      const look = () => document.readyState === "complete" && (${ready}) ? resolve() : requestAnimationFrame(look);
      look();
    })`);
  }

  /** The value of an expression in the page, also of a promise. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send<
      { result: { value: T }; exceptionDetails?: { exception?: { description?: string }; text: string } }
    >("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails !== undefined) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value;
  }

  async press(key: string): Promise<void> {
    for (const type of ["keyDown", "keyUp"]) {
      await this.#send("Input.dispatchKeyEvent", { type, key, code: key });
    }
  }

  /** PNG of what is seen, from the top of the page. */
  async picture(): Promise<Uint8Array> {
    const { data } = await this.#send<{ data: string }>("Page.captureScreenshot", { format: "png" });
    return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  }

  async close(): Promise<void> {
    await this.#send("Browser.close");
    const closed = new Promise((resolve) => this.socket.onclose = resolve);
    this.socket.close();
    await Promise.all([closed, this.said, this.child.status]);
  }

  #send<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#sent;
    const session = this.#session === "" ? {} : { sessionId: this.#session };
    this.socket.send(JSON.stringify({ id, method, params, ...session }));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.set(
      id,
      (result) => result === undefined ? reject(new Error(`${method} failed`)) : resolve(result),
    );
    return promise;
  }

  #take({ id, method, params, result }: Message): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.(result as never);
      this.#waiting.delete(id);
    } else if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded") {
      this.complaints.push(JSON.stringify(params));
    }
  }
}

/** The address that Chromium prints when it listens; `said`: it has ended. */
async function announced(
  stderr: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<{ readonly url: string; readonly said: Promise<void> }> {
  const reader = stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "";;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`Chromium ended: ${text.trim().split("\n").at(-1)}`);
    text += value;
    const [url] = /ws:\/\/\S+/.exec(text) ?? [];
    if (url === undefined) continue;
    // What else it says isn't of interest, and must not fill the pipe.
    const said = (async () => {
      while (!(await reader.read()).done);
    })();
    return { url, said };
  }
}
