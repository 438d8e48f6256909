import { unpacked } from "../../node/requirements.ts";

/**
 * A program in place of runc. Called `runsc` it runs a pod as gVisor does: what it has created is moved into the cgroup of the
 * pod's sandbox. Where a file `leave.ID` beside it is there, the container's other processes outlive its end, as one in an
 * uninterruptible call does: only the first is killed, and the cgroup isn't removed.
 */
const PROGRAM = `#!/bin/sh
here=\${0%/*} previous= pidfile= bundle= state= id= target= call=
for word; do
  case $previous in --pid-file) pidfile=$word ;; --bundle) bundle=$word ;; --root) state=$word ;; esac
  [ "$call" != kill ] || [ "$word" = --all ] || [ -n "$target" ] || target=$word
  case $word in create | kill | delete) [ -n "$call" ] || call=$word ;; esac
  previous=$word id=$word
done
runc=${unpacked}/bin/runc root=/sys/fs/cgroup
case $call in
  create)
    "$runc" "$@" || exit
    [ "\${0##*/}" = runsc ] || exit 0
    sandbox=$(sed -n 's/.*"io.kubernetes.cri.sandbox-id":"\\([^"]*\\)".*/\\1/p' "$bundle/config.json")
    [ -n "$sandbox" ] && [ "$sandbox" != "$id" ] || exit 0
    read -r pid <"$pidfile"
    own=$root$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
    echo "$pid" >"$(echo "$own" | sed "s/$id/$sandbox/")/cgroup.procs"
    # systemd takes that of a scope away by itself, and gVisor leaves an empty one.
    case " $* " in
      *" --systemd-cgroup "*)
        turns=0
        while [ -d "$own" ] && [ "$turns" -lt 500 ]; do turns=$((turns + 1)); sleep 0.02; done
        mkdir -p "$own" ;;
    esac ;;
  kill)
    [ -e "$here/leave.$target" ] || exec "$runc" "$@"
    words=
    for word; do [ "$word" = --all ] || words="$words $word"; done
    exec "$runc" $words ;;
  delete)
    [ -e "$here/leave.$id" ] || exec "$runc" "$@"
    rm -rf "\${state:?}/$id" ;;
  *) exec "$runc" "$@" ;;
esac
`;

/** Such a program on one node, by both names. */
export class ImitatedRuntime {
  readonly #folder: string;

  constructor(nodeDir: string) {
    this.#folder = `${nodeDir}/imitated`;
    Deno.mkdirSync(this.#folder);
    for (const name of ["runc", "runsc"]) {
      Deno.writeTextFileSync(`${this.#folder}/${name}`, PROGRAM, { mode: 0o755 });
    }
  }

  /** What containerd is started with. */
  get options(): { readonly runc: string; readonly handlers: Readonly<Record<string, string>> } {
    return { runc: `${this.#folder}/runc`, handlers: { runsc: `${this.#folder}/runsc` } };
  }

  /** From now on the container's end leaves its other processes where they are. */
  leave(id: string): void {
    Deno.writeTextFileSync(`${this.#folder}/leave.${id}`, "");
  }
}
