/** Scripts by which shells complete this command line, made of its own definitions. */
import type { Argument, Command, Option } from "commander";

export function completionScript(shell: "bash" | "zsh", program: Command): string {
  return shell === "bash" ? bashScript(program) : zshScript(program);
}

/** What takes one of a few words, which are to be offered; of all else a path may be meant. */
type Value = Option | Argument;

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

function flagsOf({ options }: Command): string {
  return ["--help", ...options.flatMap(({ long }) => long ?? [])].join(" ");
}

function bashScript(program: Command): string {
  const names = program.commands.map((command) => command.name());
  const valued = [program, ...program.commands].flatMap((command) =>
    command.options.filter(takesValue).map((option) => ({
      pattern: command === program ? `*" ${option.long}"` : `"${command.name()} ${option.long}"`,
      words: option.argChoices,
    }))
  );
  const paths = valued.filter(({ words }) => words === undefined).map(({ pattern }) => pattern);
  const chosen = valued.filter(({ words }) => words !== undefined)
    .map(({ pattern, words = [] }) => `    ${pattern}) words="${words.join(" ")}" ;;`);
  const commands = program.commands.map((command) =>
    `      ${command.name()}) words="$agent ${flagsOf(command)}"; ${bashArguments(command)} ;;`
  );
  return `# bash completion for weka-cpuset, made by "weka-cpuset completion bash".
_weka_cpuset() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command="" words="" others="" paths="" each
  local agent="${flagsOf(program)}"
  # "=" is a word of its own.
  if [[ $word == "=" ]]; then word=""
  elif [[ $before == "=" ]]; then before=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for each in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $each in ${names.join("|")}) command=$each; break ;; esac
  done
  case "$command $before" in
${chosen.join("\n")}
    ${paths.join("|")}) paths=yes ;;
    *) case $command in
      "") words=$agent others="${names.join(" ")}" ;;
${commands.join("\n")}
      esac
      if [[ $word != -* ]]; then words=$others; else paths=""; fi ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  if [[ $paths ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}
complete -F _weka_cpuset weka-cpuset
`;
}

/** What a command takes besides flags. */
function bashArguments({ registeredArguments }: Command): string {
  const words = registeredArguments.flatMap(({ argChoices = [] }) => argChoices).join(" ");
  const isPath = registeredArguments.some(({ argChoices }) => argChoices === undefined);
  return `others="${words}" paths=${isPath ? "yes" : ""}`;
}

function zshScript(program: Command): string {
  const cases = program.commands.map((command) => {
    const specs = [...command.options.map(zshOption), ...command.registeredArguments.map(zshArgument)];
    return `        ${command.name()}) _arguments "\${agent[@]}" ${specs.join(" ")} ;;`;
  });
  const commands = program.commands.map((each) => `    ${single(`${each.name()}:${each.description()}`)}`);
  return `#compdef weka-cpuset
# Made by "weka-cpuset completion zsh".
_weka_cpuset() {
  local context state line
  typeset -A opt_args
  local -a agent commands
  agent=(
    '--help[print this help]'
${program.options.map((option) => `    ${zshOption(option)}`).join("\n")}
  )
  commands=(
${commands.join("\n")}
  )
  _arguments -C "\${agent[@]}" '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
${cases.join("\n")}
      esac ;;
  esac
}
# The file is a function of that name where it lies on fpath; else it is read by source or eval.
if [[ \${funcstack[1]} == _weka[-_]cpuset ]]; then _weka_cpuset "$@"; else compdef _weka_cpuset weka-cpuset; fi
`;
}

function zshOption(option: Option): string {
  const text = `${option.long}[${option.description.replaceAll(/[[\]]/g, "\\$&")}]`;
  return single(takesValue(option) ? `*${text}:value:${zshValues(option)}` : text);
}

function zshArgument(argument: Argument): string {
  return single(`${argument.variadic ? "*" : "1"}:${argument.name()}:${zshValues(argument)}`);
}

function zshValues({ argChoices }: Value): string {
  return argChoices === undefined ? "_files" : `(${argChoices.join(" ")})`;
}

function single(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
