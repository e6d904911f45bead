import type { Command } from 'commander';

/** Examples before everything else: most people who ask for help want a line to copy. */
export function examples(command: Command, lines: ReadonlyArray<readonly [line: string, meaning: string]>): void {
  const width = Math.max(...lines.map(([line]) => line.length));
  const text = lines.map(([line, meaning]) => `  ${line.padEnd(width)}  ${meaning}`).join('\n');
  command.addHelpText('before', `Examples:\n${text}\n`);
}
