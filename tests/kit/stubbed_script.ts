/** Shell scripts of this checkout, run with stand-ins for the programs that would change a cluster or this machine. */

const ROOT = new URL("../..", import.meta.url).pathname;

export interface StubRun {
  readonly code: number;
  /** What it printed, both streams. */
  readonly said: string;
  /** A line for each call of a stub: its name and arguments. */
  readonly calls: readonly string[];
}

/** A folder with stubs, which goes with the test. */
export class Stubs implements Disposable {
  readonly dir = Deno.makeTempDirSync();
  readonly #calls = `${this.dir}/calls`;

  /** Each stub notes its call and then does what its shell text says. */
  constructor(stubs: Readonly<Record<string, string>>) {
    Deno.mkdirSync(`${this.dir}/bin`);
    Deno.writeTextFileSync(this.#calls, "");
    for (const [name, does] of Object.entries(stubs)) this.program(`bin/${name}`, does, name);
  }

  /** A program at a path of the folder. */
  program(path: string, does: string, name = path): void {
    this.file(path, `#!/bin/bash\n# weka-cpuset\necho "${name} $*" >>${this.#calls}\n${does}\n`);
    Deno.chmodSync(`${this.dir}/${path}`, 0o755);
  }

  file(path: string, text: string): void {
    Deno.mkdirSync(`${this.dir}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${this.dir}/${path}`, text);
  }

  read(path: string): string | undefined {
    try {
      return Deno.readTextFileSync(`${this.dir}/${path}`);
    } catch {
      return undefined;
    }
  }

  /** Runs `script` of this checkout, or the copy of it at that path of the folder, and gives what was called since the last time. */
  run(script: string, args: readonly string[], variables: Readonly<Record<string, string>> = {}): StubRun {
    const own = this.read(script) === undefined ? `${ROOT}${script}` : `${this.dir}/${script}`;
    const { code, stdout, stderr } = new Deno.Command("bash", {
      args: [own, ...args],
      env: { ...variables, PATH: `${this.dir}/bin:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: this.dir },
      clearEnv: true,
      stdin: "null",
    }).outputSync();
    const calls = Deno.readTextFileSync(this.#calls).split("\n").filter((line) => line !== "");
    Deno.writeTextFileSync(this.#calls, "");
    const decoder = new TextDecoder();
    const plain = (text: string) => text.replaceAll(this.dir, "");
    return { code, said: plain(decoder.decode(stdout) + decoder.decode(stderr)), calls: calls.map(plain) };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}
