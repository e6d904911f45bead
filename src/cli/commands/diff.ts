import type { Command } from 'commander';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openFolderIfThere, openSession, openSettings } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import type { Style } from '../style.ts';

export function registerDiff(program: Command, addAction: AddAction): void {
  const command = program
    .command('diff <version>')
    .summary('what an edited file changed')
    .description('Shows what the files of a version changed against the SQL that was applied.');
  examples(command, [['pulse-migrate diff 0007', 'applied text against the file']]);
  addAction(command, runDiff);
}

async function runDiff(invocation: Invocation, [version = '']: readonly string[]): Promise<Outcome> {
  const settings = await openSettings(invocation);
  const folder = await openFolderIfThere(invocation, settings);
  const { session } = await openSession(invocation, settings);
  try {
    const { diff } = await import('../../runner/diff.ts');
    const result = await diff({ session, folder, schema: settings.ledgerSchema, version });
    return { result, text: renderDiff(result.patches, invocation.style) };
  } finally {
    await session.close();
  }
}

/** Unified diffs, coloured by line. */
function renderDiff(patches: ReadonlyArray<{ readonly patch: string }>, style: Style): string {
  if (patches.length === 0) return 'The files are as they were applied.\n';
  return patches
    .map(({ patch }) =>
      patch
        .split('\n')
        .map((line) => paintLine(line, style))
        .join('\n'),
    )
    .join('\n');
}

function paintLine(line: string, style: Style): string {
  if (line.startsWith('+')) return style.good(line);
  if (line.startsWith('-')) return style.bad(line);
  return line.startsWith('@@') ? style.accent(line) : line;
}
