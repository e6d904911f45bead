import type { Command } from 'commander';
import type { Settings } from '../../config/settings.ts';
import type { FolderFor } from '../../migrations/folder.ts';
import type { UpRules } from '../../runner/plan.ts';
import type { RunnerDeps } from '../../runner/step.ts';
import type { UpResult } from '../../runner/up.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openSession, openSettings, positiveInteger, runnerDeps, textFlag, withFolderFor } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { count } from '../render/format.ts';
import { addSafetyFlags, prepareUp } from '../safety.ts';

export function registerUp(program: Command, addAction: AddAction): void {
  const command = program
    .command('up')
    .summary('apply pending migrations')
    .description('Applies pending migrations, each in a transaction of its own with its ledger row.')
    .option('--to <version>', 'stop after this version')
    .option('--steps <n>', 'apply at most so many')
    .option('--plan', 'print what would run as a script, and run nothing')
    .option('--allow-out-of-order', 'also apply migrations older than one that is applied');
  addSafetyFlags(command);
  examples(command, [
    ['pulse-migrate up', 'apply everything that is pending'],
    ['pulse-migrate up --embedded', 'to a PostgreSQL of its own'],
    ['pulse-migrate up --steps 1', 'only the next one'],
    ['pulse-migrate up --plan > up.sql', 'the very statements, for a DBA'],
    ['pulse-migrate up --backup backups', 'in a script: dump first, read back'],
  ]);
  addAction(command, runUp);
}

async function runUp(invocation: Invocation): Promise<Outcome> {
  const { flags } = invocation;
  const rules = reachOf(flags);
  const settings = await openSettings(invocation);
  return withFolderFor(invocation, settings, (folderFor) => apply(invocation, { settings, rules, folderFor }));
}

interface Applying {
  readonly settings: Settings;
  readonly rules: UpRules;
  readonly folderFor: FolderFor;
}

async function apply(invocation: Invocation, { settings, rules, folderFor }: Applying): Promise<Outcome> {
  const opened = await openSession(invocation, settings);
  const { session } = opened;
  try {
    const deps = await runnerDeps(invocation, opened);
    if (invocation.flags['plan'] === true) return await plan(deps, { settings, rules, folderFor });
    const { up } = await import('../../runner/up.ts');
    const result = await up(deps, {
      folder: folderFor,
      schema: settings.ledgerSchema,
      rules,
      lockWaitMs: settings.lockWaitMs,
      patience: settings.lock,
      prepare: (pending, ledger) =>
        prepareUp(invocation, { ...opened, settings, folder: folderFor(ledger.applied), ledger, pending }),
    });
    return { result, text: invocation.global.quiet ? '' : renderUp(result) };
  } finally {
    await session.close();
  }
}

function reachOf(flags: Invocation['flags']): UpRules {
  const to = textFlag(flags, 'to');
  const steps = positiveInteger(flags, 'steps');
  return {
    ...(to !== undefined && { to }),
    ...(steps !== undefined && { steps }),
    allowOutOfOrder: flags['allowOutOfOrder'] === true,
  };
}

async function plan(deps: RunnerDeps, { settings, rules, folderFor }: Applying): Promise<Outcome> {
  const [{ readToShow }, { compare }, { planUp }, { upStep }, { scriptOf }] = await Promise.all([
    import('../../runner/read-settled.ts'),
    import('../../runner/compare.ts'),
    import('../../runner/plan.ts'),
    import('../../runner/up.ts'),
    import('../../runner/script.ts'),
  ]);
  const ledger = await readToShow(deps.session, settings.ledgerSchema);
  const pending = planUp(compare(folderFor(ledger.applied), ledger), rules);
  const script =
    pending.length === 0
      ? '-- nothing is pending\n'
      : scriptOf(deps, {
          ledger,
          steps: pending.map((migration) => upStep(migration, {})),
          lockTimeoutMs: settings.lock.timeoutMs,
        });
  return {
    result: { pending: pending.map(({ version, name }) => ({ version, name, durationMs: null })), script },
    text: script,
    isScript: true,
  };
}

/** The line below the migrations that were applied. */
function renderUp(result: UpResult): string {
  const left =
    result.pending.length === 0 ? 'nothing is pending' : `${count(result.pending.length, 'migration')} still pending`;
  if (result.applied.length === 0)
    return result.pending.length === 0 ? 'Nothing to do: every migration is applied.\n' : `Nothing to do: ${left}.\n`;
  return `${count(result.applied.length, 'migration')} applied; ${left}.\n`;
}
