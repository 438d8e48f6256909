import { existsSync } from "node:fs";
import { eventually } from "./eventually.ts";
import type { TestNode } from "./node.ts";
import { unpacked } from "./requirements.ts";

/** What runc is called to do to a container that this is about: to make it, to have its process run, to change it. */
export type RuncCall = "create" | "start" | "update";

/** A call that was made: for which container, and its exit status once it has ended. */
export interface Called {
  readonly call: RuncCall;
  readonly id: string;
  readonly status?: number;
}

/**
 * A program in place of runc. It does what runc does, but for the calls that a file beside it is named after, such as
 * `update.ID`: those fail, wait first, or wait for the end of that file. Half a minute is the most that they wait.
 */
const PROGRAM = `#!/bin/sh
here=\${0%/*} call= previous= log=
for word; do
  [ "$previous" != --log ] || log=$word
  case $word in create | start | update) [ -n "$call" ] || call=$word ;; esac
  previous=$word
done
[ -n "$call" ] || exec ${unpacked}/bin/runc "$@"
id=$word order=
[ ! -e "$here/$call.$id" ] || order=$(cat "$here/$call.$id")
echo "$call $id" >>"$here/calls"
case $order in
  fail)
    echo '{"level":"error","msg":"set to fail"}' >>"$log"
    echo "$call $id 1" >>"$here/calls"
    echo "set to fail" >&2
    exit 1 ;;
  hold)
    turns=0
    while [ -e "$here/$call.$id" ] && [ "$turns" -lt 1500 ]; do turns=$((turns + 1)); sleep 0.02; done ;;
  delay*) sleep "\${order#delay }" ;;
esac
${unpacked}/bin/runc "$@"
status=$?
echo "$call $id $status" >>"$here/calls"
exit $status
`;

/** The runc of one node: at first it behaves. */
export class FaultyRunc {
  /** The program, to be named in containerd's configuration. */
  readonly path: string;

  /** Starts the node's containerd with it. */
  static async onto(node: TestNode): Promise<FaultyRunc> {
    const runc = new FaultyRunc(node.dir);
    await node.startContainerd({ runc: runc.path });
    return runc;
  }

  constructor(nodeDir: string) {
    this.path = `${nodeDir}/faulty/runc`;
    Deno.mkdirSync(`${nodeDir}/faulty`);
    Deno.writeTextFileSync(this.path, PROGRAM, { mode: 0o755 });
  }

  /** From now on the call fails, and nothing is changed by it. */
  fail(call: RuncCall, id: string): void {
    this.#order(call, id, "fail");
  }

  /** From now on the call waits so long before it does anything. */
  delay(call: RuncCall, id: string, seconds: number): void {
    this.#order(call, id, `delay ${seconds}`);
  }

  /**
   * Has the call for the container wait, before it does anything, while `action` is done; or until `until` holds, where
   * the action itself has to wait for the call. `begin` is what has the runtime make it. Resolves with what comes of
   * both.
   */
  async during<T, U>(
    call: RuncCall,
    id: string,
    begin: () => Promise<T>,
    action: () => U | Promise<U>,
    until: (acting: Promise<U>) => Promise<unknown> = (acting) => acting,
  ): Promise<[T, U]> {
    const before = this.count(call, id);
    this.#order(call, id, "hold");
    const begun = begin();
    begun.catch(() => {}); // It is awaited below, unless something fails before; so is the other.
    let acting: Promise<U>;
    try {
      await this.reached(call, id, before);
      acting = (async () => await action())();
      acting.catch(() => {});
      await until(acting);
    } finally {
      this.behave(call, id);
    }
    return await Promise.all([begun, acting]);
  }

  /** The call is as it should be again. */
  behave(call: RuncCall, id: string): void {
    Deno.removeSync(this.#beside(`${call}.${id}`));
  }

  /** All calls so far: each as it begins, and again with a status as it ends. */
  get calls(): Called[] {
    const log = this.#beside("calls");
    if (!existsSync(log)) return [];
    return Deno.readTextFileSync(log).trim().split("\n").map((line) => {
      const [call, id = "", status] = line.split(" ");
      return { call: call as RuncCall, id, ...(status === undefined ? {} : { status: Number(status) }) };
    });
  }

  /** Resolves as soon as the call has been made for the container more than `before` times. */
  async reached(call: RuncCall, id: string, before = 0): Promise<void> {
    await eventually(() => {
      if (this.count(call, id) <= before) throw new Error(`runc was not called: ${call} ${id}`);
    });
  }

  /** How often the call was made for the container. */
  count(call: RuncCall, id: string): number {
    return this.calls.filter((each) => each.call === call && each.id === id && each.status === undefined)
      .length;
  }

  #order(call: RuncCall, id: string, order: string): void {
    Deno.writeTextFileSync(this.#beside(`${call}.${id}`), order);
  }

  #beside(name: string): string {
    return `${this.path.slice(0, this.path.lastIndexOf("/"))}/${name}`;
  }
}
