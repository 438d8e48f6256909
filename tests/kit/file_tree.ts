import { dirname } from "node:path";
import type { CpusetHierarchy } from "../../src/cgroup/read.ts";

/** A folder of plain files, by path; a content that begins with `->` makes a symbolic link. */
export class FileTree implements Disposable {
  readonly root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "cpuset-" }));

  constructor(files: Record<string, string>) {
    for (const [path, content] of Object.entries(files)) {
      Deno.mkdirSync(dirname(`${this.root}/${path}`), { recursive: true });
      if (content.startsWith("->")) Deno.symlinkSync(content.slice(2), `${this.root}/${path}`);
      else Deno.writeTextFileSync(`${this.root}/${path}`, content);
    }
  }

  read(path: string): string {
    return Deno.readTextFileSync(`${this.root}/${path}`);
  }

  hierarchy(version: 1 | 2): CpusetHierarchy {
    return { kind: "hierarchy", version, root: this.root, base: "", nestings: [] };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}
