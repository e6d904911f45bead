import type { Command, Option } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

interface Words {
  /** `embedded start`; empty for the program itself. */
  readonly path: string;
  readonly summary: string;
  readonly subcommands: readonly string[];
  readonly flags: readonly string[];
}

/** A completion script made from the command tree itself, so that it cannot be out of date. */
export function completionScript(shell: Shell, program: Command): string {
  const words = collect(
    program,
    [],
    namesOf(program.options).filter((name) => name !== '--version'),
  );
  if (shell === 'bash') return bash(words);
  return shell === 'zsh' ? zsh(words) : fish(words);
}

function collect(command: Command, path: readonly string[], global: readonly string[]): Words[] {
  const own: Words = {
    path: path.join(' '),
    summary: command.summary() || command.description(),
    subcommands: command.commands.map((child) => child.name()),
    flags: [...new Set([...namesOf(command.options), ...global, '--help'])],
  };
  return [own, ...command.commands.flatMap((child) => collect(child, [...path, child.name()], global))];
}

function namesOf(options: readonly Option[]): readonly string[] {
  return options.flatMap(({ long }) => long ?? []);
}

function bash(words: readonly Words[]): string {
  const cases = words.map(
    ({ path, subcommands, flags }) => `    "${path}") words="${[...subcommands, ...flags].join(' ')}" ;;`,
  );
  return `# completion of pulse-migrate for bash
_pulse_migrate() {
  local current=\${COMP_WORDS[COMP_CWORD]} path="" word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) case " ${paths(words)} " in *" \${path:+$path.}$word "*) path="\${path:+$path.}$word" ;; esac ;; esac
  done
  case "\${path//./ }" in
${cases.join('\n')}
    *) words="" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _pulse_migrate pulse-migrate
`;
}

function paths(words: readonly Words[]): string {
  return words
    .map(({ path }) => path.replaceAll(' ', '.'))
    .filter((path) => path !== '')
    .join(' ');
}

/** zsh runs bash completions as they are; a second table would only be a second thing to keep true. */
function zsh(words: readonly Words[]): string {
  return `#compdef pulse-migrate
autoload -U +X bashcompinit && bashcompinit
${bash(words)}`;
}

function fish(words: readonly Words[]): string {
  const lines = words.flatMap(({ path, subcommands, flags }) => {
    const condition =
      path === ''
        ? '__fish_use_subcommand'
        : path
            .split(' ')
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join('; and ');
    return [
      ...subcommands.map((name) => {
        const summary = words.find((entry) => entry.path === (path === '' ? name : `${path} ${name}`))?.summary ?? '';
        return `complete -c pulse-migrate -f -n '${condition}' -a ${name} -d '${summary.replaceAll("'", "\\'")}'`;
      }),
      ...flags.map((flag) => `complete -c pulse-migrate -n '${condition}' -l ${flag.slice(2)}`),
    ];
  });
  return `# completion of pulse-migrate for fish\n${lines.join('\n')}\n`;
}
