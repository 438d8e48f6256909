/** The API server, through "kubectl proxy": so any kubeconfig does, whatever it authenticates with. */

import { hereMs } from "../../system/node/slowness.ts";

/** What the tests read of a pod. */
export interface KubePod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly KubeContainer[];
    readonly initContainers?: readonly KubeContainer[];
    readonly resources?: KubeResources;
  };
  readonly status: {
    readonly phase: string;
    readonly reason?: string;
    readonly qosClass?: string;
    readonly conditions?: readonly { type: string; status: string; reason?: string; message?: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly ephemeralContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface KubeResources {
  readonly requests?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, string>>;
}

export interface KubeContainer {
  readonly name: string;
  readonly restartPolicy?: string;
  readonly resources?: KubeResources;
}

export interface ContainerStatus {
  readonly name: string;
  readonly containerID?: string;
  readonly restartCount: number;
  readonly started?: boolean;
  readonly state: {
    readonly running?: { startedAt: string };
    readonly waiting?: { reason: string; message?: string };
    readonly terminated?: { exitCode: number; reason?: string };
  };
}

/** An answer that is no success. */
export class KubeError extends Error {
  constructor(readonly status: number, what: string) {
    super(what);
  }
}

export class Kube implements AsyncDisposable {
  private constructor(
    private readonly proxy: Deno.ChildProcess,
    private readonly base: string,
    private readonly kubectlPath: string,
    readonly kubeconfig: string,
  ) {}

  /** @param kubectl the program */
  static async connect(kubectl: string, kubeconfig: string): Promise<Kube> {
    const proxy = new Deno.Command(kubectl, {
      args: ["--kubeconfig", kubeconfig, "proxy", "--address=127.0.0.1", "--port=0"],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let said = "";
    for await (
      const part of proxy.stdout.pipeThrough(new TextDecoderStream()).values({ preventCancel: true })
    ) {
      said += part;
      if (said.includes("\n")) break;
    }
    const [, address] = /Starting to serve on (\S+)/.exec(said) ?? [];
    if (address === undefined) throw new Error(`kubectl proxy doesn't start: ${said}`);
    return new Kube(proxy, `http://${address}`, kubectl, kubeconfig);
  }

  async get<T>(path: string): Promise<T> {
    return await this.#call("GET", path);
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    return await this.#call("POST", path, body);
  }

  /** A merge patch, or a strategic one. */
  async patch<T>(path: string, body: unknown, kind: "merge" | "strategic-merge" = "merge"): Promise<T> {
    return await this.#call("PATCH", path, body, `application/${kind}-patch+json`);
  }

  async delete(path: string, body?: unknown): Promise<void> {
    try {
      await this.#call("DELETE", path, body);
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 404)) throw error;
    }
  }

  /** Lines of JSON until the server ends the watch, or `signal` does. */
  async *watch<T>(path: string, signal: AbortSignal): AsyncGenerator<T> {
    const answer = await fetch(this.base + path, { signal });
    if (!answer.ok || answer.body === null) throw new KubeError(answer.status, await answer.text());
    let rest = "";
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as T;
    }
  }

  /** The answer as it is, for logs. */
  async text(path: string): Promise<string> {
    return await (await this.#fetch("GET", path)).text();
  }

  /** Runs kubectl; what it printed. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command(this.kubectlPath, {
      args: ["--kubeconfig", this.kubeconfig, ...args],
    }).output();
    const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (!success) throw new Error(`kubectl ${args.join(" ")}: ${said}`);
    return out ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.proxy.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
    await this.proxy.stdout.cancel().catch(() => {});
    await this.proxy.status;
  }

  async #call<T>(method: string, path: string, body?: unknown, type?: string): Promise<T> {
    return await (await this.#fetch(method, path, body, type)).json() as T;
  }

  async #fetch(method: string, path: string, body?: unknown, type = "application/json"): Promise<Response> {
    const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": type } };
    const answer = await fetch(this.base + path, {
      method,
      ...init,
      signal: AbortSignal.timeout(hereMs(30_000)),
    });
    if (answer.ok) return answer;
    const text = await answer.text();
    throw new KubeError(answer.status, `${method} ${path}: ${messageOf(text)}`);
  }
}

function messageOf(text: string): string {
  try {
    return JSON.parse(text).message ?? text;
  } catch {
    return text;
  }
}
