import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** What may follow a command: subcommands and options, with the values of those that have a fixed set. */
interface Words {
  /** `rules apply`; empty: the program itself. */
  readonly path: string
  readonly words: readonly string[]
  readonly choices: readonly { readonly flags: readonly string[]; readonly values: readonly string[] }[]
}

/**
 * `chaperone completion SHELL`: a script that completes commands, options and their values; file names elsewhere.
 *
 *     source <(chaperone completion bash)
 *     chaperone completion fish | source
 */
export function completion(program: Command, shell: Shell): string {
  const all = wordsOf(program, '')
  switch (shell) {
    case 'bash':
      return bash(all)
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bash(all)}`
    case 'fish':
      return fish(program)
  }
}

function wordsOf(command: Command, path: string): Words[] {
  const commands = command.commands.map((each) => each.name())
  const options = command.options.map(({ long, short, argChoices }) => ({
    flags: [long, short].filter((flag) => flag !== undefined && flag !== null),
    values: argChoices ?? [],
  }))
  const own: Words = {
    path,
    words: [...commands, ...options.flatMap(({ flags }) => flags.slice(0, 1)), '--help'],
    choices: options.filter(({ values }) => values.length > 0),
  }
  return [own, ...command.commands.flatMap((each) => wordsOf(each, `${path} ${each.name()}`.trim()))]
}

function bash(all: readonly Words[]): string {
  const words = all.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`)
  const choices = all.flatMap(({ path, choices }) =>
    choices.flatMap(({ flags, values }) =>
      flags.map(
        (flag) => `    '${path}:${flag}') COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$current")); return ;;`,
      ),
    ),
  )
  return `_chaperone() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    case " ${all.map(({ path }) => path.replaceAll(' ', '_')).join(' ')} " in
      *" \${path:+\${path// /_}_}$word "*) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path:$before" in
${choices.join('\n')}
  esac
  case "$path" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _chaperone chaperone
`
}

function fish(program: Command): string {
  const lines: string[] = []
  const walk = (command: Command, above: readonly string[]) => {
    const children = command.commands.map((each) => each.name())
    const here = [
      ...above.map((name) => `__fish_seen_subcommand_from ${name}`),
      ...(children.length > 0 ? [`not __fish_seen_subcommand_from ${children.join(' ')}`] : []),
    ].join('; and ')
    const condition = here === '' ? '' : ` -n '${here}'`
    for (const each of command.commands)
      lines.push(`complete -c chaperone -f${condition} -a ${each.name()} -d '${quoted(each.description())}'`)
    for (const { long, short, description, argChoices } of command.options) {
      const names = `${long ? ` -l ${long.slice(2)}` : ''}${short ? ` -s ${short.slice(1)}` : ''}`
      const values = argChoices ? ` -x -a '${argChoices.join(' ')}'` : ''
      lines.push(`complete -c chaperone${condition}${names}${values} -d '${quoted(description)}'`)
    }
    for (const each of command.commands) walk(each, [...above, each.name()])
  }
  walk(program, [])
  return `${lines.join('\n')}\n`
}

const quoted = (text: string) => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
