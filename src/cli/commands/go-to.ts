import type { Command } from 'commander';
import type { Settings } from '../../config/settings.ts';
import { PulseError } from '../../errors.ts';
import type { Folder } from '../../migrations/migration.ts';
import type { GoToInput, GoToResult } from '../../runner/go-to.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { confirmDown } from '../confirm-down.ts';
import { examples } from '../examples.ts';
import { type Opened, openFolder, openSession, openSettings, positiveInteger, runnerDeps } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { count } from '../render/format.ts';
import { addSafetyFlags, prepareUp } from '../safety.ts';

export function registerRedo(program: Command, addAction: AddAction): void {
  const command = program
    .command('redo')
    .summary('undo the last migration and apply it again')
    .description('Undoes the last migration and applies it again, for a migration that is being written.')
    .option('--i-know [database]', 'yes, undo it; a protected environment wants the name of the database here')
    .option('--steps <n>', 'so many instead of one')
    .option('--allow-out-of-order', 'also apply migrations older than one that is applied');
  addSafetyFlags(command);
  examples(command, [['pulse-migrate redo --i-know', 'after editing the last migration']]);
  addAction(command, (invocation) => go(invocation, 'redo', null));
}

export function registerGoTo(program: Command, addAction: AddAction): void {
  const command = program
    .command('goto <version>')
    .summary('bring the database to exactly one version')
    .description('Undoes what comes after a version, then applies what is missing up to it.')
    .option(
      '--i-know [database]',
      'yes, undo what comes later; a protected environment wants the name of the database here',
    )
    .option('--allow-out-of-order', 'also apply migrations older than one that is applied');
  addSafetyFlags(command);
  examples(command, [
    ['pulse-migrate goto 0007', 'refuses when something would be undone'],
    ['pulse-migrate goto 0007 --i-know', 'and when that is meant'],
  ]);
  addAction(command, (invocation, [version = '']) => go(invocation, 'goto', version));
}

async function go(invocation: Invocation, kind: 'redo' | 'goto', version: string | null): Promise<Outcome> {
  const { flags } = invocation;
  const steps = positiveInteger(flags, 'steps') ?? 1;
  if (kind === 'redo' && flags['iKnow'] === undefined) {
    throw new PulseError('confirmation-needed', 'redo undoes a migration before it applies it again', {
      hint: 'if that is meant: pulse-migrate redo --i-know',
    });
  }
  const settings = await openSettings(invocation);
  const folder = await openFolder(invocation, settings);
  const opened = await openSession(invocation, settings);
  const { session } = opened;
  try {
    const deps = await runnerDeps(invocation, opened);
    const { goTo, redo } = await import('../../runner/go-to.ts');
    const input = {
      folder,
      schema: settings.ledgerSchema,
      lockWaitMs: settings.lockWaitMs,
      patience: settings.lock,
      allowOutOfOrder: flags['allowOutOfOrder'] === true,
      to: version ?? '',
      ...questions(invocation, { ...opened, settings, folder }),
    };
    const result = kind === 'redo' ? await redo(deps, { ...input, steps }) : await goTo(deps, input);
    return { result, text: invocation.global.quiet ? '' : renderGoTo(result) };
  } finally {
    await session.close();
  }
}

/** What is asked before anything is done; a backup only once, though both halves may want one. */
function questions(invocation: Invocation, opened: Opened & { readonly settings: Settings; readonly folder: Folder }) {
  let backedUp = false;
  const confirm: GoToInput['confirm'] = async (planned) => {
    const proof = await confirmDown(invocation, { planned, ...opened });
    backedUp = 'backup' in proof;
    return proof;
  };
  const prepare: GoToInput['prepare'] = (pending, ledger) =>
    prepareUp(invocation, { ...opened, pending, ledger, backedUp });
  return { confirm, prepare };
}

/** The line below what was undone and applied. */
function renderGoTo(result: GoToResult): string {
  if (result.reverted.length + result.applied.length === 0) return 'Nothing to do.\n';
  return `${count(result.reverted.length, 'migration')} reverted, ${count(result.applied.length, 'migration')} applied.\n`;
}
