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
import { count, wrapped } from '../render/format.ts';
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
    const { isTerminal, columns } = invocation.runtime.stdout;
    const width = isTerminal ? columns : Number.POSITIVE_INFINITY;
    const text = renderDoctor(checks, { ...invocation.global, width }, invocation.style);
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
  const number = /^\d{1,20}$/.test(asked) ? BigInt(asked) : null;
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

interface Shown {
  readonly quiet: boolean;
  /** Columns of a line. */
  readonly width: number;
}

/** A line for each check, its hint below, and go or no-go. With `quiet` only what is not in order. */
function renderDoctor(checks: readonly CheckResult[], { quiet, width }: Shown, style: Style): string {
  const { symbols } = style;
  const marks = {
    ok: [symbols.done, style.good],
    warning: [symbols.warning, style.careful],
    failure: [symbols.failed, style.bad],
    unknown: [symbols.unknown, style.careful],
  } as const;
  const shown = quiet ? checks.filter((check) => check.outcome !== 'ok') : checks;
  const lines = shown.flatMap(({ id, outcome, message, hint, accepted }) => {
    const [mark, paint] = marks[outcome];
    const told = wrapped(visible(message), width, { indent: 4, taken: mark.length + id.length + 3 });
    const below = hint === null ? '' : wrapped(visible(hint), width, { indent: 6, taken: 5 + symbols.pointer.length });
    return [
      `${paint(mark)} ${style.strong(id)}  ${told}${accepted ? style.faint(' (accepted)') : ''}`,
      ...(hint === null ? [] : [`    ${style.accent(symbols.pointer)} ${below}`]),
    ];
  });
  const failures = checks.filter((check) => check.outcome === 'failure' && !check.accepted).length;
  const open = checks.filter((check) => !check.accepted && ['warning', 'unknown'].includes(check.outcome)).length;
  const verdict =
    failures > 0
      ? style.bad(`no-go: ${count(failures, 'check')} failed`)
      : style.good(`go${open > 0 ? `, with ${count(open, 'thing')} to look at` : ''}`);
  return `${[...lines, ...(quiet && failures === 0 ? [] : [verdict])].join('\n')}\n`;
}

function emptyLedger(schema: string): LedgerState {
  return { schema, layout: 0, running: false, applied: [], unfinished: [] };
}
