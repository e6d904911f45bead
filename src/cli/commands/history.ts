import type { Command } from 'commander';
import type { LedgerRow } from '../../ledger/ledger.ts';
import { whoApplied } from '../../runner/status.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openSession, openSettings, positiveInteger } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { duration, moment, table } from '../render/format.ts';
import type { Style } from '../style.ts';

export function registerHistory(program: Command, addAction: AddAction): void {
  const command = program
    .command('history')
    .summary('the append-only record')
    .description(
      'Shows the record, oldest first: what was applied, undone, repaired, or stopped part of the way. What was rolled back leaves no row.',
    )
    .option('--limit <n>', 'only the newest so many');
  examples(command, [
    ['pulse-migrate history', 'everything'],
    ['pulse-migrate history --limit 20', 'the newest twenty'],
  ]);
  addAction(command, runHistory);
}

async function runHistory(invocation: Invocation): Promise<Outcome> {
  const limit = positiveInteger(invocation.flags, 'limit') ?? null;
  const settings = await openSettings(invocation);
  const { session } = await openSession(invocation, settings);
  try {
    const { readHistory, readLedger } = await import('../../ledger/read.ts');
    const { layout } = await readLedger(session, settings.ledgerSchema);
    const rows = layout === 0 ? [] : await readHistory(session, settings.ledgerSchema, limit);
    const result = {
      entries: rows.map((row) => ({
        ...row,
        startedAt: row.startedAt.toISOString(),
        finishedAt: row.finishedAt.toISOString(),
      })),
    };
    return { result, text: renderHistory(rows, invocation.style) };
  } finally {
    await session.close();
  }
}

/** One line for each row of the record. */
function renderHistory(rows: readonly LedgerRow[], style: Style): string {
  if (rows.length === 0) return 'The record is empty.\n';
  return `${table(
    rows.map((row) => [
      { text: moment(row.finishedAt.toISOString()), paint: style.faint },
      { text: row.action },
      { text: row.outcome, paint: row.outcome === 'done' ? style.good : style.bad },
      { text: `${row.version}_${row.name}` },
      { text: duration(row.durationMs), right: true, paint: style.faint },
      { text: whoApplied(row.role, row.actor), paint: style.faint },
    ]),
  )}\n`;
}
