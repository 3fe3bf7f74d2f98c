import { invalidArgument } from '../../lib/errors.js';

/** Thin scripts: the command line itself, by `__complete`, knows what may come next. */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# bash completion of tsswarm: source <(tsswarm completion bash)
_tsswarm() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" cword=$COMP_CWORD words=("\${COMP_WORDS[@]}") line
  # bash ends words at = and : too; with bash-completion they are put together again.
  declare -F _get_comp_words_by_ref >/dev/null && _get_comp_words_by_ref -n =: cur words cword
  COMPREPLY=()
  while IFS=$'\\t' read -r line _; do
    [ -n "$line" ] && COMPREPLY+=("$line")
  done < <(tsswarm __complete -- "\${words[@]:1:cword}" 2>/dev/null)
  [ \${#COMPREPLY[@]} -eq 0 ] && compopt -o default
  declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
  return 0
}
complete -F _tsswarm tsswarm
`,
  zsh: `#compdef tsswarm
# zsh completion of tsswarm: source <(tsswarm completion zsh)
_tsswarm() {
  local -a lines
  local line
  while IFS=$'\\t' read -r name text; do
    lines+=("\${name//:/\\\\:}\${text:+:$text}")
  done < <(tsswarm __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#lines} )); then _describe 'tsswarm' lines; else _files; fi
}
compdef _tsswarm tsswarm
`,
  fish: `# fish completion of tsswarm: tsswarm completion fish | source
function __tsswarm_complete
  set -l words (commandline -opc) (commandline -ct)
  tsswarm __complete -- $words[2..-1] 2>/dev/null
end
complete -c tsswarm -f -a '(__tsswarm_complete)'
`,
};

/** @throws INVALID_ARGUMENT for a shell that is not known */
export function completionScript(shell: string): string {
  const script = SCRIPTS[shell];
  if (script === undefined)
    throw invalidArgument(`no completion for the shell "${shell}"`, { value: shell, hint: 'Shells: bash, zsh, fish.' });
  return script;
}
