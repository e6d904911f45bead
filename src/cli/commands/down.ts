import type { Command } from 'commander';
import type { DownResult } from '../../runner/down.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { confirmDown } from '../confirm-down.ts';
import { examples } from '../examples.ts';
import { openFolderIfThere, openSession, openSettings, positiveInteger, runnerDeps, textFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { count } from '../render/format.ts';
import { addBackupFlags } from '../safety.ts';

export function registerDown(program: Command, addAction: AddAction): void {
  const command = program
    .command('down')
    .summary('undo the last migration')
    .description('Undoes the last applied migration, from its down file or from the SQL kept in the ledger.')
    .option('--i-know [database]', 'yes, undo it; a protected environment wants the name of the database here')
    .option('--steps <n>', 'undo so many instead of one')
    .option('--to <version>', 'undo everything that comes after this version (0: everything)')
    .option('--plan', 'print what would run as a script, and run nothing');
  addBackupFlags(command);
  examples(command, [
    ['pulse-migrate down', 'show what would be undone, and refuse'],
    ['pulse-migrate down --i-know', 'undo the last migration'],
    ['pulse-migrate down --i-know --to 0007', 'undo everything after 0007'],
    ['pulse-migrate down --i-know pulse --env production', 'in a protected environment'],
    ['pulse-migrate down --plan', 'the very statements'],
  ]);
  addAction(command, runDown);
}

async function runDown(invocation: Invocation): Promise<Outcome> {
  const { flags } = invocation;
  const to = textFlag(flags, 'to');
  const steps = positiveInteger(flags, 'steps');
  const reach = { ...(to !== undefined && { to }), ...(steps !== undefined && { steps }) };
  const settings = await openSettings(invocation);
  const folder = await openFolderIfThere(invocation, settings);
  const opened = await openSession(invocation, settings);
  const { session } = opened;
  try {
    const deps = await runnerDeps(invocation, opened);
    const { down, downSteps } = await import('../../runner/down.ts');
    const input = {
      folder,
      schema: settings.ledgerSchema,
      reach,
      lockWaitMs: settings.lockWaitMs,
      patience: settings.lock,
    };
    if (flags['plan'] === true) {
      const [{ readToShow }, { scriptOf }] = await Promise.all([
        import('../../runner/read-settled.ts'),
        import('../../runner/script.ts'),
      ]);
      const ledger = await readToShow(session, settings.ledgerSchema);
      const planned = await downSteps(deps, input, ledger);
      const script =
        planned.length === 0
          ? '-- nothing is applied\n'
          : scriptOf(deps, { ledger, steps: planned, lockTimeoutMs: settings.lock.timeoutMs });
      return {
        result: { wouldRevert: planned.map(({ version, name }) => ({ version, name })), script },
        text: script,
        isScript: true,
      };
    }
    const result = await down(deps, {
      ...input,
      confirm: (planned) => confirmDown(invocation, { ...opened, planned, settings }),
    });
    return { result, text: invocation.global.quiet ? '' : renderDown(result) };
  } finally {
    await session.close();
  }
}

/** The line below the migrations that were undone. */
function renderDown(result: DownResult): string {
  if (result.reverted.length === 0) return 'Nothing to do: no migration is applied.\n';
  return `${count(result.reverted.length, 'migration')} reverted; ${count(result.applied, 'migration')} still applied.\n`;
}
