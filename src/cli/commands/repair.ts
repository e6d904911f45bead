import type { Command } from 'commander';
import type { RepairResult } from '../../runner/repair.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openFolderIfThere, openSession, openSettings, runnerDeps } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { count } from '../render/format.ts';

export function registerRepair(program: Command, addAction: AddAction): void {
  const command = program
    .command('repair')
    .summary('correct the record where it disagrees with the files')
    .description(
      "Shows what disagrees and how to mend it. Only the record is ever changed, by adding rows; the database's own objects are not touched.",
    )
    .option('--accept <version...>', 'the present text of a changed file becomes the recorded one')
    .option('--forget <version...>', 'record as not applied, without running its down');
  examples(command, [
    ['pulse-migrate repair', 'what disagrees, and what to type'],
    ['pulse-migrate repair --accept 0007', 'a comment was corrected in a file that is applied'],
    ['pulse-migrate repair --forget 0009', 'the file is gone for good, and so are its objects'],
  ]);
  addAction(command, runRepair);
}

async function runRepair(invocation: Invocation): Promise<Outcome> {
  const { flags } = invocation;
  const settings = await openSettings(invocation);
  const folder = await openFolderIfThere(invocation, settings);
  const opened = await openSession(invocation, settings);
  const { session } = opened;
  try {
    const deps = await runnerDeps(invocation, opened);
    const { repair } = await import('../../runner/repair.ts');
    const result = await repair(deps, {
      folder,
      schema: settings.ledgerSchema,
      lockWaitMs: settings.lockWaitMs,
      accept: versions(flags['accept']),
      forget: versions(flags['forget']),
    });
    const text = invocation.global.quiet ? '' : renderRepair(result);
    if (result.disagreements.length === 0) return { result, text };
    const message = `${count(result.disagreements.length, 'migration')} disagree with the ledger`;
    return { result, text, no: { code: 'pending', message, hint: 'pulse-migrate repair --help' } };
  } finally {
    await session.close();
  }
}

function versions(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

const cures: Readonly<Record<string, (version: string, finish: string | null) => string>> = {
  changed: (version) => `restore the file, or: pulse-migrate repair --accept ${version}`,
  missing: (version) => `restore the file, or: pulse-migrate repair --forget ${version}`,
  'out-of-order': () => 'give it a higher version, or: pulse-migrate up --allow-out-of-order',
  unfinished: (version, finish) =>
    `finish it: ${finish ?? 'pulse-migrate status'}; or undo by hand what it did, then: pulse-migrate repair --forget ${version}`,
};

/** What was corrected, what still disagrees, and the cure of each. */
function renderRepair(result: RepairResult): string {
  const lines = [
    ...result.accepted.map((version) => `accepted ${version}: the file's text is now the recorded one`),
    ...result.forgotten.map((version) => `forgot ${version}: recorded as not applied`),
    ...result.disagreements.map(
      ({ version, name, state, finish }) =>
        `${version}_${name} is ${state}\n  › ${cures[state]?.(version, finish) ?? 'pulse-migrate status'}`,
    ),
  ];
  if (lines.length === 0) return 'Files and ledger agree.\n';
  return `${lines.join('\n')}\n`;
}
