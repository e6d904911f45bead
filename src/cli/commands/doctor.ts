import { basename } from 'node:path';
import type { Command } from 'commander';
import { closestName } from '../../closest-name.ts';
import type { CheckResult } from '../../doctor/checklist.ts';
import { PulseError } from '../../errors.ts';
import type { LedgerState } from '../../ledger/ledger.ts';
import type { Folder, Migration } from '../../migrations/migration.ts';
import { visible } from '../../visible.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openFolderIfThere, openSession, openSettings, textFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { count } from '../render/format.ts';
import { addSkipCheckFlag, examine } from '../safety.ts';
import type { Style } from '../style.ts';

export function registerDoctor(program: Command, addAction: AddAction): void {
  const command = program
    .command('doctor')
    .summary('the pre-migration checklist: may a deploy go?')
    .description('Runs every check of the checklist and says what to type for each finding. Exit 1 when one fails.');
  command.option('--for <file>', 'as if this migration alone were pending: its version, or its file');
  addSkipCheckFlag(command);
  examples(command, [
    ['pulse-migrate doctor', 'go or no-go'],
    ['pulse-migrate doctor --json', 'for a pipeline'],
    ['pulse-migrate doctor --for 0007', 'what one migration would meet'],
    ['pulse-migrate doctor --skip-check disk-space', 'accept one finding by name'],
  ]);
  addAction(command, runDoctor);
}

async function runDoctor(invocation: Invocation): Promise<Outcome> {
  const settings = await openSettings(invocation);
  const folder = await openFolderIfThere(invocation, settings);
  const asked = textFlag(invocation.flags, 'for');
  const pending = asked === undefined ? null : [migrationNamed(asked, folder)];
  const { session } = await openSession(invocation, settings);
  try {
    const { readLedger } = await import('../../ledger/read.ts');
    const ledger = await readLedger(session, settings.ledgerSchema).catch((error: unknown) => {
      // The check of rights says which one is missing, and the others have answers all the same.
      if (error instanceof PulseError && error.code === 'permission-denied') return emptyLedger(settings.ledgerSchema);
      throw error;
    });
    const checks = await examine(invocation, { session, settings, folder, ledger, pending, only: 'all' });
    // A check that a signal cut off is unknown, which is not the answer that was asked for.
    invocation.runtime.signal.throwIfAborted();
    const result = { checks };
    const text = renderDoctor(checks, invocation.style, invocation.global.quiet);
    const failed = checks.filter((check) => check.outcome === 'failure' && !check.accepted);
    if (failed.length === 0) return { result, text };
    const message = `${count(failed.length, 'check')} failed: ${failed.map(({ id }) => id).join(', ')}`;
    return {
      result,
      text,
      no: { code: 'check-failed', message, hint: failed[0]?.hint ?? 'pulse-migrate doctor --help' },
    };
  } finally {
    await session.close();
  }
}

/** The migration of a version or of a file, with or without its folder. */
function migrationNamed(asked: string, folder: Folder | null): Migration {
  const migrations = folder?.migrations ?? [];
  const number = /^\d{1,19}$/.test(asked) ? BigInt(asked) : null;
  const file = basename(asked);
  const found = migrations.find((one) => one.number === number || basename(one.up.path) === file);
  if (found !== undefined) return found;
  const near = closestName(
    file,
    migrations.map(({ up }) => basename(up.path)),
  );
  throw new PulseError('usage', `there is no migration ${visible(asked)}`, {
    hint:
      near === null ? 'name its version or its up file: pulse-migrate status shows all' : `is ${visible(near)} meant?`,
  });
}

/** One line for each check, its hint below, and go or no-go. With `quiet` only what is not in order. */
function renderDoctor(checks: readonly CheckResult[], style: Style, quiet: boolean): string {
  const marks = {
    ok: style.good(style.symbols.done),
    warning: style.careful(style.symbols.warning),
    failure: style.bad(style.symbols.failed),
    unknown: style.careful(style.symbols.unknown),
  };
  const shown = quiet ? checks.filter((check) => check.outcome !== 'ok') : checks;
  const lines = shown.flatMap((check) => [
    `${marks[check.outcome]} ${style.strong(check.id)}  ${check.message}${check.accepted ? style.faint(' (accepted)') : ''}`,
    ...(check.hint === null ? [] : [`    ${style.accent(style.symbols.pointer)} ${check.hint}`]),
  ]);
  const failures = checks.filter((check) => check.outcome === 'failure' && !check.accepted).length;
  const open = checks.filter((check) => check.outcome === 'warning' || check.outcome === 'unknown').length;
  const verdict =
    failures > 0
      ? style.bad(`no-go: ${count(failures, 'check')} failed`)
      : style.good(`go${open > 0 ? `, with ${count(open, 'thing')} to look at` : ''}`);
  return `${[...lines, ...(quiet && failures === 0 ? [] : [verdict])].join('\n')}\n`;
}

function emptyLedger(schema: string): LedgerState {
  return { schema, layout: 0, running: false, applied: [], unfinished: [] };
}
