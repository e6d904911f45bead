import type { Command } from 'commander';
import { PulseError } from '../../errors.ts';
import type { AddAction } from '../cli.ts';
import { completionScript, shells } from '../completion-script.ts';
import { examples } from '../examples.ts';

export function registerCompletion(program: Command, addAction: AddAction): void {
  const command = program
    .command('completion <shell>')
    .summary('completion of commands and flags for a shell')
    .description(`Prints a completion script for ${shells.join(', ')}.`);
  examples(command, [
    ['source <(pulse-migrate completion bash)', 'for this shell; in .bashrc for every one'],
    ['source <(pulse-migrate completion zsh)', 'the same in .zshrc'],
    ['pulse-migrate completion fish > ~/.config/fish/completions/pulse-migrate.fish', 'fish'],
  ]);
  addAction(command, async (_invocation, [shell = '']) => {
    const known = shells.find((name) => name === shell);
    if (known === undefined) {
      throw new PulseError('usage', `there is no completion for "${shell}"`, {
        hint: `pulse-migrate completion ${shells.join('|')}`,
      });
    }
    const script = completionScript(known, program);
    return { result: { shell: known, script }, text: script };
  });
}
