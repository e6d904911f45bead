import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Settings } from '../config/settings.ts';
import type { Disagreement } from '../doctor/check.ts';
import type { CheckResult } from '../doctor/checklist.ts';
import { PulseError } from '../errors.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import type { Folder, Migration } from '../migrations/migration.ts';
import type { ConnectionParameters } from '../postgres/connection-parameters.ts';
import { explainOwnStatement } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import type { Step } from '../runner/step.ts';
import type { Invocation } from './cli.ts';
import { askChoice } from './prompt.ts';
import { count } from './render/format.ts';

/** Flags of everything that may need a backup first. */
export function addBackupFlags(command: Command): void {
  command
    .option('--backup <dir>', 'take a backup into this directory first and read it back')
    .option('--backup-done', 'a backup exists; do not ask for one');
}

export function addSkipCheckFlag(command: Command): void {
  command.option('--skip-check <id...>', 'accept the finding of a check');
}

/** Flags of everything that applies migrations. */
export function addSafetyFlags(command: Command): void {
  addBackupFlags(command);
  addSkipCheckFlag(command);
}

interface Examined {
  readonly session: Session;
  readonly settings: Settings;
  readonly folder: Folder | null;
  readonly ledger: LedgerState;
  /** Null: whatever an `up` would find pending. */
  readonly pending: readonly Migration[] | null;
  readonly only: 'up' | 'all';
}

/** Runs the checklist on what was read. */
export async function examine(invocation: Invocation, examined: Examined): Promise<CheckResult[]> {
  const [{ runChecklist }, { programRunner }, { compare }, { finishing }] = await Promise.all([
    import('../doctor/checklist.ts'),
    import('../programs.ts'),
    import('../runner/compare.ts'),
    import('../runner/plan.ts'),
  ]);
  const { session, settings, folder, ledger } = examined;
  const standings = compare(folder, ledger);
  return runChecklist(
    {
      session,
      folder,
      ledger,
      pending:
        examined.pending ??
        standings.flatMap(({ applied, migration }) => (applied === null && migration !== null ? [migration] : [])),
      disagreements: standings.flatMap(({ version, name, state, migration, unfinished }): Disagreement[] => {
        const file = migration?.up.path ?? null;
        if (unfinished !== null && ledger.running) return [];
        if (unfinished !== null)
          return [{ version, name, state: 'unfinished', file, finish: finishing(unfinished.direction) }];
        return state === 'applied' || state === 'pending' ? [] : [{ version, name, state, file, finish: null }];
      }),
      ledgerSchema: settings.ledgerSchema,
      projectDirectory: invocation.runtime.cwd,
      freeSpaceCommand: settings.checks.freeSpaceCommand,
      partitioned: settings.partitions,
      run: programRunner(invocation.runtime.env, invocation.runtime.signal),
      now: invocation.runtime.now,
    },
    {
      only: examined.only,
      skip: settings.checks.skip,
      severity: settings.checks.severity,
      emit: invocation.progress.emit,
    },
  );
}

interface BeforeUp {
  readonly session: Session;
  readonly parameters: ConnectionParameters;
  readonly settings: Settings;
  readonly folder: Folder;
  readonly ledger: LedgerState;
  readonly pending: readonly Migration[];
  /** True when the same command has seen to a backup already. */
  readonly backedUp?: boolean;
}

/**
 * What stands before every `up`: the checklist, then the backup. Gives what the ledger keeps of both.
 * @throws {PulseError} `check-failed`, `confirmation-needed`, and what a failing backup throws.
 */
export async function prepareUp(invocation: Invocation, before: BeforeUp): Promise<Readonly<Record<string, unknown>>> {
  const checks = await examine(invocation, { ...before, only: 'up' });
  const failed = checks.filter((check) => check.outcome === 'failure' && !check.accepted);
  if (failed.length > 0) {
    throw new PulseError('check-failed', `${count(failed.length, 'check')} failed; nothing was changed`, {
      problems: failed.map(({ id, message, hint }) => ({
        message: `${id}: ${message}`,
        ...(hint !== null && { hint }),
      })),
      hint: `pulse-migrate doctor shows them all; a finding is accepted by name: --skip-check ${failed[0]?.id ?? 'ID'}`,
      result: { checks },
    });
  }
  for (const { id, message, hint, outcome, accepted } of checks) {
    if (outcome === 'ok' || id === 'backup' || accepted) continue;
    invocation.progress.emit({ type: 'warning', message: `${id}: ${message}`, ...(hint !== null && { hint }) });
  }
  const backup = before.backedUp === true ? { proof: 'taken-before' } : await gate(invocation, before);
  const accepted = checks.filter((check) => check.accepted).map(({ id }) => id);
  return { backup, ...(accepted.length > 0 && { acceptedChecks: accepted }) };
}

/** Before a `down`: a backup, when what runs may delete rows that are there. */
export async function gateBeforeDown(
  invocation: Invocation,
  before: {
    readonly planned: readonly Step[];
    readonly session: Session;
    readonly parameters: ConnectionParameters;
    readonly settings: Settings;
  },
): Promise<Readonly<Record<string, unknown>>> {
  const { dropsData } = await import('../backup/drops-data.ts');
  if (!before.planned.some(({ file }) => dropsData(file)) && invocation.global.settings.backup === undefined) return {};
  return { backup: await gate(invocation, before) };
}

interface Gated {
  readonly session: Session;
  readonly parameters: ConnectionParameters;
  readonly settings: Settings;
}

async function gate(invocation: Invocation, { session, parameters, settings }: Gated): Promise<unknown> {
  const [{ backupGate }, { estimateBytes, userDataExists }, { takeBackup }] = await Promise.all([
    import('../backup/gate.ts'),
    import('../backup/user-data.ts'),
    import('../backup/take-backup.ts'),
  ]);
  const { runtime, global, flags, progress } = invocation;
  const take = async (directory: string) =>
    takeBackup(
      { emit: progress.emit, now: runtime.now, sleep: runtime.sleep, signal: runtime.signal, environment: runtime.env },
      { parameters, directory, serverVersion: session.serverVersion, databaseBytes: await estimateBytes(session) },
    );
  return backupGate(
    {
      ask: (question, choices) => askChoice(invocation, question, choices),
      take,
      defaultDirectory: resolve(runtime.cwd, 'backups'),
    },
    {
      dataExists: await userDataExists(session, settings.ledgerSchema).catch((error: unknown) =>
        Promise.reject(explainOwnStatement(error, 'looking for data to back up')),
      ),
      flags: {
        backupDirectory: global.settings.backup === undefined ? null : settings.backup.directory,
        backupDone: flags['backupDone'] === true,
        yes: global.yes,
      },
      policy: settings.backup.policy,
      configuredDirectory: settings.backup.directory,
      interactive: runtime.stdinIsTerminal && !global.json,
    },
  );
}
